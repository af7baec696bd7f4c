#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Equal submissions share one job, and who wants it is never forgotten."""
from gearlive import *


@case("equal uniques of one function share a job, of two functions do not")
def _(t):
    s = t.server()
    a, b, worker = s.connect(), s.connect(), s.worker("f", "g")
    handle = a.submit("f", "u", "first")
    check(b.submit("f", "u", "second") == handle)
    other = b.submit("g", "u", "third")
    check(other != handle)
    got = [worker.grab(), worker.grab()]
    check(sorted(got) == sorted([[handle, b"f", b"first"], [other, b"g", b"third"]]), got)
    worker.no_job()
    worker.complete(handle, "both").silent()
    a.expect(WORK_COMPLETE, handle, "both")
    b.expect(WORK_COMPLETE, handle, "both")
    check(a.submit("f", "u") != handle, "a finished job does not attract new clients")


@case("an empty unique never coalesces, - does on equal data that is not empty, # is ordinary text")
def _(t):
    p = t.server().connect()

    def same(unique, one, two):
        return p.submit("f", unique, one, nr=SUBMIT_JOB_BG) == p.submit("f", unique, two, nr=SUBMIT_JOB_BG)
    check(not same("", "x", "x"))
    check(same("-", "x", "x"))
    check(not same("-", "y", "z"))
    check(not same("-", "", ""))
    check(same("#", "x", "y"))
    check(same("a\nb c", "x", "y"))
    check(not same("case", "x", "x") or p.submit("f", "CASE", nr=SUBMIT_JOB_BG) != p.submit("f", "case", nr=SUBMIT_JOB_BG))


@case("a unique of 64 bytes coalesces, and reaches the worker as it was, the payload after it untouched")
def _(t):
    s = t.server()
    p, worker = s.connect(), s.worker("f")
    u = "u" * 63
    handle = p.submit("f", u + "1", "payload")
    check(p.submit("f", u + "1", "payload") == handle, "64 equal bytes did not coalesce")
    other = p.submit("f", u + "2", "payload")
    third = p.submit("f", u, "payload")
    check(len({handle, other, third}) == 3, "different uniques of 63 and 64 bytes share a job")
    check(worker.grab(GRAB_JOB_UNIQ) == [handle, b"f", (u + "1").encode(), b"payload"])
    worker.send(GRAB_JOB_ALL)
    worker.expect(JOB_ASSIGN_UNIQ, other, "f", u + "2", "payload")
    check(worker.grab(GRAB_JOB_UNIQ) == [third, b"f", u.encode(), b"payload"])


@case("a client that joins a running job hears the rest of it")
def _(t):
    s = t.server()
    a, b, worker = s.connect(), s.connect(), s.worker("f")
    handle = a.submit("f", "u")
    worker.grab()
    worker.send(WORK_DATA, handle, data="early").sync()
    check(b.submit("f", "u") == handle)
    worker.complete(handle, "late")
    b.expect(WORK_COMPLETE, handle, "late")
    a.expect(WORK_DATA, handle, "early")
    a.expect(WORK_COMPLETE, handle, "late")


@case("a background job outlives foreground clients that joined it, whoever was first")
def _(t):
    s = t.server()
    keeper, worker = s.connect(), s.connect()
    for n, order in enumerate(((SUBMIT_JOB_BG, SUBMIT_JOB), (SUBMIT_JOB, SUBMIT_JOB_BG),
                               (SUBMIT_JOB_LOW_BG, SUBMIT_JOB_HIGH), (SUBMIT_JOB_HIGH, SUBMIT_JOB_LOW_BG))):
        u = "u%d" % n
        handles = set()
        for nr in order:
            p = keeper if nr in (SUBMIT_JOB_BG, SUBMIT_JOB_LOW_BG) else s.connect()
            handles.add(p.submit("f", u, "x", nr=nr))
            if p is not keeper:
                leaver = p
        check(len(handles) == 1)
        leaver.close()
    until(lambda: len(keeper.listing("workers")) == 2, "the clients to be gone")
    check(keeper.listing("status") == [b"f\t4\t0\t0"])
    worker.can("f")
    check(sorted(worker.grab(GRAB_JOB_UNIQ)[2] for _ in range(4)) == [b"u0", b"u1", b"u2", b"u3"])


