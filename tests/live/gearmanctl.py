#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""gearmanctl, the operator's command: in a pipe and on a terminal, against servers of every kind."""
import json
import os
import re
import subprocess

from gearlive import *
from gearlive.ctl import *


class Seconds:
    """Equal to any number of seconds."""
    def __eq__(self, text):
        return text.isdigit()


AGE = Seconds()

BOTH = (0, 2)


def take_job(worker):
    """[handle, function, data], or None when there is no job."""
    got = worker.send(GRAB_JOB).packet()
    return got.parts if got.nr == JOB_ASSIGN else None


@case("what a server lists comes with tabs between its columns, and nothing else")
def _(t):
    s = t.server()
    worker, p = s.worker("f", "g"), s.connect()
    worker.send(SET_CLIENT_ID, "host one").sync()
    for nr in (SUBMIT_JOB_BG, SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_LOW_BG):
        handle = p.submit("f", "u%d" % nr, nr=nr)
    check(sorted(ctl(t, s, "status").rows) == [["f", "3", "0", "1"], ["g", "0", "0", "1"]])
    check(["f", "1", "1", "1", "1"] in ctl(t, s, "priorities").rows)
    check([handle.decode(), "0", "0", "1"] in ctl(t, s, "jobs").rows)
    check(sorted(ctl(t, s, "uniques").rows) == sorted([["u%d" % nr] for nr in (SUBMIT_JOB_BG, SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_LOW_BG)]))
    rows = ctl(t, s, "workers").rows
    check(len(rows) == 3 and any(r[1:3] == ["127.0.0.1", "host one"] and sorted(r[3].split()) == ["f", "g"] for r in rows), rows)
    check(["state", "none"] in ctl(t, s, "queue").rows and ["jobs_submitted", "3"] in ctl(t, s, "counters").rows)
    check(ctl(t, s, "pid").rows == [[str(s.pid)]] and ctl(t, s, "verbose").rows == [["INFO"]])


@case("--json is one array of objects, numbers as numbers")
def _(t):
    s = t.server()
    worker, p = s.worker("f", "g"), s.connect()
    handle = p.submit("f", "u", nr=SUBMIT_JOB_BG).decode()
    name = "127.0.0.1:%d" % s.port
    got = json.loads(ctl(t, s, "--json", "status").out)
    check({"server": name, "function": "f", "jobs": 1, "running": 0, "workers": 1} in got and len(got) == 2, got)
    check(json.loads(ctl(t, s, "jobs", "-j").out) == [{"server": name, "handle": handle, "lost": 0, "dropped": False, "background": True}])
    got = json.loads(ctl(t, s, "-j", "workers").out)
    check(sorted(sorted(w["functions"]) for w in got) == [[], [], ["f", "g"]], got)
    check({"server": name, "name": "jobs_submitted", "value": 1} in json.loads(ctl(t, s, "-j", "counters").out))
    check({"server": name, "name": "state", "value": "none"} in json.loads(ctl(t, s, "-j", "queue").out))
    check(json.loads(ctl(t, s, "-j", "cancel", "job", handle, "--yes").out) == [{"server": name, "answer": "OK"}])
    check(json.loads(ctl(t, s, "-j", "jobs").out) == [])


@case("JSON is whole whatever bytes a name has", modes=BOTH)
def _(t):
    s = t.server()
    names = [b"caf\xc3\xa9", b"\xff\xfe raw \xc3", b'"quoted"\\', b"tab\there", b"\xed\xa0\x80", b"\xf0\x9f\x90\x98"]
    worker = s.worker(*names)
    got = {row["function"] for row in json.loads(ctl(t, s, "-j", "status").out.decode("utf-8"))}
    check(got == {"caf\u00e9", "\\xFF\\xFE raw \\xC3", '"quoted"\\', "tab\\x09here", "\\xED\\xA0\\x80", "\U0001f418"}, got)
    worker.sync()


