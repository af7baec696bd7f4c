# SPDX-License-Identifier: BSD-3-Clause
"""The SDK as a stranger has it: installed once, for all cases of a file."""
import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "live"))
from gearlive import check  # noqa: E402

BUILD = os.environ.get("top_builddir", "")


def find(where, name):
    for at, _, names in os.walk(where):
        if name in names:
            return os.path.join(at, name)
    raise AssertionError("%s is not installed" % name)


@functools.lru_cache(maxsize=None)
def install():
    """The folder in which everything was installed."""
    root = tempfile.mkdtemp(prefix="gearmand-sdk-")
    atexit.register(shutil.rmtree, root, True)
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}
    done = subprocess.run(["make", "-C", BUILD, "install", "DESTDIR=" + root], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=240)
    check(done.returncode == 0, done.stdout.decode()[-2000:])
    return root


def sdk(root):
    """Environment in which pkg-config knows that SDK only."""
    return {"PKG_CONFIG_LIBDIR": os.path.dirname(find(root, "gearmand-plugin.pc")), "PKG_CONFIG_SYSROOT_DIR": root,
            "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1"}
