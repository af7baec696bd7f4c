#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""A job's way from client to worker and back, packet by packet."""
import os
import re
import time

from gearlive import *


@case("handles are H:host:number, at most 63 bytes, and the same prefix for all")
def _(t):
    p = t.server().connect()
    seen = set()
    for _ in range(50):
        handle = p.submit("f", nr=SUBMIT_JOB_BG)
        check(re.fullmatch(rb"H:[^:]+:\d+", handle) and len(handle) <= 63, handle)
        seen.add(handle)
    check(len(seen) == 50, "handles repeat")


@case("--job-handle-prefix begins each handle, and a long one still gives each job its own", modes=(0, 2))
def _(t):
    p = t.server("--job-handle-prefix=P:q").connect()
    check(re.fullmatch(rb"P:q:\d+", p.submit("f", nr=SUBMIT_JOB_BG)))
    p = t.server("--job-handle-prefix=" + "x" * 42).connect()
    handles = {p.submit("f", nr=SUBMIT_JOB_BG) for _ in range(20)}
    check(len(handles) == 20 and all(len(h) <= 63 for h in handles), handles)


@case("data, warning, status and completion reach the client byte for byte and in order")
def _(t):
    s = t.server()
    worker, client = s.worker("f"), s.connect()
    handle = client.submit("f", "u", "in")
    worker.grab()
    big = os.urandom(300000)
    worker.send(WORK_DATA, handle, data=b"\0part\0")
    worker.send(WORK_WARNING, handle, data="careful")
    worker.send(WORK_STATUS, handle, "3", "10")
    worker.send(WORK_DATA, handle, data="")
    worker.send(WORK_DATA, handle, data=big)
    worker.complete(handle, "").silent()
    client.expect(WORK_DATA, handle, b"\0part\0")
    client.expect(WORK_WARNING, handle, "careful")
    client.expect(WORK_STATUS, handle, "3", "10")
    client.expect(WORK_DATA, handle, "")
    client.expect(WORK_DATA, handle, big)
    client.expect(WORK_COMPLETE, handle, "")
    client.silent()


@case("a failed job is WORK_FAIL with its handle alone")
def _(t):
    s = t.server()
    worker, client = s.worker("f"), s.connect()
    handle = client.submit("f")
    worker.grab()
    worker.send(WORK_FAIL, handle).silent()
    check(client.packet().body == handle)
    client.silent()
    check(client.status(handle) == (0, 0, 0, 0))


@case("an exception reaches clients that asked for them; to others it is WORK_FAIL with the handle alone")
def _(t):
    s = t.server()
    worker, asked, plain = s.worker("f"), s.connect(), s.connect()
    asked.send(OPTION_REQ, "exceptions")
    asked.expect(OPTION_RES, "exceptions")
    handle = asked.submit("f", "same")
    check(plain.submit("f", "same") == handle)
    worker.grab()
    worker.send(WORK_EXCEPTION, handle, data="why\0not").silent()
    asked.expect(WORK_EXCEPTION, handle, b"why\0not")
    got = plain.packet()
    check(got.nr == WORK_FAIL and got.body == handle, got)
    asked.silent()
    plain.silent()


@case("--exceptions turns them on for every connection", modes=(0, 2))
def _(t):
    s = t.server("--exceptions")
    worker, client = s.worker("f"), s.connect()
    handle = client.submit("f")
    worker.grab()
    worker.send(WORK_EXCEPTION, handle, data="oh")
    client.expect(WORK_EXCEPTION, handle, "oh")


@case("a worker may send WORK_FAIL behind its WORK_EXCEPTION; anything else after the end is JOB_NOT_FOUND")
def _(t):
    s = t.server()
    s.allow_log("JOB_NOT_FOUND")
    worker, client = s.worker("f"), s.connect()
    handle = client.submit("f")
    worker.grab()
    worker.send(WORK_EXCEPTION, handle, data="died")
    worker.send(WORK_FAIL, handle).silent()
    client.expect(WORK_FAIL, handle)
    client.silent()
    worker.send(WORK_FAIL, handle)
    worker.expect_error("JOB_NOT_FOUND")
    handle = client.submit("f")
    worker.grab()
    worker.send(WORK_EXCEPTION, handle, data="died")
    worker.complete(handle)
    worker.expect_error("JOB_NOT_FOUND")