@case("a running background job of which the foreground client left is run again when its worker is lost")
def _(t):
    s = t.server()
    fg, bg, first, second = s.connect(), s.connect(), s.worker("f"), s.worker("f")
    handle = bg.submit("f", "u", "x", nr=SUBMIT_JOB_BG)
    check(fg.submit("f", "u", "x") == handle)
    check(first.grab()[0] == handle)
    fg.close()
    first.close()
    until(lambda: len(bg.listing("workers")) == 2, "both to be gone")
    check(second.grab()[0] == handle)


@case("a queued job whose only client left is dropped: nothing is counted, its unique is free")
def _(t):
    s = t.server()
    client, p = s.connect(), s.connect()
    old = client.submit("f", "u", "old")
    client.close()
    until(lambda: p.listing("status") in ([], [b"f\t0\t0\t0"]), "the job to go")
    check(p.status(old) == (0, 0, 0, 0))
    check(p.listing("show jobs") == [] and p.listing("show unique jobs") == [])
    handle = p.submit("f", "u", "new")
    check(handle != old)
    worker = s.worker("f")
    check(worker.grab() == [handle, b"f", b"new"])
    worker.complete(handle, "done")
    p.expect(WORK_COMPLETE, handle, "done")


@case("a client that joins just after the last one left gets its result, whichever came first", limit=120)
def _(t):
    s = t.server()
    worker = s.worker("f")
    for n in range(30):
        leaver, joiner = s.connect(), s.connect()
        leaver.submit("f", "u", "x")
        if n % 2:
            leaver.reset()
        else:
            leaver.close()
        handle = joiner.submit("f", "u", "x")
        got = grab_until(worker, handle)
        worker.complete(got[0], "done")
        joiner.expect(WORK_COMPLETE, handle, "done")
        joiner.close()


def grab_until(worker, handle):
    while True:
        got = worker.grab()
        if got[0] == handle:
            return got
        worker.complete(got[0]).sync()  # one that its client left while it ran
        worker.stash.clear()


@case("a running job whose client left finishes quietly, and one who joined meanwhile gets the result")
def _(t):
    s = t.server()
    leaver, joiner, worker = s.connect(), s.connect(), s.worker("f")
    handle = leaver.submit("f", "u")
    worker.grab()
    leaver.close()
    until(lambda: len(joiner.listing("workers")) == 2, "the client to be gone")
    check(joiner.submit("f", "u") == handle)
    worker.complete(handle, "for you").silent()
    joiner.expect(WORK_COMPLETE, handle, "for you")


@case("a running job that nobody wants any more is not run again when its worker is lost")
def _(t):
    s = t.server()
    leaver, first, second = s.connect(), s.worker("f"), s.worker("f")
    leaver.submit("f", "u")
    first.grab()
    leaver.close()
    until(lambda: len(second.listing("workers")) == 2, "the client to be gone")
    first.close()
    until(lambda: len(second.listing("workers")) == 1, "the worker to be gone")
    second.no_job()
    check(second.listing("status") == [b"f\t0\t0\t1"])


@case("PRE_SLEEP with an abandoned low job of one function leaves the live high job of another alone")
def _(t):
    s = t.server()
    leaver, client, worker = s.connect(), s.connect(), s.connect()
    leaver.submit("b", "gone", "x", nr=SUBMIT_JOB_LOW)
    handle = client.submit("a", "live", "y", nr=SUBMIT_JOB_HIGH)
    leaver.close()
    until(lambda: len(client.listing("workers")) == 2, "the client to be gone")
    worker.send(CAN_DO, "a").send(CAN_DO, "b").send(PRE_SLEEP)
    worker.expect(NOOP)
    worker.send(PRE_SLEEP)
    worker.expect(NOOP)
    check(worker.grab()[0] == handle)
    worker.no_job()
    worker.complete(handle, "z")
    client.expect(WORK_COMPLETE, handle, "z")


@case("jobs submitted with an epoch coalesce too, and keep their time", modes=(0, 2))
def _(t):
    p = t.server().worker("f")
    p.send(SUBMIT_JOB_EPOCH, "f", "u", 4000000000, data="x")
    handle = p.expect(JOB_CREATED)[0]
    check(p.submit("f", "u", "now", nr=SUBMIT_JOB_BG) == handle)
    p.no_job()


main()
