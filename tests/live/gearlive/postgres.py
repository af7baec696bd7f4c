# SPDX-License-Identifier: BSD-3-Clause
"""A PostgreSQL server for all cases of a script, a database for each case, and the server on it."""
import atexit
import itertools
import os
import shutil
import subprocess
import sys
import tempfile

from .tap import SOURCE_DIR, Failure, Skip, until

sys.path.insert(0, os.path.join(os.path.dirname(SOURCE_DIR), "stores"))
import postgres as stores  # noqa: tests/stores/postgres.py

__all__ = ["Database", "new_store", "shared_store"]

_shared = None
_number = itertools.count(1)


def new_store(make=lambda store: store.make()):
    """A server of its own; gone when the script ends."""
    folder = tempfile.mkdtemp(prefix="gearmand-pg-", dir="/tmp")  # a socket's path must be short
    store = stores.Store(folder)

    def remove():
        store.stop()
        shutil.rmtree(folder, ignore_errors=True)
    atexit.register(remove)
    try:
        make(store)
    except stores.Missing as missing:
        raise (Failure if os.environ.get("CI") else Skip)(str(missing))
    return store


def shared_store():
    global _shared
    _shared = _shared or new_store()
    return _shared


class Database:
    """Its own in the shared store, or in the one given.  more: for createdb."""

    def __init__(self, t, store=None, more=()):
        store = store or shared_store()
        self.t, self.store = t, store
        self.name = "case_%d" % next(_number)
        store.run("createdb", "-h", store.socket, "-p", str(store.port), "-U", "gearman", *more, self.name)

    @property
    def conninfo(self):
        return "host=%s port=%d user=gearman dbname=%s" % (self.store.socket, self.store.port, self.name)

    def sql(self, text):
        """Rows of text columns, as psql prints them."""
        done = subprocess.run([stores.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo, "-c", text],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise Failure("psql: %s: %s" % (text, done.stderr))
        return [tuple(line.split("|")) for line in done.stdout.splitlines()]

    def count(self):
        return int(self.sql("SELECT count(*) FROM queue")[0][0])

    def await_rows(self, count):
        until(lambda: self.count() == count, "%d rows" % count)

    def times(self):
        """{unique: time} of all jobs."""
        return {bytes.fromhex(unique): int(when) for unique, when in
                self.sql("SELECT encode(convert_to(unique_key, 'UTF8'), 'hex'), when_to_run FROM queue")}

    def end_sessions(self):
        """Those that have the table."""
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                 " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")

    def options_through(self, port):
        """Over TCP, through somebody who listens there."""
        return ["--libpq-conninfo=host=127.0.0.1 port=%d user=gearman dbname=%s connect_timeout=2" % (port, self.name)]

    def server(self, *options, base=None, **how):
        s = self.t.server("-q", "postgres", *(base or ["--libpq-conninfo=" + self.conninfo]), *options, **how)
        if how.get("wait", True):
            s.alive()
        return s
