#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Records of TLS: how they are cut, what OpenSSL says between them, and the end of connections."""
import ctypes
import ctypes.util
import os
import re
import socket
import ssl
import time

from gearlive import *
from gearlive.tls import *

BOTH = (0, 2)


@case("records may be cut at every byte, and many may come at once", modes=BOTH)
def _(t):
    s = tls_server(t)
    p = tls_connect(s)
    record = p.sealed(pack(ECHO_REQ, data=b"cut"))
    for byte in record:
        p.raw_wire(bytes([byte]))
    p.expect(ECHO_RES, b"cut")
    for at in range(1, len(record)):
        record = p.sealed(pack(ECHO_REQ, data=b"cut"))
        p.raw_wire(record[:at])
        p.raw_wire(record[at:])
        p.expect(ECHO_RES, b"cut")
    p.raw_wire(b"".join(p.sealed(bytes([byte])) for byte in pack(ECHO_REQ, data=b"a byte each")))
    p.expect(ECHO_RES, b"a byte each")
    p.raw_wire(b"".join(p.sealed(pack(ECHO_REQ, data=b"%d" % n)) for n in range(1000)))
    for n in range(1000):
        p.expect(ECHO_RES, b"%d" % n)


@case("a request behind the handshake's last bytes is taken with them", modes=BOTH)
def _(t):
    for versions in ({}, {"most": ssl.TLSVersion.TLSv1_2}):
        s = tls_server(t)
        p = tls_connect(s, context(**versions), shake=False)
        while True:
            try:
                p.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                p.flush()
                p.hear(time.monotonic() + patience(), "the handshake")
        p.tls.write(pack(ECHO_REQ, data=b"at once"))
        p.flush()
        p.expect(ECHO_RES, b"at once")


@case("records of 16 KB in both directions, and a packet is a record of its own", modes=BOTH)
def _(t):
    s = tls_server(t)
    p = tls_connect(s)
    data = os.urandom(16384 - 12)
    for _ in range(50):
        p.send(ECHO_REQ, data=data)
    for _ in range(50):
        p.expect(ECHO_RES, data)
    p.raw_wire(p.sealed(pack(ECHO_REQ, data=b"x" * 88) * 10))
    deadline, wire = time.monotonic() + patience(), b""
    while len(wire) < 10 * (12 + 88 + 5 + 16):
        ready([p], deadline - time.monotonic())
        wire += p.sock.recv(65536)
    sizes = []
    while wire:
        sizes.append(int.from_bytes(wire[3:5], "big"))
        wire = wire[5 + sizes[-1]:]
    check(len(sizes) == 10 and len(set(sizes)) == 1, sizes)


@case("broken records end the connection, with a line that says so", modes=BOTH)
def _(t):
    s = tls_server(t)
    s.expect_log("closed: TLS: .*(bad record mac|decryption failed)", "closed: TLS: .*(length|wrong version|record)")
    p = tls_connect(s)
    record = bytearray(p.sealed(pack(ECHO_REQ, data=b"x")))
    record[-1] ^= 1
    check("BAD_RECORD_MAC" in alert_of(p.raw_wire(bytes(record))))
    check(alert_of(tls_connect(s).raw_wire(b"\x17\x03\x03\xff\xff" + b"x" * 100)))
    check(alert_of(tls_connect(s).raw_wire(b"version\n" * 5)))
    tls_connect(s).sync()


def alert_of(p):
    try:
        p.drain()
    except ssl.SSLError as e:
        return e.reason
    raise Failure("no alert")


@case("a peer that does not read costs no processor time", modes=BOTH)
def _(t):
    s = tls_server(t)
    p = tls_connect(s, rcvbuf=4096)
    p.send(ECHO_REQ, data=os.urandom(20 << 20))
    watcher = tls_connect(s).sync()
    until(lambda: ready([p]), "the beginning of the answer")
    before = s.cpu()
    check(not ready([watcher], 1))
    check(s.cpu() - before < 0.3, "%.2f s of processor time in a second" % (s.cpu() - before))
    check(len(p.packet().body) == 20 << 20)


# ---- What Python's module cannot: OpenSSL by itself --------------------------------------------------------

