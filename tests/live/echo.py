#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The harness itself, and the smallest things a server does."""
import os

from gearlive import *


@case("an echo comes back byte for byte, empty, small and of a megabyte")
def _(t):
    p = t.server().connect()
    for data in (b"", b"a\0b\n", os.urandom(2048), os.urandom(1 << 20)):
        p.send(ECHO_REQ, data=data)
        p.expect(ECHO_RES, data)


@case("a thousand echoes sent before any is read come back in order")
def _(t):
    p = t.server().connect()
    p.raw(b"".join(pack(ECHO_REQ, data=b"%d" % n) for n in range(1000)))
    for n in range(1000):
        p.expect(ECHO_RES, b"%d" % n)


@case("a packet that arrives byte by byte is one packet")
def _(t):
    p = t.server().connect()
    for byte in pack(ECHO_REQ, data="slow") + pack(SUBMIT_JOB_BG, "f", "u", data="d"):
        p.raw(bytes([byte]))
    p.expect(ECHO_RES, "slow")
    p.expect(JOB_CREATED)


@case("a job goes from a client to a worker and its result comes back")
def _(t):
    s = t.server()
    worker, client = s.sleeper("reverse"), s.connect()
    handle = client.submit("reverse", "u1", b"ab\0c")
    worker.expect(NOOP)
    check(worker.grab() == [handle, b"reverse", b"ab\0c"])
    worker.complete(handle, b"c\0ba").silent()
    client.expect(WORK_COMPLETE, handle, b"c\0ba")
    client.silent()
    worker.no_job()


@case("the server ends on SIGINT as on SIGTERM, with status 0 and without its pid file")
def _(t):
    import signal
    s = t.server()
    s.alive()
    check(open(t.path("pid.0")).read() == "%d\n" % s.pid, "pid file")
    s.stop(signal.SIGINT)
    check(not os.path.exists(t.path("pid.0")), "pid file is left")


main()
