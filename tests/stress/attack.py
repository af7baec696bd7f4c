#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Peers that mean harm, one trick at a time.  The server must stay within its memory, serve others meanwhile, and
end well.  Sanitized servers are attacked too, but their memory says nothing."""
import os
import random
import select
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "live"))
from gearlive import *  # noqa
from gearlive.durable import lock_database, sqlite_server  # noqa

SEED = int(os.environ.get("GEARMAND_STRESS_SEED", random.randrange(1 << 32)))
MB = 1 << 20


def grew_less_than(s, before, bound, what):
    grown = s.rss() - before
    check(server_sanitized() or grown < bound, "%s took %d MB" % (what, grown // MB))


def push(peer, data, seconds):
    """Sends as much of it, again and again, as the server takes in that time; returns how many bytes that was."""
    sent, end = 0, time.monotonic() + seconds
    peer.sock.setblocking(False)
    while time.monotonic() < end:
        try:
            sent += peer.sock.send(data[sent % len(data):])
        except BlockingIOError:
            select.select([], [peer.sock], [], 0.05)
        except OSError:
            break
    return sent


@case("reports of a job that ten thousand submissions wait for do not fill the memory", modes=(0, 2))
def _(t):
    s = t.server("--max-output=4M")
    s.allow_log("closed: it does not read")
    s.expect_log("the number of clients that may wait for a job is reached")
    client = s.connect()
    client.raw(pack(SUBMIT_JOB, "f", "u", data="x") * 10001).sync()
    check(sum(p.nr == ERROR for p in client.stash) == 1, "the 10001st is refused")
    before = s.rss()
    worker = s.worker("f")
    handle = worker.grab()[0]
    worker.raw(pack(WORK_STATUS, handle, 1, 2) * 200).sync()
    s.alive()
    grew_less_than(s, before, 100 * MB, "unread reports")


@case("what waits behind a submission that the store keeps waiting is bounded, and comes when the store is well",
      modes=(0, 4))
def _(t):
    s = sqlite_server(t, "--queue-timeout=100")
    s.alive()
    s.allow_log("queue sqlite:")
    lock, client, before = lock_database(t), s.connect(), s.rss()
    client.send(SUBMIT_JOB_BG, "f", "u", data="x")
    echo = pack(ECHO_REQ, data=bytes(MB))
    sent = push(client, echo, 1)
    check(sent < 64 * MB, "%d MB were read" % (sent // MB))
    s.alive()
    grew_less_than(s, before, 64 * MB, "echoes that wait")
    lock.rollback()
    lock.close()
    client.expect(JOB_CREATED)
    for _ in range(sent // len(echo)):
        client.expect(ECHO_RES)


@case("peers that ask for much and read nothing do not fill the memory", modes=(0, 4))
def _(t):
    s = t.server("--max-output=1M")
    s.allow_log("closed: it does not read")
    filler = s.connect()
    filler.raw(pack(SUBMIT_JOB_BG, "f", "", data="x") * 5000).sync()
    before = s.rss()
    deaf = [s.connect(rcvbuf=4096) for _ in range(20)]
    for p, data in zip(deaf, (pack(ECHO_REQ, data=bytes(500)), pack(GRAB_JOB) * 100, b"show jobs\n", b"workers\n") * 5):
        push(p, data * 50, 0.1)
    s.alive()
    grew_less_than(s, before, 100 * MB, "what nobody reads")


@case("valid streams with some bytes changed, cut anywhere", modes=(0, 4))
def _(t):
    dice = random.Random(SEED)
    print("# seed %d" % SEED)
    stream = b"".join((
        pack(CAN_DO, "f"), pack(SUBMIT_JOB_BG, "f", "u", data="d" * 20), pack(GRAB_JOB_ALL), b"status\r\nworkers\r\n",
        pack(WORK_STATUS, "H:x:1", 1, 2), pack(SUBMIT_JOB_SCHED, "f", "", "*", "*", "*", "*", "*", data="d"),
        pack(SUBMIT_REDUCE_JOB, "f", "a", "r", data="z"), pack(GET_STATUS, "H:x:1"), pack(PRE_SLEEP),
        pack(CAN_DO_TIMEOUT, "g", 1000), pack(SUBMIT_JOB_EPOCH, "f", "", 0, data="e"), pack(WORK_EXCEPTION, "h", data="")))
    s = t.server()
    s.allow_log("closed: ")
    for _ in range(300):
        bad = bytearray(stream)
        for _ in range(dice.randrange(1, 8)):
            bad[dice.randrange(len(bad))] = dice.choice((0, 1, 0xff, 0x7f, 10, dice.randrange(256)))
        with s.connect() as p:
            p.raw(bad[:dice.randrange(len(bad))])
    s.alive()


main()
