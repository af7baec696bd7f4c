#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# layers.py - the include graph is the one of docs/architecture.md.
#
#   base <- wire <- cross <- {mgmt, io, proc} <- main.c and what else is in server/ itself
#
# config.h is what configure found out; the layers below mgmt/ do without it.
# ctl/ may include base/ and wire/.  Modules and the SDK see <gearmand/...> only.  Locks are in cross/mbox.c only.

import os
import re

import lintlib

MAY_INCLUDE = {
    "base": {"base"},
    "wire": {"base", "wire"},
    "cross": {"base", "wire", "cross"},
    "mgmt": {"base", "wire", "cross", "mgmt"},
    "io": {"base", "wire", "cross", "io"},
    "proc": {"base", "wire", "cross", "proc"},
}
LAYERS = set(MAY_INCLUDE)
# Of the SDK, what is about bytes and levels only; the plugin interface begins at cross/.
SDK_FOR = {"base": {"slice.h"}, "wire": {"slice.h", "level.h", "packet.h"}}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
LOCKS = re.compile(r"\bpthread_(mutex|rwlock|spin|cond)_\w+\s*\(")


def server_include(path, quote, name):
    layer = path.split("/")[1] if path.count("/") == 2 else None
    head = name.split("/")[0]
    if quote == '"' and name == "config.h":
        return "%s/ does without config.h" % layer if layer in ("base", "wire", "proc") else None
    if quote == '"' and "/" not in name and layer is None:
        return None
    if quote == '"':
        if head not in LAYERS or name.count("/") != 1:
            return 'write it from server/, "layer/file.h"'
        if layer and head not in MAY_INCLUDE[layer]:
            return "%s/ may include %s" % (layer, ", ".join(sorted(MAY_INCLUDE[layer])))
    elif head == "gearmand" and layer in SDK_FOR and name.split("/")[1] not in SDK_FOR[layer]:
        return "%s/ may include of the SDK %s" % (layer, ", ".join(sorted(SDK_FOR[layer])))
    elif head == "event2" and layer in ("base", "wire", "proc"):
        return "%s/ knows nothing of libevent" % layer
    elif head in LAYERS and "/" in name:
        return 'ours is written with ""'
    return None


def module_include(root, path, quote, name):
    if quote == "<":
        return None if name.split("/")[0] not in LAYERS else "a module includes <gearmand/...> only"
    folder = os.path.dirname(path)
    if "/" in name or not os.path.exists(os.path.join(root, folder, name)):
        return "a module includes <gearmand/...> and headers of its own folder only"
    return None


# What the check kit shares with the server: the checks that refuse a module, and of its options.
KIT_SHARES = {"config.h", "mgmt/plugin_check.h", "mgmt/options.h"}


def sdk_include(root, path, quote, name):
    if quote == "<":
        return None
    if path.startswith("sdk/check/"):
        own = "/" not in name and os.path.exists(os.path.join(root, "sdk/check", name))
        return None if own or name in KIT_SHARES else "the check kit may include of the server " + ", ".join(sorted(KIT_SHARES))
    if path.startswith("sdk/examples/"):
        return module_include(root, path, quote, name)
    return "a header of the SDK includes with <> only"


# The operator's command shares containers and the packet table with the server, nothing that runs there.
CTL_SHARES = ("base/", "wire/")


def ctl_include(root, path, quote, name):
    if quote == "<":
        return None if name.split("/")[0] not in LAYERS else 'ours is written with ""'
    own = "/" not in name and os.path.exists(os.path.join(root, "ctl", name))
    return None if own or name == "config.h" or name.startswith(CTL_SHARES) else "ctl/ may include its own headers, base/ and wire/"


def lint(root):
    for path in lintlib.files(root, (".c", ".h")):
        for number, line in enumerate(lintlib.lines(root, path), 1):
            match = INCLUDE.match(line)
            why = None
            if match and path.startswith("server/"):
                why = server_include(path, *match.groups())
            elif match and path.startswith("plugins/"):
                why = module_include(root, path, *match.groups())
            elif match and path.startswith("ctl/"):
                why = ctl_include(root, path, *match.groups())
            elif match and path.startswith("sdk/"):
                why = sdk_include(root, path, *match.groups())
            elif path.startswith("server/") and path != "server/cross/mbox.c" and LOCKS.search(line):
                why = "locks are in server/cross/mbox.c only"
            if why:
                yield "%s:%d: %s: %s" % (path, number, line.strip(), why)


