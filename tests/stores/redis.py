#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""A redis of a test's own, on a free port of loopback; it has on its disk what it has answered for.

    redis.py start DIR [OPTION...]   starts it with these options; prints PORT=.  77: not installed
    redis.py stop DIR                ends it
    redis.py kill DIR                kill -9, and waits until it is gone
    redis.py again DIR               starts it again, on the same port and with what it had"""
import os
import re
import shutil
import socket
import sys

import memcached as stores


class Trouble(Exception):
    """What redis says behind a '-'."""


class Store(stores.Store):
    """The redis of `folder`."""

    def command(self):
        found = shutil.which("redis-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if not found:
            raise stores.Missing("redis-server is not installed (Debian: redis-server)")
        return [found, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder, "--save", "", "--appendonly", "yes",
                "--appendfsync", "always", "--unixsocket", os.path.join(self.folder, "socket")], {"cwd": self.folder}

    def serves(self):
        said = self.do("INFO")
        return re.search(rb"process_id:(\d+)", said).group(1).decode() if b"\nloading:0" in said else ""

    # --- talking to it

    def do(self, *words):
        """Its reply, on a connection of its own: bytes, a number, None, or a list of such."""
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        with socket.create_connection(("127.0.0.1", self.port), timeout=stores.ENOUGH) as c, c.makefile("rb") as replies:
            password = re.search(r"requirepass\n(.*)", self._read("options"))
            for command in ([[b"AUTH", password.group(1).encode()]] if password else []) + [words]:
                c.sendall(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in command))
                got = self._reply(replies)
            return got

    def _reply(self, replies):
        line = replies.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else replies.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._reply(replies) for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        raise (Trouble if kind == b"-" else OSError)(rest.decode())

    def hash(self, key):
        flat = self.do("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))


if __name__ == "__main__":
    stores.main(Store(sys.argv[2]))