@case("create, drop and maxqueue do what they say; a refusal is status 1 and the server's sentence")
def _(t):
    s = t.server()
    check(ctl(t, s, "create", "function", "f").rows == [["OK"]])
    check(ctl(t, s, "status").rows == [["f", "0", "0", "0"]])
    p = s.connect()
    check(ctl(t, s, "maxqueue", "f", "1").rows == [["OK"]])
    s.expect_log("the maxqueue of a function is reached")
    p.submit("f", nr=SUBMIT_JOB_BG)
    p.send(SUBMIT_JOB_BG, "f", "", data="").expect_error("QUEUE_ERROR")
    done = ctl(t, s, "drop", "function", "f", "--yes", status=1)
    check(done.out == b"" and done.err == b"gearmanctl: 127.0.0.1:%d: there are still jobs in the queue of this function\n" % s.port, done)
    done = ctl(t, s, "cancel", "job", "H:nosuch:1", "--yes", status=1)
    check(done.err == b"gearmanctl: 127.0.0.1:%d: UNKNOWN_JOB\n" % s.port, done)


@case("pause keeps a function's jobs back, resume gives them out")
def _(t):
    s = t.server()
    s.connect().submit("f", nr=SUBMIT_JOB_BG)
    worker = s.worker("f")
    check(ctl(t, s, "pause", "f").rows == [["OK"]])
    worker.no_job()
    check(ctl(t, s, "pause", "f", "3600").rows == [["OK"]] and ctl(t, s, "resume", "f").rows == [["OK"]])
    worker.grab()
    check(ctl(t, s, "pause", "f", "soon", status=1).err.startswith(b"gearmanctl: 127.0.0.1:%d: " % s.port))


@case("what is called wrongly is status 2 and a sentence with the word that is wrong")
def _(t):
    s = t.server()
    check(b"there is no command nosuch;" in ctl(t, s, "nosuch", status=2).err)
    check(ctl(t, s, "cancel", status=2).err == b"Usage: gearmanctl cancel job HANDLE\nUsage: gearmanctl cancel unique FUNCTION UNIQUE\n")
    check(ctl(t, s, "status", "f", status=2).err == b"Usage: gearmanctl status\n")
    check(b"maxqueue: 1O is not a whole number\n" in ctl(t, s, "maxqueue", "f", "1O", status=2).err)
    check(b"kick: all is not a whole number\n" in ctl(t, s, "kick", "f", "all", status=2).err)
    check(b"it names one server" in run_ctl(t, "-H", "a:1,b:2", "status", status=2).err)


@case("metrics are lines of words with tabs between them, as the server sends them")
def _(t):
    s = t.server()
    s.worker(b"a\tb").sync()
    rows = ctl(t, s, "metrics").rows
    check(["value", "jobs_submitted", "0"] in rows and ["text", "queue", "builtin"] in rows, rows)
    check(any(row[:2] == ["function", "a\\x09b"] for row in rows), rows)


@case("dead jobs are listed, looked at and sent again", modes=BOTH)
def _(t):
    s = t.server("--policy-file=" + t.write("policies", "f attempts=1 retry-on=fail\n"))
    worker = s.worker("f")
    handle = s.connect().submit("f", "u", b"data", nr=SUBMIT_JOB_BG).decode()
    worker.send(WORK_FAIL, worker.grab()[0]).sync()
    check([row[:4] for row in ctl(t, s, "dead").rows] == [[handle, "f", "u", "1"]], "the dead list")
    check(ctl(t, s, "dead", "g").rows == [])
    check(["state", "dead"] in ctl(t, s, "job", handle).rows)
    check(ctl(t, s, "kick", "job", handle).rows == [["OK"]])
    check(["state", "ready"] in ctl(t, s, "job", handle).rows)
    check(ctl(t, s, "bury", "job", handle).rows == [["OK"]])
    check(b"NOT_RUNNING" in ctl(t, s, "retry", "job", handle, "5", status=1).err)
    check(ctl(t, s, "policy", "f").rows[0][0].startswith("line 1 f attempts=1 retry-on=fail "))


