#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# shape.py - sizes of files and functions, and how each file begins.
#
# C files: above 500 lines a note, above 700 a failure; functions above 80 lines a failure.  A table (an
# initialiser, an X-macro) is no function.  A function is what our formatting makes of it: a line
# that is '{' alone, up to the line that is '}' alone.  Every source begins with the SPDX line, C files in
# server/, plugins/, sdk/ and ctl/ go on with a paragraph that says what the file is for.

import re

import lintlib

FILE_NOTE, FILE_MOST, FUNCTION_MOST = 500, 700, 80
SPDX = "SPDX-License-Identifier: BSD-3-Clause"
SOURCES = (".c", ".h", ".py", ".sh", ".t", ".pl", ".php", ".am", ".ac", ".m4", ".inc")
UNDONE = re.compile(r"\b(TODO|FIXME|XXX)\b")


def functions(text):
    """(name, first line, lines from the name to the closing brace), lines counted from 1."""
    start = None
    for at, line in enumerate(text):
        if line == "{" and at > 0:
            start = at
            while start > 0 and text[start - 1].strip() and not text[start - 1].startswith(("}", "#", "/*", " */")):
                if re.match(r"\w+\(", text[start]):
                    break
                start -= 1
        elif line == "}" and start is not None:
            yield text[start].strip(), start + 1, at - start + 1
            start = None


def lint_c(path, text):
    if len(text) > FILE_MOST:
        yield "%s:1: %d lines, at most %d" % (path, len(text), FILE_MOST)
    for name, first, count in functions(text):
        if count > FUNCTION_MOST:
            yield "%s:%d: %s has %d lines, at most %d" % (path, first, name, count, FUNCTION_MOST)
    if path.startswith(("server/", "plugins/", "sdk/", "ctl/")):
        head = "\n".join(text[:4])
        if not re.match(r"/\* SPDX[^\n]*\n \*\n \* \S", head):
            yield "%s:2: the first paragraph is missing: what, why, which thread, whose data" % path


def lint(root):
    for path in lintlib.files(root, SOURCES):
        text = lintlib.lines(root, path)
        if text and text[-1] == "":
            text.pop()
        if not any(SPDX in line for line in text[:3]):
            yield "%s:1: the SPDX line is missing" % path
        if path.endswith((".c", ".h")):
            yield from lint_c(path, text)
        if path != "tests/lint/shape.py":
            for number, line in enumerate(text, 1):
                if UNDONE.search(line):
                    yield "%s:%d: unfinished: %s" % (path, number, line.strip())


def notes(root):
    sizes = []
    for path in lintlib.files(root, (".c",)):
        text = lintlib.lines(root, path)
        if len(text) > FILE_NOTE:
            print("# %s: %d lines, usual are 100 to 350" % (path, len(text)))
        if path.startswith("server/"):
            sizes += [count for _, _, count in functions(text)]
    sizes.sort()
    if sizes:
        print("# functions in server/: %d, median %d lines, nine of ten up to %d, longest %d" %
              (len(sizes), sizes[len(sizes) // 2], sizes[len(sizes) * 9 // 10], sizes[-1]))


HEAD = "/* SPDX-License-Identifier: BSD-3-Clause\n *\n * a.c - an example.\n */\n"


def function(count):
    return "static int\nlong_one(int x)\n{\n" + "\tx++;\n" * (count - 4) + "\treturn x;\n}\n"


GOOD = [
    ("a function of 80 lines", {"server/io/a.c": HEAD + function(80)}),
    ("a long table", {"server/io/a.c": HEAD + "static const int t[] = {\n" + "\t1,\n" * 200 + "};\n"}),
    ("a file of 700 lines", {"server/io/a.c": HEAD + "int a;\n" * 696}),
]
BAD = [
    ("a function of 81 lines", {"server/io/a.c": HEAD + function(81)}, "server/io/a.c:6: long_one(int x) has 81 lines"),
    ("a long test case", {"tests/unit/a.c": HEAD + "Test(a, b)\n{\n" + "\tx();\n" * 90 + "}\n"}, "tests/unit/a.c:5:"),
    ("a file of 701 lines", {"server/io/a.c": HEAD + "int a;\n" * 697}, "701 lines"),
    ("a file without the SPDX line", {"server/io/a.c": "int a;\n"}, "SPDX"),
    ("a script without the SPDX line", {"tests/live/a.py": "#!/usr/bin/env python3\n"}, "SPDX"),
    ("a file without a first paragraph", {"server/io/a.h": "/* SPDX-License-Identifier: BSD-3-Clause */\nint a;\n"}, "first paragraph"),
    ("something left to do", {"server/io/a.c": HEAD + "/* " + "TO" + "DO: more */\n"}, "unfinished"),
]

if __name__ == "__main__":
    notes(lintlib.TOP)
    lintlib.main("files and functions keep their shape", lint, GOOD, BAD)
