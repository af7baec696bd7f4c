#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Results over HTTP as they come: in chunks, and as server-sent events."""
import base64
import http.client as http_client
import json
import os

from gearlive import *
from gearlive.http import *

BOTH = (0, 2)
EVENTS = "Accept: text/event-stream\r\n"


def begin(s, worker, headers):
    """(connection, handle of its job, which this worker has)"""
    p = http(s).request("POST", "/f", headers, b"x")
    until(lambda: worker.listing("show jobs"), "the job")
    return p, worker.grab()[0]


# --- chunks

@case("data of a worker is there before the job is done, and what ended it is in the trailer", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    p, handle = begin(s, worker, "X-Gearman-Stream: true\r\n")
    for piece in (b"one", b"two\0\r\n", os.urandom(100000)):
        worker.send(WORK_DATA, handle, data=piece)
        if piece == b"one":
            got = p.head()
            check(got.status == 200 and got.headers["transfer-encoding"] == "chunked" and
                  got.headers["x-gearman-job-handle"] == handle.decode() and
                  got.headers["trailer"] == "X-Gearman-Command", got)
        check(p.chunk() == piece)
    worker.send(WORK_STATUS, handle, 1, 2).send(WORK_WARNING, handle, data="w").send(WORK_DATA, handle)
    worker.complete(handle, "end")
    check(p.chunk() == b"end" and p.chunk() == b"")
    check(p.until(b"\r\n\r\n", "the trailer") == b"X-Gearman-Command: WORK_COMPLETE\r\n\r\n")
    check(p.request("GET", "/").answer().status == 200)


@case("curl -N: a stream is whole when the job is done, and broken when it fails", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    for end in (WORK_COMPLETE, WORK_FAIL, WORK_EXCEPTION, None):
        c = start_curl(t, s, "-N", "-H", "X-Gearman-Stream: true", "-d", "x", "/f")
        until(lambda: worker.listing("show jobs"), "the job")
        handle = worker.grab()[0]
        worker.send(WORK_DATA, handle, data="some ").sync()
        if end is None:  # the worker is lost
            worker.close()
            worker = s.connect()
        else:
            worker.send(end, handle, data=None if end == WORK_FAIL else "end")
        out, _ = c.communicate(timeout=3 * patience())
        check(out.startswith(b"HTTP/1.1 200 OK\r\n"), out)
        check(out.partition(b"\r\n\r\n")[2].startswith(b"some end" if end == WORK_COMPLETE else b"some "), out)
        check((c.returncode == 0) == (end == WORK_COMPLETE), "curl ended with status", c.returncode)


@case("python: a stream that breaks raises IncompleteRead", modes=(2,))
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    c = http_client.HTTPConnection("127.0.0.1", s.http_port, timeout=patience())
    c.request("POST", "/f", "x", {"X-Gearman-Stream": "true"})
    until(lambda: worker.listing("show jobs"), "the job")
    handle = worker.grab()[0]
    worker.send(WORK_DATA, handle, data="some ").send(WORK_FAIL, handle).sync()
    try:
        check(False, "read as if it were whole:", c.getresponse().read())
    except http_client.IncompleteRead as e:
        check(e.partial == b"some ", e.partial)


@case("curl: a job that fails before its first data is 500, stream or not")
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    c = start_curl(t, s, "-H", "X-Gearman-Stream: true", "-d", "x", "/f")
    until(lambda: worker.listing("show jobs"), "the job")
    worker.send(WORK_FAIL, worker.grab()[0])
    got = finish(c)
    check(got.status == 500 and got.headers["x-gearman-command"] == "WORK_FAIL", got)


@case("a client that leaves in the middle of a stream takes its job with it", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    before = s.descriptors()
    for headers in ("X-Gearman-Stream: true\r\n", EVENTS):
        for leave in (lambda p: p.close(), lambda p: p.reset()):
            p, handle = begin(s, worker, headers)
            worker.send(WORK_DATA, handle, data="some").sync()
            p.head()
            leave(p)
            until(lambda: job_of(worker, handle)[b"clients"] == b"0", "nobody to wait for it")
            worker.send(WORK_DATA, handle, data="more").complete(handle).silent()
    until(lambda: s.descriptors() == before, "all connections to be closed")


@case("a client that does not read its stream is closed when too much waits, and others are served", modes=BOTH)
def _(t):
    s = http_server(t, "--max-output=1000000")
    s.allow_log("closed: it does not read")
    worker = s.worker("f")
    for headers in ("X-Gearman-Stream: true\r\n", EVENTS):
        p, handle = http(s, rcvbuf=4096).request("POST", "/f", headers, b"x"), None
        until(lambda: worker.listing("show jobs"), "the job")
        handle = worker.grab()[0]
        while job_of(worker, handle)[b"clients"] == b"1":
            worker.send(WORK_DATA, handle, data=os.urandom(50000)).sync()
            check(http(s).request("GET", "/").answer().status == 200)
        worker.complete(handle).silent()
        p.close()


# --- events

@case("a job as events: progress, data, warnings, and the end", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    p, handle = begin(s, worker, EVENTS)
    got = p.head()
    check(got.headers["content-type"] == "text/event-stream" and got.headers["x-accel-buffering"] == "no", got)
    check(got.headers["x-gearman-job-handle"] == handle.decode(), got)
    worker.send(WORK_STATUS, handle, 1, 4)
    name, data = p.event()
    check(name == "status" and json.loads(data) == {"numerator": 1, "denominator": 4}, data)
    worker.send(WORK_WARNING, handle, data="careful")
    check(p.event() == ("warning", b"careful"))
    for text in ("", "a", "a\nb", "\n", "\u00e4 \u20ac\n\n", "x" * 100000):
        worker.send(WORK_DATA, handle, data=text.encode())
        check(p.event() == ("data", text.encode()), text[:20])
    for binary in (b"\xff", b"a\r\nb", b"\0", os.urandom(100000) + b"\0"):
        worker.send(WORK_DATA, handle, data=binary)
        name, data = p.event()
        check(name == "data64" and base64.b64decode(data) == binary, name)
    worker.complete(handle, "end")
    check(p.event() == ("complete", b"end") and p.event() is None)
    check(p.request("GET", "/").answer().status == 200)


@case("a job that fails, or raises an exception, ends its events", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    for end, data, want in ((WORK_FAIL, None, [("fail", b"")]), (WORK_EXCEPTION, b"why", [("exception", b"why")]),
                            (WORK_EXCEPTION, b"\xff", [("exception64", b"/w=="), ("exception", b"")])):
        p, handle = begin(s, worker, EVENTS)
        worker.send(end, handle, data=data)
        p.head()
        got = b""
        while not got.endswith(b"0\r\n\r\n"):
            got += p.chunk() or b"0\r\n" + p.read(2)
        for name, text in want:
            check(b"event: %s\ndata: %s\n\n" % (name.encode(), text) in got, got)


@case("when a worker is lost the events say that the job begins again", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    p, handle = begin(s, worker, EVENTS)
    worker.send(WORK_DATA, handle, data="void").sync().close()
    p.head()
    check(p.event() == ("data", b"void") and p.event() == ("again", b""))
    worker = s.worker("f")
    worker.complete(worker.grab()[0], "all")
    check(p.event() == ("complete", b"all"))


@case("curl: HTTP/1.0 gets its events up to the end of the connection")
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    c = start_curl(t, s, "-0", "-N", "-H", "Accept: text/event-stream", "-d", "x", "/f")
    until(lambda: worker.listing("show jobs"), "the job")
    worker.complete(worker.grab()[0], "all")
    got = finish(c)
    check(got.line == "HTTP/1.0 200 OK" and got.body == b"event: complete\ndata: all\n\n", got)
    check("transfer-encoding" not in got.headers and got.headers["connection"] == "close", got)


@case("300 watchers of one job get all its events, some of them late, and those who left bother nobody", modes=BOTH, limit=120)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    handle = s.connect().submit("f", data="x", nr=SUBMIT_JOB_BG)
    watchers = [http(s).request("GET", "/_job/" + handle.decode(), EVENTS) for _ in range(300)]
    for p in watchers:
        p.head()
    worker.grab()
    worker.send(WORK_STATUS, handle, 1, 2).sync()
    for p in watchers[::3]:
        p.close()
    late = http(s).request("GET", "/_job/" + handle.decode(), EVENTS)
    late.head()
    worker.send(WORK_DATA, handle, data="d").complete(handle, "r").silent()
    for p in [p for n, p in enumerate(watchers) if n % 3] + [late]:
        check([p.event() for _ in range(4)] ==
              [("status", b'{"numerator":1,"denominator":2}'), ("data", b"d"), ("complete", b"r"), None])


main()
