#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Servers are killed while jobs fail and are tried again: no job is lost, and for each kill it lived through a job is tried at most
once more than its policy says.  GEARMAND_KILL_ROUNDS is the number of kills."""
import collections
import os
import random

from gearlive import *
from gearlive import mysql, postgres
from gearlive.killing import *

ATTEMPTS, JOBS = 4, 12


class Retried:
    """Jobs that always fail, and how often each was given away."""

    def __init__(self, server, dice):
        self.server, self.dice = server, dice
        self.made, self.kills, self.alive = collections.Counter(), collections.Counter(), set()

    def work(self, most):
        """Fails that many attempts, or all there are; the last may be cut off by what comes next."""
        worker = self.server.worker("f")
        while most > 0:
            worker.send(GRAB_JOB)
            got = worker.packet()
            if got.nr == NO_JOB:
                if not worker.listing("show jobs"):
                    return
                continue
            self.made[got.parts[0]] += 1
            worker.send(WORK_FAIL, got.parts[0])
            most -= 1

    def dead(self):
        return {line.split(b"\t")[0]: int(line.split(b"\t")[3]) for line in self.server.connect().listing("show dead")}

    def round(self):
        client = self.server.connect()
        self.alive |= {client.submit("f", data=b"x", nr=SUBMIT_JOB_BG) for _ in range(JOBS)}
        self.work(self.dice.randrange(1, JOBS * ATTEMPTS))
        self.server.kill()
        self.server.start()
        known = self.dead()
        for handle in self.alive:
            self.kills[handle] += 1
        self.alive -= set(known)

    def check(self):
        self.work(1 << 30)
        dead = self.dead()
        check(set(dead) == set(self.kills), "jobs are lost: %r" % (set(self.kills) - set(dead)))
        check(all(n == ATTEMPTS for n in dead.values()), dead)
        for handle, made in self.made.items():
            check(ATTEMPTS <= made <= ATTEMPTS + self.kills[handle], "%r: %d attempts, %d kills" % (handle, made, self.kills[handle]))


def run(server):
    jobs = Retried(server, random.Random())
    for _ in range(KILL_ROUNDS):
        jobs.round()
    jobs.check()


def policy(t):
    return "--policy-file=" + t.write("policies", "f attempts=%d retry-on=lost,fail\n" % ATTEMPTS)


@case("sqlite: nothing is lost, no attempt is forgotten, none is made twice for a kill", modes=(2,), limit=KILL_LIMIT)
def _(t):
    run(t.server("--queue-type=sqlite", "--libsqlite3-db=" + t.path("db"), policy(t)))


@case("tokyo: nothing is lost, no attempt is forgotten, none is made twice for a kill", modes=(2,), limit=KILL_LIMIT)
def _(t):
    t.need_module("queue-tokyo")
    run(t.server("--queue-type=tokyo", "--libtokyocabinet-file=" + t.path("q.tch"), policy(t)))


@case("postgres: nothing is lost, no attempt is forgotten, none is made twice for a kill", modes=(2,), limit=KILL_LIMIT)
def _(t):
    run(postgres.Database(t).server(policy(t)))


@case("mysql: nothing is lost, no attempt is forgotten, none is made twice for a kill", modes=(2,), limit=KILL_LIMIT)
def _(t):
    run(mysql.Database(t).server(policy(t)))


if __name__ == "__main__":
    main()