class Openssl:
    """A connection of the library's own, blocking."""
    lib = None

    def __init__(self, t, s, most=None):
        if not Openssl.lib:
            name = ctypes.util.find_library("ssl")
            if not name:
                t.skip("libssl is not to be found")
            Openssl.lib = lib = ctypes.CDLL(name)
            for f in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
                getattr(lib, f).restype = ctypes.c_void_p
            for f in ("SSL_CTX_new", "SSL_new", "SSL_connect", "SSL_renegotiate", "SSL_do_handshake", "SSL_shutdown"):
                getattr(lib, f).argtypes = [ctypes.c_void_p]
        lib = self.lib
        self.sock = socket.create_connection(("127.0.0.1", s.port))
        ctx = ctypes.c_void_p(lib.SSL_CTX_new(ctypes.c_void_p(lib.TLS_client_method())))
        if most:
            lib.SSL_CTX_ctrl(ctx, 124, ctypes.c_long(most), None)  # SSL_CTRL_SET_MAX_PROTO_VERSION
        self.ssl = lib.SSL_new(ctx)
        lib.SSL_set_fd(ctypes.c_void_p(self.ssl), self.sock.fileno())
        check(lib.SSL_connect(self.ssl) == 1)

    def write(self, data):
        return self.lib.SSL_write(ctypes.c_void_p(self.ssl), data, len(data)) == len(data)

    def read(self, size):
        room = ctypes.create_string_buffer(size)
        n = self.lib.SSL_read(ctypes.c_void_p(self.ssl), room, size)
        return room.raw[:n] if n > 0 else n

    def echo(self):
        check(self.write(pack(ECHO_REQ, data=b"hello")))
        want = pack(ECHO_RES, data=b"hello", magic=b"\0RES")
        check(self.read(len(want)) == want)

    def update_key(self, wants_answer):
        return self.lib.SSL_key_update(ctypes.c_void_p(self.ssl), int(wants_answer)) == 1 and self.lib.SSL_do_handshake(self.ssl) == 1


@case("new keys are taken and answered, and a flood of them is bounded", modes=BOTH)
def _(t):
    s = tls_server(t)
    c = Openssl(t, s)
    for wants_answer in (False, True, True, False):
        check(c.update_key(wants_answer))
        c.echo()
    talker, size = tls_connect(s).sync(), s.rss()
    flood = Openssl(t, s)
    flood.sock.settimeout(None)
    for _ in range(10000):
        if not flood.update_key(True):
            break
    flood.sock.setblocking(False)
    talker.sync()
    check(server_sanitized() or s.rss() < size + (8 << 20), "%d bytes more" % (s.rss() - size))
    c.echo()


@case("a renegotiation is refused, and nobody spins", modes=BOTH)
def _(t):
    s = tls_server(t)
    c = Openssl(t, s, most=0x0303)
    c.echo()
    check(c.lib.SSL_renegotiate(c.ssl) == 1)
    before = s.cpu()
    check(c.lib.SSL_do_handshake(c.ssl) <= 0)
    c.sock.close()
    check(s.cpu() - before < 0.5)
    s.expect_log("closed: TLS: it sent: ")  # OpenSSL's client takes the refusal for the end
    tls_connect(s).sync()


@case("there are no tickets, no sessions to resume, no compression", modes=BOTH)
def _(t):
    for versions in ({}, {"most": ssl.TLSVersion.TLSv1_2}):
        s = tls_server(t)
        p = tls_connect(s, context(**versions)).sync()
        check(p.tls.compression() is None)
        check(p.tls.session is None or (not p.tls.session.has_ticket and not p.tls.session.id), p.tls.session)


@case("a thousand clients that submit and close without reading anything have submitted a thousand jobs", modes=BOTH, limit=120)
def _(t):
    s = tls_server(t)
    for n in range(1000):
        p = tls_connect(s)
        p.send(SUBMIT_JOB_BG, "f", "", data=b"%d" % n)
        p.close()
    watcher = tls_connect(s)
    until(lambda: b"f\t1000\t0\t0" in watcher.listing("status"), "a thousand jobs")


# ---- The end ---------------------------------------------------------------------------------------------------

def ends_cleanly(p):
    """What it still got; behind it a close_notify, and then the end of the socket."""
    deadline, got = time.monotonic() + patience(), b""
    while True:
        try:
            piece = p.tls.read(1 << 16)
            if not piece:
                break
            got += piece
        except ssl.SSLWantReadError:
            check(p.hear(deadline, "close_notify"), "the socket ended without close_notify")
        except ssl.SSLZeroReturnError:
            break
    check(not p.hear(deadline, "the end of file"), "something came behind close_notify")
    return got


@case("a peer that says goodbye, or ends its side of the socket, gets all that it is owed, and a goodbye", modes=BOTH)
def _(t):
    s = tls_server(t, verbose="DEBUG")
    for versions in ({}, {"most": ssl.TLSVersion.TLSv1_2}):
        for end in (TlsPeer.goodbye, TlsPeer.shut_write):
            p = tls_connect(s, context(**versions))
            p.raw(b"".join(pack(ECHO_REQ, data=b"%d" % n) for n in range(500)))
            end(p)
            want = b"".join(pack(ECHO_RES, data=b"%d" % n, magic=b"\0RES") for n in range(500))
            if versions and end is TlsPeer.goodbye:
                p.drain()  # TLS 1.2 in Python: after its own goodbye it takes nothing more
            else:
                check(ends_cleanly(p) == want)
    s.expect_log("DEBUG .*it ended without close_notify")
    check(not re.search("(INFO|NOTICE|WARNING|ERROR) .*close_notify", s.log()))


@case("a connection that the server closes ends with a goodbye", modes=BOTH)
def _(t):
    s = tls_server(t)
    s.expect_log("packet of unknown type|wrong magic")
    p = tls_connect(s)
    p.send(ECHO_REQ, data=b"first")
    p.raw(b"\0BAD" + b"x" * 20)
    check(ends_cleanly(p).startswith(pack(ECHO_RES, data=b"first", magic=b"\0RES")))


main()
