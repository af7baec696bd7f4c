#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# format.py - C files are as clang-format makes them with the file in the tree.  Other releases of clang-format have
# other ideas, so the lint is skipped without the one that formats the tree.

import os
import re
import shutil
import subprocess
import sys

import lintlib

RELEASE = "14"


def formatter():
    for name in "clang-format-" + RELEASE, "clang-format":
        path = shutil.which(name)
        if path and re.search(r"version %s\." % RELEASE, subprocess.run([path, "--version"], stdout=subprocess.PIPE, text=True).stdout):
            return path
    return None


def lint(root):
    paths = [os.path.join(root, p) for p in lintlib.files(root, (".c", ".h")) if "/abi/1." not in p]
    style = "--style=file:" + os.path.join(lintlib.TOP, ".clang-format")
    for at in range(0, len(paths), 50):
        done = subprocess.run([formatter(), style, "--dry-run", *paths[at:at + 50]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seen = set()
        for match in re.finditer(r"(?m)^(\S+?):(\d+):\d+: warning:", done.stdout):
            if match[1] not in seen:
                seen.add(match[1])
                yield "%s:%s: not as clang-format makes it" % (os.path.relpath(match[1], root), match[2])


GOOD = [("a formatted file", {"server/a.c": "int\nmain(void)\n{\n\treturn 0;\n}\n"})]
BAD = [("a function on one line", {"server/a.c": "int x;\nint main(void) { return 0; }\n"}, "server/a.c:2: not as")]

if __name__ == "__main__":
    if formatter() is None or not os.path.exists(os.path.join(lintlib.TOP, ".clang-format")):
        print("1..1\nok 1 - files are formatted # SKIP no clang-format %s, or no .clang-format here" % RELEASE)
        sys.exit(0)
    lintlib.main("files are formatted", lint, GOOD, BAD)
