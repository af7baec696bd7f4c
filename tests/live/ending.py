#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""How the server ends, and what is known after it has started again.  No durable queue here."""
import os
import signal
import time

from gearlive import *


def graceful(s):
    s.signal(signal.SIGUSR1)
    until(lambda: not refuses_not(s), "new connections to be refused")


def refuses_not(s):
    try:
        s.connect().close()
        return True
    except OSError:
        return False


@case("SIGUSR1 with nothing to do ends the server at once, idle connections or not")
def _(t):
    s = t.server()
    s.alive()
    s.signal(signal.SIGUSR1)
    s.end()
    s = t.server()
    idle, worker = s.connect(), s.sleeper("f")
    s.signal(signal.SIGUSR1)
    s.end()
    idle.expect_closed()
    worker.expect_closed()


@case("SIGUSR1 lets running and queued foreground jobs end, refuses new connections and submissions, then ends")
def _(t):
    s = t.server()
    client, worker = s.connect(), s.worker("f")
    running, queued = client.submit("f", "", "1"), client.submit("f", "", "2")
    check(worker.grab()[0] == running)
    graceful(s)
    for nr in (SUBMIT_JOB, SUBMIT_JOB_BG, SUBMIT_JOB_HIGH, SUBMIT_JOB_LOW_BG):
        client.send(nr, "f", "", data="3")
        client.expect(ERROR)
    client.send(SUBMIT_JOB_EPOCH, "f", "", 4000000000, data="3")
    client.expect(ERROR)
    client.silent()
    worker.complete(running, "x").silent()
    client.expect(WORK_COMPLETE, running, "x")
    check(worker.grab()[0] == queued)
    worker.complete(queued, "y")
    client.expect(WORK_COMPLETE, queued, "y")
    client.expect_closed()
    s.end()


@case("a graceful shutdown ends when the last job ended, also a background job after all clients have left")
def _(t):
    s = t.server()
    client, worker = s.connect(), s.worker("f")
    handle = client.submit("f", nr=SUBMIT_JOB_BG)
    worker.grab()
    client.close()
    graceful(s)
    worker.complete(handle)
    s.end()


@case("a graceful shutdown ends when the only client of the last job leaves")
def _(t):
    s = t.server()
    client = s.connect()
    client.submit("f")
    graceful(s)
    client.close()
    s.end()


@case("--shutdown-timeout bounds a graceful shutdown, jobs or not", modes=(0, 2))
def _(t):
    s = t.server("--shutdown-timeout=1")
    s.allow_log("(?i)shutdown")
    client, worker = s.connect(), s.worker("f")
    client.submit("f")
    worker.grab()
    start = time.monotonic()
    graceful(s)
    s.end()
    check(time.monotonic() - start >= 0.9, "it did not wait")


@case("SIGTERM ends a graceful shutdown that waits, and a second SIGUSR1 does no harm")
def _(t):
    s = t.server()
    client, worker = s.connect(), s.worker("f")
    client.submit("f")
    worker.grab()
    graceful(s)
    s.signal(signal.SIGUSR1)
    worker.silent()
    s.stop()


@case("SIGTERM ends the server at once whatever runs, with 50,000 jobs queued too", limit=120)
def _(t):
    s = t.server()
    p, worker = s.connect(), s.worker("f")
    p.raw(b"".join(pack(SUBMIT_JOB_BG, "f", "u%d" % n, data="x") for n in range(50000)))
    for _ in range(50000):
        p.expect(JOB_CREATED)
    worker.grab()
    s.stop()
    p.expect_closed()


@case("replies to what was answered before SIGTERM arrive", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    p = s.connect()
    p.raw(b"".join(pack(ECHO_REQ, data="x" * 1000) for _ in range(100)))
    p.expect(ECHO_RES)
    p.sync()
    s.stop()
    check(len(p.stash) == 99)


@case("handles are not given out again after a restart: an old one stays unknown and hits no other job")
def _(t):
    s = t.server()
    s.allow_log("JOB_NOT_FOUND")
    client, worker = s.connect(), s.worker("f")
    old = [client.submit("f") for _ in range(200)]
    worker.grab()
    s.stop()
    s.start()
    client, worker = s.connect(), s.worker("f")
    new = [client.submit("f") for _ in range(200)]
    check(not set(old) & set(new), "a handle was given out again")
    for h in old[:5]:
        check(client.status(h) == (0, 0, 0, 0))
        worker.complete(h, "late")
        worker.expect_error("JOB_NOT_FOUND")
    client.silent()
    s.kill()
    s.start()
    third = [s.connect().submit("f") for _ in range(3)]
    check(not set(third) & set(old + new))


@case("broken pipes and unknown signals of the terminal do not stop it", modes=(0, 2))
def _(t):
    s = t.server()
    s.alive()
    s.signal(signal.SIGPIPE)
    for _ in range(30):
        p = s.connect()
        p.raw(pack(ECHO_REQ, data="x" * 100000))
        p.reset()
    s.alive()


@case("--ssl without a transport module refuses to start, with a sentence", modes=(None,))
def _(t):
    t.need_module_files()
    done = t.run(os.environ["GEARMAND"], "--ssl", "--plugin-dir=" + t.dir, "--port=0", "--log-file=stderr",
                 "--pid-file=" + t.path("pid"), status=1)
    check(b"tls" in done.err.lower() or b"transport" in done.err.lower(), done)


main()
