#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# places.py - nothing in the tree is about one machine or one person.
#
# No paths of somebody's home or work folder, no addresses other than loopback, documentation and
# wildcard ones.

import re

import lintlib

BINARY = (".png", ".db", ".sqlite", ".gz", ".xz")
HOME = re.compile(r"(?<![\w./}])/(?:home|root|work|Users|mnt)/[\w.-]+")
# A name in /tmp is somebody else's, too, unless mktemp makes it; a manual may show one.
SHARED = re.compile(r"(?<![\w./}])/tmp/(?![\w.-]*X{4})[\w.-]+")
ADDRESS = re.compile(r"(?<![\d.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\d.])")
# Loopback, wildcard, and the blocks that RFC 5737 sets aside for documents.
HARMLESS = re.compile(r"^(127\.|0\.0\.0\.0$|255\.255\.|192\.0\.2\.|198\.51\.100\.|203\.0\.113\.)")


def lint(root):
    for path in lintlib.files(root):
        if path.endswith(BINARY) or path == "tests/lint/places.py":
            continue
        for number, line in enumerate(lintlib.lines(root, path), 1):
            found = HOME.search(line) or (not path.startswith("docs/") and SHARED.search(line))
            if found:
                yield "%s:%d: %s is a place on one machine" % (path, number, found.group())
            for address in ADDRESS.finditer(line):
                if all(int(n) < 256 for n in address.groups()) and not HARMLESS.match(address.group()):
                    yield "%s:%d: %s is a real address" % (path, number, address.group())


GOOD = [
    ("paths of a system and of the tree", {"docs/a.md": "/usr/lib/gearmand /var/log ../work/a $HOME/x 127.0.0.1 192.0.2.7\n"}),
    ("a name that mktemp makes", {"scripts/a": "mktemp -d /tmp/demo.XXXXXX\n"}),
]
BAD = [
    ("a home folder", {"docs/a.md": "see /home/somebody/notes\n"}, "docs/a.md:1:"),
    ("root's home", {"scripts/a": "\ncp /root/x .\n"}, "scripts/a:2:"),
    ("a work folder", {"README.md": "cd /work/main\n"}, "/work/main"),
    ("a fixed name in a shared folder", {"tests/live/a.py": "x = '/tmp/live.db'\n"}, "/tmp/live.db"),
    ("somebody's address", {"docs/a.md": "gearmand -L 10.1.2.3\n"}, "10.1.2.3"),
]

if __name__ == "__main__":
    lintlib.main("nothing is about one machine", lint, GOOD, BAD)
