#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""A MariaDB or MySQL server of a test's own: data, socket and port in a folder, as an unprivileged user.

    mysql.py start DIR [OPTION...]   makes it and starts it with these options; prints SOCKET= and PORT=.  77: not installed
    mysql.py stop DIR                ends it
    mysql.py kill DIR                kill -9, and waits until it is gone
    mysql.py again DIR               starts it on the data that it had

User "gearman" with password "secret" may do everything in database "jobs"; root comes in over the socket, without one."""
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time

LOG_SIZE = "--innodb-log-file-size=48M"
SETTINGS = ["--character-set-server=utf8mb4", "--max-allowed-packet=64M", "--innodb-buffer-pool-size=64M",
            LOG_SIZE, "--skip-name-resolve", "--bind-address=127.0.0.1"]
CREATE = """CREATE DATABASE jobs; CREATE USER gearman@'%' IDENTIFIED BY 'secret'; CREATE USER gearman@localhost IDENTIFIED BY 'secret';
GRANT ALL ON jobs.* TO gearman@'%'; GRANT ALL ON jobs.* TO gearman@localhost;"""


class Missing(Exception):
    pass


def program(*names):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/libexec"
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise Missing("no MariaDB or MySQL server is installed (Debian: mariadb-server)")


def user():
    """The server does not run as root.  What subprocess needs to be told."""
    if os.geteuid() != 0:
        return {}
    for name in ("mysql", "nobody"):
        with contextlib.suppress(KeyError):
            who = pwd.getpwnam(name)
            return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    raise Missing("no user mysql or nobody")


class Store:
    """The server in `folder`; made when it is not there."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.data, self.socket = os.path.join(self.folder, "data"), os.path.join(self.folder, "s")
        self.log, self.pid_file = os.path.join(self.folder, "log"), os.path.join(self.folder, "pid")

    @property
    def port(self):
        with open(os.path.join(self.folder, "port")) as f:
            return int(f.read())

    @property
    def pid(self):
        with open(self.pid_file) as f:
            return int(f.read())

    def _fail(self, what):
        with open(self.log, errors="replace") as log:
            raise RuntimeError("%s\n%s" % (what, log.read()[-3000:]))

    def sql(self, text, database="", check=True):
        """What the server prints, a line for each row."""
        done = subprocess.run([program("mariadb", "mysql"), "--no-defaults", "-N", "-B", "-u", "root", "-S", self.socket]
                              + ([database] if database else []), input=text.encode(), capture_output=True)
        if check and done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="surrogateescape")

    def make(self, options=(), create=True):
        program("mariadbd", "mysqld")
        os.makedirs(self.folder, exist_ok=True)
        open(self.log, "ab").close()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            with open(os.path.join(self.folder, "port"), "w") as f:
                f.write(str(free.getsockname()[1]))
        with open(os.path.join(self.folder, "options"), "w") as f:
            f.write("\n".join(options))
        if os.geteuid() == 0:
            for path in (self.folder, self.log):
                os.chown(path, user()["user"], user()["group"])
        self._install()
        self.start()
        if create:
            self.sql(CREATE)
        return self

    def _install(self):
        try:
            command = [program("mariadb-install-db", "mysql_install_db"), "--no-defaults", "--skip-test-db",
                       "--auth-root-authentication-method=normal", "--skip-name-resolve"]
        except Missing:
            command = [program("mysqld"), "--no-defaults", "--initialize-insecure"]
        with open(self.log, "ab") as log:
            if subprocess.call(command + ["--datadir=" + self.data, "--tmpdir=" + self.folder, LOG_SIZE], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               cwd=self.folder, **user()) != 0:
                self._fail("the server's data cannot be made")

    def start(self):
        with open(os.path.join(self.folder, "options")) as f:
            options = f.read().split("\n")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.pid_file)
        command = [program("mariadbd", "mysqld"), "--no-defaults", "--datadir=" + self.data, "--tmpdir=" + self.folder,
                   "--socket=" + self.socket, "--port=%d" % self.port, *SETTINGS, *[o for o in options if o]]
        with open(self.log, "ab") as log:
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                      start_new_session=True, **user())
        with open(self.pid_file, "w") as f:
            f.write(str(server.pid))
        for _ in range(1200):
            if server.poll() is not None:
                self._fail("the server ended with status %d" % server.returncode)
            with contextlib.suppress(RuntimeError):
                self.sql("SELECT 1")
                return self
            time.sleep(0.05)
        self._fail("the server does not answer")

    def _is_gone(self, pid):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        try:
            # Its first thread is a zombie before the others have closed its sockets.
            with open("/proc/%d/stat" % pid) as f:
                return f.read().rpartition(")")[2].split()[0] == "Z" and len(os.listdir("/proc/%d/task" % pid)) == 1
        except OSError:
            return True

    def kill(self, number=signal.SIGKILL):
        if not os.path.exists(self.pid_file):
            return
        pid = self.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        for _ in range(1200):
            if self._is_gone(pid):
                return
            time.sleep(0.02)
        raise RuntimeError("process %d does not end" % pid)

    stop = kill  # nobody needs the data any more

    def restart(self):
        self.kill(signal.SIGTERM)
        self.start()


def main():
    word, store = sys.argv[1], Store(sys.argv[2])
    try:
        if word == "start":
            store.make(sys.argv[3:])
            print("SOCKET=%s\nPORT=%d" % (store.socket, store.port))
        else:
            {"stop": store.stop, "kill": store.kill, "again": store.start}[word]()
    except Missing as missing:
        print(missing)
        sys.exit(77)


if __name__ == "__main__":
    main()
