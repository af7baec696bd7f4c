#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Handshakes of TLS that are slow, half, many at once, or fail; and what others notice of them."""
import os
import re
import ssl

from gearlive import *
from gearlive.tls import *

BOTH = (0, 2)
STORM = 1000


def hello():
    """A client's first bytes."""
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context(ca=None).wrap_bio(inward, outward, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return outward.read()


def plain(s, data=b"", port=None):
    return Peer(("127.0.0.1", port or s.port)).raw(data)


@case("silent peers and half handshakes cost nobody anything, and are closed in time", modes=BOTH)
def _(t):
    s = tls_server(t, "--ssl-handshake-timeout=2")
    s.expect_log("TLS handshake: it sent nothing in time", "TLS handshake: it was not done in time")
    talker, before = tls_connect(s), s.cpu()
    idle = [plain(s) for _ in range(50)] + [plain(s, hello()[:100]) for _ in range(20)]
    while len(ready(idle, 0.1)) < 70:
        talker.sync()
    check(s.cpu() - before < 0.8, "%.2f s of processor time in 2 s" % (s.cpu() - before))
    for p in idle:
        p.expect_closed()
    talker.sync()


@case("the deadline is that of the whole handshake, whoever sends a byte now and then", modes=BOTH)
def _(t):
    s = tls_server(t, "--ssl-handshake-timeout=1")
    s.expect_log("TLS handshake: it was not done in time")
    p, bytes_left = plain(s), iter(hello())
    while not ready([p], 0.05):
        p.raw(bytes([next(bytes_left)]))
    p.expect_closed()


@case("a peer that talks is answered before %d handshakes that came at once are done" % STORM, modes=BOTH, limit=120)
def _(t):
    s = tls_server(t, "--ssl-handshake-timeout=100")
    talker = tls_connect(s)
    peers = [TlsPeer(("127.0.0.1", s.port), context(ca=None), shake=False) for _ in range(STORM)]
    for p in peers:
        try:
            p.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
    for p in peers:
        p.flush()
    talker.sync()
    check(len(ready(peers)) < STORM, "all handshakes came first")
    for p in peers:
        p.shake()
    for p in peers:
        p.sync()


FAILURES = {}


def failure(why):
    def keep(function):
        FAILURES[function] = why
        return function
    return keep


@failure("it does not speak TLS")
def garbage(s, n):
    plain(s, b"\x17" + os.urandom(50)).drain()


@failure("TLS handshake: .*(wrong version number|record|length|unsupported|bad|unexpected|decode)")
def broken(s, n):
    data = bytearray(hello())
    data[5 + n % 40] ^= 0xff
    p = plain(s, bytes(data))
    p.shut_write().drain()


@failure("it speaks the Gearman protocol without TLS")
def gear(s, n):
    plain(s, pack(ECHO_REQ, data=b"hello")).drain()


@failure("it speaks HTTP without TLS")
def http(s, n):
    plain(s, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").drain()


@failure("its certificate is refused: (self-signed certificate|unable to get local issuer)")
def unknown_authority(s, n):
    refused(s, context(pair=pki("another").pair("client", kind="client")))


@failure("its certificate is refused: certificate has expired")
def expired(s, n):
    refused(s, context(pair=pki().pair("expired", kind="client", ends=-60)))


@failure("it showed no certificate, and --ssl-verify=required")
def no_certificate(s, n):
    refused(s, context())


@failure("it offers no version of TLS that --ssl-min-version allows")
def old_version(s, n):
    refused(s, context(most=ssl.TLSVersion.TLSv1_2))


@failure("it ended in the midst of the TLS handshake")
def aborted(s, n):
    data = hello()
    p = plain(s, data[:1 + n % len(data)])
    if n % 2:
        p.reset()
    else:
        p.close()


@failure("it refused this server's certificate: unknown authority")
def refuses_us(s, n):
    refused(s, context(ca=pki("another").ca, pair=pki().pair("client", kind="client")))


@case("a handshake that fails is named in the log with peer and cause, touches nobody and leaves nothing", modes=BOTH, limit=180)
def _(t):
    s = tls_server(t, "--ssl-verify=required", "--ssl-min-version=1.3")
    good = context(pair=pki().pair("client", kind="client"))
    talker = tls_connect(s, good).sync()
    s.allow_log("tls: 127.0.0.1:[0-9]+: ")

    def fail(count):
        for n in range(count):
            for kind in FAILURES:
                kind(s, n)
            talker.sync()
        until(lambda: s.descriptors() == before, "the end of the connections")
    before = s.descriptors()
    fail(20)
    size = s.rss()
    fail(180 if t.mode == 2 else 40)
    check(server_sanitized() or s.rss() < size + (2 << 20), "%d bytes more" % (s.rss() - size))
    tls_connect(s, good).sync()
    for kind, why in FAILURES.items():
        check(re.search(r"tls: 127\.0\.0\.1:\d+: (closed: )?(TLS handshake: )?%s" % why, s.log()), "no line for " + kind.__name__)
    check(not re.search("error:0|lib\\(|does not say why", s.log()))


@case("plain text at a port of TLS, and TLS at a plain one, are named and closed at once", modes=BOTH)
def _(t):
    s = tls_server(t, "--ssl-listen=127.0.0.1:0", "-r", "http", "--http-port=0", "--http-listen=127.0.0.1", ssl="--transport=tls")
    tls_port, gear_port, http_port = (s.service_port(n) for n in ("gear, tls", "gear", "http"))
    for data in (b"version\n", pack(ECHO_REQ, data=b"x"), b"POST /f HTTP/1.1\r\n\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.1 1 2\r\n"):
        plain(s, data, tls_port).expect_closed(limit=5)
    plain(s, hello(), gear_port).expect_closed(limit=5)
    plain(s, hello()[:3], gear_port).expect_closed(limit=5)
    plain(s, hello(), http_port).drain()
    s.expect_log("closed: it does not speak TLS", "closed: it speaks the Gearman protocol without TLS", "closed: it speaks HTTP without TLS",
                 "closed: it sends a header of the PROXY protocol, not TLS", "closed: it speaks TLS, and this port does not")
    counts = dict(line.split() for line in plain(s, port=gear_port).listing("counters"))
    check(counts[b"tls_handshakes_plain"] == b"4", counts)


@case("connections that end before their first byte leave no line in the log", modes=BOTH)
def _(t):
    s = tls_server(t)
    tls_connect(s).sync()
    before = s.descriptors()
    for n in range(1000):
        p = plain(s)
        if n % 2:
            p.reset()
        else:
            p.close()
    until(lambda: s.descriptors() <= before, "the end of the connections")
    check("tls: " not in s.log(), s.log())


@case("who is refused is told by an alert, though it has sent a request already", modes=BOTH)
def _(t):
    s = tls_server(t, "--ssl-verify=required")
    s.allow_log("its certificate is refused", "it showed no certificate")
    for versions in ({}, {"most": ssl.TLSVersion.TLSv1_2}):
        for _ in range(20):
            said = refused(s, context(**versions))
            check("ALERT_CERTIFICATE_REQUIRED" in said or "HANDSHAKE_FAILURE" in said, said)
            said = refused(s, context(pair=pki("another").pair("client", kind="client"), **versions))
            check("ALERT_UNKNOWN_CA" in said, said)
            said = refused(s, context(pair=pki().pair("expired", kind="client", ends=-60), **versions))
            check("CERTIFICATE_EXPIRED" in said, said)


@case("s_client shows the alert", modes=(2,))
def _(t):
    s = tls_server(t, "--ssl-verify=required")
    s.expect_log("it showed no certificate")
    done = t.run("openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, "-ign_eof", status=None)
    check(b"alert certificate required" in done.err + done.out, done)


main()