@case("drop function tells of every function that matches", modes=BOTH)
def _(t):
    s = t.server()
    for name in ("one", "One", "ONE"):
        ctl(t, s, "create", "function", name)
    s.connect().submit("One", nr=SUBMIT_JOB_BG)
    done = ctl(t, s, "drop", "function", "one", "--yes", status=1)
    check(done.rows == [["OK"], ["OK"]] and b"still jobs" in done.err, done)
    check(ctl(t, s, "status").rows == [["One", "1", "0", "0"]])


@case("what destroys is not done in a pipe without --yes", modes=BOTH)
def _(t):
    s = t.server()
    handle = s.connect().submit("f", nr=SUBMIT_JOB_BG).decode()
    done = ctl(t, s, "cancel", "job", handle, status=2, input=b"y\n")
    check(done.out == b"" and b"say --yes" in done.err, done)
    check(len(ctl(t, s, "jobs").rows) == 1)
    ctl(t, s, "--yes", "cancel", "job", handle)
    check(ctl(t, s, "jobs").rows == [])


@case("several servers are asked at once, and one that fails does not hide the others", modes=BOTH)
def _(t):
    one, two = t.server(), t.server()
    worker = one.worker("f")
    two.connect().submit("g", nr=SUBMIT_JOB_BG)
    first, second, none = "127.0.0.1:%d" % one.port, "127.0.0.1:%d" % two.port, "127.0.0.1:%d" % free_port()
    done = run_ctl(t, "-H", first, "-H", none, "-H", second, "status", status=3)
    check(sorted(done.rows) == sorted([[first, "f", "0", "0", "1"], [second, "g", "1", "0", "0"]]), done)
    check(done.err.decode() == "gearmanctl: %s: cannot connect: Connection refused\n" % none, done)
    done = run_ctl(t, "ping", env={"GEARMAN_SERVER": first + "," + second})
    check(sorted(r[0] for r in done.rows) == sorted([first, second]) and all(int(r[1]) > 0 for r in done.rows), done)
    worker.sync()


@case("servers are named by address, IPv6 literal and unix socket", modes=BOTH)
def _(t):
    path = t.path("sock")
    s = t.server("--listen=::1", "--listen=unix:" + path, "--port=0", listen=False)
    for name in ("[::1]:%d" % s.port, "unix:" + path):
        check(run_ctl(t, "-H", name, "pid").rows == [[str(s.pid)]], name)
    done = run_ctl(t, "-H", "[::1]:%d" % s.port, "-H", "unix:" + path, "pid")
    check(sorted(done.rows) == [["[::1]:%d" % s.port, str(s.pid)], ["unix:" + path, str(s.pid)]], done)


@case("wrong calls are status 2 and a sentence", modes=None)
def _(t):
    for words in ((), ("nosuch",), ("cancel",), ("cancel", "job"), ("status", "x"), ("create", "function", "a b"), ("create", "function", ""),
                  ("-H", "::1", "status"), ("-H", "h:0", "status"), ("-H", "h:65536", "status"), ("-H", "h:x", "status"), ("-H", "[::1", "status"),
                  ("-H", "[::1]x", "status"), ("-H", ":4730", "status"), ("-H", "unix:", "status"), ("-H", "", "status"), ("--timeout=0", "status"),
                  ("--timeout=x", "status"), ("--nosuch", "status"), ("--background", "status"), ("maxqueue", "f", "1", "2", "3", "4")):
        done = run_ctl(t, *words, status=2)
        check(done.out == b"" and done.err.count(b"\n") > 0, words, done)
    check(b"GEARMAN_SERVER" in run_ctl(t, "status", status=2, env={"GEARMAN_SERVER": "a,,b"}).err)


