#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""gearmanctl on a terminal: aligned tables, the question, `top`; and completion in bash and zsh."""
import os
import re

from gearlive import *
from gearlive.ctl import *

BOTH = (0, 2)


@case("a table has a heading and aligned columns; numbers stand on the right", modes=BOTH)
def _(t):
    s = t.server()
    worker = s.worker("f", "a-longer-name")
    s.connect().submit("f", nr=SUBMIT_JOB_BG)
    lines = term_ctl(t, s, "status").end().split("\n")
    check(lines[0] == "FUNCTION       JOBS  RUNNING  WORKERS", lines)
    check(sorted(lines[1:3]) == ["a-longer-name     0        0        1", "f                 1        0        1"], lines)
    check(term_ctl(t, s, "version").end().strip() == ctl(t, s, "version").rows[0][0])
    worker.sync()


@case("characters that take two columns, or none, keep the columns in line", modes=BOTH)
def _(t):
    s = t.server()
    worker = s.worker("\u7f8a\u7f8a", "e\u0301", "plain")
    out = term_ctl(t, s, "status").end()
    check(re.search("^\u7f8a\u7f8a      +0 ", out.replace("\u7f8a\u7f8a", "\u7f8a\u7f8a  "), re.M), out)
    check(out.count("\n", 0) > 0 and "plain" in out)
    raw = term_ctl(t, s, "status", env={"LC_ALL": "C"}).end()
    check("\\xE7\\xBE\\x8A\\xE7\\xBE\\x8A" in raw, raw)
    worker.sync()


@case("what the terminal would obey is shown as text", modes=None)
def _(t):
    evil = b"a\x1b]0;x\x07\x9b2J\xc2\x9b2J\xe2\x80\xaeb\x7f\r"
    for words, answer, status in ((("uniques",), evil + b"\n.\n", 0), (("version",), b"OK " + evil + b"\n", 0), (("version",), b"ERR " + evil + b"\r\n", 1)):
        p = term_ctl(t, Fake(t, answer).name, *words)
        p.end(status)
        check(not re.search(rb"[\0-\x09\x0b\x0c\x0e-\x1f\x7f-\xff]", p.raw), words, p.raw)
        check(b"a\\x1B]0;x\\x07\\x9B2J\\xC2\\x9B2J\\xE2\\x80\\xAEb\\x7F" in p.raw, p.raw)


@case("the first rows settle the widths, and a long table goes on with them", modes=(0,))
def _(t):
    rows = b"".join(b"f%d\t%d\t0\t0\n" % (n, n) for n in range(3000)) + b"x" * 50 + b"\t1\t0\t0\n.\n"
    p = term_ctl(t, Fake(t, rows).name, "status", lines=3100)
    lines = p.end().rstrip().split("\n")
    check(len(lines) == 3002 and lines[1] == "f0           0        0        0" and lines[3000] == "f2999     2999        0        0" and
          lines[3001].split() == ["x" * 50, "1", "0", "0"], lines[:2] + lines[-2:])


@case("what destroys is asked first, and done for y alone")
def _(t):
    s = t.server()
    client = s.connect()
    for answer, status, left in ((b"n\n", 2, 1), (b"\n", 2, 1), (b"\x04", 2, 1), (b"y\n", 0, 0)):
        handle = client.submit("f", "u", nr=SUBMIT_JOB_BG).decode()
        p = term_ctl(t, s, "cancel", "job", handle)
        p.see("cancel job %s on 127.0.0.1:%d: this cannot be undone" % (re.escape(handle), s.port))
        p.type(answer).end(status)
        check(len(ctl(t, s, "jobs").rows) == left, answer)
    handle = client.submit("f", "u", nr=SUBMIT_JOB_BG).decode()
    check("undone" not in term_ctl(t, s, "-y", "cancel", "job", handle).end())


@case("a result on a terminal keeps its lines, and nothing else that moves the cursor", modes=BOTH)
def _(t):
    s = t.server()
    worker = s.worker("f")
    p = term_ctl(t, s, "submit", "f", "x")
    got = until(lambda: next((q for q in [worker.send(GRAB_JOB).packet()] if q.nr == JOB_ASSIGN), None), "the job")
    worker.complete(got.parts[0], b"one\n\ttwo\x1b[2J\xff\n")
    check(p.end().rstrip() == "one\n        two\\x1B[2J\\xFF" and b"\x1b" not in p.raw, p.raw)


def need_top(t):
    if b"built without ncurses" in run_ctl(t, "top", status=2).err:
        t.skip("gearmanctl is built without ncurses")


@case("top shows functions and rates, sorts, scrolls, shows workers, and leaves")
def _(t):
    need_top(t)
    s = t.server()
    worker, client = s.worker("alpha", "beta"), s.connect()
    worker.send(SET_CLIENT_ID, "host-one").sync()
    for _ in range(3):
        client.submit("alpha", nr=SUBMIT_JOB_BG)
    client.submit("gamma", nr=SUBMIT_JOB_BG)
    p = term_ctl(t, s, "top", "--interval=1")
    p.see(r"^gearmanctl top - \d\d:\d\d:\d\d, 3 functions, every 1 s")
    p.see(r"^127\.0\.0\.1:%d: 4 jobs, .*/s in, .*/s done, \d+ connections, store none" % s.port)
    p.see(r"(?s)OLDEST.*alpha +3 +0 +1 .*gamma +1 +0 +0 +(-|\d+s) .*beta +0 +0 +1 +-")
    p.type(b"r").see(r"(?s)WAITING\^.*beta.*gamma.*alpha")
    p.type(b"r<").see(r"(?s)FUNCTION\*.*alpha.*beta.*gamma")
    p.type(b">>").see(r"(?s)RUNNING\*")
    for _ in range(5):
        client.submit("beta", nr=SUBMIT_JOB_BG)
    p.see(r"beta +5 +0 +1 ")
    p.type(b"w").see(r"(?s)ID\*.*host-one +127\.0\.0\.1 +\d+ +2 (alpha beta|beta alpha)$")
    p.type(b"f").see(r"gamma +1 +0 +0 ")
    check(p.poll() is None)
    p.type(b"q").end()


