#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The processing thread makes no system call but memory growth and its mailbox's sleep and wake: traced, under load."""
import collections
import os
import re
import time

from gearlive import *
from gearlive.durable import *

ALLOWED = {"futex", "brk", "mmap", "munmap", "mremap", "madvise", "mprotect"}
# Wakes another thread; told from other writes by what the descriptor is.
WAKE = re.compile(r"write\(\d+<anon_inode:\[eventfd\]>")


def start(t, *options):
    t.need("strace")
    if server_sanitized():
        t.skip("a sanitizer makes system calls of its own")
    trace = t.path("trace")
    s = t.server(*options, under=("strace", "-D", "-f", "-y", "-qq", "-e", "signal=none", "-o", trace))
    until(lambda: "gm-proc" in s.threads(), "the processing thread")
    s.alive()
    return s, trace, os.path.getsize(trace)


def calls_of(trace, start, tid):
    """{name: count} of a thread's calls since `start`, and the lines of those that it must not make."""
    names, bad = collections.Counter(), []
    with open(trace, errors="replace") as f:
        f.seek(start)
        for line in f.read().splitlines()[1:]:
            m = re.match(r"%d +(?:<\.\.\. )?(\w+)( resumed|\()" % tid, line)
            if not m:
                continue
            names[m.group(1)] += 1
            if m.group(1) not in ALLOWED and not WAKE.search(line) and m.group(2) == "(":
                bad.append(line)
    return names, bad


def load(s):
    client, worker = s.connect(), s.sleeper("f", "g")
    big = os.urandom(1 << 20)
    for n in range(200):
        handle = client.submit("f", "u%d" % n, big if n % 50 == 0 else b"x")
        worker.expect(NOOP)
        worker.grab(GRAB_JOB_UNIQ)
        worker.send(WORK_STATUS, handle, n, 200)
        worker.send(WORK_DATA, handle, data=b"y" * n)
        worker.complete(handle, b"z").sleep()
        for nr in (WORK_STATUS, WORK_DATA, WORK_COMPLETE):
            client.expect(nr)
    client.raw(b"".join(pack(SUBMIT_JOB_BG, "g", "v%d" % n, data="x" * 100) for n in range(5000)))
    for _ in range(5000):
        client.expect(JOB_CREATED)
    worker.expect(NOOP)
    for text in ("status", "workers", "show jobs", "show unique jobs", "prioritystatus"):
        client.listing(text)
    client.send(SUBMIT_JOB_EPOCH, "late", "", int(time.time()) + 1, data="x")
    client.expect(JOB_CREATED)
    late = s.sleeper("late")
    impatient = s.connect()
    impatient.send(CAN_DO_TIMEOUT, "h", 50)
    handle = client.submit("h")
    impatient.grab()
    client.expect(WORK_FAIL, handle)
    client.raw(b"no such command\n" + pack(WORK_COMPLETE, "H:none:1", data=""))
    client.line()
    client.expect(ERROR)
    for _ in range(5000):
        worker.complete(worker.grab()[0])
    worker.no_job()
    late.expect(NOOP)
    impatient.reset()
    client.silent()


@case("under load the processing thread calls nothing but futex, wake-ups and memory", modes=(2, 4), limit=180)
def _(t):
    s, trace, at = start(t)
    s.allow_log("JOB_NOT_FOUND")
    load(s)
    names, bad = calls_of(trace, at, s.threads()["gm-proc"])
    check(not bad, "%d calls that it must not make: %s" % (len(bad), "; ".join(bad[:5])))
    check(names["futex"] > 0 and sum(names.values()) > 100, "the trace has too little of it:", dict(names))


@case("nor with a durable queue, whose store has a thread of its own", modes=(2,), limit=180)
def _(t):
    s, trace, at = start(t, "-q", "sqlite", "--libsqlite3-db=" + t.path("queue.db"))
    s.allow_log("JOB_NOT_FOUND")
    load(s)
    names, bad = calls_of(trace, at, s.threads()["gm-proc"])
    check(not bad, "%d calls that it must not make: %s" % (len(bad), "; ".join(bad[:5])))
    check(sum(names.values()) > 100, "the trace has too little of it:", dict(names))


main()
