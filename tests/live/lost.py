#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Workers that vanish, give up or take too long."""
import signal
import time

from gearlive import *


@case("the job of a lost worker goes to the next one; its progress starts again; the client hears nothing")
def _(t):
    s = t.server()
    client, first, second = s.connect(), s.worker("f"), s.sleeper("f")
    handle = client.submit("f", "u", "x")
    second.expect(NOOP)
    check(first.grab()[0] == handle)
    second.no_job()
    first.send(WORK_STATUS, handle, 5, 10).sync()
    client.expect(WORK_STATUS, handle, 5, 10)
    second.sleep()
    first.close()
    second.expect(NOOP)
    check(second.grab() == [handle, b"f", b"x"])
    check(client.status(handle) == (1, 1, 0, 0))
    second.complete(handle, "y").silent()
    client.expect(WORK_COMPLETE, handle, "y")
    client.silent()


@case("CANT_DO and RESET_ABILITIES give running jobs back; the late result gets JOB_NOT_FOUND")
def _(t):
    s = t.server()
    s.allow_log("JOB_NOT_FOUND")
    client = s.connect()
    for give_up in (pack(CANT_DO, "f"), pack(RESET_ABILITIES)):
        first, second = s.worker("f"), s.worker("f")
        handle = client.submit("f")
        check(first.grab()[0] == handle)
        first.raw(give_up).silent()
        first.no_job()
        check(second.grab()[0] == handle)
        first.complete(handle, "late")
        first.expect_error("JOB_NOT_FOUND", "Job given in work result not found")
        second.complete(handle, "right").silent()
        client.expect(WORK_COMPLETE, handle, "right")
        second.close()


@case("CANT_DO for an ability that was never there, or CAN_DO twice, counts once and hurts nothing")
def _(t):
    p = t.server().connect()
    p.send(CANT_DO, "g").send(CAN_DO, "f").send(CAN_DO, "f").silent()
    check(p.listing("status") == [b"f\t0\t0\t1"])
    p.send(CANT_DO, "f").silent()
    check(p.listing("status") in ([], [b"f\t0\t0\t0"]))


@case("several jobs of a lost worker are all run again")
def _(t):
    s = t.server()
    client, first, second = s.connect(), s.worker("f"), s.worker("f")
    handles = [client.submit("f", nr=SUBMIT_JOB_BG) for _ in range(10)]
    for _ in handles:
        first.grab()
    first.reset()
    until(lambda: client.listing("status") == [b"f\t10\t0\t1"], "the jobs to be back")
    check(sorted(second.grab()[0] for _ in handles) == sorted(handles))


def lose(s, handle):
    with s.worker("f") as worker:
        check(worker.grab()[0] == handle)


@case("--job-retries=2 drops a job when its second attempt is lost, and tells its client", modes=(0, 2))
def _(t):
    s = t.server("--job-retries=2")
    client = s.connect()
    handle = client.submit("f", "u")
    lose(s, handle)
    until(lambda: client.listing("status") == [b"f\t1\t0\t0"], "the job to be back")
    check(client.listing("show jobs") == [handle + b"\t1\t0\t0"])
    lose(s, handle)
    got = client.packet()
    check(got.nr == WORK_FAIL and got.body == handle, got)
    check(client.status(handle) == (0, 0, 0, 0))
    check(s.worker("f").no_job())


@case("--job-retries=1 gives one attempt; 0, -1 and the default any number", modes=(0,))
def _(t):
    s = t.server("--job-retries=1")
    client = s.connect()
    handle = client.submit("f")
    lose(s, handle)
    client.expect(WORK_FAIL)
    for options in ((), ("--job-retries=0",), ("--job-retries=-1",)):
        s = t.server(*options)
        client = s.connect()
        handle = client.submit("f", nr=SUBMIT_JOB_BG)
        for n in range(300):
            with s.worker("f") as worker:
                worker.send(GRAB_JOB)
                worker.expect(JOB_ASSIGN, handle, "f", "")
            until(lambda: client.status(handle) == (1, 0, 0, 0), "attempt %d to be lost" % n)
        check(client.listing("show jobs") == [handle + b"\t300\t0\t1"])


@case("a time limit that ends fails a foreground job at its client; the late result gets JOB_NOT_FOUND")
def _(t):
    s = t.server()
    s.allow_log("JOB_NOT_FOUND")
    worker, client = s.connect(), s.connect()
    worker.send(CAN_DO_TIMEOUT, "f", 100)
    handle = client.submit("f")
    check(worker.grab()[0] == handle)
    got = client.packet()
    check(got.nr == WORK_FAIL and got.body == handle, got)
    worker.complete(handle, "late")
    worker.expect_error("JOB_NOT_FOUND", "Job given in work result not found")
    check(client.status(handle) == (0, 0, 0, 0))
    worker.no_job()


@case("a background job whose time limit ends is queued again and wakes a worker")
def _(t):
    s = t.server()
    slow, other, client = s.connect(), s.sleeper("f"), s.connect()
    slow.send(CAN_DO_TIMEOUT, "f", 50)
    handle = client.submit("f", nr=SUBMIT_JOB_BG)
    other.expect(NOOP)
    check(slow.grab()[0] == handle)
    other.send(PRE_SLEEP)
    other.expect(NOOP)
    check(other.grab()[0] == handle)
    check(client.listing("show jobs") == [handle + b"\t1\t0\t1"])