@case("health is 0 when the queue takes jobs, 1 when it does not, 3 without a server", modes=BOTH)
def _(t):
    s = t.server()
    check(ctl(t, s, "health").rows == [["none"]])
    s.stop()
    check(b"cannot connect" in ctl(t, s, "health", status=3).err)
    for state, status in (("well", 0), ("slow", 0), ("full", 1), ("unwell", 1), ("replaying", 1)):
        fake = Fake(t, b"module\tx\nstate\t%s\nlast_error\tdisk\x1b is gone\n.\n" % state.encode())
        done = run_ctl(t, "-H", fake.name, "health", status=status)
        check(done.rows == [[state]] and (b"disk\\x1B is gone" in done.err) == (status == 1), done)


@case("submit prints the result of a job as it comes, warnings apart from it")
def _(t):
    s = t.server()
    worker = s.worker("f")
    run = start_ctl(t, s, "submit", "f", stdin=b"in\0put\n")
    handle, function, data = until(lambda: take_job(worker), "the job")
    check((function, data) == (b"f", b"in\0put\n"))
    worker.send(WORK_DATA, handle, data=b"one\n")
    check(run.stdout.readline() == b"one\n")
    worker.send(WORK_STATUS, handle, 1, 2).send(WORK_WARNING, handle, data=b"careful\n").send(WORK_DATA, handle, data=b"")
    worker.complete(handle, b"\xfftwo")
    out, err = run.communicate(timeout=patience())
    check((run.returncode, out, err) == (0, b"\xfftwo", b"careful\n"), run.returncode, out, err)


@case("submit: a job that fails is status 1, and an exception is told")
def _(t):
    s = t.server()
    worker = s.worker("f")
    for nr, said in ((WORK_FAIL, b"the job failed"), (WORK_EXCEPTION, b"broken\x1bgearmanctl: 127.0.0.1:%d: the worker threw an exception" % s.port)):
        run = start_ctl(t, s, "submit", "f", "data")
        handle = until(lambda: take_job(worker), "the job")[0]
        worker.send(nr, handle, data=b"broken\x1b" if nr == WORK_EXCEPTION else None)
        out, err = run.communicate(timeout=patience())
        check(run.returncode == 1 and out == b"" and said in err, run.returncode, out, err)
    done = ctl(t, s, "submit", "f", "x", "-u", "u" * 100, status=1)
    check(b"ARGUMENT_TOO_LARGE: Unique value too large" in done.err, done)


@case("follow tells how far a job is, and its result as it comes; the status is how it ended")
def _(t):
    s = t.server("--policy-file=" + t.write("policies", "kept keep-state=1h keep-result=1K\nstate keep-state=1h\nf attempts=1\n"))
    worker, client = s.worker("f", "kept", "state"), s.connect()

    def running(name):
        handle = client.submit(name, data=b"x", nr=SUBMIT_JOB_BG)
        check(worker.grab()[0] == handle)
        worker.send(WORK_STATUS, handle, 1, 4).sync()
        run = start_ctl(t, s, "follow", handle.decode())
        check(run.stderr.readline() == b"1/4\n")
        return handle, run

    def ended(run, *wanted):
        out, err = run.communicate(timeout=patience())
        check((run.returncode, out, err) == wanted, run.returncode, out, err)

    handle, run = running("f")
    worker.send(WORK_DATA, handle, data=b"one\n")
    check(run.stdout.readline() == b"one\n")
    worker.send(WORK_STATUS, handle, 2, 4).send(WORK_WARNING, handle, data=b"careful\n")
    worker.complete(handle, b"\xfftwo")
    ended(run, 0, b"\xfftwo", b"2/4\ncareful\n")
    said = "gearmanctl: 127.0.0.1:%d: %%s\n" % s.port
    for nr, data, why in ((WORK_FAIL, None, "the job failed"), (WORK_EXCEPTION, b"broken", "the worker threw an exception")):
        handle, run = running("f")
        worker.send(nr, handle, data=data)
        ended(run, 1, b"", (data or b"") + (said % why).encode())
    for name, status, out, err in (("kept", 0, b"all", ""), ("state", 0, b"", "NOT_KEPT The job is completed and its result is not kept"),
                                   ("f", 1, b"", "UNKNOWN_JOB")):
        handle, run = running(name)
        worker.complete(handle, b"all")
        ended(run, 0, b"all", b"")
        done = ctl(t, s, "follow", handle.decode(), status=status)
        check((done.out, done.err.decode()) == (out, said % err if err else ""), name, done)
    handle, run = running("f")
    worker.close()
    ended(run, 1, b"", (said % "the job failed").encode())
    check(ctl(t, s, "dead").rows[0][0] == handle.decode())
    check(ctl(t, s, "follow", handle.decode(), status=1).err == (said % "the job failed").encode())


