#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The contract of modules, against every one that was built; queue modules each on a store of its own.

By hand, from the build folder:  top_srcdir=... tests/plugins/kit.py [queue-NAME...]"""
import glob
import os
import signal
import sys

import kitlib

count = failed = 0


def tell(verdict, text, why="", notes=()):
    global count, failed
    count += 1
    failed += verdict == "not ok"
    print("%s %d - %s%s" % ("ok" if verdict == "skip" else verdict, count, text, " # SKIP " + why if verdict == "skip" else ""))
    for line in notes:
        print("# " + line)
    sys.stdout.flush()


def check(name, module, conf):
    try:
        with kitlib.stage(conf) as stage:
            for r in kitlib.run(module, stage.arguments()):
                tell(r.verdict, "%s: %s" % (name, r.sentence), r.why, r.notes)
    except kitlib.Missing as missing:
        if os.environ.get("CI"):
            tell("not ok", name + ": its store is there", notes=str(missing).splitlines())
        else:
            tell("skip", name, str(missing).splitlines()[0])
    except Exception as e:  # noqa: any of them is a failed check
        tell("not ok", name + ": its store starts and stops", notes=("%s: %s" % (type(e).__name__, e)).splitlines())


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for module in sorted(glob.glob(os.path.join(kitlib.BUILD, "modules", "*-*.so"))):
        name = os.path.basename(module)[:-3]
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        folder = os.path.join(kitlib.SOURCE, "plugins", name)
        if not os.path.exists(os.path.join(folder, "check.conf")):
            tell("not ok", name + ": plugins/%s/check.conf says how the kit starts it" % name)
        for conf in sorted(glob.glob(os.path.join(folder, "check*.conf"))):
            kind = os.path.basename(conf)[len("check-"):-len(".conf")]  # check-tree.conf: on another kind of store
            check("%s on a %s" % (name, kind) if kind else name, module, conf)
    print("1..%d" % count if count else "1..0 # SKIP no module was built")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
