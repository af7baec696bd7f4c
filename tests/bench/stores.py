# SPDX-License-Identifier: BSD-3-Clause
"""The stores that servers are measured on: each is started once, in a folder on the disk to be measured, with the
durability that it has by default, and serves all servers in turn, each with a table, file or prefix of its own."""
import contextlib
import glob
import os
import shutil
import signal
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stores"))
LOCK_SECONDS = 60


def module(name):
    """tests/stores/NAME.py; None when there is none."""
    with contextlib.suppress(ImportError):
        return __import__(name)
    return None


class Store:
    """`old` is what 1.1 calls it, None when the 1.1 that is installed has no such module."""
    title = old = None
    can_stall = True

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        self.name = next(name for name, kind in STORES.items() if kind is type(self))  # of our module

    def start(self):
        pass

    def stop(self):
        pass

    def fresh(self):
        """A name for a table or file that nobody has used."""
        self.count += 1
        return "bench_%d" % self.count

    def options(self, name):
        """What a server is told about this table, in words that both know."""
        raise NotImplementedError

    def drop(self, name):
        """Once no server uses it."""

    def bare(self):
        """Arguments of bench_STORE: where the store is."""
        raise NotImplementedError

    @contextlib.contextmanager
    def stalled(self, name):
        """While in here, it answers nobody."""
        pids = self.processes()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def processes(self):
        raise NotImplementedError


class Sqlite(Store):
    title, old = "SQLite", "libsqlite3"

    def path(self, name):
        return os.path.join(self.folder, name + ".db")

    def options(self, name):
        return ["--libsqlite3-db", self.path(name)]

    def drop(self, name):
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(name) + suffix)

    def bare(self):
        return [self.folder]

    @contextlib.contextmanager
    def stalled(self, name):
        """Another process writes, and does not come to an end."""
        db = sqlite3.connect(self.path(name), isolation_level=None, timeout=0)
        end = time.monotonic() + LOCK_SECONDS
        while not db.in_transaction:
            try:
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:  # a server that writes all the time leaves but gaps
                if time.monotonic() > end:
                    raise
        try:
            yield
        finally:
            db.execute("ROLLBACK")
            db.close()


class Postgres(Store):
    title, old = "PostgreSQL", "Postgres"
    # The tests' server has these otherwise; here they are what PostgreSQL comes with.
    DEFAULTS = ["shared_buffers = 128MB", "max_wal_size = 1GB", "autovacuum_naptime = 1min",
                "autovacuum_vacuum_cost_delay = 2ms"]

    def start(self):
        self.server = module("postgres").Store(self.folder).make()
        with open(os.path.join(self.server.data, "postgresql.conf"), "a") as conf:
            conf.write("\n".join(self.DEFAULTS) + "\n")
        self.server.restart()

    def stop(self):
        self.server.stop()

    def options(self, name):
        return ["--libpq-conninfo", self.server.conninfo, "--libpq-table", name]

    def drop(self, name):
        self.server.run("psql", "-q", "-d", self.server.conninfo, "-c", "DROP TABLE IF EXISTS %s" % name,
                        "-c", "CHECKPOINT")

    def bare(self):
        return [self.server.conninfo]

    def processes(self):
        return self.server.processes()


class Mysql(Store):
    title, old = "MariaDB", "MySQL"
    # The tests' server has less; this is what MariaDB comes with.
    DEFAULTS = ["--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M"]

    def start(self):
        self.server = module("mysql").Store(self.folder).make(self.DEFAULTS)

    def stop(self):
        self.server.stop()

    def options(self, name):
        return ["--mysql-host", "127.0.0.1", "--mysql-port", str(self.server.port), "--mysql-user", "gearman",
                "--mysql-password", "secret", "--mysql-db", "jobs", "--mysql-table", name]

    def drop(self, name):
        self.server.sql("DROP TABLE IF EXISTS %s" % name, "jobs")

    def bare(self):
        return [self.server.socket]

    def processes(self):
        return [self.server.pid]


class Memcached(Store):
    title, old = "memcached", "libmemcached"

    def start(self):
        # Room for a million jobs; when it is full it says so.
        self.server = module("memcached").Store(self.folder).make("-M", "-m", "1024")

    def stop(self):
        self.server.stop()

    def options(self, name):
        return ["--libmemcached-servers", self.server.address, "--libmemcached-prefix", name + "_"]

    def drop(self, name):
        self.server.ask(b"flush_all", b"OK\r\n")

    def bare(self):
        return [self.server.address]

    def processes(self):
        return [self.server.pid]


class Tokyo(Store):
    """A hash database in a file.  Debian's 1.1 has no such module."""
    title, can_stall = "Tokyo Cabinet", False

    def path(self, name):
        return os.path.join(self.folder, name + ".tch")

    def options(self, name):
        return ["--libtokyocabinet-file", self.path(name)]

    def drop(self, name):
        for path in glob.glob(self.path(name) + "*"):
            os.unlink(path)

    def bare(self):
        return [self.folder]


STORES = {"sqlite": Sqlite, "postgres": Postgres, "mysql": Mysql, "memcached": Memcached, "tokyo": Tokyo}


@contextlib.contextmanager
def running(name, folder):
    """The store of that name, started; None, and a word on stderr, when it is not installed."""
    own = os.path.join(folder, name)
    os.mkdir(own)
    os.chmod(own, 0o755)
    store, started = STORES[name](own), False
    try:
        try:
            store.start()
            started = True
        except Exception as why:  # each of tests/stores has a Missing of its own
            if type(why).__name__ != "Missing":
                raise
            print("compare: %s is left out: %s" % (store.title, why), file=sys.stderr)
        yield store if started else None
    finally:
        if started:
            store.stop()
        for _ in range(50):  # what ends there may still write
            shutil.rmtree(own, ignore_errors=True)
            if not os.path.exists(own):
                break
            time.sleep(0.1)
