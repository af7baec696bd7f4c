# SPDX-License-Identifier: BSD-3-Clause
"""Servers that a test starts by a command line of its own."""
import os

from .server import Server

__all__ = ["words", "of_pid", "read"]


def words(t, *options, port="0", log="log"):
    """A command line of its own, on loopback."""
    return [os.environ["GEARMAND"], "--listen=127.0.0.1", "--port=" + str(port), "--log-file=" + t.path(log)
            if "/" not in log and log not in ("stderr", "none") else "--log-file=" + log,
            "--threads=%d" % (t.mode or 0)] + [str(o) for o in options]


def of_pid(pid):
    """Questions to a server that the harness did not start."""
    s = Server.__new__(Server)
    s.pid = pid
    return s


def read(path):
    with open(path, errors="replace") as f:
        return f.read()