@case("top scrolls through more functions than the screen has lines", modes=BOTH)
def _(t):
    need_top(t)
    s = t.server()
    worker = s.worker(*("f%03d" % n for n in range(60)))
    p = term_ctl(t, s, "top", "-i", "1", lines=20)
    p.type(b"<").see(r"f000")
    check("f059" not in p.screen())
    p.type(b"\x1bOF").see(r"f059")
    p.type(b"\x1bOH").see(r"f000")
    p.type(b"\x1b[6~").see(r"f016")
    p.type(b"\x1bOB").see(r"f032")
    p.type(b"\x1b[5~").see(r"f001")
    p.type(b"q").end()
    worker.sync()


@case("top goes on when a server is away, has no counters, is silent or says nonsense", modes=(0,))
def _(t):
    need_top(t)
    s = t.server()
    port = old_gearmand(t)
    none, silent, garbage = "127.0.0.1:%d" % free_port(), Fake(t, None).name, Fake(t, b"\x1b[2Jx\n").name
    p = term_ctl(t, s, "-H", "127.0.0.1:%d" % port, "-H", none, "-H", silent, "-H", garbage, "-t", "1", "-i", "1", "top", lines=40)
    p.see(r"^127\.0\.0\.1:%d: 0 jobs" % s.port)
    p.see(r"^127\.0\.0\.1:%d: this server has no counters" % port)
    p.see(r"^%s: cannot connect: Connection refused" % none)
    p.see(r"^%s: no answer within 1 seconds" % silent)
    p.see(r"^%s: this is not the answer of a Gearman server: \\x1B\[2Jx" % garbage)
    s.connect().submit("later", nr=SUBMIT_JOB_BG)
    p.see(r"later +1 +0 +0 ")
    s.stop()
    p.see(r"^127\.0\.0\.1:%d: cannot connect" % s.port)
    p.type(b"q").end()


@case("top without a terminal is status 2 and a sentence", modes=None)
def _(t):
    need_top(t)
    check(b"top needs a terminal" in run_ctl(t, "top", status=2).err)
    check("top needs a terminal" in term_ctl(t, "localhost", "top", env={"TERM": "nosuchterm"}).end(2))


COMPLETE = """
source /dev/stdin <<<"$(%(ctl)s completion bash)"
gearmanctl() { %(ctl)s "$@"; }
COMP_LINE=$1 COMP_POINT=${#1}
_gearmanctl
printf '%%s\\n' "${COMPREPLY[@]}"
"""


@case("bash completes commands, options, functions and handles, and runs nothing that a server sends", modes=BOTH)
def _(t):
    s = t.server()
    trap = t.path("trap")
    worker = s.worker("resize", "report", "$(touch %s)" % trap, "`touch %s`" % trap, "*", "x;y")
    handle = s.connect().submit("resize", nr=SUBMIT_JOB_BG).decode()
    host = "-H 127.0.0.1:%d" % s.port

    def complete(line):
        done = t.run("bash", "-c", COMPLETE % {"ctl": ctl_path()}, "bash", line)
        check(done.err == b"", done)
        return sorted(done.out.decode().split())
    check(complete("gearmanctl st") == ["status"] and complete("gearmanctl can") == ["cancel"])
    check(complete("gearmanctl %s drop " % host) == ["function"] and complete("gearmanctl --json completion ") == ["bash", "zsh"])
    check(complete("gearmanctl --ti") == ["--timeout="] and complete("gearmanctl status ") == [])
    check(complete("gearmanctl %s drop function re" % host) == ["report", "resize"])
    check(len(complete("gearmanctl %s submit " % host)) >= 6)
    check("x\\;y" in complete("gearmanctl %s maxqueue x" % host))
    check(complete("gearmanctl %s cancel job %s" % (host, handle[:4])) == [handle.split(":", handle[:4].count(":"))[-1]])
    check(not os.path.exists(trap))
    worker.sync()


ZSH = """
gearmanctl() { %(ctl)s "$@" }
compadd() { shift; print -rl -- "$@" }
words=(${(z)1} "$2") CURRENT=$(( ${#words} ))
eval "$(gearmanctl completion zsh)"
"""


@case("zsh completes the same", modes=BOTH)
def _(t):
    t.need("zsh")
    s = t.server()
    trap = t.path("trap")
    worker = s.worker("resize", "$(touch %s)" % trap, "a b")
    host = "-H 127.0.0.1:%d" % s.port

    def complete(said, cur=""):
        done = t.run("zsh", "-fc", ZSH % {"ctl": ctl_path()}, "zsh", said, cur)
        check(done.err == b"", done)
        return sorted(done.out.decode().splitlines())
    check({"status", "cancel", "submit"} <= set(complete("gearmanctl")) and "--timeout=" in complete("gearmanctl", "--"))
    check(complete("gearmanctl cancel") == ["job", "unique"] and complete("gearmanctl completion") == ["bash", "zsh"])
    check(complete("gearmanctl %s drop function" % host) == sorted(["resize", "$(touch %s)" % trap, "a b"]))
    check(not os.path.exists(trap))
    run_ctl(t, "completion", "fish", status=2)
    worker.sync()


main()
