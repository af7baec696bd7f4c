#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""HTTP clients in numbers, that go at a bad moment, and whose workers die."""
import signal

from gearlive import *

MB = 1 << 20


def http_server(t, *options, **how):
    s = t.server("-r", "http", "--http-port=0", "--http-listen=127.0.0.1", *options, **how)
    s.http_port = until(lambda: [p for p in s.ports() if p != s.port], "the HTTP port")[0]
    return s


def http(s, **how):
    return Peer(("127.0.0.1", s.http_port), **how)


def response(p):
    """(status, body)"""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += p.read(1, "the head of a response; so far: %r" % head)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    return int(head.split()[1]), p.read(length)


def get(s, target):
    return http(s).raw(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target.encode())


def waiting(admin, function):
    rows = [x.split(b"\t") for x in admin.listing("status")]
    return [tuple(map(int, row[1:])) for row in rows if row[0] == function.encode()]


@case("300 requests that share a job share its data, too: 8 MB of WORK_DATA are not copied for each", modes=(0, 2), limit=120)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    clients = [get(s, "/f?x") for _ in range(300)]

    def joined():
        counters = dict(line.split(b"\t") for line in worker.listing("counters"))
        return int(counters[b"jobs_submitted"]) + int(counters[b"jobs_coalesced"]) == len(clients)
    until(joined, "all requests")
    handle = worker.grab()[0]
    before = s.rss()
    data = bytes(range(256)) * (8 * MB // 256)
    worker.send(WORK_DATA, handle, data=data).sync()
    s.alive()
    if not server_sanitized():
        check(s.rss() - before < 64 * MB, "the server grew by", (s.rss() - before) // MB, "MB")
    for c in clients[3:]:
        c.close()
    worker.complete(handle, b"end").sync()
    for c in clients[:3]:
        check(response(c) == (200, data + b"end"), "another result")
    s.alive()


@case("a client with much behind a request that nobody serves goes: its job and its socket go, too", modes=(0, 2))
def _(t):
    s = http_server(t)
    admin = s.connect()
    admin.sync()
    before = s.descriptors()
    for size, at_once in ((10000, False), (100000, False), (100000, True)):
        p = get(s, "/f?x")
        until(lambda: waiting(admin, "f") == [(1, 0, 0)], "the job")
        if at_once:  # the end is there when the first byte is read
            s.signal(signal.SIGSTOP)
        p.sock.settimeout(patience())
        p.sock.sendall(b"GET /f?y HTTP/1.1\r\nHost: localhost\r\n\r\n" * (size // 30))
        p.close()
        s.signal(signal.SIGCONT)
        until(lambda: waiting(admin, "f") in ([], [(0, 0, 0)]), "the end of the job behind %d bytes" % size)
        until(lambda: s.descriptors() == before, "the end of the socket behind %d bytes" % size)


@case("the result is that of the worker that ended the job, without what lost ones had sent", modes=(0, 2))
def _(t):
    s = http_server(t)
    client = get(s, "/f?x")
    for n in range(2):
        worker = s.worker("f")
        until(lambda: waiting(worker, "f") == [(1, 0, 1)], "the job")
        handle = worker.grab()[0]
        worker.send(WORK_DATA, handle, data=b"of the lost worker %d " % n).sync()
        worker.close()
        until(lambda: waiting(s.connect(), "f") == [(1, 0, 0)], "the job to be given back")
    worker = s.worker("f")
    handle = worker.grab()[0]
    worker.send(WORK_DATA, handle, data=b"all of ").complete(handle, b"it")
    check(response(client) == (200, b"all of it"))


main()
