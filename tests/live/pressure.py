#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Peers that flood, stall, hoard or hide: memory stays bounded and the others are served."""
import resource
import select
import socket
import threading
import time

from gearlive import *

MB = 1 << 20


def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Pump:
    """Sends without reading, as much as the other side takes."""

    def __init__(self, peer, data):
        self.peer, self.data, self.at = peer, data, 0
        peer.sock.setblocking(False)

    def push(self):
        """Until nothing more is taken for a moment.  True when all is sent."""
        while self.at < len(self.data):
            if not ready([self.peer], 0.3, to_write=True):
                return False
            try:
                self.at += self.peer.sock.send(memoryview(self.data)[self.at:self.at + MB])
            except BlockingIOError:
                pass
        return True


@case("300 MB of echoes that nobody reads do not become memory; when they are read, each is there", modes=(0, 2),
      limit=180)
def _(t):
    s = t.server()
    s.alive()
    before = s.rss()
    peer = s.connect()
    one = pack(ECHO_REQ, data=b"e" * (MB - 12))
    pump = Pump(peer, one * 300)
    pump.push()
    s.alive()
    if not server_sanitized():
        check(s.rss() - before < 100 * MB, "the server grew by", (s.rss() - before) // MB, "MB")
    want, got = len(one) * 300, 0
    deadline = time.monotonic() + 4 * patience()
    while got < want and time.monotonic() < deadline:
        readable, writable, _ = select.select([peer.sock], [peer.sock] if pump.at < want else [], [], 1)
        if writable:
            pump.at += peer.sock.send(memoryview(pump.data)[pump.at:pump.at + MB])
        if readable:
            data = peer.sock.recv(MB)
            check(data, "closed after", got, "bytes")
            got += len(data)
    check(got == want, "got", got, "of", want)
    if not server_sanitized():
        check(s.rss() - before < 100 * MB, "the server grew by", (s.rss() - before) // MB, "MB")


@case("small requests whose replies nobody reads do not become memory either", modes=(0, 2), limit=180)
def _(t):
    s = t.server()
    s.alive()
    before = s.rss()
    for what in (pack(GET_STATUS, "H:none:1"), pack(GRAB_JOB), b"version\n", b"workers\n"):
        pump = Pump(s.connect(rcvbuf=4096), what * (40 * MB // len(what)))
        pump.push()
        s.alive()
    if not server_sanitized():
        check(s.rss() - before < 150 * MB, "the server grew by", (s.rss() - before) // MB, "MB")


@case("a client that does not read what its job sends is disconnected at --max-output, its worker goes on",
      modes=(0, 2), limit=180)
def _(t):
    s = t.server("--max-output=4M")
    s.allow_log(r"127\.0\.0\.1")
    s.alive()
    before = s.rss()
    deaf, client, worker = s.connect(rcvbuf=4096), s.connect(), s.worker("f")
    handle = deaf.submit("f", "", "x")
    worker.grab()
    for _ in range(200):
        worker.send(WORK_DATA, handle, data=b"d" * MB)
        worker.sync()
        worker.stash.clear()  # JOB_NOT_FOUND once the client is gone is as well
    if not server_sanitized():
        check(s.rss() - before < 64 * MB, "the server grew by", (s.rss() - before) // MB, "MB")
    until(lambda: len(client.listing("workers")) == 2, "the deaf client to be disconnected")
    second = client.submit("f", "", "y")
    check(worker.grab()[0] == second)
    worker.complete(second, "z").sync()
    client.expect(WORK_COMPLETE, second, "z")


@case("a peer that does not read holds up nobody, and closing it holds up nobody", limit=120)
def _(t):
    s = t.server()
    s.allow_log(r"127\.0\.0\.1")
    deaf = []
    for n in range(8):
        p = s.connect(rcvbuf=4096)
        Pump(p, pack(ECHO_REQ, data=b"e" * (2 * MB))).push()
        deaf.append(p)
    others = [s.connect() for _ in range(8)]
    for n, p in enumerate(deaf):
        p.sock.setblocking(True)
        p.sock.settimeout(5)
        if n % 2:
            try:
                p.raw(b"\0BAD........")  # has the server close it, with all that is unsent
            except OSError:
                pass
        for o in others:
            o.send(ECHO_REQ, data="x")
            o.expect(ECHO_RES, "x", limit=8)
    for p in deaf:
        p.close()
    s.alive()


@case("a flooding client does not starve the others, in any thread mode", limit=120)
def _(t):
    s = t.server()
    s.alive()
    before = s.rss()
    flood, client, worker = s.connect(), s.connect(), s.worker("f")
    over = threading.Event()
    block = pack(ECHO_REQ, data=b"x" * 20) * 2000

    def write():
        try:
            while not over.is_set():
                flood.sock.sendall(block)
        except OSError:
            pass

    def read():
        try:
            while not over.is_set() and flood.sock.recv(MB):
                pass
        except OSError:
            pass
    threads = [threading.Thread(target=f, daemon=True) for f in (write, read)]
    for x in threads:
        x.start()
    try:
        for _ in range(100):
            handle = client.submit("f", "", "y")
            check(worker.grab()[0] == handle)
            worker.complete(handle, "z")
            client.expect(WORK_COMPLETE, handle, "z")
        if not server_sanitized():
            check(s.rss() - before < 64 * MB, "the server grew by", (s.rss() - before) // MB, "MB")
    finally:
        over.set()
        flood.sock.shutdown(socket.SHUT_RDWR)
        for x in threads:
            x.join(patience())


@case("five hundred peers that stop in the middle of a packet cost little and hold up nobody")
def _(t):
    many_descriptors()
    s = t.server("--file-descriptors=2000", "--backlog=512")
    s.alive()
    before = s.rss()
    half = pack(SUBMIT_JOB, "f", "unique", data="workload")
    lorises = [s.connect() for _ in range(500)]
    for step in range(1, 20, 3):
        for n, p in enumerate(lorises):
            p.raw(half[step - 1:step] if step == 1 else half[step - 3:step])
    s.alive()
    if not server_sanitized():
        check(s.rss() - before < 8 * MB, "500 half packets took", s.rss() - before)
    for p in lorises:
        p.raw(half[19:])
    for p in lorises:
        p.expect(JOB_CREATED)


@case("two thousand connections are served; idle ones cost less than 4 KB each", modes=(0, 2, 4), limit=120)
def _(t):
    if many_descriptors() < 4096:
        t.skip("at most %d descriptors" % many_descriptors())
    s = t.server("--file-descriptors=4096", "--backlog=512")
    s.alive()
    before = s.rss()
    peers = [s.connect() for _ in range(2000)]
    for p in peers:
        p.send(ECHO_REQ, data="x")
    for p in peers:
        p.expect(ECHO_RES, "x")
    if not server_sanitized():
        check((s.rss() - before) / 2000 < 4096, "per connection:", (s.rss() - before) / 2000)
    check(len(peers[7].listing("workers")) == 2000)
    for p in peers[1:]:
        p.close()
    until(lambda: len(peers[0].listing("workers")) == 1, "the connections to go")


@case("--max-jobs and --max-memory bound what is held; ERROR says so, and what ends makes room", modes=(0, 2))
def _(t):
    for option, payload, fit in (("--max-jobs=10", b"x", 10), ("--max-memory=2M", b"x" * 400000, 4)):
        s = t.server(option)
        s.allow_log("QUEUE_ERROR|holds as many|--max-(jobs|memory) is reached: ")
        p = s.worker("f")
        handles, refused = [], 0
        for _ in range(20):
            p.send(SUBMIT_JOB_BG, "f", "", data=payload)
            got = p.packet()
            if got.nr == JOB_CREATED:
                handles.append(got.parts[0])
            else:
                check(got.nr == ERROR and got.parts[0] == b"QUEUE_ERROR", got)
                refused += 1
        check(refused > 0 and fit <= len(handles) <= fit + 1, len(handles), "were accepted")
        p.complete(p.grab()[0]).silent()
        p.submit("f", "", payload, nr=SUBMIT_JOB_BG)


@case("--max-functions and --max-abilities bound names; ERROR says so", modes=(0, 2))
def _(t):
    s = t.server("--max-functions=50")
    s.expect_log("--max-functions is reached: new functions are refused until there is room")
    p = s.connect()
    errors = 0
    for n in range(100):
        p.send(SUBMIT_JOB_BG, "f%d" % n, "", data="x")
        errors += p.packet().nr == ERROR
    check(errors == 50, errors)
    s = t.server("--max-abilities=50")
    s.expect_log("--max-abilities is reached: further abilities of a worker are refused until there is room")
    p = s.connect()
    for n in range(100):
        p.send(CAN_DO, "f%d" % n)
    p.sync()
    check([x.nr for x in p.stash] == [ERROR] * 50, len(p.stash))


@case("names that come and go without jobs do not stay in memory for ever", modes=(0, 2), limit=120)
def _(t):
    s = t.server("--max-functions=1000")
    p = s.connect()
    for n in range(5000):
        p.send(CAN_DO, "function number %d" % n)
        p.send(CANT_DO, "function number %d" % n)
    p.silent()
    check(len(p.listing("status")) <= 1000)


@case("--max-packet bounds packets: the largest passes, one byte more gets ERROR", modes=(0, 2))
def _(t):
    s = t.server("--max-packet=64K")
    s.allow_log(r"127\.0\.0\.1")
    p = s.connect()
    p.send(ECHO_REQ, data=b"x" * 65536)
    p.expect(ECHO_RES, b"x" * 65536)
    p.raw(raw_head(ECHO_REQ, 65537))
    p.expect_error("ARGUMENT_TOO_LARGE")
    s.alive()


@case("memory that big payloads took is given back to others", modes=(0, 2), limit=120)
def _(t):
    s = t.server()
    p = s.worker("f")
    before = s.rss()
    for _ in range(3):
        for _ in range(20):
            p.submit("f", "", b"p" * (2 * MB), nr=SUBMIT_JOB_BG)
        for _ in range(20):
            p.complete(p.grab()[0])
        p.silent()
    if not server_sanitized():
        check(s.rss() - before < 60 * MB, "the server grew by", (s.rss() - before) // MB, "MB")


main()
