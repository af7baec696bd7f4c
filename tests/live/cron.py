#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Cron lines run by the real clock: one case, which waits for the begin of a minute.  tests/scene/test_cron.c has the
rules, with a clock of its own."""
import signal
import time

from gearlive import *
from gearlive.standby import serves

A_MINUTE = 75  # seconds that a minute's begin may be away, and then some


def cron_lines(server):
    return [line.decode().split("\t") for line in server.connect().listing("show cron")]


def cron_runs(server):
    return int(dict(line.split(b"\t") for line in server.connect().listing("counters"))[b"cron_runs"])


def with_queue(t, *options, **how):
    return t.server("--queue-type=sqlite", "--libsqlite3-db=" + t.path("db"),
                    "--policy-file=" + t.write("stored", 'f cron="* * * * *"\n'), *options, **how)


def stand_by(t):
    s = with_queue(t, "--standby", wait=False)
    s.expect_log("standing by: .*another gearmand is using it", "this server is active now: it has taken the queue over")
    s.await_log("standing by")
    return s


@case("a line runs once at its minute: lines as SIGHUP left them, a worker gets the job, and a standby submits none",
      modes=(2,), limit=180)
def _(t):
    lines, data = t.path("lines"), t.write("data", "the payload")
    t.write("lines", 'gone cron="* * * * *"\n')
    # What is prepared takes less than that; a minute that begins meanwhile would run the line that is to be gone.
    until(lambda: time.time() % 60 < 55, "the next minute")
    alone, first = t.server("--policy-file=" + lines), with_queue(t)
    second = stand_by(t)
    sleeper = alone.sleeper("f", "gone", "far")
    t.write("lines", 'far cron="30 12 29 2 *"\n\nf cron="* * * * *" payload=%s attempts=3\n' % data)
    alone.signal(signal.SIGHUP)
    until(lambda: len(cron_lines(alone)) == 2, "the new lines")
    (_, _, _, far, far_ran), (number, name, fields, due, ran) = cron_lines(alone)
    check((number, name, fields, ran, far_ran) == ("3", "f", "* * * * *", "0", "0") and int(far) > int(due), cron_lines(alone))
    check(int(due) % 60 == 0 and cron_runs(alone) == 0, due)

    sleeper.expect(NOOP, limit=A_MINUTE + patience())
    check(time.time() >= int(due), "early")
    sleeper.send(GRAB_JOB_UNIQ)
    handle = sleeper.expect(JOB_ASSIGN_UNIQ, ANY, "f", "cron:3", "the payload")[0]
    sleeper.complete(handle)
    sleeper.no_job()
    check(cron_runs(alone) == 1)
    (_, _, _, _, far_ran), (_, _, _, following, ran) = cron_lines(alone)
    check(far_ran == "0" and int(due) <= int(ran) < int(following) and int(following) % 60 == 0, cron_lines(alone))
    t.write("lines", 'f cron="* * * * *"\n')  # the same line at another place
    alone.signal(signal.SIGHUP)
    until(lambda: len(cron_lines(alone)) == 1, "the last lines")
    check(cron_lines(alone) == [["1", "f", "* * * * *", following, ran]], cron_lines(alone))

    until(lambda: cron_runs(first) == 1, "the first server's line to run")
    jobs = until(lambda: first.connect().listing("show jobs"), "its job")
    check(len(jobs) == 1, jobs)
    with first.connect() as p:  # it is stored: this waits for the same commit
        check(p.submit("f", "cron:1", nr=SUBMIT_JOB_BG) == jobs[0].split(b"\t")[0], jobs)
    first.kill()
    serves(second)
    (_, _, _, upcoming, ran), = cron_lines(second)
    check(ran == "0" and int(upcoming) > int(due) and cron_runs(second) == 0, cron_lines(second))
    with second.worker("f") as w:
        check(w.grab()[0] == jobs[0].split(b"\t")[0])
        w.no_job()


main()
