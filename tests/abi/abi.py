#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""What the headers promise to modules: one that was built against 1.0 loads into a server with longer structs and works there, sizes that
must stay are what they were, and each header compiles by itself as C and as C++."""
import glob
import os
import re
import shutil
import subprocess
import sys

TOP = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "live"))
from gearlive import case, check, main  # noqa: E402

NOW = os.path.join(TOP, "sdk/include")
FROZEN = os.path.join(TOP, "tests/abi/1.0")
CC = os.environ.get("CC", "cc").split()
MAY_GROW = ["option", "host", "opening", "queue_ops", "protocol_ops", "transport_ops", "plugin"]
MUST_NOT = ["slice", "error", "job", "change", "packet", "counter"]
LOADER = ["base/buf.c", "base/check.c", "base/mem.c", "base/slice.c", "mgmt/plugin_check.c", "mgmt/plugin_open.c",
          "mgmt/options_check.c", "mgmt/fail.c", "wire/level.c"]


def read(path):
    with open(path) as f:
        return f.read()


def compile_c(t, *words):
    t.run(*CC, "-std=gnu17", "-D_GNU_SOURCE", *words)


def grow(t):
    """The headers of today in which each struct that may grow has one member more, and the next minor number."""
    to = t.path("grown/gearmand")
    os.makedirs(to)
    for path in glob.glob(NOW + "/gearmand/*.h"):
        shutil.copy(path, to)
    text = read(to + "/plugin.h")
    for name in MAY_GROW:
        text, count = re.subn(r"(?ms)^(struct gearmand_%s \{\n.*?)^\};" % name, r"\1\tuint64_t grown;\n};", text)
        check(count == 1, "struct gearmand_%s is not found once" % name)
    text, count = re.subn(r"(#define GEARMAND_PLUGIN_ABI_MINOR) (\d+)u", lambda m: "%s %du" % (m[1], int(m[2]) + 1), text)
    check(count == 1, "no minor number")
    with open(to + "/plugin.h", "w") as f:
        f.write(text)
    return t.path("grown")


@case("a module built against the headers of 1.0 works in a server whose structs have grown", modes=None)
def frozen_module(t):
    compile_c(t, "-shared", "-fPIC", "-w", "-fvisibility=hidden", "-I" + FROZEN, "-o", t.path("queue-journal.so"),
              os.path.join(TOP, "sdk/examples/queue-journal/queue_journal.c"))
    grown = grow(t)
    text = read(os.path.join(TOP, "server/mgmt/plugin_check.c"))
    # The next minor number has a row of its own in the loader's table, as the server would have.
    row = re.search(r"(?s)\} sizes_of_minor\[\] = \{\n(.*?)\n\};", text)
    check(row, "no table of sizes")
    with open(t.path("plugin_check.c"), "w") as f:
        f.write(text.replace(row[1], row[1] + "\n" + row[1]))
    sources = [os.path.join(TOP, "server", s) for s in LOADER if s != "mgmt/plugin_check.c"] + [t.path("plugin_check.c")]
    compile_c(t, "-w", "-I" + grown, "-I" + os.path.join(TOP, "server"), "-o", t.path("host"), os.path.join(TOP, "tests/abi/grown_host.c"),
              *sources, "-lltdl", "-ldl")
    out = t.run(t.path("host"), t.path("queue-journal.so"), t.path("jobs")).out
    check(out == b"well\n", out)


@case("structs that must keep their size have that of 1.0, and members of all others their places", modes=None)
def sizes(t):
    def layout(headers):
        lines = []
        for name in MAY_GROW + MUST_NOT:
            body = re.search(r"(?ms)^struct gearmand_%s \{\n(.*?)^\};" % name,
                             "".join(read(p) for p in sorted(glob.glob(headers + "/gearmand/*.h"))))
            check(body, name)
            text = re.sub(r"(?s)/\*.*?\*/", "", body[1])
            members = re.findall(r"\(\*(\w+)\)\(|(\w+)(?:\[\w+\])?\s*[;,]", re.sub(r"\((?!\*)[^()]*(?:\([^()]*\)[^()]*)*\)", "(", text))
            for member in (a or b for a, b in members):
                lines.append('P("%s.%s %%zu\\n", offsetof(struct gearmand_%s, %s));' % (name, member, name, member))
            if name in MUST_NOT:
                lines.append('P("size of %s %%zu\\n", sizeof(struct gearmand_%s));' % (name, name))
        source = t.path("layout.c")
        with open(source, "w") as f:
            f.write("#include <stdio.h>\n#include <gearmand/plugin.h>\n#define P(...) printf(__VA_ARGS__)\nint main(void) {\n%s\n}\n"
                    % "\n".join(lines))
        compile_c(t, "-w", "-I" + headers, "-o", t.path("layout"), source)
        return t.run(t.path("layout")).out.decode().splitlines()
    now = layout(NOW)
    then = layout(FROZEN)
    check(len(then) > 80, "only %d members were found" % len(then))
    gone = [line for line in then if line not in now]
    check(not gone, "not as in 1.0: %s" % gone)


@case("each header compiles by itself, as C and as C++, without a warning", modes=None)
def alone(t):
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I" + NOW]
    cxx = shutil.which("g++")
    for path in sorted(glob.glob(NOW + "/gearmand/*.h")):
        name = os.path.basename(path)
        source = t.path("one.c")
        with open(source, "w") as f:
            f.write("#include <gearmand/%s>\n#include <gearmand/%s>\nextern int nothing;\n" % (name, name))
        compile_c(t, *strict, source)
        if cxx:
            shutil.copy(source, t.path("one.cc"))
            t.run(cxx, "-std=c++17", "-D_GNU_SOURCE", *strict, t.path("one.cc"))
    source = t.path("module.cc")
    with open(source, "w") as f:
        f.write("#include <gearmand/module.h>\n#include <gearmand/packet.h>\nstatic const struct gearmand_queue_ops ops = {};\n"
                'GEARMAND_QUEUE_PLUGIN("x", NULL, "1", "x", NULL, &ops);\n')
    if cxx:
        t.run(cxx, "-std=c++17", "-D_GNU_SOURCE", *strict, source)


if __name__ == "__main__":
    main()
