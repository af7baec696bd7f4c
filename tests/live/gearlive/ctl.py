# SPDX-License-Identifier: BSD-3-Clause
"""gearmanctl, run; servers that answer what a case says; the gearmand of the distribution."""
import os
import socket
import subprocess
import threading

from .peer import Peer
from .tap import Failure, Skip, until
from .terminal import Terminal

__all__ = ["ctl", "run_ctl", "Fake", "free_port", "old_gearmand", "start_ctl", "term_ctl", "ctl_path"]

OLD = "/usr/sbin/gearmand"


def ctl_path():
    # Beside the server that was built.
    path = os.path.join(os.path.dirname(os.path.dirname(os.environ["GEARMAND"])), "ctl/gearmanctl")
    if not os.path.exists(path):
        raise Skip("gearmanctl is not built")
    return path


def run_ctl(t, *words, **how):
    """Runs it; .rows has the lines of its output as lists of cells."""
    done = t.run(ctl_path(), *words, **how)
    done.rows = [line.split("\t") for line in done.out.decode(errors="surrogateescape").splitlines()]
    return done


def ctl(t, s, *words, **how):
    return run_ctl(t, "-H", "127.0.0.1:%d" % s.port, *words, **how)


def free_port():
    """A port where nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_ctl(t, s, *words, stdin=b"", under=()):
    """Starts it with this input; `s` is a server or its name."""
    name = s if isinstance(s, str) else "127.0.0.1:%d" % s.port
    p = t.spawn(*under, ctl_path(), "-H", name, *words, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(stdin)
    p.stdin.close()
    p.stdin = None
    return p


def term_ctl(t, s, *words, **how):
    """Starts it on a terminal."""
    name = s if isinstance(s, str) else "127.0.0.1:%d" % s.port
    return Terminal(t, ctl_path(), "-H", name, *words, **how)


class Fake:
    """Takes connections, one after the other; reads something, answers these bytes and closes.  None: it says nothing."""

    def __init__(self, t, answer):
        self.answer, self.open = answer, []
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.name = "127.0.0.1:%d" % self.sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            peer, _ = self.sock.accept()
            if self.answer is None:
                self.open.append(peer)
                continue
            try:
                peer.recv(65536)
                peer.sendall(self.answer)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass
            except OSError:
                pass
            peer.close()


def old_gearmand(t):
    """Starts the distribution's gearmand; returns its port."""
    if not os.path.exists(OLD):
        raise Skip("there is no " + OLD)
    port = free_port()
    p = t.spawn(OLD, "-L", "127.0.0.1", "-p", str(port), "-l", t.path("old.log"), "-P", t.path("old.pid"))

    def serves():
        if p.poll() is not None:
            raise Failure("%s ended with status %d" % (OLD, p.returncode))
        try:
            Peer(("127.0.0.1", port)).close()
            return True
        except OSError:
            return False
    until(serves, OLD + " to listen")
    return port
