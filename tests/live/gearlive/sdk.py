# SPDX-License-Identifier: BSD-3-Clause
"""The SDK as a stranger has it: what `make install DESTDIR=...` leaves, once for a test program."""
import atexit
import os
import shutil
import subprocess
import tempfile

from .tap import check

__all__ = ["find", "installed", "sdk", "build_example"]

_root = []


def find(where, name):
    for at, _, names in os.walk(where):
        if name in names:
            return os.path.join(at, name)
    raise AssertionError("%s is not installed" % name)


def installed():
    """The folder that everything is installed into; gone when the program ends."""
    if _root:
        return _root[0]
    folder = tempfile.mkdtemp(prefix="gearmand-sdk-")
    atexit.register(shutil.rmtree, folder, True)
    os.chmod(folder, 0o755)
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}
    done = subprocess.run(["make", "-C", os.environ["top_builddir"], "install", "DESTDIR=" + folder], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240)
    check(done.returncode == 0, done.stdout.decode()[-2000:])
    _root.append(folder)
    return folder


def sdk(root):
    """Environment in which pkg-config knows that SDK only."""
    return {"PKG_CONFIG_LIBDIR": os.path.dirname(find(root, "gearmand-plugin.pc")), "PKG_CONFIG_SYSROOT_DIR": root,
            "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1"}


def build_example(t, root, source, folder=None):
    """A copy of the installed example that has this source, built; returns its folder."""
    folder = folder or t.path("example")
    shutil.copytree(os.path.dirname(find(root, source)), folder)
    os.chmod(folder, 0o755)
    done = t.run("make", "-C", folder, "CFLAGS=-O1 -Wall -Wextra -Werror", "CC=" + os.environ.get("CC", "cc"), env=sdk(root))
    check(b"-I" + root.encode() in done.out and os.environ["top_srcdir"].encode() not in done.out, done)
    return folder