@case("follow asks each server until one knows the job", modes=BOTH)
def _(t):
    s, other, away = t.server("--job-handle-prefix=H:a"), t.server("--job-handle-prefix=H:b"), "127.0.0.1:%d" % free_port()
    names = ["127.0.0.1:%d" % server.port for server in (other, s)]
    handle = s.connect().submit("f", data=b"x", nr=SUBMIT_JOB_BG)
    run = t.spawn(ctl_path(), "-H", names[0], "-H", names[1], "follow", handle.decode(), stderr=subprocess.PIPE)
    until(lambda: b"clients\t1" in s.connect().listing(b"show job " + handle), "the follower")
    with s.worker("f") as worker:
        worker.grab()
        worker.complete(handle, b"done")
    check(run.communicate(timeout=patience()) == (b"done", b"") and run.returncode == 0)
    done = run_ctl(t, "-H", names[0], "-H", names[1], "follow", handle.decode(), status=1)
    check(done.err == b"gearmanctl: %s: UNKNOWN_JOB\n" % names[1].encode(), done)
    check(b"cannot connect" in run_ctl(t, "-H", away, "-H", names[1], "follow", handle.decode(), status=3).err)
    run_ctl(t, "-H", names[0], "follow", "a b", status=2)
    for answer in (b"HTTP/1.1 400 Bad\r\n", b"OK\r\nand more of that\r\n", b"OK\r\n\0RES\0\0\0\x08\0\0\0\x05H:x:1", b"\0RES\0\0\0\x0e\0\0\0\x05H:x:1"):
        done = run_ctl(t, "-H", Fake(t, answer).name, "follow", "H:x:1", status=3)
        check(b"not the answer" in done.err, answer, done)
    check(b"closed the connection" in run_ctl(t, "-H", Fake(t, b"OK\r\n").name, "follow", "H:x:1", status=3).err)


@case("jobs of a function are seen and ended: functions, peek, cancel unique, purge", modes=BOTH)
def _(t):
    s = t.server()
    handles = [ctl(t, s, "submit", "f", "data", "-b", "-u", "u%d" % i).rows[0][0] for i in range(3)]
    check(ctl(t, s, "pause", "f").rows == [["OK"]])
    check(ctl(t, s, "functions").rows == [["f", "0", "3", "0", "0", "0", "0", "0", "0", AGE, "0", "paused"]])
    check(ctl(t, s, "peek", "f", "1").rows == [[handles[0], "u0", "normal", AGE, "0", "4", "data", "0", "0", "", ""]])
    check(ctl(t, s, "peek", "f", "delayed").rows == [])
    check(ctl(t, s, "--yes", "cancel", "unique", "f", "u1").rows == [["OK"]])
    check([row[0] for row in ctl(t, s, "peek", "f", "ready", "10").rows] == [handles[0], handles[2]])
    check(ctl(t, s, "--yes", "purge", "f").rows == [["2"]])


