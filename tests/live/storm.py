#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Many connections that do anything at random, vanish and come back: what was acknowledged gets done, nothing is left
over, and the server ends cleanly.  The seed of a run is printed; GEARMAND_TEST_SEED repeats it."""
import collections
import os
import random

from gearlive import *
from gearlive.durable import *

FUNCTIONS = ["f", "g", "h"]
SUBMITS = [SUBMIT_JOB, SUBMIT_JOB_BG, SUBMIT_JOB_HIGH, SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_LOW, SUBMIT_JOB_LOW_BG]
BACKGROUND = {SUBMIT_JOB_BG, SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_LOW_BG}


class Account:
    """Jobs by handle."""

    def __init__(self):
        self.acked, self.ended, self.cancelled = set(), set(), set()
        self.perhaps = set()  # somebody left before it knew whether it had ended them


class Actor:
    """A connection that is client and worker at once.  `open`: what its requests are to be answered with."""

    def __init__(self, server, rng, account):
        self.p, self.rng, self.account = server.connect(), rng, account
        self.open, self.held, self.error = collections.deque(), [], False

    def act(self):
        rng, p = self.rng, self.p
        what = rng.choices(["submit", "grab", "can", "cant", "reset", "sleep", "end", "say", "status", "cancel", "text",
                            "epoch"], [30, 40, 6, 2, 1, 4, 30, 8, 4, 1, 1, 2])[0]
        if what == "submit":
            nr = rng.choice(SUBMITS)
            unique = rng.choice(["", "", "-", "u%d" % rng.randrange(20)])
            p.send(nr, rng.choice(FUNCTIONS), unique, data=os.urandom(rng.choice([0, 1, 50, 5000])))
            self.open.append(("created", nr in BACKGROUND))
        elif what == "epoch":
            p.send(SUBMIT_JOB_EPOCH, rng.choice(FUNCTIONS), "", 1, data="past")
            self.open.append(("created", True))
        elif what == "grab":
            p.send(rng.choice([GRAB_JOB, GRAB_JOB_UNIQ, GRAB_JOB_ALL]))
            self.open.append(("job", None))
        elif what == "can":
            if rng.random() < 0.5:
                p.send(CAN_DO, rng.choice(FUNCTIONS))
            else:
                p.send(CAN_DO_TIMEOUT, rng.choice(FUNCTIONS), rng.choice([20, 100, 100000]))
        elif what == "cant":
            p.send(CANT_DO, rng.choice(FUNCTIONS))
        elif what == "reset":
            p.send(RESET_ABILITIES)
        elif what == "sleep":
            p.send(PRE_SLEEP)
        elif what == "end" and self.held:
            handle = self.held.pop(rng.randrange(len(self.held)))
            nr = rng.choice([WORK_COMPLETE, WORK_COMPLETE, WORK_FAIL, WORK_EXCEPTION])
            p.send(nr, handle, data=None if nr == WORK_FAIL else b"result").send(ECHO_REQ, data=handle)
            self.open.append(("ended", handle))
        elif what == "say" and self.held:
            handle = rng.choice(self.held)
            p.raw(rng.choice([pack(WORK_DATA, handle, data="d"), pack(WORK_STATUS, handle, 1, 2),
                              pack(WORK_WARNING, handle, data="w")])).send(ECHO_REQ, data=handle)
            self.open.append(("said", handle))
        elif what == "status":
            p.send(GET_STATUS, rng.choice(sorted(self.account.acked) or [b"H:none:1"]))
            self.open.append(("status", None))
        elif what == "cancel" and self.account.acked:
            handle = rng.choice(sorted(self.account.acked))
            self.account.cancelled.add(handle)
            p.raw(b"cancel job " + handle + b"\n")
            self.open.append(("line", None))
        elif what == "text":
            p.raw(rng.choice([b"no such\n", b"getpid\r\n", b"drop function nowhere\n"]))
            self.open.append(("line", None))

    def hear(self):
        """One answer, and what comes before it."""
        kind, detail = self.open.popleft()
        if kind == "line":
            while not self.p.text_is_next():
                self.take(self.p.packet())
            check(self.p.line().startswith((b"OK", b"ERR ")))
            return
        want = {"created": (JOB_CREATED, ERROR), "status": (STATUS_RES,), "ended": (ECHO_RES,), "said": (ECHO_RES,),
                "job": (JOB_ASSIGN, JOB_ASSIGN_UNIQ, JOB_ASSIGN_ALL, NO_JOB)}[kind]
        while True:
            got = self.p.packet(kind)
            if got.nr in want and not (got.nr == ERROR and got.parts[0] == b"JOB_NOT_FOUND"):
                break
            self.take(got)
        if kind == "created" and got.nr == JOB_CREATED and detail:
            self.account.acked.add(got.parts[0])
        elif kind == "job" and got.nr != NO_JOB:
            self.held.append(got.parts[0])
        elif kind in ("ended", "said"):
            check(got.body == detail, "echo out of order")
            if kind == "ended" and not self.error:
                self.account.ended.add(detail)
            self.error = False

    def take(self, got):
        """What may come at any time."""
        check(got.nr in (NOOP, WORK_DATA, WORK_WARNING, WORK_STATUS, WORK_COMPLETE, WORK_FAIL, WORK_EXCEPTION, ERROR),
              "unasked:", got)
        if got.nr == ERROR:
            check(got.parts[0] == b"JOB_NOT_FOUND", got)
            self.error = True

    def leave(self):
        self.account.perhaps |= {handle for kind, handle in self.open if kind == "ended"}
        self.rng.choice([self.p.close, self.p.reset, self.half])()

    def half(self):
        self.p.shut_write()
        self.p.drain()
        self.p.close()


def storm(t, s, rng, account, steps):
    actors = [Actor(s, rng, account) for _ in range(8)]
    for _ in range(steps):
        n = rng.randrange(len(actors))
        for _ in range(rng.randrange(1, 8)):
            actors[n].act()
        if rng.random() < 0.7:
            while actors[n].open:
                actors[n].hear()
        if rng.random() < 0.02:
            actors[n].leave()
            actors[n] = Actor(s, rng, account)
    for a in actors:
        while a.open:
            a.hear()
    return actors


def seeded():
    seed = int(os.environ.get("GEARMAND_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    print("# seed %d" % seed, flush=True)
    return random.Random(seed)


def drain(s, account):
    for handle, _, _, _ in drain_jobs(s, *FUNCTIONS):
        account.ended.add(handle)
    lost = account.acked - account.ended - account.cancelled - account.perhaps
    check(not lost, "%d of %d acknowledged background jobs were never done: %s"
          % (len(lost), len(account.acked), sorted(lost)[:5]))
    p = s.connect()
    check(p.listing("show jobs") == [] and p.listing("show unique jobs") == [], "jobs are left")
    check(all(r.split(b"\t")[1:] == [b"0", b"0", b"0"] for r in p.listing("status")), p.listing("status"))
    check(len(p.listing("workers")) == 1, "connections are left")


@case("a storm of eight connections: every acknowledged background job is done, nothing is left over", limit=120)
def _(t):
    s, rng, account = t.server(), seeded(), Account()
    s.allow_log("JOB_NOT_FOUND")
    for a in storm(t, s, rng, account, 2500):
        a.p.close()
    until(lambda: len(s.connect().listing("workers")) == 1, "the actors to be gone")
    drain(s, account)


@case("storms with kill -9 between them, on SQLite: every acknowledged background job is done", limit=180)
def _(t):
    s, rng, account = sqlite_server(t), seeded(), Account()
    s.allow_log("JOB_NOT_FOUND")
    for _ in range(4):
        storm(t, s, rng, account, 500)
        s.kill()
        s.start()
    drain(s, account)
    await_rows(t, 0)


main()
