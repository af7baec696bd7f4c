#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Sleeping workers wake when there is something to do; nothing waits beside one that could do it."""
import time

from gearlive import *


@case("PRE_SLEEP with a job waiting is answered by NOOP at once")
def _(t):
    s = t.server()
    worker, client = s.worker("f"), s.connect()
    client.submit("f", nr=SUBMIT_JOB_BG)
    worker.send(PRE_SLEEP)
    worker.expect(NOOP)
    worker.send(PRE_SLEEP)
    worker.expect(NOOP)
    worker.grab()


@case("a worker that answers NOOP with PRE_SLEEP instead of a grab is woken for the next job too")
def _(t):
    s = t.server()
    worker, other, client = s.sleeper("f"), s.worker("f"), s.connect()
    for _ in range(5):
        client.submit("f", nr=SUBMIT_JOB_BG)
        worker.expect(NOOP)
        other.complete(other.grab()[0]).silent()
        worker.sleep()


@case("CAN_DO of a sleeping worker for a function with waiting jobs wakes it")
def _(t):
    s = t.server()
    client, worker = s.connect(), s.sleeper("g")
    handle = client.submit("f", nr=SUBMIT_JOB_BG)
    worker.silent()
    worker.send(CAN_DO, "f")
    worker.expect(NOOP)
    check(worker.grab()[0] == handle)
    client.submit("h", nr=SUBMIT_JOB_BG)
    worker.sleep()
    worker.send(CAN_DO_TIMEOUT, "h", 10000)
    worker.expect(NOOP)


@case("an EPOCH job wakes a sleeping worker when it is due, with no other traffic at all")
def _(t):
    s = t.server()
    worker, client = s.sleeper("f"), s.connect()
    due = int(time.time()) + 2
    client.send(SUBMIT_JOB_EPOCH, "f", "", due, data="x")
    handle = client.expect(JOB_CREATED)[0]
    worker.silent()
    worker.expect(NOOP)
    check(time.time() >= due, "it was woken early")
    check(worker.grab()[0] == handle)


@case("a future EPOCH job neither wakes nor keeps awake, and hides no job behind it")
def _(t):
    s = t.server()
    worker, client = s.sleeper("f"), s.connect()
    client.send(SUBMIT_JOB_EPOCH, "f", "", 4000000000, data="x")
    client.expect(JOB_CREATED)
    worker.silent()
    worker.sleep()
    handle = client.submit("f", nr=SUBMIT_JOB_LOW_BG)
    worker.expect(NOOP)
    check(worker.grab()[0] == handle)


@case("one job wakes one of many sleepers first; if that one does not come, the others are woken soon")
def _(t):
    s = t.server()
    sleepers, client = [s.sleeper("f") for _ in range(6)], s.connect()
    handle = client.submit("f")
    for w in sleepers:  # nobody grabs: all hear of it in the end
        w.expect(NOOP)
    check(sleepers[3].grab()[0] == handle)
    sleepers[3].complete(handle, "x")
    client.expect(WORK_COMPLETE, handle, "x")


@case("-w 2 wakes two, -w 0 does not leave a job beside sleepers when the woken one is lost", modes=(0, 2))
def _(t):
    s = t.server("-w", "2")
    sleepers, client = [s.sleeper("f") for _ in range(4)], s.connect()
    client.submit("f", nr=SUBMIT_JOB_BG)
    for w in sleepers:
        w.sync()
    woken = [w for w in sleepers if [p.nr for p in w.stash] == [NOOP]]
    check(len(woken) >= 2, "woken:", len(woken))
    s = t.server()
    sleepers, client = [s.sleeper("f") for _ in range(3)], s.connect()
    client.submit("f", nr=SUBMIT_JOB_BG)
    sleepers[0].close()
    for w in sleepers[1:]:
        w.expect(NOOP)


@case("a job given back by a lost worker wakes a sleeper")
def _(t):
    s = t.server()
    first, client = s.worker("f"), s.connect()
    handle = client.submit("f", nr=SUBMIT_JOB_BG)
    first.grab()
    second = s.sleeper("f")
    first.reset()
    second.expect(NOOP)
    check(second.grab()[0] == handle)


@case("every job is found by workers that sleep between jobs, under a race of many", limit=120)
def _(t):
    s = t.server()
    client, workers = s.connect(), [s.sleeper("f") for _ in range(8)]
    done = 0
    for burst in range(20):
        handles = {client.submit("f") for _ in range(1 + burst % 5)}
        waiting = list(workers)
        while handles:
            worker = next_awake(waiting)
            worker.packet()  # NOOP
            while True:
                worker.send(GRAB_JOB)
                got = worker.packet()
                if got.nr == NO_JOB:
                    break
                worker.complete(got.parts[0], "x")
                client.expect(WORK_COMPLETE, got.parts[0], "x")
                handles.discard(got.parts[0])
                done += 1
            worker.send(PRE_SLEEP)
        for w in workers:
            w.sync()
            if w.stash:
                w.stash.clear()
                w.sleep()
    check(done == 60, done)


def next_awake(workers):
    awake = ready(workers, patience())
    check(awake, "jobs wait and every worker sleeps")
    return awake[0]


main()
