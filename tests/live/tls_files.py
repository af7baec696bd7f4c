#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The files of TLS: what ends the start, what expires, chains, and SIGHUP."""
import os
import re
import signal
import ssl

from gearlive import *
from gearlive.tls import *

DAY = 86400


def says(t, sentence, *options, env=None):
    """The server does not start, and says so."""
    done = t.run(os.environ["GEARMAND"], "--port=0", "--log-file=stderr", "--pid-file=" + t.path("pid"), *options, status=1, env=env)
    check(sentence.encode() in done.err, sentence, "is not in", done.err.decode())


def need_tls(t):
    tls_server(t).stop()


@case("files that are missing, unreadable, of another kind or do not belong together end the start with a sentence", modes=(None,))
def _(t):
    need_tls(t)
    cert, key = pki().pair("server")
    other_key = pki().pair("other")[1]
    rsa = t.path("rsa.key")
    t.run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", rsa)
    empty = t.write("empty", "")
    garbage = t.write("garbage", "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    ca = pki().ca
    for sentence, pair, options in (
            ("--ssl-certificate=/nowhere: No such file or directory", ("/nowhere", key), []),
            ("--ssl-key=/nowhere: No such file or directory", (cert, "/nowhere"), []),
            ("--ssl-certificate=%s: there is no certificate" % empty, (empty, key), []),
            ("--ssl-certificate=%s: there is no certificate" % garbage, (garbage, key), []),
            ("--ssl-certificate=%s: there is no certificate" % t.dir, (t.dir, key), []),
            ("--ssl-key=%s: there is no private key" % cert, (cert, cert), []),
            ("--ssl-key=%s: the key is not that of the certificate" % other_key, (cert, other_key), []),
            ("--ssl-key=%s: the key is not that of the certificate" % rsa, (cert, rsa), []),
            ("--ssl-ca-file=/nowhere: No such file or directory", (cert, key), ["--ssl-verify=required", "--ssl-ca-file=/nowhere"]),
            ("--ssl-ca-file=%s: there is no certificate" % empty, (cert, key), ["--ssl-verify=optional", "--ssl-ca-file=" + empty]),
            ("--ssl-crl-file=/nowhere: No such file", (cert, key),
             ["--ssl-verify=required", "--ssl-ca-file=" + ca, "--ssl-crl-file=/nowhere"]),
            ("--ssl-crl-file=%s: there is no revocation list" % ca, (cert, key),
             ["--ssl-verify=required", "--ssl-ca-file=" + ca, "--ssl-crl-file=" + ca]),
            ("--ssl-crl-file is of no use with --ssl-verify=off", (cert, key), ["--ssl-crl-file=" + ca]),
            ("--ssl-verify=yes: expected off, optional or required", (cert, key), ["--ssl-verify=yes"]),
            ("--ssl-min-version=1.4: expected 1.0, 1.1, 1.2 or 1.3", (cert, key), ["--ssl-min-version=1.4"]),
            ("--ssl-ciphers=none-of-these: ", (cert, key), ["--ssl-ciphers=none-of-these"]),
            ("--ssl-ciphersuites=none-of-these: ", (cert, key), ["--ssl-ciphersuites=none-of-these"]),
            ("'4730' is not ADDRESS:PORT", (cert, key), ["--ssl-listen=4730"]),
            ("--protocol=http", (cert, key), ["--http-ssl-listen=127.0.0.1:0"])):
        says(t, sentence, "--ssl", "--ssl-certificate=" + pair[0], "--ssl-key=" + pair[1], *options)


@case("a key with a pass phrase ends the start; nobody is asked for it", modes=(None,))
def _(t):
    need_tls(t)
    cert, key = pki().pair("server")
    locked = t.path("locked.key")
    t.run("openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked)
    # With a terminal, which is where OpenSSL asks.
    done = t.run("script", "-qec", "%s --ssl --port=0 --log-file=stderr --pid-file=%s --ssl-certificate=%s --ssl-key=%s" % (
        os.environ["GEARMAND"], t.path("pid"), cert, locked), "/dev/null", status=1)
    check(b"the key is encrypted" in done.out and b"pass phrase:" not in done.out, done)


@case("paths come from the environment, and the command line wins", modes=(None,))
def _(t):
    need_tls(t)
    cert, key = pki().pair("server")
    env = {"GEARMAND_SERVER_PEM": "/of/the/environment", "GEARMAND_SERVER_KEY": key, "GEARMAND_CA_CERTIFICATE": "/no/ca"}
    says(t, "--ssl-certificate=/of/the/environment: No such file", "--ssl", env=env)
    says(t, "--ssl-ca-file=/no/ca: No such file", "--ssl", "--ssl-certificate=" + cert, "--ssl-verify=required", env=env)
    says(t, "/ssl/certs/gearmand.pem: No such file", "--ssl")


@case("a key that the server's user cannot read ends the start", modes=(None,))
def _(t):
    need_tls(t)
    if os.geteuid() != 0:
        t.skip("needs root")
    os.chmod(t.dir, 0o755)
    cert, key = pki().pair("server")
    hidden = t.write("hidden.key", open(key).read())
    os.chmod(hidden, 0o600)
    says(t, "module tls, as user nobody: --ssl-key=%s: Permission denied" % hidden, "--ssl", "--user=nobody",
         "--ssl-certificate=" + cert, "--ssl-key=" + hidden)


@case("a certificate that is over is served with an ERROR, and one that soon will be with a WARNING", modes=(0,))
def _(t):
    for name, seconds, line in (("over", -60, "ERROR .*--ssl-certificate=.*: expired since "),
                                ("soon", 5 * DAY + 60, "WARNING .*--ssl-certificate=.*: expires in 5 days, at "),
                                ("later", 15 * DAY, None)):
        s = tls_server(t, pair=pki().pair(name, ends=seconds))
        tls_connect(s, context(ca=None)).sync()
        if line:
            s.expect_log(line)
        s.stop()


@case("`counters` tells when what is served ends, and a reload what is served from then on", modes=(0, 2))
def _(t):
    def expiry(name):
        lines = dict(line.split() for line in tls_connect(s, context(ca=None)).listing("counters"))
        return int(lines[b"tls_expiry." + name])
    files = link(t, pki().pair("soon", ends=5 * DAY + 60))
    s = tls_server(t, "--ssl-verify=optional", pair=files)
    s.expect_log("expires in 5 days")
    first = expiry(b"certificate")
    check(expiry(b"crl") == 0 and expiry(b"ca") > first)
    link(t, pki().pair("server"))
    check(expiry(b"certificate") == first, "what is on the disk is not what is served")
    s.signal(signal.SIGHUP)
    until(lambda: expiry(b"certificate") >= first + 20 * DAY, "the new certificate")


@case("a chain in the certificate's file is sent, so that the root is enough for clients", modes=(0,))
def _(t):
    middle = pki("middle", pki())
    cert, key = middle.pair("server")
    alone, chain = cert, t.write("chain.pem", open(cert).read() + open(middle.cert).read())
    s = tls_server(t, pair=(chain, key))
    tls_connect(s).sync()
    s = tls_server(t, pair=(alone, key))
    try:
        tls_connect(s)
    except ssl.SSLCertVerificationError:
        s.expect_log("it refused this server's certificate: unknown authority")
        return
    raise Failure("a chain with a gap was good enough")


# ---- SIGHUP -------------------------------------------------------------------------------------------------

def link(t, pair):
    """(certificate, key) under names that stay, whatever pair is behind them."""
    names = t.path("current.pem"), t.path("current.key")
    for name, path in zip(names, pair):
        os.symlink(path, name + ".new")
        os.rename(name + ".new", name)
    return names


def reload_with(s, pattern):
    before = len(re.findall(pattern, s.log()))
    s.signal(signal.SIGHUP)
    until(lambda: len(re.findall(pattern, s.log())) > before, "a log line like " + pattern)


@case("SIGHUP brings a new certificate for new connections, and those that talk go on", modes=(0, 2))
def _(t):
    other = pki("another")
    s = tls_server(t, pair=link(t, pki().pair("server")))
    talking = [tls_connect(s) for _ in range(32)]
    link(t, other.pair("server"))
    for p in talking:
        p.send(ECHO_REQ, data=b"before")
    reload_with(s, "certificate and key read again")
    tls_connect(s, context(ca=other.ca)).sync()
    for p in talking:
        p.expect(ECHO_RES, b"before")
        p.send(ECHO_REQ, data=b"after")
    for p in talking:
        p.expect(ECHO_RES, b"after")


@case("a reload that fails says so in one line, and everything stays as it was", modes=(0, 2))
def _(t):
    good = pki().pair("server")
    ca = t.write("ca.pem", open(pki().ca).read())
    s = tls_server(t, "--ssl-verify=required", pair=link(t, good), ca=ca)
    client = context(pair=pki().pair("client", kind="client"))
    talking = [tls_connect(s, client) for _ in range(32)]
    for pair, why in (((good[0], pki().pair("other")[1]), "the key is not that of the certificate"),
                      ((good[0], "/nowhere"), "No such file"), (("/nowhere", good[1]), "No such file")):
        link(t, pair)
        s.allow_log(why)
        reload_with(s, "ERROR .*module tls stays as it was: .*" + why)
        tls_connect(s, client).sync()
    link(t, good)
    t.write("ca.pem", "")
    s.allow_log("there is no certificate in it")
    reload_with(s, "ERROR .*module tls stays as it was: .*there is no certificate in it")
    tls_connect(s, client).sync()
    for p in talking:
        p.sync()


@case("SIGHUP brings new authorities: from then on it is their clients that are let in", modes=(0,))
def _(t):
    other = pki("another")
    ca = t.write("ca.pem", open(pki().ca).read())
    s = tls_server(t, "--ssl-verify=required", ca=ca)
    old, new = (context(pair=a.pair("client", kind="client")) for a in (pki(), other))
    talking = tls_connect(s, old)
    refused(s, new, "certificate is refused: unable to get local issuer certificate|self-signed certificate in certificate chain")
    t.write("ca.pem", open(other.ca).read())
    reload_with(s, "certificate and key read again")
    tls_connect(s, new).sync()
    refused(s, old, "certificate is refused: unable to get local issuer certificate|self-signed certificate in certificate chain")
    talking.sync()


main()
