# SPDX-License-Identifier: BSD-3-Clause
#
# lintlib_symbols.py - what the lints on object files share: asking nm, and making small objects to try a lint on.

import os
import shlex
import subprocess
import tempfile


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class Objects:
    """What object files define, and what each takes from elsewhere."""

    def __init__(self):
        self.home = {}    # symbol: object that defines it
        self.wanted = {}  # object: symbols

    def add_archive(self, path, only=None):
        """only: members to look at; None for all."""
        member = None
        for line in run("nm", path).splitlines():
            words = line.split()
            if line.endswith(":") and len(words) == 1:
                member = line[:-1]
            elif words and (only is None or member in only):
                wanted = self.wanted.setdefault(member, set())
                if words[-2] in "Uwv":
                    wanted.add(words[-1])
                elif words[-2].isupper():
                    self.home[words[-1]] = member
        return self


def exported(path):
    """Names a shared object offers, without what linkers and sanitizers add."""
    names = [line.split()[-1].split("@")[0] for line in run("nm", "-D", "--defined-only", path).splitlines()]
    return sorted(n for n in names if not n.startswith(("__", "_init", "_fini", "_edata", "_end")))


def needed(path):
    """Libraries an ELF file asks for by itself."""
    return [line.split("[")[1].split("]")[0] for line in run("readelf", "-d", path).splitlines() if "(NEEDED)" in line]


class Workshop:
    """A folder for small objects, made with the compiler of the build."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def compile(self, name, source, *flags):
        path = os.path.join(self.folder.name, name)
        cc = shlex.split(os.environ.get("CC", "cc"))
        subprocess.run(cc + ["-x", "c", "-", "-o", path] + list(flags), input=source, check=True, text=True)
        return path

    def archive(self, name, sources):
        """sources: {object name: C text}."""
        objects = [self.compile(o, text, "-c", "-fno-builtin") for o, text in sources.items()]
        path = os.path.join(self.folder.name, name)
        subprocess.run(["ar", "cr", path] + objects, check=True)
        return path
