#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""A PostgreSQL server of a test's own: data, socket and port in a folder, as an unprivileged user, fsync on.

    postgres.py start DIR    makes it and starts it; prints SOCKET=, PORT= and more.  77: not installed
    postgres.py stop DIR     ends it
    postgres.py kill DIR     kill -9 of all its processes
    postgres.py again DIR    starts it on the data that it had
    postgres.py freeze DIR   stops all its processes, as a virtual machine is stopped
    postgres.py thaw DIR     lets them go on
    postgres.py standby DIR FROM   a server in DIR that follows the one in FROM

Superuser "gearman" comes in without a password, database "jobs" is empty.  Over the port,
user "secret" needs a password.  The server ends by itself when DIR is removed."""
import contextlib
import glob
import os
import pwd
import signal
import socket
import subprocess
import sys
import time

CONF = """
unix_socket_directories = '%(socket)s'
listen_addresses = '127.0.0.1'
port = %(port)d
max_connections = 40
shared_buffers = 64MB
max_wal_size = 256MB
autovacuum_naptime = 1
autovacuum_vacuum_cost_delay = 0
log_min_messages = log
lc_messages = 'C'
"""
HBA = """
local all,replication all trust
host all secret 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


class Missing(Exception):
    pass


def program(name):
    folders = [p for p in os.environ.get("PATH", "").split(":") if p]
    folders += sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: -float(p.split("/")[4]))
    folders += sorted(glob.glob("/usr/pgsql-*/bin"), reverse=True) + ["/usr/local/pgsql/bin"]
    for folder in folders:
        # What is in the PATH of Debian is a wrapper.
        if os.path.exists(os.path.join(folder, "postgres")) and os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    raise Missing("no PostgreSQL server is installed (Debian: postgresql)")


def user():
    """PostgreSQL does not run as root.  What subprocess needs to be told."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            who = pwd.getpwnam(name)
            return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    raise Missing("no user postgres or nobody")


class Store:
    """The server in `folder`; made when it is not there."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.data, self.socket = os.path.join(self.folder, "pg"), self.folder
        self.log = os.path.join(self.folder, "pg.log")

    def run(self, name, *arguments, check=True):
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        with open(self.log, "ab") as log:
            done = subprocess.run([program(name), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  cwd=self.folder, env=dict(environ, LC_ALL="C"), **user())
        if check and done.returncode != 0:
            with open(self.log, errors="replace") as log:
                sys.stderr.write(log.read()[-4000:])
            raise RuntimeError("%s: status %d" % (name, done.returncode))
        return done.returncode

    @property
    def port(self):
        with open(os.path.join(self.folder, "port")) as f:
            return int(f.read())

    @property
    def conninfo(self):
        return "host=%s port=%d user=gearman dbname=jobs" % (self.socket, self.port)

    def _own(self, *paths):
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, user()["user"], user()["group"])

    def _settle(self):
        """What all servers have of their own."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(os.path.join(self.folder, "port"), "w") as f:
            f.write(str(port))
        with open(os.path.join(self.data, "postgresql.conf"), "a") as f:
            f.write(CONF % {"socket": self.socket, "port": port})
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as f:
            f.write(HBA)

    def _room(self):
        program("postgres")
        os.makedirs(self.folder, exist_ok=True)
        os.makedirs(self.data, mode=0o700)
        open(self.log, "ab").close()
        self._own(self.folder, self.data, self.log)

    def make(self):
        self._room()
        self.run("initdb", "-D", self.data, "--no-sync", "-U", "gearman", "-A", "trust", "--locale=C", "-E", "UTF8")
        self._settle()
        self.start()
        self.run("createdb", "-h", self.socket, "-p", str(self.port), "-U", "gearman", "jobs")
        return self

    def make_standby(self, primary):
        self._room()
        self.run("pg_basebackup", "-D", self.data, "-h", primary.socket, "-p", str(primary.port), "-U", "gearman", "-R",
                 "-X", "stream", "-c", "fast", "--no-sync")
        self._settle()
        self.start()
        return self

    def start(self):
        for attempt in range(100):  # processes of a killed one may still hold its memory
            if self.run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "60", "-s", "start", check=attempt == 99) == 0:
                return self
            time.sleep(0.05)

    def stop(self, mode="immediate"):
        if os.path.exists(os.path.join(self.data, "postmaster.pid")):
            self.run("pg_ctl", "-D", self.data, "-w", "-s", "-m", mode, "stop", check=False)

    def restart(self):
        self.stop("fast")
        self.start()

    def promote(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "promote")

    def processes(self):
        with open(os.path.join(self.data, "postmaster.pid")) as f:
            pid = f.readline().strip()
        with contextlib.suppress(OSError), open("/proc/%s/task/%s/children" % (pid, pid)) as f:
            return [int(pid)] + [int(child) for child in f.read().split()]
        return [int(pid)]

    def signal(self, number):
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)


def main():
    word, folder = sys.argv[1], sys.argv[2]
    try:
        store = Store(folder)
        if word == "start":
            store.make()
        elif word == "standby":
            store.make_standby(Store(sys.argv[3]))
        else:
            {"stop": store.stop, "kill": store.kill, "again": store.start, "freeze": store.freeze, "thaw": store.thaw}[word]()
        if word in ("start", "standby"):
            print("SOCKET=%s\nPORT=%d" % (store.socket, store.port))
    except Missing as missing:
        print(missing)
        sys.exit(77)


if __name__ == "__main__":
    main()
