#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# names.py - a static function's name stands once in server/, in ctl/ and in each module, so that breakpoints, profiles
# and core dumps tell functions apart.  Definitions begin in the first column, as clang-format makes them.

import re

import lintlib

NAME = re.compile(r"^([a-z_]\w*)\(")
WORDS = re.compile(r"(RUNS_ON|OWNED_BY|GEARMAND_PRINTF)\s*\([^()]*\)|__attribute__\(\(\w+(\([^()]*\))?\)\)")
STATIC = re.compile(r"^static\b(?!.*[;=]\s*$)")


def functions(text):
    """(name, line) of each static function that is defined here."""
    static = None
    for number, line in enumerate(text, 1):
        if STATIC.match(line):
            static = number
            one_line = re.search(r"\b([a-z_]\w*)\([^()]*(?:\([^()]*\)[^()]*)*$|\b([a-z_]\w*)\(.*\)$", line)
            if one_line and not line.endswith(";"):
                name = re.search(r"([a-z_]\w*)\((?!\()", WORDS.sub("", line))
                if name and not line.startswith("static const struct"):
                    yield name[1], number
                    static = None
            continue
        if static and number == static + 1:
            match = NAME.match(line)
            if match:
                yield match[1], number
        static = None


def home(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "plugins" or parts[0] == "sdk" else parts[0]


def lint(root):
    seen = {}
    for path in lintlib.files(root, (".c", ".h")):
        if path.split("/")[0] not in ("server", "plugins", "sdk", "ctl"):
            continue
        for name, line in functions(lintlib.lines(root, path)):
            first = seen.setdefault((home(path), name), (path, line))
            # Twice in one file: alternatives between #if and #else.
            if first[0] != path:
                yield "%s:%d: %s() is also in %s:%d" % (path, line, name, *first)


def function(name):
    return "static int\n%s(int x)\n{\n\treturn x;\n}\n" % name


GOOD = [
    ("different names", {"server/io/a.c": function("one"), "server/proc/b.c": function("two")}),
    ("one name in two modules", {"plugins/a/a.c": function("one"), "plugins/b/b.c": function("one")}),
    ("a declaration before the definition", {"server/io/a.c": "static int one(int);\n" + function("one")}),
]
BAD = [
    ("a name twice in the server", {"server/io/a.c": function("one"), "server/proc/b.c": "\n" + function("one")}, "server/proc/b.c:3: one()"),
    ("a name twice in a module", {"plugins/a/a.c": function("one"), "plugins/a/b.c": function("one")}, "one()"),
]

if __name__ == "__main__":
    lintlib.main("static names stand once", lint, GOOD, BAD)