@case("submit in the background prints the handle; priority, unique and time are the job's")
def _(t):
    s = t.server()
    handles = [ctl(t, s, "submit", "f", p, "--background", "--priority=" + p).rows[0][0] for p in ("low", "normal", "high")]
    check(ctl(t, s, "priorities").rows == [["f", "1", "1", "1", "0"]])
    same = [json.loads(ctl(t, s, "submit", "g", "x", "-b", "-u", "key", "--json").out)[0]["handle"] for _ in range(2)]
    check(same[0] == same[1] and same[0] not in handles)
    ctl(t, s, "submit", "h", "later", "--when=+1h")
    check(["h", "1", "0", "0"] in ctl(t, s, "status").rows)
    worker = s.worker("f", "h")
    check([worker.grab()[2] for _ in handles] == [b"high", b"normal", b"low"])
    worker.no_job()
    for words in (("-w", "x"), ("-w", "+"), ("-w", "+5y"), ("-w", "0"), ("-w", "+1h", "-p", "high"), ("-p", "urgent")):
        ctl(t, s, "submit", "f", "x", *words, status=2)


@case("submit goes to the first server that can be reached", modes=BOTH)
def _(t):
    s = t.server()
    name = "127.0.0.1:%d" % s.port
    done = run_ctl(t, "-H", "127.0.0.1:%d" % free_port(), "-H", name, "submit", "f", "-b", "x")
    check(done.rows[0][0] == name and b"cannot connect" in done.err and len(ctl(t, s, "jobs").rows) == 1, done)
    done = run_ctl(t, "-H", Fake(t, b"").name, "-H", name, "submit", "f", "-b", "x", status=3)
    check(b"closed the connection" in done.err and len(ctl(t, s, "jobs").rows) == 1, done)
    for answer in (b"HTTP/1.1 400 Bad\r\n", b"\0RES\0\0\0\x08\xff\xff\xff\xff", b"\0RES\0\0\0\x06\0\0\0\0", b"\0RES\0\0\0\x0d\0\0\0\0",
                   b"\0RES\0\0\0\x0d\0\0\xff\xff" + b"h" * 200, b"\0RES\0\0\0\x13\0\0\0\x01x"):
        done = run_ctl(t, "-H", Fake(t, answer).name, "submit", "f", "x", status=3)
        check(b"not the answer" in done.err, answer, done)
    for early in (b"\0RES\0\0\0\x0d\0\0\0\x06H:x:1\0", b"\0RES\0\0\0\x0e\0\0\0\x05H:x:1"):
        done = run_ctl(t, "-H", Fake(t, early).name, "submit", "f", "x", "-b", status=3)
        check(done.out == b"" and b"not the answer" in done.err, early, done)


@case("a result of 20 MB passes in a few MB of memory, byte for byte", modes=BOTH)
def _(t):
    s = t.server()
    worker = s.worker("f")
    data = os.urandom(1 << 20) * 20
    run = start_ctl(t, s, "submit", "f", "x", under=("sh", "-c", "ulimit -v 60000; exec \"$0\" \"$@\"") if not server_sanitized() else ())
    handle = until(lambda: take_job(worker), "the job")[0]
    worker.complete(handle, data)
    out, err = run.communicate(timeout=patience())
    check(run.returncode == 0 and out == data, run.returncode, len(out), err)


