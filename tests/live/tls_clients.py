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


# ---- Perl --------------------------------------------------------------------------------------------------------

def perl(t, script, s, *words, pair=None, spawn=False):
    t.need("perl")
    if subprocess.run(["perl", "-MGearman::Worker", "-MIO::Socket::SSL", "-e", "1"], stderr=subprocess.DEVNULL).returncode:
        check(not os.environ.get("CI"), "Gearman::Worker or IO::Socket::SSL is not installed")
        t.skip("Gearman::Worker or IO::Socket::SSL is not installed")
    env = {"TLS_CA": pki().ca}
    if pair:
        env.update({"TLS_CERT": pair[0], "TLS_KEY": pair[1]})
    path = os.path.join(SOURCE_DIR, "clients", script)
    if not spawn:
        return t.run("perl", path, str(s.port), *map(str, words), env=env).out.decode()
    w = t.spawn("perl", path, str(s.port), env=env)
    check(w.stdout.readline() == b"ready\n")
    return w


@case("Perl: foreground and background jobs, progress and exceptions over TLS", modes=BOTH)
def _(t):
    s = tls_server(t)
    perl(t, "perl_worker.pl", s, spawn=True)
    check(perl(t, "perl_client.pl", s, "do", "reverse", "abc", "") == "result cba\n")
    check(perl(t, "perl_client.pl", s, "set", "progress", "x", 1) == "status 1/3\nstatus 2/3\nstatus 3/3\ncomplete done\n")
    check(perl(t, "perl_client.pl", s, "do", "die", "boredom", "") == "failed\n")
    handle = perl(t, "perl_client.pl", s, "background", "reverse", "x", "u").strip()
    check("H:" in handle)
    until(lambda: tls_connect(s).listing("show jobs") == [], "the job to be done")


@case("Perl: fifty jobs on one connection and three workers never stall", modes=BOTH, limit=120)
def _(t):
    s = tls_server(t)
    for _ in range(3):
        perl(t, "perl_worker.pl", s, spawn=True)
    want = sorted("complete %sx" % str(n)[::-1] for n in range(1, 51))
    for _ in range(5):
        out = perl(t, "perl_client.pl", s, "set", "reverse", "x", 50).split("\n")
        check(sorted(x for x in out if x) == want, out)


@case("Perl: with a certificate where that is required", modes=BOTH)
def _(t):
    s = tls_server(t, "--ssl-verify=required")
    pair = pki().pair("perl", kind="client")
    perl(t, "perl_worker.pl", s, spawn=True, pair=pair)
    check(perl(t, "perl_client.pl", s, "do", "reverse", "abc", "", pair=pair) == "result cba\n")


# ---- HTTP ---------------------------------------------------------------------------------------------------------

@case("curl has jobs done over HTTPS, by a worker over TLS, beside the plain ports", modes=BOTH)
def _(t):
    t.need("curl")
    s = tls_server(t, "--ssl-listen=127.0.0.1:0", "-r", "http", "--http-port=0", "--http-listen=127.0.0.1",
                   "--http-ssl-listen=127.0.0.1:0", ssl="--transport=tls")
    worker = tls_connect(s).can("f")
    https, http = s.service_port("http, tls"), s.service_port("http")
    for words in (["--http2", "https://localhost:%d/f" % https], ["--tls-max", "1.2", "https://127.0.0.1:%d/f" % https],
                  ["http://127.0.0.1:%d/f" % http]):
        c = t.spawn("curl", "-sS", "--max-time", "50", "--cacert", pki().ca, "--noproxy", "*", "-d", "text", *words)
        worker.send(PRE_SLEEP)
        worker.expect(NOOP)
        job = worker.grab()
        worker.complete(job[0], job[-1] + b" back")
        out, _ = c.communicate(timeout=3 * patience())
        check(c.returncode == 0 and out == b"text back", c.returncode, out)
    plain = Peer(("127.0.0.1", s.service_port("gear")))
    plain.sync()


@case("the monitor is seen over TLS where --monitor-ssl-listen says, by who has the right, beside the plain port", modes=BOTH)
def _(t):
    t.need("curl")
    rules = t.write("access", "on:monitor cert:cn=prometheus see\non:monitor none\nany all\n")
    s = tls_server(t, "--ssl-listen=127.0.0.1:0", "-r", "monitor", "--monitor-port=0", "--monitor-listen=127.0.0.1", "--monitor-ssl-listen=127.0.0.1:0",
                   "--ssl-verify=optional", "--access-file=" + rules, ssl="--transport=tls")
    s.allow_log("not allowed")
    tls, plain = s.service_port("monitor, tls"), s.service_port("monitor")
    cert, key = pki().pair("prometheus", kind="client")
    for words, status in ((["--cert", cert, "--key", key, "https://localhost:%d/metrics" % tls], b"200"), (["https://127.0.0.1:%d/metrics" % tls], b"403"),
                          (["http://127.0.0.1:%d/metrics" % plain], b"403")):
        done = t.run("curl", "-sS", "--max-time", "50", "--cacert", pki().ca, "--noproxy", "*", "-w", "%{http_code}", *words)
        check(done.out.endswith(status) and (b"gearman_up" in done.out or b"gearman_jobs" in done.out) == (status == b"200"), words, done.out[-200:])


@case("s_client: new keys by k and K, and R is refused at 1.2", modes=(2,))
def _(t):
    s = tls_server(t)
    for letters, words in ((b"k", []), (b"K", []), (b"R", ["-tls1_2"])):
        p = t.spawn("openssl", "s_client", "-CAfile", pki().ca, "-connect", "127.0.0.1:%d" % s.port, *words, stdin=subprocess.PIPE, stderr=subprocess.STDOUT)
        p.stdin.write(letters + b"\n")
        p.stdin.flush()
        seen = b""
        for line in p.stdout:
            seen += line
            if b"KEYUPDATE" in line or b"RENEGOTIATING" in line:
                break
        if letters == b"R":
            p.stdin.close()
            p.stdin = None
            check(p.wait(timeout=3 * patience()) != 0, "the renegotiation was taken", seen)
            s.expect_log("closed: TLS: it sent: ")
        else:
            p.stdin.write(b"getpid\n")
            p.stdin.flush()
            want = b"OK %d" % s.pid
            for line in p.stdout:
                seen += line
                if want in line:
                    break
            check(want in seen, seen)
            p.stdin.close()
            p.stdin = None
            p.kill()
            p.wait()
    tls_connect(s).sync()


@case("--ssl leaves sockets of the machine as they are, and --transport=tls alone is --ssl", modes=BOTH)
def _(t):
    for option in "--ssl", "--transport=tls":
        path = t.path("socket" + option)
        s = tls_server(t, "--listen=unix:" + path, ssl=option)
        tls_connect(s).sync()
        Peer(path).sync()


main()
