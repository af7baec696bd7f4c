#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""A memcached of a test's own, on a free port of loopback and as an unprivileged user.

    memcached.py start DIR [OPTION...]   starts it with these options; prints PORT=.  77: not installed
    memcached.py stop DIR                ends it
    memcached.py kill DIR                kill -9, and waits until it is gone
    memcached.py again DIR               starts it again, empty, on the same port"""
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time

ENOUGH = 30  # seconds


class Missing(Exception):
    pass


def program():
    found = shutil.which("memcached", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise Missing("memcached is not installed (Debian: memcached)")
    return found


def user():
    """memcached refuses to run as root.  What subprocess needs to be told."""
    if os.geteuid() != 0:
        return {}
    for name in ("memcache", "nobody"):
        with contextlib.suppress(KeyError):
            who = pwd.getpwnam(name)
            return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    raise Missing("no user memcache or nobody")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Store:
    """The memcached of `folder`."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.log, self.pid_file = os.path.join(self.folder, "log"), os.path.join(self.folder, "pid")

    def _read(self, name):
        with open(os.path.join(self.folder, name)) as f:
            return f.read()

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    @property
    def port(self):
        return int(self._read("port"))

    @property
    def pid(self):
        return int(self._read("pid"))

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def command(self):
        """Its words, without the options, and how to start it."""
        return [program(), "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-t", "2"], {"cwd": "/", **user()}

    def serves(self):
        """The process id that it says it has."""
        return self.stats()["pid"]

    def make(self, *options):
        """The port may be gone by the time it is used; then it is another one."""
        os.makedirs(self.folder, exist_ok=True)
        self._write("options", "\n".join(options))
        for left in range(5, -1, -1):
            self._write("port", str(free_port()))
            try:
                return self.start()
            except RuntimeError:
                if left == 0:
                    raise

    def start(self):
        options = [o for o in self._read("options").split("\n") if o]
        words, how = self.command()
        with open(self.log, "ab") as log:
            server = subprocess.Popen([*words, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      start_new_session=True, **how)
        self._write("pid", str(server.pid))
        deadline = time.monotonic() + ENOUGH
        while server.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError, IndexError, KeyError):
                if self.serves() == str(server.pid):
                    return self
            time.sleep(0.01)
        self.kill()
        raise RuntimeError("the store does not serve: status %s\n%s" % (server.poll(), self._read("log")[-2000:]))

    def _is_gone(self, pid):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        try:
            with open("/proc/%d/stat" % pid) as f:
                return f.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    def kill(self, number=signal.SIGKILL):
        if not os.path.exists(self.pid_file):
            return
        pid = self.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + ENOUGH
        while not self._is_gone(pid):
            if time.monotonic() > deadline:
                raise RuntimeError("process %d does not end" % pid)
            time.sleep(0.005)

    stop = kill  # nobody needs what it has

    def restart(self):
        self.kill()
        self.start()

    # --- talking to it

    def ask(self, command, end=b"END\r\n"):
        """What it answers, up to a line; bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=ENOUGH) as c, c.makefile("rb") as answers:
            c.sendall(command if command.endswith(b"\r\n") else command + b"\r\n")
            said = b""
            while not said.endswith(end):
                line = answers.readline()
                if not line:
                    raise OSError("memcached has closed after %r" % said)
                said += line
            return said

    def stats(self, what=""):
        lines = self.ask(b"stats " + what.encode() if what else b"stats").decode().split("\r\n")
        return {line.split(" ", 2)[1]: line.split(" ", 2)[2] for line in lines if line.startswith("STAT ")}

    def keys(self):
        """Of all items, without those that expire and the owner's name."""
        said = b"BUSY"
        while said.startswith(b"BUSY"):  # with somebody else's
            said = self.ask(b"lru_crawler metadump hash", (b"END\r\n", b"BUSY currently processing crawler request\r\n"))
        lines = said.decode(errors="replace").split("\n")
        return [line.split(" ", 1)[0][4:] for line in lines
                if " exp=-1 " in line and "owner exp=" not in line]

    def get(self, key):
        """The value, or None."""
        said = self.ask(b"get " + (key if isinstance(key, bytes) else key.encode()))
        if said == b"END\r\n":
            return None
        head, _, rest = said.partition(b"\r\n")
        return rest[:int(head.split()[3])]

    def set(self, key, value, flags=0):
        key = key if isinstance(key, bytes) else key.encode()
        said = self.ask(b"set %s %d 0 %d\r\n%s\r\n" % (key, flags, len(value), value), b"\r\n")
        if said != b"STORED\r\n":
            raise RuntimeError("memcached: %r" % said)


def main(store):
    word = sys.argv[1]
    try:
        if word == "start":
            store.make(*sys.argv[3:])
            print("PORT=%d" % store.port)
        else:
            {"stop": store.stop, "kill": store.kill, "again": store.start}[word]()
    except Missing as missing:
        print(missing)
        sys.exit(77)


if __name__ == "__main__":
    main(Store(sys.argv[2]))