@case("a payload of no bytes is a job like any other, each way")
def _(t):
    s = t.server()
    worker, client = s.worker("f"), s.connect()
    handle = client.submit("f", "", "")
    check(worker.grab() == [handle, b"f", b""])
    worker.complete(handle, "")
    client.expect(WORK_COMPLETE, handle, "")


@case("functions may have empty names and names of any bytes")
def _(t):
    s = t.server()
    p = s.connect()
    for name in (b"", b" ", b"a b\tc", b"\xff\xfe", "größe".encode()):
        p.send(CAN_DO, name)
        handle = p.submit(name, "", "x", nr=SUBMIT_JOB_BG)
        check(p.grab() == [handle, name, b"x"])
        p.complete(handle).silent()


@case("high of any function comes before normal of any other, then low; in each the oldest first")
def _(t):
    s = t.server()
    p = s.worker("f", "g")
    order = []
    for name, nr, rank in (("f", SUBMIT_JOB_LOW_BG, 3), ("g", SUBMIT_JOB_BG, 2), ("f", SUBMIT_JOB_HIGH_BG, 1),
                           ("g", SUBMIT_JOB_LOW_BG, 3), ("f", SUBMIT_JOB_BG, 2), ("g", SUBMIT_JOB_HIGH_BG, 1),
                           ("f", SUBMIT_JOB_LOW, 3), ("g", SUBMIT_JOB_HIGH, 1), ("f", SUBMIT_JOB_HIGH_BG, 1)):
        order.append((rank, name.encode(), p.submit(name, nr=nr)))
    got = [p.grab()[:2] for _ in order]
    p.no_job()
    ranks = {h: r for r, _, h in order}
    check([ranks[h] for h, _ in got] == sorted(ranks.values()), "priorities out of order")
    for f in (b"f", b"g"):
        for r in (1, 2, 3):
            check([h for h, n in got if n == f and ranks[h] == r] == [h for k, n, h in order if n == f and k == r],
                  "not first in, first out")


@case("functions of one worker take turns within a priority")
def _(t):
    p = t.server().worker("a", "b", "c")
    for f in "aaabbbccc":
        p.submit(f, nr=SUBMIT_JOB_BG)
    got = b"".join(p.grab()[1] for _ in range(9)).decode()
    check(all(sorted(got[n:n + 3]) == list("abc") for n in (0, 3, 6)), got)


@case("--strict-order drains functions in the order they were registered", modes=(0, 2))
def _(t):
    p = t.server("--strict-order").worker("a", "b", "c")
    for f in "cbacba":
        p.submit(f, nr=SUBMIT_JOB_BG)
    got = b"".join(p.grab()[1] for _ in range(6))
    check(got == b"aabbcc", got)


@case("GRAB_JOB_UNIQ tells the unique, GRAB_JOB_ALL also the reducer when there is one")
def _(t):
    p = t.server().worker("f")
    h = p.submit("f", "uni", "x", nr=SUBMIT_JOB_BG)
    check(p.grab(GRAB_JOB_UNIQ) == [h, b"f", b"uni", b"x"])
    h = p.submit("f", "un2", "y", nr=SUBMIT_JOB_BG)
    p.send(GRAB_JOB_ALL)
    p.expect(JOB_ASSIGN_UNIQ, h, "f", "un2", "y")
    p.send(SUBMIT_REDUCE_JOB_BACKGROUND, "f", "un3", "red", "", data="z\0")
    h = p.expect(JOB_CREATED)[0]
    p.send(GRAB_JOB_ALL)
    p.expect(JOB_ASSIGN_ALL, h, "f", "un3", "red", b"z\0")
    p.send(SUBMIT_REDUCE_JOB_BACKGROUND, "f", "un4", "red", "", data="")
    h = p.expect(JOB_CREATED)[0]
    p.send(GRAB_JOB_UNIQ)
    p.expect(JOB_ASSIGN_UNIQ, h, "f", "un4", "")


