#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Clients that speak TLS: openssl s_client, Python, Perl's Gearman::Client and Gearman::Worker, curl."""
import os
import subprocess

from gearlive import *
from gearlive.tls import *

BOTH = (0, 2)


def s_client(t, s, *words):
    """Its output is what the server sends, and nothing else; it ends when its input does."""
    return t.spawn("openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile", pki().ca,
                   "-connect", "127.0.0.1:%d" % s.port, *words, stdin=subprocess.PIPE)


@case("s_client has an echo and a text command over --ssl")
def _(t):
    s = tls_server(t)
    c = s_client(t, s)
    c.stdin.write(pack(ECHO_REQ, data=b"hello") + b"version\n")
    c.stdin.flush()
    want = pack(ECHO_RES, data=b"hello", magic=b"\0RES")
    check(c.stdout.read(len(want)) == want)
    check(c.stdout.readline().startswith(b"OK "))
    c.stdin.close()
    check(c.wait(timeout=patience()) == 0)


@case("packets of every size go through, up to 20 MB")
def _(t):
    s = tls_server(t)
    p = tls_connect(s)
    for size in (0, 1, 100, 16383, 16384, 16385, 65536, 1 << 20, 20 << 20):
        data = os.urandom(size)
        p.send(ECHO_REQ, data=data)
        p.expect(ECHO_RES, data)


main()