@case("silent servers, servers that close half way and garbage are status 3 and a sentence", modes=None)
def _(t):
    silent = Fake(t, None)
    check(b"no answer within 1 seconds" in run_ctl(t, "-H", silent.name, "-t1", "status", status=3).err)
    check(b"no answer within 1 seconds" in run_ctl(t, "-H", silent.name, "-t1", "ping", status=3).err)
    for answer in (b"", b"f\t1\t0\t0\n", b"f\t1\t0", b"f\t1\t0\t0\n."):
        done = run_ctl(t, "-H", Fake(t, answer).name, "status", status=3)
        check(b"closed the connection" in done.err and (done.rows == [["f", "1", "0", "0"]]) == (answer.count(b"\n") > 0), answer, done)
    for words, answer in ((("status",), b"HTTP/1.1 400 Bad Request\r\n"), (("status",), b"f\t1\t0\tx\n.\n"), (("status",), b"OK\r\n"), (("workers",), b"1 2 3\n"),
                          (("jobs",), b"h\t1\t2\t1\n"), (("version",), b"SSH-2.0-x\r\n"), (("version",), b"\n"), (("ping",), b"\0RES\0\0\0\x11\0\0\0\0"),
                          (("ping",), b"HTTP/1.1 400 Bad\r\n")):
        done = run_ctl(t, "-H", Fake(t, answer).name, *words, status=3)
        check(b"not the answer of a Gearman server" in done.err, words, answer, done)


@case("control bytes of a server reach neither standard output nor standard error", modes=None)
def _(t):
    evil = b"a\x1b]0;x\x07\x9b2J\x7f\r\b"
    for words, answer, status in ((("uniques",), evil + b"\n.\n", 0), (("version",), b"OK " + evil + b"\n", 0), (("version",), b"ERR " + evil + b"\r\n", 1),
                                  (("version",), evil + b"\n", 3), (("workers",), b"1 127.0.0.1 " + evil + b" : f\n.\n", 0)):
        done = run_ctl(t, "-H", Fake(t, answer).name, *words, status=status)
        check(not re.search(rb"[\0-\x08\x0b-\x1f\x7f]", done.out + done.err), words, done)
        check(not re.search(rb"[\0-\x09\x0b-\x1f\x7f-\xff]", done.err), words, done)


@case("gearmand 1.1 is spoken to, and its refusals are told", modes=None)
def _(t):
    port = old_gearmand(t)
    name = "127.0.0.1:%d" % port
    check(run_ctl(t, "-H", name, "create", "function", "f").rows == [["OK"]])
    p = Peer(("127.0.0.1", port)).can("g")
    p.send(SUBMIT_JOB_BG, "g", "u", data="x")
    handle = p.expect(JOB_CREATED)[0].decode()
    check(sorted(run_ctl(t, "-H", name, "status").rows) == [["f", "0", "0", "0"], ["g", "1", "0", "1"]])
    check(run_ctl(t, "-H", name, "jobs").rows == [[handle, "0", "0", "1"]] and run_ctl(t, "-H", name, "uniques").rows == [["u"]])
    check(["g", "0", "1", "0", "1"] in run_ctl(t, "-H", name, "priorities").rows)
    check(any(r[3] == "g" for r in run_ctl(t, "-H", name, "workers").rows))
    check(run_ctl(t, "-H", name, "health").rows == [["answers"]] and len(run_ctl(t, "-H", name, "ping").rows) == 1)
    check(run_ctl(t, "-H", name, "version").out.startswith(b"1.1."))
    check(b"the server does not know this command" in run_ctl(t, "-H", name, "counters", status=1).err)
    p.send(GRAB_JOB).expect(JOB_ASSIGN)
    p.complete(handle).sync()
    run = start_ctl(t, name, "submit", "g", "data")
    p.complete(until(lambda: take_job(p), "the job")[0], b"result")
    check(run.communicate(timeout=patience())[0] == b"result" and run.returncode == 0)
    handle = run_ctl(t, "-H", name, "submit", "g", "-b", "x").rows[0][0]
    check(b"there are still connected workers" in run_ctl(t, "-H", name, "drop", "function", "g", "--yes", status=1).err)
    check(run_ctl(t, "-H", name, "cancel", "job", handle, "-y").rows == [["OK"]])
    check(run_ctl(t, "-H", name, "drop", "function", "f", "-y").rows == [["OK"]])


main()
