#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# circles.py - inside a folder files form a ladder: who calls is above who is called.
#
# A circle of calls between files means that none of them can be read, or tested, before the others.  Those that
# are allowed are listed with their reason; one that is no longer there must leave the list.

import re

import lintlib

FOLDERS = ("server/base", "server/wire", "server/cross", "server/proc", "server/io", "server/mgmt")
# {folder: {(who calls, who is called): why}}.  Without these calls there must be no circle.
ALLOWED = {
    "server/mgmt": {
        ("plugin_clash.c", "plugins.c"): "what clashes with a module is found among all modules",
        ("logfile.c", "signals.c"): "the thread that writes the log begins without signals",
    },
}

DEFINITION = re.compile(r"^([a-z_][a-z0-9_]*)\(", re.M)
STATIC = re.compile(r"^static\b[^;{(]*\n([a-z_][a-z0-9_]*)\(", re.M)
COMMENT = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"", re.S)
WORD = re.compile(r"\b[a-z_][a-z0-9_]*\b")


def calls_of(root, folder):
    """{file: {file it calls: a function}}; handlers that a table names are called by that table's file."""
    text = {path.split("/")[-1]: COMMENT.sub("", "\n".join(lintlib.lines(root, path)))
            for path in lintlib.files(root, (".c",)) if path.rsplit("/", 1)[0] == folder}
    home = {}
    for name, code in text.items():
        own = set(STATIC.findall(code))
        for function in DEFINITION.findall(code):
            if function not in own:
                home[function] = name
    found = {name: {} for name in text}
    for name, code in text.items():
        own = set(STATIC.findall(code))
        for word in WORD.findall(code):
            if word in home and home[word] != name and word not in own:
                found[name].setdefault(home[word], word)
    return found


def circle(calls):
    """Some circle of files, or None."""
    done, path = set(), []

    def walk(name):
        if name in path:
            return path[path.index(name):]
        if name in done:
            return None
        path.append(name)
        for called in sorted(calls[name]):
            got = walk(called)
            if got:
                return got
        done.add(path.pop())
        return None

    for name in sorted(calls):
        got = walk(name)
        if got:
            return got
    return None


def lint(root, allowed=None):
    allowed = ALLOWED if allowed is None else allowed
    for folder in FOLDERS:
        calls = calls_of(root, folder)
        if not calls:
            continue
        for (caller, called) in allowed.get(folder, {}):
            if called not in calls.get(caller, {}):
                yield "%s: %s does not call %s: take it from the list" % (folder, caller, called)
            else:
                del calls[caller][called]
        got = circle(calls)
        if got:
            yield "%s: a circle of calls: %s" % (folder, ", ".join(
                "%s calls %s()" % (a, calls[a][b]) for a, b in zip(got, got[1:] + got[:1])))


FLAT = "void\n%s(void)\n{\n\t%s\n}\n"
GOOD = [
    ("a ladder", {"server/proc/a.c": FLAT % ("a", "b(); c();"), "server/proc/b.c": FLAT % ("b", "c();"),
                  "server/proc/c.c": FLAT % ("c", "")}),
    ("static functions of the same name", {"server/proc/a.c": FLAT % ("a", "b();"),
                                           "server/proc/b.c": "static " + FLAT % ("a", "") + FLAT % ("b", "a();")}),
    ("words in comments", {"server/proc/a.c": FLAT % ("a", "b();"), "server/proc/b.c": "/* a() */\n" + FLAT % ("b", "")}),
]
BAD = [
    ("two files that call each other", {"server/proc/a.c": FLAT % ("a", "b();"), "server/proc/b.c": FLAT % ("b", "a();")},
     "a.c calls b(), b.c calls a()"),
    ("a circle of three", {"server/proc/a.c": FLAT % ("a", "b();"), "server/proc/b.c": FLAT % ("b", "c();"),
                           "server/proc/c.c": FLAT % ("c", "a();")}, "a circle of calls"),
]

if __name__ == "__main__":
    lintlib.main("files of a folder call each other in one direction", lambda root: lint(root, ALLOWED if root == lintlib.TOP else {}),
                 GOOD, BAD)
