#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""What a peer can make the server do: 64 KB of each packet and text command in one burst, in the worst state that a peer
can build beforehand, while another connection wants its echoes.

As a test it asks that memory stays bounded and that the other is served.  With GEARMAND_COST_TABLE=1 it builds larger states and prints
what each burst cost within a second, as a table in markdown: processor time, longest wait of the other, memory."""
import glob
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "live"))
from gearlive import *  # noqa
from gearlive.peer import ready  # noqa

TABLE = os.environ.get("GEARMAND_COST_TABLE") == "1"
SECONDS = 1.0 if TABLE else 0.2
BURST = 1 << 16
MB = 1 << 20
rows = []


def times(packet, size=BURST):
    return packet * (size // len(packet))


def each(make, size=BURST):
    """Packets that differ, made from a number."""
    out, n = bytearray(), 0
    while len(out) < size:
        out += make(n)
        n += 1
    return bytes(out)


def feed(peer, count, make):
    """Sends so many packets, and reads what comes of them."""
    for at in range(0, count, 2000):
        peer.raw(b"".join(make(n) for n in range(at, min(at + 2000, count))))
        peer.sync()
        peer.stash.clear()


# --- states, as bad as one peer can make them: (the peer that sends the burst, what the burst may be made with)

def plain(s):
    return s.connect(), None


def popular(s):
    """A job that ten thousand submissions of one connection wait for."""
    client, worker = s.connect(), s.connect()
    s.kept = client
    feed(client, 10000 if TABLE else 2000, lambda n: pack(SUBMIT_JOB, "f", "u", data="x"))
    worker.send(CAN_DO, "f")
    return worker, worker.grab()[0]


def wide(s):
    """Ten thousand abilities, and jobs in thousands of other functions."""
    worker, client = s.connect(), s.connect()
    s.kept = client
    feed(worker, 10000, lambda n: pack(CAN_DO, "a%d" % n))
    feed(client, 2600, lambda n: pack(SUBMIT_JOB_BG, "b%d" % n, "", data="x"))
    return worker, None


def many_jobs(s):
    """A long queue with uniques."""
    client = s.connect()
    feed(client, 300000 if TABLE else 20000, lambda n: pack(SUBMIT_JOB_BG, "f", "u%d" % n, data="x"))
    return client, None


def holder(s):
    """A worker that has all of a long queue."""
    client, worker = s.connect(), s.connect()
    s.kept = client
    count = 200000 if TABLE else 20000
    feed(client, count, lambda n: pack(SUBMIT_JOB_BG, "f", "", data="x"))
    worker.send(CAN_DO, "f")
    feed(worker, count, lambda n: pack(GRAB_JOB))
    return worker, None


def long_names(s):
    """Abilities with the longest names, which are four times as long when they are shown."""
    s.kept = worker = s.connect()
    feed(worker, 5000 if TABLE else 500, lambda n: pack(CAN_DO, b"\1" * 8100 + b"%d" % n))
    return s.connect(), None


BURSTS = [
    ("CAN_DO", plain, lambda x: each(lambda n: pack(CAN_DO, "f%d" % n))),
    ("CAN_DO_TIMEOUT", plain, lambda x: each(lambda n: pack(CAN_DO_TIMEOUT, "f%d" % n, 5))),
    ("CANT_DO", wide, lambda x: each(lambda n: pack(CANT_DO, "a%d" % n))),
    ("RESET_ABILITIES", holder, lambda x: times(pack(RESET_ABILITIES))),
    ("PRE_SLEEP", wide, lambda x: times(pack(PRE_SLEEP))),
    ("GRAB_JOB", wide, lambda x: times(pack(GRAB_JOB))),
    ("GRAB_JOB_ALL", wide, lambda x: times(pack(GRAB_JOB_ALL))),
    ("SUBMIT_JOB", many_jobs, lambda x: each(lambda n: pack(SUBMIT_JOB, "g%d" % n, "v%d" % n, data="x"))),
    ("SUBMIT_JOB, joining", popular, lambda x: times(pack(SUBMIT_JOB, "f", "u", data="x"))),
    ("SUBMIT_JOB_BG", many_jobs, lambda x: times(pack(SUBMIT_JOB_BG, "f", "", data="x"))),
    ("SUBMIT_JOB_EPOCH", many_jobs, lambda x: times(pack(SUBMIT_JOB_EPOCH, "f", "", 1 << 40, data="x"))),
    ("WORK_STATUS", popular, lambda x: times(pack(WORK_STATUS, x, 1, 2))),
    ("WORK_DATA", popular, lambda x: times(pack(WORK_DATA, x, data="d"))),
    ("WORK_WARNING", popular, lambda x: times(pack(WORK_WARNING, x, data="d"))),
    ("WORK_COMPLETE", popular, lambda x: times(pack(WORK_COMPLETE, x, data="d"))),
    ("WORK_FAIL", popular, lambda x: times(pack(WORK_FAIL, x))),
    ("WORK_EXCEPTION", popular, lambda x: times(pack(WORK_EXCEPTION, x, data="d"))),
    ("GET_STATUS", many_jobs, lambda x: times(pack(GET_STATUS, "H:x:1"))),
    ("GET_STATUS_UNIQUE", many_jobs, lambda x: each(lambda n: pack(GET_STATUS_UNIQUE, "u%d" % n))),
    ("ECHO_REQ", plain, lambda x: times(pack(ECHO_REQ, data=""))),
    ("OPTION_REQ", plain, lambda x: times(pack(OPTION_REQ, "exceptions"))),
    ("SET_CLIENT_ID", plain, lambda x: times(pack(SET_CLIENT_ID, "me"))),
] + [("`%s`" % line.decode().replace("%d", "N"), state, lambda x, line=line: each(lambda n: (line % n if b"%" in line else line) + b"\n"))
     for line, state in (
         (b"status", wide), (b"prioritystatus", wide), (b"workers", wide), (b"workers", long_names), (b"status", long_names),
         (b"show jobs", many_jobs), (b"show unique jobs", many_jobs), (b"counters", plain), (b"queue", plain),
         (b"cancel job H:x:1", plain), (b"create function f%d", plain), (b"drop function x", wide),
         (b"maxqueue f%d 5", plain), (b"getpid", plain), (b"verbose", plain), (b"version", plain), (b"whoami", plain),
         (b"metrics", plain), (b"metrics", wide), (b"metrics none", wide), (b"show functions", wide), (b"show dead", many_jobs), (b"show cron", plain),
         (b"show plugins", plain), (b"show options", plain), (b"show running", wide), (b"peek job H:x:1", many_jobs), (b"show policy f%d", plain), (b"show job H:x:1", many_jobs), (b"peek f", many_jobs), (b"peek f dead", many_jobs),
         (b"pause f%d", plain), (b"resume f%d", wide), (b"purge b%d", wide), (b"purge f dead", many_jobs), (b"kick f", many_jobs),
         (b"bury job H:x:1", plain), (b"retry job H:x:1", plain), (b"cancel unique f u%d", many_jobs), (b"follow job H:x:1", plain),
         (b"follow next", plain))]


def processor(s):
    """Seconds, of all threads."""
    total = 0
    for name in glob.glob("/proc/%d/task/*/schedstat" % s.pid):
        with open(name) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def longest_wait(other, peer, seconds):
    """Echoes go to and fro; the peer's answers are read meanwhile."""
    longest, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        asked = time.monotonic()
        other.send(ECHO_REQ, data="me")
        while not ready([other], 0):
            for p in ready([other, peer], 1):
                if p is peer and not peer.sock.recv(1 << 20):
                    return longest
        other.expect(ECHO_RES, "me")
        longest = max(longest, time.monotonic() - asked)
        for p in ready([peer], 0.005):
            peer.sock.recv(1 << 20)
    return longest


def declare(name, state, make):
    @case("64 KB of %s: %s" % (name, state.__name__.replace("_", " ")), modes=(0,))
    def _(t):
        s = t.server("--max-abilities=10000", "--max-functions=100000", verbose="ERROR")
        s.allow_log("closed: ", "clients that may wait for a job is reached")
        peer, what = state(s)
        other, burst = s.connect(), make(what)
        other.sync()
        used, memory = processor(s), s.rss()
        peer.raw(burst)
        wait = longest_wait(other, peer, SECONDS)
        used, grown = processor(s) - used, s.rss() - memory
        if TABLE:
            rows.append("| %s | %s | %.0f | %.1f | %.1f |" % (
                name, state.__name__.replace("_", " "), used * 1000, wait * 1000, grown / MB))
            print("# " + rows[-1])
        bound = 150 if name.startswith("`") else 64
        check(server_sanitized() or grown < bound * MB, "%d MB more" % (grown // MB))


for entry in BURSTS:
    declare(*entry)
if TABLE:
    print("# | 64 KB of | worst state | CPU in a second, ms | longest wait of another, ms | memory, MB |")
main()
