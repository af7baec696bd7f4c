#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Who a client is, by its certificate; who is let in; names and protocols that it asks for."""
import hashlib
import ssl
import subprocess

from gearlive import *
from gearlive.tls import *

BOTH = (0, 2)


def identity(p):
    return [line.split(b"\t")[1].decode() for line in p.listing("whoami") if line.startswith(b"identity\t")]


def fingerprint(cert):
    der = ssl.PEM_cert_to_DER_cert(open(cert).read()[open(cert).read().index("-----BEGIN"):])
    return "sha256=" + hashlib.sha256(der).hexdigest()


def client(name, **how):
    return pki().pair(name, kind="client", **how)


@case("with --ssl-verify=optional a client without a certificate is nobody, one with a bad one is refused", modes=BOTH)
def _(t):
    s = tls_server(t, "--ssl-verify=optional")
    check(identity(tls_connect(s)) == [])
    pair = client("worker-1")
    check(identity(tls_connect(s, context(pair=pair))) == ["cn=worker-1", fingerprint(pair[0])])
    refused(s, context(pair=pki("another").pair("client", kind="client")), "its certificate is refused")


@case("with --ssl-verify=off nobody is asked, and nobody is anybody", modes=BOTH)
def _(t):
    s = tls_server(t)
    for pair in (client("worker-1"), pki("another").pair("client", kind="client")):
        check(identity(tls_connect(s, context(pair=pair))) == [])


@case("names of every kind are told, in TLS 1.3 and 1.2", modes=BOTH)
def _(t):
    s = tls_server(t, "--ssl-verify=required", verbose="DEBUG")
    pair = client("all", subject="/CN=w\u00f6rker/CN=second name", more="subjectAltName=DNS:shop.example.org,DNS:*.example.org,"
                  "URI:spiffe://example.org/w,email:ops@example.org,IP:192.0.2.7\n")
    for versions in ({}, {"most": ssl.TLSVersion.TLSv1_2}):
        got = identity(tls_connect(s, context(pair=pair, **versions)))
        check(got[1:] == ["cn=second name", "dns=shop.example.org", "dns=*.example.org", "uri=spiffe://example.org/w",
                          "email=ops@example.org", fingerprint(pair[0])], got)
    s.expect_log(r"DEBUG .*TLSv1\.3, TLS_.*, cn=.* cn=second name dns=shop\.example\.org .*sha256=[0-9a-f]{64}$")


@case("a certificate with control characters in a name is refused", modes=BOTH)
def _(t):
    s = tls_server(t, "--ssl-verify=optional")
    for n, bad in enumerate(("good\x01", "good\nnext", "\x7f")):
        try:
            p = tls_connect(s, context(pair=client("control%d" % n, subject="/CN=" + bad)))
            p.send(ECHO_REQ, data=b"in?")
            check(p.drain() == b"")
        except ssl.SSLError:
            pass
    s.expect_log("its certificate has a name with control characters")
    until(lambda: s.log().count("a name with control characters") == 3, "three lines")


@case("a client whose intermediate authority is in the file of authorities need not send it", modes=BOTH)
def _(t):
    middle = pki("workshop", pki())
    both = t.write("ca.pem", open(pki().ca).read() + open(middle.cert).read())
    pair = middle.pair("worker", kind="client")
    s = tls_server(t, "--ssl-verify=required", ca=both)
    check("cn=worker" in identity(tls_connect(s, context(pair=pair))))
    s = tls_server(t, "--ssl-verify=required")
    refused(s, context(pair=pair), "its certificate is refused: unable to get local issuer certificate")


@case("who is on the revocation list is refused; a list that is over refuses everybody, and says so", modes=BOTH)
def _(t):
    own = pki("lists%d" % t.mode)
    good, bad = own.pair("good", kind="client"), own.pair("bad", kind="client")
    crl = t.write("crl.pem", open(own.crl("empty.pem")).read())
    s = tls_server(t, "--ssl-verify=required", ca=own.ca, crl=crl)
    for pair in (good, bad):
        tls_connect(s, context(pair=pair)).sync()
    own.revoke(bad[0])

    def reload(path):
        before = s.log().count("read again")
        t.write("crl.pem", open(path).read())
        s.signal(1)
        until(lambda: s.log().count("read again") > before, "the reload")
    reload(own.crl("one.pem"))
    tls_connect(s, context(pair=good)).sync()
    said = refused(s, context(pair=bad), "its certificate is refused: certificate revoked")
    check("REVOKED" in said, said)
    s.expect_log("ERROR .*--ssl-crl-file=.*: expired since")
    reload(own.crl("over.pem", seconds=-60))
    refused(s, context(pair=good), "its certificate is refused: CRL has expired")


@case("any server name may be asked for, in any case", modes=BOTH)
def _(t):
    s = tls_server(t)
    for name in ("localhost", "x", "a.b.c.example.org", None):
        tls_connect(s, context(ca=None), name=name).sync()


@case("HTTP answers http/1.1 to those who offer it, and speaks it with those who do not; Gearman ignores offers", modes=BOTH)
def _(t):
    s = tls_server(t, "-r", "http", "--http-port=0", "--http-listen=127.0.0.1", "--http-ssl-listen=127.0.0.1:0")
    gear, http = s.port, s.service_port("http, tls")
    for port, offer, want in ((http, ["h2", "http/1.1"], "http/1.1"), (http, ["h2"], None), (http, [], None),
                              (gear, ["h2", "http/1.1"], None), (gear, ["gearman"], None)):
        c = context()
        if offer:
            c.set_alpn_protocols(offer)
        p = TlsPeer(("127.0.0.1", port), c)
        check(p.tls.selected_alpn_protocol() == want, port == http, offer, p.tls.selected_alpn_protocol())
        if port == gear:
            p.sync()
        else:
            p.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            check(p.read(15) == b"HTTP/1.1 200 OK")


@case("versions and ciphers are those of the options", modes=(0,))
def _(t):
    def negotiated(*options, **versions):
        s = tls_server(t, *options)
        return tls_connect(s, context(**versions)).tls.cipher()
    check(negotiated("--ssl-ciphersuites=TLS_CHACHA20_POLY1305_SHA256")[0] == "TLS_CHACHA20_POLY1305_SHA256")
    check(negotiated("--ssl-ciphers=ECDHE-ECDSA-AES256-GCM-SHA384", most=ssl.TLSVersion.TLSv1_2)[0] == "ECDHE-ECDSA-AES256-GCM-SHA384")
    s = tls_server(t, "--ssl-ciphers=ECDHE-ECDSA-AES256-GCM-SHA384")
    c = context(most=ssl.TLSVersion.TLSv1_2)
    c.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    refused(s, c, "it offers no cipher that --ssl-ciphers or --ssl-ciphersuites allow")
    s = tls_server(t, "--ssl-min-version=1.0", "--ssl-ciphers=DEFAULT@SECLEVEL=0")
    out = t.run("openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, "-tls1", "-cipher", "DEFAULT@SECLEVEL=0").out
    check(b"Protocol  : TLSv1\n" in out, out)


main()
