# SPDX-License-Identifier: BSD-3-Clause
#
# lintlib.py - what the lints share: walking the tree, and proving that a lint sees what it should.
#
# A lint is a function that takes a folder and yields complaints, "file:line: sentence".  main() runs it on
# the project, then on small trees that each break one rule: there it must complain, and on a good one
# it must not.  Output is TAP.

import os
import sys
import tempfile

TOP = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("top_builddir") or os.getcwd()
FOLDERS = ("server", "plugins", "sdk", "ctl", "tests", "docs", "packaging", "scripts", ".ci")
HERE = ("Makefile.am", "configure.ac", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "autogen.sh")


def files(root, ends=None):
    """Paths of the project's files, relative to root; build folders and the like are not among them."""
    found = [f for f in HERE if os.path.isfile(os.path.join(root, f))]
    for folder in FOLDERS:
        for at, dirs, names in os.walk(os.path.join(root, folder)):
            dirs[:] = [d for d in dirs if not d.startswith(".") and d not in ("__pycache__", "corpus")]
            found += [os.path.relpath(os.path.join(at, n), root) for n in names]
    return sorted(f for f in found if ends is None or f.endswith(ends))


def lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read().split("\n")


def plant(root, tree):
    """Make a small tree of {path: text}."""
    for path, text in tree.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def case(self, good, name, notes=()):
        self.count += 1
        self.failed += not good
        print("%s %d - %s" % ("ok" if good else "not ok", self.count, name))
        for note in () if good else notes:
            print("# " + note)

    def skip(self, name, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, name, why))

    def end(self):
        print("1..%d" % self.count)
        sys.exit(1 if self.failed else 0)


def prove(tap, lint, good, bad):
    """good: [(name, tree)]; bad: [(name, tree, part of the complaint that must come)]."""
    for name, tree in good:
        with tempfile.TemporaryDirectory() as root:
            plant(root, tree)
            complaints = list(lint(root))
            tap.case(not complaints, "allows: " + name, complaints)
    for name, tree, expected in bad:
        with tempfile.TemporaryDirectory() as root:
            plant(root, tree)
            complaints = list(lint(root))
            tap.case(any(expected in c for c in complaints), "refuses: " + name,
                     ["expected: " + expected] + ["got: " + c for c in complaints])


def main(name, lint, good, bad):
    tap = Tap()
    complaints = list(lint(TOP))
    tap.case(not complaints, name, complaints)
    prove(tap, lint, good, bad)
    tap.end()
