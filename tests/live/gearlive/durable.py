# SPDX-License-Identifier: BSD-3-Clause
"""What tests of a durable queue share: a server with SQLite, its rows as another process sees them, and
clients that submit a great deal and keep account of what was acknowledged."""
import sqlite3
import struct

from .tap import Failure, until
from .wire import *

__all__ = ["sqlite_server", "sql", "lock_database", "await_rows", "submit_many", "drain_jobs", "acknowledged"]


def sqlite_server(t, *options, db=None, **how):
    """It answers, so its database is open: it listens before that."""
    s = t.server("-q", "sqlite", "--libsqlite3-db=" + (db or t.path("queue.db")), *options, **how)
    s.alive()
    return s


def sql(t, text, *values, db=None):
    """All rows of one statement, on a connection of its own."""
    with sqlite3.connect(db or t.path("queue.db"), timeout=20) as c:
        rows = c.execute(text, values).fetchall()
    c.close()
    return rows


def lock_database(t, db=None):
    """A connection with a transaction that nobody can write beside; ends with .rollback() or .close()."""
    c = sqlite3.connect(db or t.path("queue.db"), timeout=20, isolation_level=None)
    c.execute("BEGIN EXCLUSIVE")
    return c


def await_rows(t, count, **how):
    until(lambda: sql(t, "SELECT count(*) FROM gearman_queue", **how) == [(count,)], "%d rows" % count)


def submit_many(peer, uniques, function="f", data=None):
    """Background submissions without reading an answer; the payload is the unique unless told."""
    peer.raw(b"".join(pack(SUBMIT_JOB_BG, function, u, data=u if data is None else data) for u in uniques))
    return peer


def acknowledged(peer, uniques, count=None):
    """{unique: handle} of the next `count` answers, or of all that come until the server closes."""
    acked = {}
    for u in uniques[:count]:
        try:
            acked[u] = peer.expect(JOB_CREATED)[0]
        except (Failure, struct.error, OSError):
            if count is not None:
                raise
            break
    return acked


def drain_jobs(server, *functions):
    """All jobs there are, done: [(handle, function, unique, data)], in the order in which they were given out."""
    done = []
    with server.worker(*(functions or ("f",))) as w:
        while True:
            w.raw(pack(GRAB_JOB_UNIQ) * 100)
            got = [w.packet("a job") for _ in range(100)]
            jobs = [g for g in got if g.nr == JOB_ASSIGN_UNIQ]
            done += [tuple(g.parts) for g in jobs]
            w.raw(b"".join(pack(WORK_COMPLETE, g.parts[0], data=b"") for g in jobs)).sync()
            if len(jobs) < 100:
                return done
