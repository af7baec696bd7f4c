#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Several active servers, as docs/scaling.md has them: a table for each in one PostgreSQL, and a standby for each.
Clients and workers list all servers; one is killed, added, drained."""
import subprocess
import threading

from gearlive import *
from gearlive.durable import drain_jobs
from gearlive.killing import KILL_LIMIT, KILL_ROUNDS
from gearlive.postgres import Database
from gearlive.standby import *

JOBS = 600  # of each client in a round
TRIES = 60  # seconds in which a client finds a server


class Member:
    """An active server with a table of its own, and who stands by for it."""

    def __init__(self, db, number, with_standby=True):
        self.db, self.table = db, "--libpq-table=queue_%d" % number
        self.active = db.server(self.table, FOREVER, verbose="NOTICE")
        self.spare = standby(db, self.table, needed=False) if with_standby else None

    def kill(self):
        """The standby serves; its predecessor becomes the next one."""
        self.active.kill()
        serves(self.spare)
        self.active, self.spare = self.spare, standby(self.db, self.table, needed=False)

    def rows(self):
        return int(self.db.sql("SELECT count(*) FROM " + self.table.partition("=")[2])[0][0])


class Fleet:
    """Its members, as a client's list has them: those that are up are tried in turn."""

    def __init__(self, t, count, with_standby=True):
        self.db = Database(t)
        self.members = [Member(self.db, n, with_standby) for n in range(count)]
        self.acked, self.done, self.faults = {}, {}, []
        self.stopped = threading.Event()

    def run(self, function, *arguments):
        def body():
            try:
                function(*arguments)
            except Exception as fault:  # noqa: told by join()
                self.faults.append(fault)
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        return thread

    def submit(self, client, jobs):
        """Round the list; who does not answer is passed over, and its job sent to the next."""
        for n in range(jobs):
            unique = b"%d-%d" % (client, n)
            self.acked[unique] = until(lambda: self._one(unique, n), "a server to take %r" % unique, limit=TRIES)

    def _one(self, unique, n):
        for at in range(len(self.members)):
            server = self.members[(n + at) % len(self.members)].active
            try:
                with server.connect() as p:
                    return p.submit("f", unique, unique, SUBMIT_JOB_BG)
            except (Failure, OSError):
                continue
        return None

    def work(self, member):
        """At one address of the list, for as long as the fleet runs."""
        while not self.stopped.is_set():
            try:
                with member.active.worker("f") as w:
                    while not self.stopped.is_set():
                        w.send(GRAB_JOB_UNIQ)
                        got = w.packet("a job")
                        while got.nr == NOOP:
                            got = w.packet("a job")
                        if got.nr == NO_JOB:
                            w.send(PRE_SLEEP)
                            ready([w], 1)
                            continue
                        if got.nr == JOB_ASSIGN_UNIQ:
                            self.done.setdefault(got.parts[2], []).append(got.parts[0])
                            w.complete(got.parts[0])
            except (Failure, OSError):
                pass

    def join(self, threads):
        for thread in threads:
            thread.join(KILL_LIMIT)
        if self.faults:
            raise self.faults[0]

    def finish(self):
        """What is acknowledged is done, and no table holds what is done."""
        until(lambda: self.acked.keys() <= self.done.keys(), "all acknowledged jobs to be done", limit=TRIES)
        until(lambda: all(m.rows() == 0 for m in self.members), "the tables to be empty", limit=TRIES)
        self.stopped.set()


@case("three active servers with three tables in one PostgreSQL, each with a standby: kill -9 of each in turn under load, and nothing is lost",
      modes=(2,), limit=KILL_LIMIT)
def _(t):
    fleet = Fleet(t, 3)
    workers = [fleet.run(fleet.work, m) for m in fleet.members]
    for number in range(max(1, KILL_ROUNDS // 3)):
        submitters = [fleet.run(fleet.submit, 10 * number + client, JOBS) for client in (1, 2)]
        for member in fleet.members:
            before = len(fleet.acked)
            until(lambda: len(fleet.acked) > before + JOBS // 10 or not any(s.is_alive() for s in submitters),
                  "more to be acknowledged", limit=TRIES)
            member.kill()
        fleet.join(submitters)
    fleet.finish()
    fleet.join(workers)


@case("a fourth server joins with a table of its own; one is drained: nobody submits to it, its workers empty its table, it stops", modes=(2,))
def _(t):
    fleet = Fleet(t, 2, with_standby=False)
    fleet.members.append(Member(fleet.db, 7, with_standby=False))
    fleet.submit(1, 30)
    check([m.rows() for m in fleet.members] == [10, 10, 10])
    leaving = fleet.members.pop(0)
    fleet.submit(2, 30)
    check([m.rows() for m in fleet.members] == [25, 25], "the rest takes what comes")
    check({u for _, _, u, _ in drain_jobs(leaving.active)} == {b"1-%d" % n for n in range(0, 30, 3)})
    until(lambda: leaving.rows() == 0, "its table to be empty")
    leaving.active.stop()


@case("who is gone for good: another server with its table has its jobs, under their handles", modes=(2,))
def _(t):
    db = Database(t)
    gone, other = Member(db, 0, with_standby=False), Member(db, 1, with_standby=False)
    handle = gone.active.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    gone.active.kill()
    heir = db.server(gone.table, FOREVER)
    check(drain_jobs(heir) == [(handle, b"f", b"u", b"x")])
    check(drain_jobs(other.active) == [])


@case("one unique at two servers is two jobs; a client that chooses the server by the unique has one", modes=(2,))
def _(t):
    t.need("perl")
    fleet = [t.server(), t.server()]
    handles = {s.connect().submit("f", "u", "x", SUBMIT_JOB_BG) for s in fleet for _ in range(2)}
    check(len(handles) == 2, handles)
    told = subprocess.run(["perl", "-MGearman::Client", "-e", """
        my $client = Gearman::Client->new(job_servers => [@ARGV]);
        print $client->dispatch_background('g', 'x', { uniq => 'u' . $_ % 10 }), "\n" for 0 .. 29;
        """, *("127.0.0.1:%d" % s.port for s in fleet)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    check(told.returncode == 0 and len(set(told.stdout.split())) == 10, told)
    counts = [sum(j[1] == b"g" for j in drain_jobs(s, "f", "g")) for s in fleet]
    check(sum(counts) == 10, counts)


main()
