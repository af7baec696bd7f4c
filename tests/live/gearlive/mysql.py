# SPDX-License-Identifier: BSD-3-Clause
"""A MariaDB server for all cases of a script, a table for each case, and the server on it."""
import atexit
import itertools
import os
import shutil
import sys
import tempfile

from .tap import SOURCE_DIR, Failure, Skip, until

sys.path.insert(0, os.path.join(os.path.dirname(SOURCE_DIR), "stores"))
import mysql as stores  # noqa: tests/stores/mysql.py

__all__ = ["Database", "new_store", "shared_store"]

LOCK = "CONCAT('gearmand.', LEFT(SHA2('jobs.TABLE', 256), 48))"
_shared = None
_number = itertools.count(1)


def new_store(*options, create=True):
    """A server of its own, started with these options; gone when the script ends.  create=False: it finds user and
    database elsewhere."""
    try:
        stores.program("mariadbd", "mysqld")
    except stores.Missing as missing:
        raise (Failure if os.environ.get("CI") else Skip)(str(missing))
    folder = tempfile.mkdtemp(prefix="gearmand-my-", dir="/tmp")  # a socket's path must be short
    os.chmod(folder, 0o755)
    store = stores.Store(os.path.join(folder, "s"))

    def remove():
        store.stop()
        shutil.rmtree(folder, ignore_errors=True)
    atexit.register(remove)
    return store.make(options, create)


def shared_store():
    global _shared
    _shared = _shared or new_store()
    return _shared


class Database:
    """A table of its own in database "jobs" of the shared store, or of the one given."""

    def __init__(self, t, store=None):
        self.t, self.store = t, store or shared_store()
        self.table = "queue_%d" % next(_number)

    @property
    def options(self):
        return ["--mysql-socket=" + self.store.socket, "--mysql-user=gearman", "--mysql-db=jobs", "--mysql-table=" + self.table]

    def options_through(self, port):
        """Over TCP, through somebody who listens there."""
        return ["--mysql-host=127.0.0.1", "--mysql-port=%d" % port] + self.options[1:]

    def sql(self, text, check=True):
        """Rows, each a tuple of texts."""
        return [tuple(line.split("\t")) for line in self.store.sql(text, "jobs", check).split("\n")[:-1]]

    def count(self):
        return int(self.sql("SELECT COUNT(*) FROM " + self.table)[0][0])

    def await_rows(self, count):
        until(lambda: self.count() == count, "%d rows" % count)

    def times(self):
        """{unique: time} of all jobs."""
        return {bytes.fromhex(unique): int(when) for unique, when in
                self.sql("SELECT HEX(unique_key), when_to_run FROM " + self.table)}

    def end_sessions(self):
        """Those that have the table."""
        for (number,) in self.sql("SELECT IS_USED_LOCK(%s)" % LOCK.replace("TABLE", self.table)):
            if number != "NULL":
                self.sql("KILL " + number, check=False)

    def server(self, *options, base=None, **how):
        how.setdefault("env", {"MYSQL_PWD": "secret"})
        s = self.t.server("-q", "mysql", *(base or self.options), *options, **how)
        if how.get("wait", True):
            s.alive()
        return s
