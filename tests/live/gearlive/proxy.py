# SPDX-License-Identifier: BSD-3-Clause
"""A network that can be cut: connections go through a port of ours, until they go silent."""
import select
import socket
import threading

__all__ = ["Proxy"]


class Proxy:
    """Passes on what comes to its port to a port of loopback; ends with the test."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs, self.silent, self.is_cut, self.is_closed = {}, [], False, False
        threading.Thread(target=self._run, daemon=True).start()

    def cut(self):
        """Nothing comes through any more, and nobody is told.  Who connects gets no answer, either."""
        self.is_cut = True

    def close(self):
        """Who connects is turned away; connections that there are go on."""
        self.is_closed = True

    def heal(self):
        """New connections come through.  Those that were cut stay as dead as they are, for both sides."""
        self.is_cut = self.is_closed = False

    def cut_for_a_moment(self):
        """The connections that there are go silent for ever; new ones come through."""
        for one in list(self.pairs):
            self._silence(one)

    def _silence(self, one):
        self.silent.append((one, self.pairs.pop(one, None)))

    def _run(self):
        while True:
            for one in select.select([self.listener, *self.pairs], [], [], 0.05)[0]:
                if one is self.listener:
                    self._accept()
                elif self.is_cut:
                    self._silence(one)
                elif one in self.pairs:
                    self._pass(one)

    def _accept(self):
        client, _ = self.listener.accept()
        if self.is_cut:
            self.silent.append((client, None))
            return
        try:
            if self.is_closed:
                raise OSError
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        self.pairs[client], self.pairs[server] = server, client

    def _pass(self, one):
        other = self.pairs[one]
        try:
            data = one.recv(1 << 16)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for end in (one, other):
            self.pairs.pop(end, None)
            end.close()
