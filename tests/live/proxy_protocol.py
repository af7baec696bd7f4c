#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Connections that a proxy brings, with the PROXY protocol in front: who the peer is, and who may say so."""
import os
import socket
import struct

from gearlive import *

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 4730\r\n"


def v2(address, port, command=0x21):
    """A header of version 2 for a peer of IPv4 or IPv6, or a path."""
    if address.startswith("/"):
        kind, body = 0x31, address.encode().ljust(108, b"\0") + b"\0" * 108
    else:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind, raw = 0x21 if ":" in address else 0x11, socket.inet_pton(family, address)
        body = raw + raw + struct.pack("!HH", port, 4730)
    return SIGNATURE + struct.pack("!BBH", command, kind, len(body)) + body


def proxy_server(t, *options, more=0):
    t.need_module("transport-proxy")
    s = t.server("--transport=proxy", "--proxy-listen=127.0.0.1:0", *options)
    s.port, *others = s.ports()  # in the order in which they were bound
    s.plain_ports, s.proxied_ports = others[:more], others[more:]
    return s


def proxied(s, header=b"", port=0):
    p = Peer(("127.0.0.1", s.proxied_ports[port]))
    return p.raw(header) if header else p


def workers_at(s, address):
    """How many peers the listing has with this address."""
    return sum(line.split()[1] == address.encode() for line in s.connect().listing("workers"))


@case("the peer that the header names is the one in `workers`, for both versions and each kind of address", modes=(0, 2))
def _(t):
    s = proxy_server(t)
    for header, address in ((V1, "192.0.2.7"), (V1.replace(b"192.0.2.7", b"192.0.2.8"), "192.0.2.8"),
                            (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n", "2001:db8::7"),
                            (v2("192.0.2.9", 1), "192.0.2.9"), (v2("2001:db8::9", 1), "2001:db8::9"),
                            (v2("/run/peer", 0), "/run/peer")):
        worker = proxied(s, header).can("f")
        worker.sync()
        check(workers_at(s, address) == 1, address, s.connect().listing("workers"))


@case("a header that names nobody leaves the proxy's address", modes=(0, 2))
def _(t):
    s = proxy_server(t)
    peers = [proxied(s, header).can("f")
             for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN a b 1 2\r\n", v2("192.0.2.7", 1, command=0x20))]
    for p in peers:
        p.sync()
    check(workers_at(s, "192.0.2.7") == 0)
    check(workers_at(s, "127.0.0.1") == 4, s.connect().listing("workers"))


@case("header and packets may come byte by byte, or all in one", modes=(0, 2))
def _(t):
    s = proxy_server(t)
    for header in (V1, v2("192.0.2.7", 56324)):
        p = proxied(s)
        for byte in header + pack(ECHO_REQ, data=b"one"):
            p.raw(bytes([byte]))
        p.expect(ECHO_RES, b"one")
        p = proxied(s, header + pack(ECHO_REQ, data=b"two") + b"version\n" + pack(ECHO_REQ, data=b"three"))
        p.expect(ECHO_RES, b"two")
        check(p.line().startswith(b"OK "))
        p.expect(ECHO_RES, b"three")


@case("jobs of 20 MB go through in both directions", modes=(0, 2))
def _(t):
    s = proxy_server(t)
    data = os.urandom(20 << 20)
    worker, client = proxied(s, V1).can("f"), proxied(s, v2("192.0.2.8", 1))
    handle = client.submit("f", "", data)
    got = worker.grab()
    check(got[-1] == data)
    worker.complete(got[0], data)
    client.expect(WORK_COMPLETE, handle, data)


@case("the log has the real address", modes=(0, 2))
def _(t):
    s = proxy_server(t)
    proxied(s, V1 + b"\0BAD packet of no kind").expect_closed()
    s.expect_log(r"192\.0\.2\.7:56324: closed: packet")


@case("what is no header, or a wrong one, is closed with one line and not a byte", modes=(0, 2))
def _(t):
    s = proxy_server(t)
    for data, why in ((b"status\n", "it does not begin as one"), (pack(ECHO_REQ, data=b"x"), "it does not begin as one"),
                      (V1.replace(b"\r\n", b"\n"), "CR LF"), (V1.replace(b"TCP4", b"TCP6"), "malformed"),
                      (SIGNATURE + b"\x21\x11\xff\xff", "longer"), (SIGNATURE + b"\x21\x11\0\0", "too short")):
        p = proxied(s, data)
        p.expect_closed()
        s.expect_log(r"closed: PROXY header: .*" + why)
    s.alive()


@case("a proxy that does not send its header is closed in time, one that did is not", modes=(0, 2))
def _(t):
    s = proxy_server(t, "--proxy-timeout=1")
    silent, half, good = proxied(s), proxied(s, V1[:20]), proxied(s, V1)
    silent.expect_closed()
    half.expect_closed()
    s.expect_log("PROXY header: it did not come in time")
    good.sync()


@case("who is in no network of --proxy-from is refused with one line each", modes=(0, 2))
def _(t):
    s = proxy_server(t, "--proxy-from=192.0.2.0/24,2001:db8::/32")
    for _ in range(3):
        proxied(s, V1).expect_closed()
    s.expect_log("refused: it is in no network of --proxy-from")
    until(lambda: s.log().count("in no network") == 3, "three lines")
    s.alive()


@case("a look at the port leaves no line in the log", modes=(0, 2))
def _(t):
    s = proxy_server(t)
    before = s.descriptors()
    for _ in range(5):
        proxied(s).close()
    until(lambda: s.descriptors() == before, "the end of the connections")


@case("a peer that ends its side gets what it asked for", modes=(0, 2))
def _(t):
    s = proxy_server(t)
    p = proxied(s, V1 + pack(ECHO_REQ, data=b"last"))
    p.shut_write()
    p.expect(ECHO_RES, b"last")
    p.expect_closed()


@case("connections that end behind any byte of the header leave nothing", modes=(0, 2))
def _(t):
    s = proxy_server(t)
    s.connect().sync()
    before = s.descriptors()
    for header in (V1, v2("2001:db8::9", 1)):
        for n in range(len(header) + 1):
            p = proxied(s, header[:n])
            if n % 2:
                p.reset()
            else:
                p.close()
    until(lambda: s.descriptors() <= before, "the end of the connections")
    s.alive()


@case("HTTP behind a proxy, and plain HTTP beside it", modes=(0, 2))
def _(t):
    s = proxy_server(t, "-r", "http", "--http-port=0", "--http-listen=127.0.0.1", "--proxy-http-listen=127.0.0.1:0", more=1)
    for port, header in ((1, V1), (1, v2("192.0.2.9", 1))):
        p = proxied(s, header + b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", port=port)
        check(p.read(15) == b"HTTP/1.1 200 OK")
    p = Peer(("127.0.0.1", s.plain_ports[0])).raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    check(p.read(15) == b"HTTP/1.1 200 OK")
    proxied(s, V1).sync()


@case("settings that cannot be end the start with a sentence", modes=(0,))
def _(t):
    proxy_server(t)
    for options, why in (([], "needs --proxy-listen"), (["--proxy-listen=4731"], "'4731' is not ADDRESS:PORT"),
                         (["--proxy-listen=127.0.0.1:0", "--proxy-from=all"], "'all' is no network"),
                         (["--proxy-http-listen=127.0.0.1:0"], "--protocol=http")):
        said = t.run(os.environ["GEARMAND"], "--port=0", "--log-file=stderr", "--transport=proxy", *options, status=1)
        check(why.encode() in said.err + said.out, said.err, said.out)


main()
