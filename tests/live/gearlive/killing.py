# SPDX-License-Identifier: BSD-3-Clause
"""One kill test for every durable queue: jobs of all kinds come and go, something dies, and account is kept.

    load = Load(rows)                    # rows(): {unique: time} of what is in the store; None where nobody can look
    kill_rounds(s, load, [no_disaster, ...])

or by hand, with a standby say:

    load.start(first)                    # two clients submit, one worker works
    load.await_some()                    # until a random part of it is acknowledged
    first.kill()
    load.join()
    load.compare(second)                 # drains it

What must hold: nothing that was acknowledged is lost, comes under another handle, out of order, or before its
time; nothing is altered; what was done and forgotten does not come back.  A job that was under way when the
server died may run twice.

GEARMAND_KILL_ROUNDS is how many disasters a case has."""
import os
import random
import struct
import threading
import time

from .tap import Failure, check, until
from .wire import *

__all__ = ["KILL_ROUNDS", "KILL_LIMIT", "Load", "kill_rounds", "no_disaster"]

KILL_ROUNDS = int(os.environ.get("GEARMAND_KILL_ROUNDS", "3"))
KILL_LIMIT = 60 + 30 * KILL_ROUNDS  # seconds for a case
ANSWER = 60  # seconds within which a store is well again, and says so to a client
PACKETS = (SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_BG, SUBMIT_JOB_LOW_BG, SUBMIT_JOB_EPOCH)
FAR = (2000000000, 4102444800)  # before and after the end of 32 bits
PIECE = 100  # submissions that are sent at once


class Job:
    """All of it follows from its number; `when`: its time, 0 = at once."""

    def __init__(self, round, client, number):
        dice = random.Random("%d %d %d" % (round, client, number))
        self.round, self.client, self.number = round, client, number
        self.nr = dice.choices(PACKETS, (30, 40, 20, 10))[0]
        self.is_far = self.nr == SUBMIT_JOB_EPOCH and dice.random() < 0.3
        self.unique = b"%d-%d-%d" % (round, client, number)
        if not self.is_far:  # any bytes but NUL
            self.unique += b" " + dice.randbytes(dice.choice((0, 1, 30))).replace(b"\0", b"'")
        self.when = 0
        if self.is_far:
            self.when = dice.choice(FAR) + number
        elif self.nr == SUBMIT_JOB_EPOCH:
            self.when = int(time.time()) + dice.randint(-5, 1)
        self.seed = dice.random()

    @property
    def data(self):
        dice = random.Random(self.seed)
        kind = dice.random()
        if kind < 0.2:
            return b""
        if kind < 0.4:
            return b"\0" * dice.randint(1, 100)
        if kind < 0.995:
            return dice.randbytes(dice.choice((1, 10, 100, 2000)))
        return dice.randbytes(100 << 10)

    def packet(self):
        if self.nr == SUBMIT_JOB_EPOCH:
            return pack(self.nr, "f", self.unique, self.when, data=self.data)
        return pack(self.nr, "f", self.unique, data=self.data)