@case("reduce submits work with four arguments, as libgearman sends them, and with three, as documented")
def _(t):
    s = t.server()
    worker, client = s.worker("f"), s.connect()
    for args, data in ((("f", "", "red", ""), b"work"), (("f", "", "red"), b"work"), (("f", "", "red"), b"w\0rk\0")):
        client.send(SUBMIT_REDUCE_JOB, *args, data=data)
        handle = client.expect(JOB_CREATED)[0]
        check(worker.grab(GRAB_JOB_ALL) == [handle, b"f", b"", b"red", data])
        worker.complete(handle, "sum")
        client.expect(WORK_COMPLETE, handle, "sum")
    client.send(SUBMIT_REDUCE_JOB, "f", "", "", "", data="plain")
    handle = client.expect(JOB_CREATED)[0]
    worker.send(GRAB_JOB_ALL)
    worker.expect(JOB_ASSIGN_UNIQ, handle, "f", "", "plain")


@case("a status tells known, running and progress; the client need not be the one that submitted")
def _(t):
    s = t.server()
    worker, client, other = s.worker("f"), s.connect(), s.connect()
    handle = client.submit("f", "u")
    check(other.status(handle) == (1, 0, 0, 0))
    worker.grab()
    check(other.status(handle) == (1, 1, 0, 0))
    worker.send(WORK_STATUS, handle, 7, 9).silent()
    check(other.status(handle) == (1, 1, 7, 9))
    other.send(GET_STATUS_UNIQUE, "u")
    other.expect(STATUS_RES_UNIQUE, "u", 1, 1, 7, 9, 1)
    worker.complete(handle).silent()
    other.send(GET_STATUS, handle)
    other.expect(STATUS_RES, handle, 0, 0, 0, 0)
    other.send(GET_STATUS_UNIQUE, "u")
    other.expect(STATUS_RES_UNIQUE, "u", 0, 0, 0, 0, 0)


@case("jobs without a unique, or with -, are not found by unique", modes=(0, 2))
def _(t):
    p = t.server().connect()
    p.submit("f", "", "x", nr=SUBMIT_JOB_BG)
    p.submit("f", "-", "x", nr=SUBMIT_JOB_BG)
    for u in ("", "-"):
        p.send(GET_STATUS_UNIQUE, u)
        p.expect(STATUS_RES_UNIQUE, u, 0, 0, 0, 0, 0)


@case("a worker may hold many jobs, and finish them in any order")
def _(t):
    s = t.server()
    worker, client = s.worker("f"), s.connect()
    handles = [client.submit("f", "", "%d" % n) for n in range(20)]
    check([worker.grab()[0] for _ in handles] == handles)
    for h in reversed(handles):
        worker.complete(h, h)
    for h in reversed(handles):
        client.expect(WORK_COMPLETE, h, h)


@case("what a client gets is its own, even when a worker finishes before it has read the job's payload", limit=120)
def _(t):
    s = t.server()
    worker, client = s.worker("f"), s.connect()
    mine = b"A" * (3 << 20)
    handle = client.submit("f", "", mine, nr=SUBMIT_JOB_BG)
    worker.send(GRAB_JOB)  # and does not read the answer
    worker.complete(handle)  # guessed, or heard elsewhere
    others = [client.submit("g", "", b"B" * (1 << 20), nr=SUBMIT_JOB_BG) for _ in range(4)]
    check(len(set(others)) == 4)
    check(worker.expect(JOB_ASSIGN, handle, "f", ANY)[2] == mine, "the payload is not what was submitted")
    worker.silent()


@case("EPOCH jobs run when due and not before, and those of the past run at once")
def _(t):
    s = t.server()
    p = s.worker("f")
    due = int(time.time()) + 2
    p.send(SUBMIT_JOB_EPOCH, "f", "later", due, data="x")
    handle = p.expect(JOB_CREATED)[0]
    p.send(SUBMIT_JOB_EPOCH, "f", "past", 1, data="y")
    past = p.expect(JOB_CREATED)[0]
    check(p.grab()[0] == past)
    check(p.status(handle) == (1, 0, 0, 0))
    check(p.listing("status") == [b"f\t2\t1\t1"])
    while True:
        p.send(GRAB_JOB)
        got = p.packet()
        now = time.time()
        if got.nr == JOB_ASSIGN:
            break
        check(got.nr == NO_JOB, got)
        time.sleep(0.01)
    check(got.parts[0] == handle and due <= now, "it ran %f s early" % (due - now))


