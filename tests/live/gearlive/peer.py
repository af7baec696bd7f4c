# SPDX-License-Identifier: BSD-3-Clause
"""One raw connection, in packets and in text lines.

Nothing here sleeps.  What must come is awaited up to a deadline that only a failing test reaches; that
nothing comes is shown by an echo sent behind it, for a server answers each connection in order."""
import itertools
import select
import socket
import struct
import time

from .tap import Failure, patience
from .wire import *
from .wire import Packet, as_bytes, pack, type_name

__all__ = ["Peer", "ready"]

_token = itertools.count(1)


def ready(peers, seconds=0, to_write=False):
    """Those of the peers that can be read from (or written to), after at most so many seconds."""
    poll, by_fd = select.poll(), {p.sock.fileno(): p for p in peers}
    for fd in by_fd:
        poll.register(fd, select.POLLOUT if to_write else select.POLLIN)
    return [by_fd[fd] for fd, _ in poll.poll(1000 * seconds)]


class Peer:
    def __init__(self, address, rcvbuf=None):
        family = socket.AF_UNIX if isinstance(address, str) else \
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(patience())
        self.sock.connect(address)
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = bytearray()
        self.stash = []  # packets that came before the echo of a sync()

    # --- sending

    def raw(self, data):
        self.sock.settimeout(patience())
        self.sock.sendall(data)
        return self

    def send(self, nr, *args, data=None):
        return self.raw(pack(nr, *args, data=data))

    # --- receiving bytes

    def _more(self, deadline, what):
        left = deadline - time.monotonic()
        if left <= 0 or not ready([self], left):
            raise Failure("nothing came while waiting for %s; unread: %r" % (what, bytes(self.buf[:200])))
        try:
            got = self.sock.recv(1 << 20)
        except ConnectionError:
            got = b""
        self.buf += got
        return len(got) > 0

    def read(self, count, what="bytes", limit=None):
        deadline = time.monotonic() + (limit or patience())
        while len(self.buf) < count:
            if not self._more(deadline, what):
                raise Failure("connection closed while waiting for %s; unread: %r" % (what, bytes(self.buf[:200])))
        got = bytes(self.buf[:count])
        del self.buf[:count]
        return got

    def packet(self, what="a packet", limit=None):
        """The next packet, whatever it is."""
        if self.stash:
            return self.stash.pop(0)
        return self._packet(what, limit)

    def _packet(self, what, limit=None):
        head = self.read(12, what, limit)
        magic, nr, size = struct.unpack(">4sII", head)
        if magic != b"\0RES":
            raise Failure("not the head of a reply: %r" % (head + bytes(self.buf[:100])))
        return Packet(nr, self.read(size, "the body of " + type_name(nr), limit))

    # --- expecting packets

    def expect(self, nr, *parts, limit=None):
        """The next packet is this one: type, then its arguments and data (ANY matches all; none given:
        whatever they are).  Returns its parts."""
        got = self.packet(type_name(nr), limit)
        want = [p if p is ANY else as_bytes(p) for p in parts]
        if got.nr != nr or (want and (len(want) != len(got.parts) or
                                      any(w is not ANY and w != g for w, g in zip(want, got.parts)))):
            raise Failure("expected %s%r, got %r" % (
                type_name(nr), tuple("ANY" if w is ANY else w[:200] for w in want), got))
        return got.parts

    def expect_error(self, code, text=ANY):
        return self.expect(ERROR, code, text)

    def sync(self):
        """Everything sent before has been handled; what it brought is kept for the next expectations."""
        token = b"sync %d" % next(_token)
        self.send(ECHO_REQ, data=token)
        while True:
            got = self._packet("the echo of a barrier")
            if got.nr == ECHO_RES and got.body == token:
                return self
            self.stash.append(got)

    def silent(self):
        """No packet is due: everything sent before has been handled and brought nothing."""
        self.sync()
        if self.stash:
            raise Failure("expected silence, got %r" % self.stash)
        return self

    def expect_closed(self, limit=None):
        """The server closes, without a further byte."""
        if self.stash:
            raise Failure("expected a close, got %r" % self.stash)
        deadline = time.monotonic() + (limit or patience())
        while self._more(deadline, "the server to close"):
            pass
        if self.buf:
            raise Failure("expected a close, got %r" % bytes(self.buf[:200]))

    def drain(self):
        """Everything until the server closes."""
        deadline = time.monotonic() + patience()
        while self._more(deadline, "the server to close"):
            pass
        got = bytes(self.buf)
        self.buf.clear()
        return got

    # --- text lines

    def text_is_next(self):
        """Waits for what comes next: is it text, and not a packet?"""
        if not self.buf:
            self._more(time.monotonic() + patience(), "a packet or a line")
        return self.buf[:1] != b"\0"

    def line(self):
        deadline = time.monotonic() + patience()
        while b"\n" not in self.buf:
            if not self._more(deadline, "a text line"):
                raise Failure("connection closed in a text line; unread: %r" % bytes(self.buf[:200]))
        end = self.buf.index(b"\n") + 1
        got = bytes(self.buf[:end])
        del self.buf[:end]
        return got

    def ask(self, command):
        """Sends a text line (CRLF), returns the answer's one line with its end."""
        self.raw(as_bytes(command) + b"\r\n")
        return self.line()

    def listing(self, command):
        """Sends a text line, returns the lines up to the one with a dot, without it and without LF."""
        self.raw(as_bytes(command) + b"\r\n")
        lines = []
        while True:
            got = self.line()
            if got == b".\n":
                return lines
            lines.append(got[:-1])

    # --- what clients and workers do

    def submit(self, function, unique="", data=b"", nr=SUBMIT_JOB):
        """Returns the job's handle."""
        self.send(nr, function, unique, data=data)
        return self.expect(JOB_CREATED)[0]

    def can(self, *functions):
        for f in functions:
            self.send(CAN_DO, f)
        return self.sync()

    def sleep(self):
        """Says PRE_SLEEP; there must be nothing to do."""
        self.send(PRE_SLEEP)
        return self.silent()

    def grab(self, nr=GRAB_JOB):
        """A job must be there.  GRAB_JOB: [handle, function, data]; _UNIQ, _ALL as their replies."""
        self.send(nr)
        return self.expect({GRAB_JOB: JOB_ASSIGN, GRAB_JOB_UNIQ: JOB_ASSIGN_UNIQ, GRAB_JOB_ALL: JOB_ASSIGN_ALL}[nr])

    def no_job(self, nr=GRAB_JOB):
        self.send(nr)
        self.expect(NO_JOB)
        return self

    def complete(self, handle, data=b""):
        return self.send(WORK_COMPLETE, handle, data=data)

    def status(self, handle):
        """(known, running, numerator, denominator)"""
        self.send(GET_STATUS, handle)
        return tuple(int(x) for x in self.expect(STATUS_RES)[1:])

    # --- ends

    def shut_write(self):
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        """Ends with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