class Load:
    """rows(): {unique: time} of all jobs in the store, as somebody beside the server sees them.  jobs: of each
    of the two clients in a round."""

    def __init__(self, rows=None, jobs=2000):
        self.rows, self.count = rows, jobs
        self.round, self.acknowledged = 0, 0
        self.far = {}      # unique: job, of all rounds
        self.handles = {}  # unique: handle, of those in `far` that were acknowledged
        self.late = {}     # unique: job that was not acknowledged, and may fall due in a later round
        self.jobs, self.done = {}, {}
        self._forget()

    def _forget(self):
        """What was done in a round is done; now only others may come."""
        self.late.update((j.unique, j) for j in self.jobs.values() if j.when and not j.is_far)
        self.late = {u: j for u, j in self.late.items() if u not in self.done}
        self.jobs, self.acked, self.done = {}, {}, {}
        self.threads, self.faults = [], []

    # --- while it runs

    def start(self, s):
        self._forget()
        self.round += 1
        for client in (1, 2):
            jobs = [Job(self.round, client, n) for n in range(self.count)]
            self.jobs.update((j.unique, j) for j in jobs)
            self.far.update((j.unique, j) for j in jobs if j.is_far)
            self._thread(self._submit, s, jobs)
        self._thread(self._work, s)

    def _thread(self, run, *arguments):
        def body():
            try:
                run(*arguments)
            except (OSError, struct.error):
                pass
            except Failure as failure:  # the end of the connection, or what is not to be
                if "connection closed" not in str(failure):
                    self.faults.append(failure)
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        self.threads.append(thread)

    def _submit(self, s, jobs):
        """Until the connection ends.  Answers are one piece behind."""
        with s.connect() as p:
            before = []
            for at in range(0, len(jobs) + PIECE, PIECE):
                piece = jobs[at:at + PIECE]
                p.raw(b"".join(j.packet() for j in piece))
                for job in before:
                    self._ack(job, p.expect(JOB_CREATED, limit=ANSWER)[0])
                before = piece

    def _ack(self, job, handle):
        self.acked[job.unique] = handle
        self.acknowledged += 1

    def _work(self, s):
        with s.worker("f") as w:
            while True:
                w.send(GRAB_JOB_UNIQ)
                got = w.packet("a job")
                if got.nr == JOB_ASSIGN_UNIQ:
                    self._take(got.parts)
                    w.complete(got.parts[0])
                else:
                    w.send(PRE_SLEEP)
                    w.expect(NOOP, limit=KILL_LIMIT)

    def await_some(self):
        """Until a random part of this round is acknowledged."""
        want = random.randint(1, int(1.6 * self.count))
        until(lambda: len(self.acked) >= want or self.faults, "%d acknowledged jobs" % want)

    def submit_one(self, s):
        """It waits until the store is well again, and counts like any other."""
        job = Job(self.round, 3, 0)
        self.jobs[job.unique] = job
        if job.is_far:
            self.far[job.unique] = job
        with s.connect() as p:
            p.raw(job.packet())
            self._ack(job, p.expect(JOB_CREATED, limit=ANSWER)[0])

    def join(self):
        """The clients are through, or their server is gone."""
        for thread in self.threads:
            thread.join()
        if self.faults:
            raise self.faults[0]

    # --- afterwards

    def _take(self, parts):
        handle, _, unique, data = parts
        job = self.jobs.get(unique) or self.far.get(unique) or self.late.get(unique)
        check(job is not None, "a job came back that was done and forgotten, or a unique has changed: %r" % unique)
        check(data == job.data, "a payload has changed: %r" % unique)
        check(job.when <= time.time(), "a job came before its time: %r" % unique)
        check(self.done.setdefault(unique, handle) == handle, "a handle has changed: %r" % unique)
        return job

    def _missing(self):
        return [u for u in self.acked if u not in self.done and u not in self.far]

    def _drain(self, s):
        """All that is due, then what falls due; [job] of the first, in the order in which they came."""
        first = None
        with s.worker("f") as w:
            while True:
                jobs = []
                while True:
                    w.raw(pack(GRAB_JOB_UNIQ) * PIECE)
                    got = [g.parts for g in (w.packet("a job") for _ in range(PIECE)) if g.nr == JOB_ASSIGN_UNIQ]
                    jobs += [self._take(parts) for parts in got]
                    w.raw(b"".join(pack(WORK_COMPLETE, parts[0], data=b"") for parts in got)).sync()
                    if len(got) < PIECE:
                        break
                first = jobs if first is None else first
                if all(self.jobs[u].when < time.time() - 2 for u in self._missing()):
                    return first
                w.send(PRE_SLEEP)
                w.expect(NOOP)

    def _check_order(self, jobs):
        """Priorities first; within one, each client's in the order in which it submitted them."""
        for client in (1, 2, 3):
            own = [(PACKETS.index(j.nr), j.number) for j in jobs if j.client == client and not j.when]
            check(own == sorted(own), "jobs came out of order")
        own = [PACKETS.index(j.nr) for j in jobs if not j.when]
        check(own == sorted(own), "priorities have changed")

    def compare(self, s):
        """Drains the server, which took over what the round has left."""
        self._check_order(self._drain(s))
        lost = self._missing()
        check(not lost, "%d of %d acknowledged jobs are lost: %r" % (len(lost), len(self.acked), lost[:5]))
        check(all(self.done.get(u, h) == h for u, h in self.acked.items()), "a job is under another handle")
        self.handles.update((u, h) for u, h in self.acked.items() if u in self.far)
        self._check_far(s)

    def _check_far(self, s):
        with s.connect() as p:
            p.raw(b"".join(pack(GET_STATUS, h) for h in self.handles.values()))
            known = [p.expect(STATUS_RES)[1:3] for _ in self.handles]
        check(all(k == [b"1", b"0"] for k in known), "a delayed job is lost")
        if self.rows:
            until(lambda: not [u for u in self.rows() if u in self.done], "what is done to leave the store")
            rows = self.rows()
            check(self.handles.keys() <= rows.keys(), "a delayed job is not in the store")
            check(all(rows[u] == self.far[u].when for u in self.handles), "the time of a delayed job has changed")


def no_disaster():
    """For a round in which the server alone is killed."""


def kill_rounds(s, load, disasters, rounds=KILL_ROUNDS):
    """In each round the load runs, a disaster happens in the middle of it, and the server is killed and started.
    A disaster may return what is to be done between the two."""
    for round in range(rounds):
        load.start(s)
        load.await_some()
        repair = disasters[round % len(disasters)]()
        s.kill()
        load.join()
        if repair:
            repair()
        s.start()
        load.compare(s)
    check(load.acknowledged > 0, "nothing was acknowledged at all")
