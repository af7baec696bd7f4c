#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# exports.py - each module exports its descriptor and nothing else, and no module's library is asked for by
# the server, so that the core can be packaged without it.

import glob
import os
import re

import lintlib
import lintlib_symbols as symbols

# What the server may ask for: what configure.ac calls needed, and the C library's parts.
CORE = re.compile(r"^(libc|libm|libdl|libpthread|ld-linux[\w-]*|libevent_core-[\d.]+|libevent_pthreads-[\d.]+|libltdl|libpopt|"
                  r"libsodium|libsystemd|libgcc_s|libasan|libubsan|libtsan|liblsan)\.so[.\d]*$")


def lint_module(path):
    plain = os.path.basename(path).split(".")[0]
    own = re.sub(r"[^A-Za-z0-9]", "_", plain) + "_LTX_gearmand_plugin"
    names = symbols.exported(path)
    if names not in (["gearmand_plugin"], [own]):
        yield "%s exports %s, but gearmand_plugin alone is asked for" % (os.path.basename(path), ", ".join(names) or "nothing")


def lint_server(path):
    for library in symbols.needed(path):
        if not CORE.match(library):
            yield "the server asks for %s, which is no library of the core" % library


def main():
    tap = lintlib.Tap()
    for path in sorted(glob.glob(os.path.join(lintlib.BUILD, "modules", "*.so"))):
        found = list(lint_module(path))
        tap.case(not found, os.path.basename(path) + " exports its descriptor alone", found)
    found = list(lint_server(os.environ["GEARMAND"]))
    tap.case(not found, "the server needs no module's library", found)
    with symbols.Workshop() as shop:
        shared = ("-shared", "-fPIC")
        for good, name, source in (
                (True, "the plain name", "int gearmand_plugin;"),
                (True, "the name with the file's", "int good_1_LTX_gearmand_plugin;"),
                (False, "a second symbol", "int gearmand_plugin; int more;"),
                (False, "no descriptor", "static int more; int *f(void); int *f(void) { return &more; }"),
                (False, "nothing at all", "static int more __attribute__((used));"),
                (False, "another module's name", "int other_LTX_gearmand_plugin;")):
            path = shop.compile("good-1.so" if good else "bad-1.so", source, *shared)
            found = list(lint_module(path))
            tap.case(bool(found) != good, ("allows: " if good else "refuses: ") + name, found)
        shop.compile("libstrange.so", "int strange;", *shared, "-Wl,-soname,libstrange.so.1")
        path = shop.compile("server", "extern int strange; int main(void) { return strange; }",
                            "-L" + shop.folder.name, "-lstrange", "-Wl,--unresolved-symbols=ignore-all")
        found = list(lint_server(path))
        tap.case(bool(found), "refuses: a server that asks for a module's library", found)
    tap.end()


if __name__ == "__main__":
    main()
