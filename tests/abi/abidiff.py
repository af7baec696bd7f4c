#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The module interface beside the dump of the last release's: a change needs a higher number, and an entry in the ledger.

A new number gets a dump of its own when it is released:
    cc -g -shared -fPIC -Isdk/include -o interface.so tests/abi/interface.c
    abidw --no-corpus-path --no-comp-dir-path --no-show-locs --type-id-style hash --out-file tests/abi/MAJOR.MINOR.abi interface.so
"""
import glob
import os
import re
import shutil
import subprocess
import sys

TOP = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "live"))
from gearlive import case, check, main  # noqa: E402

HEADERS = os.path.join(TOP, "sdk/include")
CC = os.environ.get("CC", "cc").split()


def text_of(*parts):
    with open(os.path.join(*parts)) as f:
        return f.read()


def number_of(headers):
    text = text_of(headers, "gearmand/plugin.h")
    return tuple(int(re.search(r"#define GEARMAND_PLUGIN_ABI_%s\s+(\d+)u" % part, text)[1]) for part in ("MAJOR", "MINOR"))


def released():
    """Number and file of the newest dump."""
    dumps = {tuple(map(int, os.path.basename(p)[:-4].split("."))): p for p in glob.glob(os.path.join(TOP, "tests/abi/*.abi"))}
    newest = max(dumps)
    return newest, dumps[newest]


def changes(t, headers):
    """What abidiff says of these headers beside the dump; empty when they are the same."""
    so = t.path("interface.so")
    t.run(*CC, "-g", "-shared", "-fPIC", "-I" + headers, "-o", so, os.path.join(TOP, "tests/abi/interface.c"))
    done = subprocess.run(["abidiff", released()[1], so], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    check(done.returncode & 3 == 0, done)
    check((done.returncode == 0) == (done.stdout == b""), done)
    return done.stdout.decode()


@case("the interface is as it was released, or has a higher number and an entry in the ledger", modes=None)
def as_released(t):
    t.need("abidiff")
    then, _ = released()
    now = number_of(HEADERS)
    entries = re.findall(r"(?m)^(\d+)\.(\d+) ", text_of(TOP, "sdk/CHANGES.abi"))
    check(tuple(map(int, entries[0])) == now, "sdk/CHANGES.abi begins with", entries[0], "and plugin.h says", now)
    changed = changes(t, HEADERS)
    check(now >= then, "plugin.h says", now, "and the last release was", then)
    check(not changed or now > then, "the interface changed, and its number did not:\n", changed)


@case("a member in the middle, an argument more, a number that moved: each is seen", modes=None)
def seen(t):
    t.need("abidiff")
    for name, old, new in (("plugin.h", r"int64_t changed_at;", "int64_t changed_at, more;"),
                           ("plugin.h", r"bool \(\*replay\)\(void \*store, ", "bool (*replay)(void *store, int more, "),
                           ("plugin.h", r"bool keeps_dead;", "bool keeps_dead; int more;"),
                           ("plugin.h", r"GEARMAND_UNBURY = 4", "GEARMAND_UNBURY = 5"),
                           ("packet.h", r"GEARMAND_ECHO_RES = 17", "GEARMAND_ECHO_RES = 18")):
        to = t.path("changed")
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(HEADERS, to)
        text, count = re.subn(old, new, text_of(to, "gearmand", name))
        check(count == 1, old, count)
        with open(os.path.join(to, "gearmand", name), "w") as f:
            f.write(text)
        check(changes(t, to) != "", "not seen:", new)


if __name__ == "__main__":
    main()
