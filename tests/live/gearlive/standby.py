# SPDX-License-Identifier: BSD-3-Clause
"""Two servers and one table: the one that stands by, and the one that loses."""
import signal

from . import mysql, postgres
from .durable import acknowledged, drain_jobs, submit_many
from .tap import Failure, check, until

__all__ = ["FOREVER", "SOON", "HASTY", "UNWELL", "standby", "serves", "loses", "standby_takes_over", "frozen_and_robbed"]

FOREVER = "--queue-timeout=3600"
SOON = {postgres: "--libpq-session-timeout=6", mysql: "--mysql-session-timeout=6"}
HASTY = {postgres: "--libpq-timeout=1", mysql: "--mysql-timeout=1"}
UNWELL = "changes are not stored; the server tries again until they are"


def standby(db, *options, needed=True, **how):
    """needed: its turn comes before the case ends."""
    s = db.server("--standby", FOREVER, *options, wait=False, verbose="NOTICE", **how)
    s.expect_log("standing by: .*in use by another gearmand|standing by: .*another gearmand is using it")
    (s.expect_log if needed else s.allow_log)("ALERT.*this server is active now: it has taken the queue over")
    s.allow_log("waiting until it can be opened")  # somebody ends its session, too
    s.await_log("standing by")
    return s


def serves(s):
    until(lambda: s._alive() and s.ports(), "the standby to serve")
    s.port = s.ports()[0]
    return s


def loses(s):
    """The table is another's: it stops, and says so."""
    s.allow_log(UNWELL, "another server has taken it over")
    s.expect_log("FATAL.*another server has taken it over; this one stops")
    s.end(1)


def standby_of(start, name, *options):
    """Where the lock expires.  start(*options, **how): a server with the store of that name."""
    s = start("--standby", *options, wait=False)
    s.expect_log("queue %s: this server is active now: it has taken the queue over" % name)
    s.await_log("queue %s: standing by: " % name)
    return s


def standby_takes_over(start, name, first):
    """After kill -9 of the first server, with all that it had acknowledged."""
    uniques = [b"%d" % n for n in range(500)]
    acked = acknowledged(submit_many(first.connect(), uniques), uniques, len(uniques))
    standby = standby_of(start, name)
    first.kill()
    check([(j[0], j[2]) for j in drain_jobs(serves(standby))] == [(acked[u], u) for u in uniques])


def frozen_and_robbed(start, name, lease):
    """(a server that is frozen, the standby that took over from it); lease: the option."""
    first = start(lease)
    first.expect_log("FATAL.*queue %s: another server has taken it over; this one stops" % name)
    first.allow_log(UNWELL, "another gearmand")
    standby = standby_of(start, name, lease)
    first.signal(signal.SIGSTOP)
    try:
        return first, serves(standby)
    except Failure:
        first.signal(signal.SIGCONT)
        raise
