#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Everything at once: clients, workers, admin commands, HTTP, garbage, lost connections and signals, in every thread
mode, with and without a store.  The server must live through it, end with status 0, and its log must be clean.

This is where the sanitizers find what goes wrong between threads: a data race, a leak or an invalid access ends
the server with another status.  Connections do random things of a seed, which is printed; what they are
answered is not looked at, but for jobs, which are worked on.

GEARMAND_STRESS_SECONDS: how long each of the 8 cases loads the server (2); GEARMAND_STRESS_SEED."""
import os
import random
import select
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "live"))
from gearlive import *  # noqa

SECONDS = float(os.environ.get("GEARMAND_STRESS_SECONDS", "2"))
SEED = int(os.environ.get("GEARMAND_STRESS_SEED", random.randrange(1 << 32)))
CONNECTIONS = 40
BURST = 30         # packets of a connection at a time
UNSENT = (1 << 12, 1 << 17)  # bytes that may wait to be read: few, so that the peer is there when it is answered, or many
LEAVES_HEARD, LEAVES = 0.03, 0.0005  # how often one leaves that was answered, or not: a slow server has slow peers
LINES = (b"status", b"prioritystatus", b"workers", b"show jobs", b"show unique jobs", b"counters", b"version",
         b"getpid", b"verbose", b"create function f9", b"drop function f9", b"maxqueue f1 1000", b"maxqueue f1",
         b"cancel job H:x:1", b"nonsense", b"")


class Actor:
    """A connection that does this and that."""

    def __init__(self, load):
        self.load, self.dice = load, load.dice
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.unsent = self.dice.choice(UNSENT)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.unsent)
        self.http = load.http_port is not None and self.dice.random() < 0.2
        self.deaf = self.dice.random() < 0.05
        self.sock.connect_ex(("127.0.0.1", load.http_port if self.http else load.port))
        self.inbuf, self.outbuf, self.jobs = bytearray(), bytearray(), []

    def function(self):
        return b"f%d" % self.dice.randrange(4)

    def unique(self):
        return self.dice.choice((b"", b"-", b"u%d" % self.dice.randrange(50), b"u%d" % self.dice.randrange(1 << 30)))

    def data(self):
        return bytes(self.dice.choice((0, 1, 30, 500, 5000, 100000 if self.dice.random() < 0.05 else 9)))

    def submission(self):
        nr = self.dice.choice((SUBMIT_JOB, SUBMIT_JOB_HIGH, SUBMIT_JOB_LOW, SUBMIT_JOB_BG, SUBMIT_JOB_BG,
                               SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_LOW_BG, SUBMIT_JOB_EPOCH, SUBMIT_JOB_SCHED,
                               SUBMIT_REDUCE_JOB, SUBMIT_REDUCE_JOB_BACKGROUND))
        more = {SUBMIT_JOB_EPOCH: (int(time.time()) + self.dice.randrange(-1, 3),),
                SUBMIT_JOB_SCHED: ("*", "*", "*", "*", "*"),
                SUBMIT_REDUCE_JOB: ("r",), SUBMIT_REDUCE_JOB_BACKGROUND: ("r",)}.get(nr, ())
        return pack(nr, self.function(), self.unique(), *more, data=self.data())

    def report(self):
        if not self.jobs:
            return pack(GRAB_JOB_ALL)
        handle = self.jobs[-1] if self.dice.random() < 0.9 else self.dice.choice(self.jobs)
        nr = self.dice.choice((WORK_STATUS, WORK_DATA, WORK_WARNING, WORK_COMPLETE, WORK_COMPLETE, WORK_COMPLETE,
                               WORK_FAIL, WORK_EXCEPTION))
        if nr in (WORK_COMPLETE, WORK_FAIL, WORK_EXCEPTION):
            self.jobs.remove(handle)
        if nr == WORK_STATUS:
            return pack(nr, handle, self.dice.randrange(100), 100)
        return pack(nr, handle) if nr == WORK_FAIL else pack(nr, handle, data=self.data())

    def request(self):
        dice = self.dice.random()
        if dice < 0.3:
            return self.submission()
        if dice < 0.7:
            return self.report() + pack(self.dice.choice((GRAB_JOB, GRAB_JOB_UNIQ, GRAB_JOB_ALL)))
        if dice < 0.71:
            return pack(self.dice.choice((CANT_DO, RESET_ABILITIES)), self.function())
        if dice < 0.72:
            return pack(CAN_DO_TIMEOUT, self.function(), self.dice.choice((0, 1, 50, -1, 1 << 31)))
        return self.dice.choice((
            lambda: pack(CAN_DO, self.function()), lambda: pack(CAN_DO, self.function()), lambda: pack(PRE_SLEEP),
            lambda: pack(SET_CLIENT_ID, "actor"), lambda: pack(OPTION_REQ, "exceptions"),
            lambda: pack(ECHO_REQ, data=self.data()), lambda: pack(GET_STATUS, "H:x:1"),
            lambda: pack(GET_STATUS_UNIQUE, self.unique()), lambda: pack(NOOP), lambda: pack(SUBMIT_JOB, "f1"),
            lambda: self.dice.choice(LINES) + b"\r\n",
            lambda: b"cancel job " + self.dice.choice(self.load.handles or [b"x"]) + b"\n",
        ))()

    def http_request(self):
        background = b"X-Gearman-Background: true\r\n" if self.dice.random() < 0.5 else b""
        body = self.data()[:5000]
        return b"POST /%s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s" % (
            self.function(), background, len(body), body)

    def speak(self):
        if self.http:
            self.outbuf += self.http_request() if len(self.outbuf) < self.unsent else b""
        elif len(self.outbuf) < self.unsent:
            for _ in range(self.dice.randrange(1, BURST)):
                self.outbuf += self.request()
        if self.dice.random() < 0.002:
            self.outbuf += self.dice.randbytes(40)
        try:
            del self.outbuf[:self.sock.send(self.outbuf)]
        except BlockingIOError:
            pass

    def listen(self):
        if self.deaf:
            return
        try:
            got = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        if not got:
            raise ConnectionError
        self.inbuf += got
        while len(self.inbuf) >= 12 and not self.http and self.inbuf[:1] == b"\0":
            nr, size = struct.unpack(">II", self.inbuf[4:12])
            if len(self.inbuf) < 12 + size:
                return
            self.packet(nr, bytes(self.inbuf[12:12 + size]))
            del self.inbuf[:12 + size]
        line = self.inbuf.find(b"\0")
        del self.inbuf[:len(self.inbuf) if line < 0 else line]

    def packet(self, nr, body):
        if nr in (JOB_ASSIGN, JOB_ASSIGN_UNIQ, JOB_ASSIGN_ALL):
            self.jobs.append(body.split(b"\0", 1)[0])
        elif nr == JOB_CREATED:
            self.load.handles = self.load.handles[-200:] + [body]
            self.load.created += 1

    def leave(self):
        """In one of four ways."""
        how = self.dice.randrange(4)
        if how == 0:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == 1:
            try:
                self.sock.shutdown(socket.SHUT_WR)
                self.listen()
            except OSError:
                pass
        self.sock.close()


class Load:
    def __init__(self, server, seed):
        self.server, self.dice = server, random.Random(seed)
        ports = server.ports()
        self.port, self.http_port = ports[0], ports[1]
        self.handles, self.created = [], 0
        self.actors = []

    def step(self):
        while len(self.actors) < CONNECTIONS:
            self.actors.append(Actor(self))
        ready, writable, _ = select.select([a.sock for a in self.actors], [a.sock for a in self.actors], [], 0.05)
        ready, writable = set(ready), set(writable)
        for a in list(self.actors):
            try:
                if a.sock in ready:
                    a.listen()
                if a.sock in writable:
                    a.speak()
                if self.dice.random() > (LEAVES_HEARD if a.sock in ready else LEAVES):
                    continue
            except OSError:
                pass
            a.leave()
            self.actors.remove(a)

    def run(self, seconds, signals=()):
        end, signals = time.monotonic() + seconds, list(signals)
        pause = seconds / (len(signals) + 1)
        due = time.monotonic() + pause
        latest = end + patience()
        while time.monotonic() < end or (self.created == 0 and time.monotonic() < latest):
            self.step()
            if signals and time.monotonic() > due:
                self.server.signal(signals.pop(0))
                due += pause

    def until_it_ends(self):
        """Keeps on while the server goes down."""
        deadline = time.monotonic() + patience()
        while self.server.running() and time.monotonic() < deadline:
            try:
                self.step()
            except OSError:
                time.sleep(0.01)
        for a in self.actors:
            a.sock.close()


# What random connections bring about, and what the log may say of it.
FINE = ("is reached: submissions are refused", "closed: packet of unknown type", "closed: packet with wrong magic", "closed: text line is too long",
        "closed: it does not read", "shutdown was not waited for", "queue sqlite: given up at shutdown")


def live_load(t, *options, stop=signal.SIGTERM):
    seed = SEED + t.mode
    print("# seed %d" % seed)
    s = t.server("-r", "http", "--http-port=0", "--http-listen=127.0.0.1", "--max-output=4M", "--job-retries=3",
                 "--shutdown-timeout=1", "--max-jobs=5000", *options)
    s.allow_log(*FINE)
    load = Load(s, seed)
    load.run(SECONDS, (signal.SIGHUP, signal.SIGHUP))
    check(load.created > 0, "no job was ever created")
    with s.connect() as p:
        print("# " + b", ".join(p.listing("counters")).replace(b"\t", b" ").decode())
    s.signal(stop)
    load.until_it_ends()
    s.end()


@case("a server under a load of everything ends well on SIGTERM", limit=60 + 2 * SECONDS)
def _(t):
    live_load(t)


@case("the same with a durable queue, and SIGUSR1", limit=60 + 2 * SECONDS)
def _(t):
    live_load(t, "-q", "sqlite", "--libsqlite3-db=" + t.path("queue.db"), stop=signal.SIGUSR1)


main()