@case("EPOCH jobs of the next century are accepted, kept and told of")
def _(t):
    p = t.server().worker("f")
    for when in (4294967296, 253402300799, -5, 0):
        p.send(SUBMIT_JOB_EPOCH, "f", "e%d" % when, when, data="x")
        p.expect(JOB_CREATED)
    check(sorted(p.grab(GRAB_JOB_UNIQ)[2] for _ in range(2)) == [b"e-5", b"e0"])
    p.no_job()
    check(p.listing("status") == [b"f\t4\t2\t1"])


@case("times of SCHED jobs are worked out on several I/O threads at once", modes=(4,))
def _(t):
    s = t.server()
    peers = [s.connect() for _ in range(6)]
    for n in range(20):
        for p in peers:
            p.raw(b"".join(pack(SUBMIT_JOB_SCHED, "f", "", (n + i) % 60, "*", "*", "*", "*", data="x") for i in range(20)))
        for p in peers:
            for _i in range(20):
                p.expect(JOB_CREATED)


@case("SCHED jobs are accepted with fields empty or starred and wait for their minute; fields out of range get ERROR",
      modes=(0, 2))
def _(t):
    s = t.server()
    s.allow_log("INVALID")
    p = s.worker("f")
    now = time.gmtime(time.time() + 7200)
    p.send(SUBMIT_JOB_SCHED, "f", "s1", now.tm_min, now.tm_hour, "*", "", "", data="x")
    handle = p.expect(JOB_CREATED)[0]
    check(p.status(handle) == (1, 0, 0, 0))
    p.no_job()
    for fields in (("60", "", "", "", ""), ("", "24", "", "", ""), ("", "", "32", "", ""), ("", "", "", "13", ""),
                   ("", "", "", "", "8"), ("x", "", "", "", ""), ("", "", "30", "2", "")):
        p.send(SUBMIT_JOB_SCHED, "f", "s2", *fields, data="x")
        check(p.packet().nr == ERROR, "accepted:", fields)
    p.silent()


@case("text commands and packets on one connection are answered in the order they were sent")
def _(t):
    p = t.server().worker("f")
    p.raw(pack(ECHO_REQ, data="1") + b"version\r\n" + pack(SUBMIT_JOB_BG, "f", "", data="x") + b"status\n" +
          pack(GRAB_JOB) + b"no such\n" + pack(ECHO_REQ, data="2"))
    p.expect(ECHO_RES, "1")
    check(p.line().startswith(b"OK "))
    handle = p.expect(JOB_CREATED)[0]
    check(re.fullmatch(rb"f\t1\t[01]\t1\n\.\n", p.line() + p.line()))  # a listing may be made a little later
    p.expect(JOB_ASSIGN, handle, "f", "x")
    check(p.line().startswith(b"ERR UNKNOWN_COMMAND"))
    p.expect(ECHO_RES, "2")


@case("a client that closes its sending side still gets all it asked for, then the close")
def _(t):
    s = t.server()
    worker, client = s.sleeper("f"), s.connect()
    client.send(ECHO_REQ, data="a").send(SUBMIT_JOB, "f", "u", data="x")
    client.raw(b"version\n")
    client.shut_write()
    client.expect(ECHO_RES, "a")
    handle = client.expect(JOB_CREATED)[0]
    check(client.line().startswith(b"OK "))
    client.expect_closed()
    check(handle.startswith(b"H:"))


@case("requests of a client that closed its sending side at once are answered, each time")
def _(t):
    s = t.server()
    for _ in range(50):
        with s.connect() as p:
            p.raw(b"".join(pack(ECHO_REQ, data=b"%d" % n) for n in range(20)))
            p.shut_write()
            for n in range(20):
                p.expect(ECHO_RES, b"%d" % n)
            p.expect_closed()


main()
