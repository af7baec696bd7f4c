# SPDX-License-Identifier: BSD-3-Clause
"""Two servers and one table: the one that stands by, and the one that loses."""
from . import mysql, postgres
from .tap import until

__all__ = ["FOREVER", "SOON", "HASTY", "UNWELL", "standby", "serves", "loses"]

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