@case("--timeout-requeues gives foreground jobs to the next worker too, and the client hears nothing", modes=(0, 2))
def _(t):
    s = t.server("--timeout-requeues")
    slow, other, client = s.connect(), s.sleeper("f"), s.connect()
    slow.send(CAN_DO_TIMEOUT, "f", 50)
    handle = client.submit("f")
    other.expect(NOOP)
    check(slow.grab()[0] == handle)
    other.send(PRE_SLEEP)
    other.expect(NOOP)
    check(other.grab()[0] == handle)
    other.complete(handle, "done").silent()
    client.expect(WORK_COMPLETE, handle, "done")
    client.silent()


@case("a time limit ends with its job: after the result it hits no other")
def _(t):
    s = t.server()
    worker, client = s.connect(), s.connect()
    for end in (WORK_COMPLETE, WORK_FAIL, WORK_EXCEPTION):
        worker.send(CAN_DO_TIMEOUT, "f", 1000)
        client.submit("f", "", "x", nr=SUBMIT_JOB_BG)
        handle = worker.grab()[0]
        worker.send(end, handle, **({} if end == WORK_FAIL else {"data": "done"})).silent()
        # The job that takes its place has no limit, and nobody but this worker may ever see it.
        worker.send(CAN_DO, "g")
        client.submit("g", "", "y", nr=SUBMIT_JOB_BG)
        second = worker.grab()[0]
        after = s.connect()
        probe = s.connect()
        probe.send(CAN_DO_TIMEOUT, "tick", 1100)  # a later limit, whose end shows that the first has passed
        tick = after.submit("tick")
        probe.grab()
        after.expect(WORK_FAIL, tick)
        check(client.status(second) == (1, 1, 0, 0), "the running job was touched")
        check(client.listing("status")[-1:] != [] and
              all(int(row.split(b"\t")[2]) <= 1 for row in client.listing("status")), client.listing("status"))
        worker.complete(second).silent()
        worker.no_job()


@case("each running job has a limit of its own, whatever the worker grabs or says meanwhile")
def _(t):
    s = t.server()
    worker, client = s.connect(), s.connect()
    worker.send(CAN_DO_TIMEOUT, "f", 1000).send(CAN_DO_TIMEOUT, "g", 1100).send(CAN_DO, "h")
    handles = []
    for f in "fgh":
        handles.append(client.submit(f))
        check(worker.grab()[0] == handles[-1])
    worker.send(PRE_SLEEP)
    client.expect(WORK_FAIL, handles[0])
    client.expect(WORK_FAIL, handles[1])
    check(client.status(handles[2]) == (1, 1, 0, 0))


@case("time limits are in milliseconds; 0, negative ones and words are no limit")
def _(t):
    s = t.server()
    s.allow_log("127")
    worker, client = s.connect(), s.connect()
    worker.send(CAN_DO_TIMEOUT, "f", 1300)
    handle = client.submit("f")
    start = time.monotonic()
    worker.grab()
    client.expect(WORK_FAIL, handle)
    check(time.monotonic() - start >= 1.299, "it ended early, after", time.monotonic() - start)
    for name, limit in (("z", "0"), ("n", "-5")):
        worker.send(CAN_DO_TIMEOUT, name, limit).sync()
        worker.stash.clear()
        h = client.submit(name)
        check(worker.grab()[0] == h)
        worker.complete(h, "x")
        client.expect(WORK_COMPLETE, h, "x")


@case("a result that came while the server stood still is in time, though the limit is over", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    worker, client = s.connect(), s.connect()
    worker.send(CAN_DO_TIMEOUT, "f", 1000)
    handle = client.submit("f")
    check(worker.grab()[0] == handle)
    s.signal(signal.SIGSTOP)
    start = time.monotonic()
    worker.complete(handle, "done")
    time.sleep(max(0, start + 1.2 - time.monotonic()))  # the time limit itself
    s.signal(signal.SIGCONT)
    client.expect(WORK_COMPLETE, handle, "done")


@case("a job that reaches its time limit counts as an attempt for --job-retries", modes=(0, 2))
def _(t):
    s = t.server("--job-retries=2")
    worker, client = s.connect(), s.connect()
    worker.send(CAN_DO_TIMEOUT, "f", 30)
    handle = client.submit("f", nr=SUBMIT_JOB_BG)
    check(worker.grab()[0] == handle)
    until(lambda: client.status(handle) == (1, 0, 0, 0), "the first limit to end")
    check(worker.grab()[0] == handle)
    until(lambda: client.status(handle) == (0, 0, 0, 0), "the second limit to drop it")
    worker.no_job()


main()


@case("a worker that asks for a job and has ended its sending side gets no answer and no job", modes=(0, 2))
def _(t):
    s = t.server()
    client = s.connect()
    handle = None
    for n in range(40):
        if n == 20:
            handle = client.submit("f", "", "x")  # from now on a job is there
        nr, sleeps = (GRAB_JOB, GRAB_JOB_UNIQ, GRAB_JOB_ALL)[n % 3], n % 2
        worker = s.worker("f")
        s.signal(signal.SIGSTOP)  # so that both are there when the server looks
        worker.raw(pack(nr) + (pack(PRE_SLEEP) if sleeps else b""))
        worker.shut_write()
        s.signal(signal.SIGCONT)
        worker.expect_closed()
    check(client.status(handle) == (1, 0, 0, 0), "the job was given to a worker that has gone")
    check(s.worker("f").grab()[0] == handle)


@case("a client that has ended its sending side still gets what it is owed", modes=(0, 2))
def _(t):
    s = t.server()
    for _ in range(20):
        client, worker = s.connect(), s.worker("f")
        s.signal(signal.SIGSTOP)
        client.raw(pack(SUBMIT_JOB, "f", "", data="x") + pack(ECHO_REQ, data="last"))
        client.shut_write()
        s.signal(signal.SIGCONT)
        client.expect(JOB_CREATED)
        client.expect(ECHO_RES, "last")
        client.expect_closed()
        worker.no_job()
