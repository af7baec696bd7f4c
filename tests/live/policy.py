#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The policy file: at the start, at SIGHUP, with mistakes, and what comes of it with a durable queue."""
import os
import signal
import time

from gearlive import *

BOTH = (0, 2)


def fail_once(worker, handle):
    check(worker.grab()[0] == handle)
    worker.send(WORK_FAIL, handle)


@case("a failed job is tried again by its policy, and then is on the dead list until it is kicked", modes=BOTH)
def _(t):
    s = t.server("--policy-file=" + t.write("policies", "mail.*  attempts=2 retry-on=fail\n*  attempts=0\n"))
    worker, client = s.worker("mail.x"), s.connect()
    handle = client.submit("mail.x", data=b"data", nr=SUBMIT_JOB_BG)
    fail_once(worker, handle)
    fail_once(worker, handle)
    worker.no_job()
    dead = client.listing("show dead")
    check(len(dead) == 1 and dead[0].split(b"\t")[:4] == [handle, b"mail.x", b"", b"2"], dead)
    check(client.ask(b"kick job " + handle) == b"OK\r\n")
    fail_once(worker, handle)
    check(client.listing("show dead") == [])


@case("SIGHUP reads the file anew; with a mistake in it the policies stay as they were", modes=BOTH)
def _(t):
    path = t.write("policies", "f retry-on=fail\n")
    s = t.server("--policy-file=" + path)
    client = s.connect()
    check(client.ask("show policy f").startswith(b"OK line 1 f attempts=0 retry-on=fail "))
    t.write("policies", "\nf retry-on=exception\n")
    s.signal(signal.SIGHUP)
    s.await_log("policies read from %s: 1" % path)
    until(lambda: client.ask("show policy f").startswith(b"OK line 2 f attempts=0 retry-on=exception "), "the new policy")
    t.write("policies", "\n\nf retry-on=never\n")
    s.signal(signal.SIGHUP)
    s.expect_log("policy file %s, line 3: retry-on=never: expected a list of lost, timeout, fail, exception; "
                 "the policies stay as they were" % path)
    check(client.ask("show policy f").startswith(b"OK line 2 f "))


@case("a policy file that is wrong or not there ends the start with a sentence, and --check-args too", modes=(0,))
def _(t):
    path = t.write("policies", "f attempts=many\n")
    for options in (["--check-args"], []):
        done = t.run(os.environ["GEARMAND"], "--policy-file=" + path, *options, status=1)
        check(done.err.endswith(b"policy file %s, line 1: attempts=many: expected a whole number from 0 to 1000000\n"
                                % path.encode()), done.err)
    for wrong, why in ((t.path("none"), b"No such file or directory"), (t.dir, b"it is no regular file")):
        done = t.run(os.environ["GEARMAND"], "--check-args", "--policy-file=" + wrong, status=1)
        check(done.err.endswith(b"policy file %s: %s\n" % (wrong.encode(), why)), done.err)
    t.run(os.environ["GEARMAND"], "--check-args", "--policy-file=" + t.write("good", "# nothing\n"))


@case("a stored job that was given up is dead after a restart, too, until it leaves the dead list", modes=BOTH)
def _(t):
    options = ["--queue-type=sqlite", "--libsqlite3-db=" + t.path("db"), "--dead-max=1",
               "--policy-file=" + t.write("policies", "f attempts=1 retry-on=fail\n")]
    s = t.server(*options)
    worker, client = s.worker("f"), s.connect()
    first, second = (client.submit("f", data=data, nr=SUBMIT_JOB_BG) for data in (b"1", b"2"))
    fail_once(worker, first)
    fail_once(worker, second)
    until(lambda: [line.split(b"\t")[0] for line in client.listing("show dead")] == [second], "one dead job")
    s.stop()
    s = t.server(*options)
    client, worker = s.connect(), s.worker("f")
    check(client.listing("show jobs") == [])
    dead = [line.split(b"\t") for line in client.listing("show dead")]
    check([(line[0], line[3]) for line in dead] == [(second, b"1")], dead)
    check(client.ask(b"kick job " + second) == b"OK\r\n")
    until(lambda: b"state\tready" in client.listing(b"show job " + second), "it is sent again")
    check(worker.grab()[0] == second)
    s.kill()
    s = t.server(*options)
    client = s.connect()
    check([line.split(b"\t")[:2] for line in client.listing("show jobs")] == [[second, b"0"]])
    check(client.listing("show dead") == [])


@case("how a job ended is known for a while, by policy and by option", modes=BOTH)
def _(t):
    s = t.server("--status-keep=3600", "--policy-file=" + t.write("policies", "short keep-state=250ms\n"))
    worker, client = s.worker("f"), s.connect()
    worker.send(CAN_DO, b"short")
    for name in ("f", "short"):
        handle = client.submit(name, data=b"data", nr=SUBMIT_JOB_BG)
        check(worker.grab()[0] == handle)
        worker.send(WORK_COMPLETE, handle, b"").sync()
        client.send(GET_STATUS, handle)
        numbers = client.expect(STATUS_RES)[1:]
        check(numbers == [b"0", b"0", b"1", b"1"] or name == "short", numbers)
        if name == "short":
            until(lambda: client.ask(b"show job " + handle) == b"ERR UNKNOWN_JOB\r\n", "it is forgotten")
        else:
            check(b"state\tcompleted" in client.listing(b"show job " + handle))


@case("cron lines are planned at the start and anew at SIGHUP; their payloads are read from files", modes=BOTH)
def _(t):
    data, path = t.write("data", "payload"), t.path("policies")
    line = 'f cron="%s" payload=' + data + "\n"
    t.write("policies", line % "* * * * *")
    s = t.server("--policy-file=" + path)
    client = s.connect()
    number, name, fields, upcoming, last = client.listing("show cron")[0].split(b"\t")
    check((number, name, fields, last) == (b"1", b"f", b"* * * * *", b"0"))
    check(int(upcoming) % 60 == 0 and -1 <= int(upcoming) - time.time() <= 61, upcoming)
    t.write("policies", "\n" + line % "30 12 1 1 *")
    s.signal(signal.SIGHUP)
    until(lambda: client.listing("show cron")[0].startswith(b"2\tf\t30 12 1 1 *\t"), "the new line")
    for text, why in (("f cron=\"0 0 30 2 *\"\n", "cron: no minute of the next 8 years is like that"),
                      (line % "* * * * *" + "g cron=\"* * * * *\" payload=%s\n" % t.dir,
                       "payload=%s: it is no regular file" % t.dir)):
        t.write("policies", text)
        s.signal(signal.SIGHUP)
        wanted = "policy file %s, line %d: %s; the policies stay as they were" % (path, text.count("\n"), why)
        s.await_log(wanted)
        s.allow_log(wanted)
        t.run(os.environ["GEARMAND"], "--check-args", "--policy-file=" + path, status=1)
    check(len(client.listing("show cron")) == 1)


main()