GOOD = [
    ("each layer what is below it", {
        "server/base/a.c": '#include <string.h>\n#include <gearmand/slice.h>\n',
        "server/wire/a.c": '#include "base/slice.h"\n#include <gearmand/packet.h>\n',
        "server/io/a.c": '#include "cross/msg.h"\n#include <event2/event.h>\n',
        "server/main.c": '#include "config.h"\n#include "threads.h"\n#include "io/io.h"\n#include "proc/proc.h"\n',
        "server/mgmt/a.c": '#include "config.h"\n',
    }),
    ("the check kit its own headers and the server's checks", {
        "sdk/check/a.c": '#include "mgmt/plugin_check.h"\n#include "a.h"\n#include <gearmand/plugin.h>\n', "sdk/check/a.h": ""}),
    ("the operator's command containers and packets", {
        "ctl/a.c": '#include "config.h"\n#include <poll.h>\n#include "a.h"\n#include "base/buf.h"\n#include "wire/packet.h"\n',
        "ctl/a.h": ""}),
    ("an example its own header", {"sdk/examples/x/x.c": '#include "x.h"\n', "sdk/examples/x/x.h": ""}),
    ("a module its own header", {"plugins/x/x.c": '#include <gearmand/plugin.h>\n#include "x.h"\n', "plugins/x/x.h": ""}),
    ("the mailbox a mutex", {"server/cross/mbox.c": "\tpthread_mutex_lock(&m);\n"}),
]
BAD = [
    ("io includes proc", {"server/io/a.c": '\n#include "proc/proc.h"\n'}, "server/io/a.c:2:"),
    ("proc includes io", {"server/proc/a.h": '#include "io/io.h"\n'}, "server/proc/a.h:1:"),
    ("mgmt includes proc", {"server/mgmt/a.c": '#include "proc/proc.h"\n'}, "server/mgmt/a.c:1:"),
    ("wire includes cross", {"server/wire/a.c": '#include "cross/msg.h"\n'}, "server/wire/a.c:1:"),
    ("base includes the plugin interface", {"server/base/a.h": "#include <gearmand/plugin.h>\n"}, "base/ may include"),
    ("proc includes libevent", {"server/proc/a.c": "# include <event2/event.h>\n"}, "libevent"),
    ("proc asks what configure found", {"server/proc/a.c": '#include "config.h"\n'}, "config.h"),
    ("mgmt includes the top", {"server/mgmt/a.c": '#include "threads.h"\n'}, "from server/"),
    ("a bare name", {"server/io/a.c": '#include "io.h"\n'}, "from server/"),
    ("a way round through ..", {"server/io/a.c": '#include "../proc/proc.h"\n'}, "from server/"),
    ("the server with <>", {"server/io/a.c": "#include <proc/proc.h>\n"}, "written with"),
    ("a module includes the server", {"plugins/x/x.c": '#include "cross/msg.h"\n'}, "plugins/x/x.c:1:"),
    ("a module reaches out of its folder", {"plugins/x/x.c": '#include "../y/y.h"\n', "plugins/y/y.h": ""}, "own folder"),
    ("a module includes the server with <>", {"plugins/x/x.c": "#include <base/buf.h>\n"}, "<gearmand/...> only"),
    ("the SDK includes the server", {"sdk/include/gearmand/a.h": '#include "base/slice.h"\n'}, "sdk/include"),
    ("an example includes the server", {"sdk/examples/a/a.c": '#include "base/slice.h"\n'}, "a module includes"),
    ("the check kit includes more of the server", {"sdk/check/a.c": '#include "io/store.h"\n'}, "the check kit may"),
    ("the operator's command includes what runs in the server", {"ctl/a.c": '#include "cross/msg.h"\n'}, "ctl/ may include"),
    ("a lock elsewhere", {"server/io/a.c": "\tpthread_mutex_lock(&m);\n"}, "server/io/a.c:1:"),
]

if __name__ == "__main__":
    lintlib.main("includes follow the layers", lint, GOOD, BAD)
