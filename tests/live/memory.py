#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""What peers send, hold and leave unread stays within the server's bounds, and is given back; who fills it pays."""
import socket
import time

from gearlive import *

MB = 1 << 20


def push(peers, data, seconds):
    """All send `data` at the same time, as much as the server takes in that time."""
    left = {p: memoryview(data) for p in peers}
    end = time.monotonic() + seconds
    for p in peers:
        p.sock.setblocking(False)
    while left and time.monotonic() < end:
        for p in ready(list(left), 0.2, to_write=True):
            try:
                left[p] = left[p][p.sock.send(left[p][:MB]):]
            except BlockingIOError:
                continue
            except OSError:
                left[p] = b""
            if not left[p]:
                del left[p]


def within(s, most):
    check(server_sanitized() or s.rss() < most * MB, "the server has", s.rss() // MB, "MB")


@case("bodies that many peers announce and send in part stay within --max-memory and a bit; others are served",
      modes=(0, 4), limit=120)
def _(t):
    s = t.server("--max-memory=64M", "--max-output=16M")
    s.allow_log("packets are refused")
    too_large, in_part = [s.connect() for _ in range(3)], [s.connect() for _ in range(30)]
    push(too_large, raw_head(ECHO_REQ, 256 * MB) + bytes(129 * MB), 20)
    for p in too_large:
        p.expect_error("QUEUE_ERROR")
    push(in_part, raw_head(SUBMIT_JOB_BG, 60 * MB) + b"f\0\0" + bytes(8 * MB), 20)
    within(s, 160)
    s.alive()
    with s.connect() as p:
        p.submit("f", "", bytes(100000))
        p.raw(pack(ECHO_REQ, data=bytes(5 * MB)))
        p.expect(ECHO_RES, bytes(5 * MB))
    for p in in_part:
        p.close()
    with s.connect() as p:
        p.raw(pack(ECHO_REQ, data=bytes(60 * MB)))
        p.expect(ECHO_RES, bytes(60 * MB))
    within(s, 160)


@case("peers that hoard answers are closed, and one that reads slowly is not", modes=(0, 4), limit=120)
def _(t):
    s = t.server("--max-memory=64M")
    s.expect_log("closed: it does not read")
    hoarders = [s.connect(rcvbuf=4096) for _ in range(8)]
    push(hoarders, pack(ECHO_REQ, data=bytes(4 * MB)) * 2, 5)
    client, worker = s.connect(rcvbuf=4096), s.worker("f")
    handle = client.submit("f")
    check(worker.grab()[0] == handle)
    for n in range(40):
        worker.send(WORK_DATA, handle, data=bytes(MB)).sync()
        client.expect(WORK_DATA, handle, ANY)
    worker.complete(handle).sync()
    client.expect(WORK_COMPLETE, handle, b"")
    until(lambda: s.alive() or sum(map(ended, hoarders)) >= 4, "the hoarders to be closed")
    within(s, 160)


def ended(peer):
    """Has its connection been closed or reset?"""
    return peer.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != b"\x01"  # TCP_ESTABLISHED


@case("400 MB of results that a client does not read end its connection at 64 MB", modes=(0, 2), limit=120)
def _(t):
    s = t.server()
    s.expect_log("closed: it does not read")
    s.alive()
    before, most = s.rss(), 0
    deaf, worker = s.connect(rcvbuf=4096), s.worker("f")
    handle = deaf.submit("f")
    check(worker.grab()[0] == handle)
    for n in range(400):
        worker.send(WORK_DATA, handle, data=bytes(MB)).sync()
        worker.stash.clear()  # JOB_NOT_FOUND once the client is gone is as well
        most = max(most, s.rss())
    check(server_sanitized() or most - before < 100 * MB, "it grew by", (most - before) // MB, "MB")


@case("text lines that come in one segment are answered in one", modes=(0, 2, 4))
def _(t):
    s = t.server()
    for _ in range(50):
        with s.connect() as p:
            p.raw(b"status\nversion\n")
            check(p.sock.recv(4096).startswith(b".\nOK "), "the answers came apart")


@case("a peer that ends behind more than its protocol takes is seen, and what it waits for is dropped", modes=(0, 2))
def _(t):
    s = t.server("-r", "http", "--http-port=0", "--http-listen=127.0.0.1")
    http = "127.0.0.1", until(lambda: [p for p in s.ports() if p != s.port], "the HTTP port")[0]
    for _ in range(10):
        with socket.create_connection(http) as client:
            client.sendall(b"POST /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx" +
                           b"GET /f HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3000)
    with s.connect() as p:
        until(lambda: p.listing("workers") == p.listing("workers")[-1:] and p.listing("status") == [b"f\t0\t0\t0"],
              "the connections and their jobs to be gone")


main()
