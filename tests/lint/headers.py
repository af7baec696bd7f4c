#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# headers.py - each header compiles alone: who includes it needs to know of no other.

import os
import shlex
import subprocess

import lintlib

COMPILER = shlex.split(os.environ.get("CC") or "cc")
FOLDERS = ("server/", "ctl/")  # those for modules are compiled by tests/abi


def complaint(root, header):
    """What the compiler says first, or None."""
    command = COMPILER + ["-std=gnu17", "-fsyntax-only", "-Werror", "-x", "c", "-I" + root + "/server", "-I" + root,
                          "-I" + root + "/sdk/include", "-I" + lintlib.BUILD, "-"]
    done = subprocess.run(command, input='#include "%s"\n' % os.path.join(root, header), capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return next((line for line in done.stderr.splitlines() if "error:" in line), done.stderr.strip())


def lint(root):
    for header in lintlib.files(root, (".h",)):
        if header.startswith(FOLDERS):
            said = complaint(root, header)
            if said is not None:
                yield "%s: does not compile alone: %s" % (header, said)


GOOD = [
    ("a header that names what it needs", {"server/base/a.h": "#include <stddef.h>\nsize_t a(void);\n"}),
    ("one of its own tree", {"server/base/a.h": "struct a;\n", "server/io/b.h": '#include "base/a.h"\nvoid b(struct a *);\n'}),
]
BAD = [
    ("a type that comes from elsewhere", {"server/base/a.h": "size_t a(void);\n"}, "server/base/a.h: does not compile"),
    ("a struct that is only known inside a prototype", {"server/base/a.h": "void a(struct b *);\n"}, "server/base/a.h"),
]

if __name__ == "__main__":
    lintlib.main("each header compiles alone", lint, GOOD, BAD)
