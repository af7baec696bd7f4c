#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""gearmanctl over TLS: it shows who it is, and trusts no server without proof."""
import os
import socket
import subprocess

from gearlive import *
from gearlive.ctl import *
from gearlive.tls import *


def tls_ctl(t, s, *words, host="127.0.0.1", ca=True, **how):
    done = run_ctl(t, "-H", "%s:%d" % (host, s.port), "-S", *(["--ssl-ca-file=" + (pki().ca if ca is True else ca)] if ca else []), *words, **how)
    if b"built without OpenSSL" in done.err:
        t.skip("gearmanctl is built without OpenSSL")
    return done


@case("gearmanctl over TLS: commands, a listing of many records, a job with its result", modes=(2,))
def _(t):
    s = tls_server(t)
    for host in ("127.0.0.1", "localhost"):
        check(tls_ctl(t, s, "pid", host=host).rows == [[str(s.pid)]])
    names = ["f%05d" % n for n in range(5000)]
    with tls_connect(s) as p:
        for name in names:
            p.send(CAN_DO, name)
        p.sync()
        check(sorted(row[0] for row in tls_ctl(t, s, "status").rows) == names)
    worker, data = tls_connect(s).send(CAN_DO, "echo"), b"x" * 1000000
    p = t.spawn(ctl_path(), "-H", "127.0.0.1:%d" % s.port, "--ssl-ca-file=" + pki().ca, "submit", "echo", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(data)
    p.stdin.close()
    p.stdin = None
    until(lambda: any(line.startswith(b"echo\t1\t") for line in worker.listing("status")), "the job")
    handle, _, got = worker.grab()
    check(got == data)
    worker.complete(handle, data * 2)
    out, err = p.communicate(timeout=3 * patience())
    check(p.returncode == 0 and out == data * 2, p.returncode, len(out), err)


@case("gearmanctl over TLS: a certificate says who it is, from options and from the environment of libgearman's clients", modes=(2,))
def _(t):
    s = tls_server(t, "--ssl-verify=required", "--access-file=" + t.write("access", "cert:cn=operator all\nany none\n"))
    cert, key = pki().pair("operator", kind="client")
    both = t.write("both.pem", open(cert).read() + open(key).read())
    for words, env in ((["--ssl-certificate=" + cert, "--ssl-key=" + key], {}), (["--ssl-certificate=" + both], {}),
                       ([], {"GEARMAN_CLIENT_PEM": cert, "GEARMAN_CLIENT_KEY": key}),
                       (["-C", both], {"GEARMAN_CLIENT_PEM": "/nowhere", "GEARMAN_CLIENT_KEY": "/nowhere"})):
        out = tls_ctl(t, s, *words, "whoami", env=env).out
        check(b"cn=operator" in out, words, env, out)
    done = tls_ctl(t, s, *words, "pid", ca=None, env={"GEARMAND_CA_CERTIFICATE": pki().ca})
    check(done.rows == [[str(s.pid)]], done)
    s.allow_log("it showed no certificate")
    done = tls_ctl(t, s, "pid", status=3)
    check(b"the server asks for a certificate: say --ssl-certificate and --ssl-key" in done.err, done)
    check(b"--ssl-key=%s: no private key is in it" % cert.encode() in tls_ctl(t, s, "-C", cert, "pid", status=2).err)
    s.allow_log("its certificate is refused")
    other_cert, other_key = pki("stranger").pair("operator", kind="client")
    done = tls_ctl(t, s, "-C", other_cert, "-K", other_key, "pid", status=3)
    check(b"the server does not know the authority of our certificate" in done.err or b"the server refused our certificate" in done.err, done)


@case("gearmanctl over TLS: a server that does not prove who it is gets nothing, and there is a sentence for each reason", modes=(2,))
def _(t):
    s = tls_server(t, pair=pki().pair("elsewhere", kind="client", more="subjectAltName=DNS:elsewhere.example\nextendedKeyUsage=serverAuth\n"))
    s.allow_log("it refused this server's certificate")
    s.allow_log("it ended in the midst of the TLS handshake")
    for host in ("127.0.0.1", "localhost"):
        done = tls_ctl(t, s, "pid", host=host, status=3)
        check(b"the server's certificate is not for '%s'" % host.encode() in done.err and done.out == b"", done)
    done = tls_ctl(t, s, "pid", ca=pki("stranger").ca, status=3)
    check(b"the server's certificate is refused: unable to get local issuer certificate; --ssl-ca-file names" in done.err, done)
    check(tls_ctl(t, s, "--ssl-insecure", "pid", ca=None).rows == [[str(s.pid)]])
    old = tls_server(t, pair=pki().pair("server", begins=-2 * 86400, ends=-86400))
    old.allow_log("ended")
    old.allow_log("expired")
    done = tls_ctl(t, old, "pid", status=3)
    check(b"the server's certificate is refused: certificate has expired" in done.err, done)


@case("gearmanctl over TLS: ports that speak no TLS, or nothing at all", modes=(2,))
def _(t):
    tls_server(t).stop()
    s = t.server()
    s.allow_log("TLS")
    done = tls_ctl(t, s, "pid", status=3)
    check(b"does this port speak TLS?" in done.err or b"this port does not speak TLS" in done.err, done)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        done = run_ctl(t, "-H", "127.0.0.1:%d" % silent.getsockname()[1], "-S", "-t", "1", "pid", status=3)
    check(b"no TLS handshake within 1 seconds; does this port speak TLS?" in done.err, done)
    # A job goes to the next server then.
    tls = tls_server(t)
    done = run_ctl(t, "-H", "127.0.0.1:%d" % s.port, "-H", "127.0.0.1:%d" % tls.port, "--ssl-ca-file=" + pki().ca, "submit", "-b", "f", "data")
    check(done.out.startswith(b"H:") or b"\tH:" in done.out, done)


@case("gearmanctl: files of TLS that are not there, do not fit or need a pass phrase are named", modes=(None,))
def _(t):
    s = tls_server(t)
    cert, key = pki().pair("operator", kind="client")
    locked = t.path("locked.key")
    t.run("openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:secret", "-out", locked)
    for words, sentence in ((["--ssl-ca-file=/nowhere"], b"--ssl-ca-file=/nowhere: "), (["--ssl-certificate=/nowhere"], b"--ssl-certificate=/nowhere: No such file"),
                            (["-C", cert], b"--ssl-key=%s: " % cert.encode()), (["-C", cert, "-K", pki().pair("server")[1]], b"--ssl-key="),
                            (["-C", cert, "-K", locked], b"--ssl-key=%s: " % locked.encode())):
        done = tls_ctl(t, s, *words, "pid", status=2)
        check(sentence in done.err and b"does not say why" not in done.err, done)


@case("gearmanctl --ssl speaks plainly with unix sockets", modes=(None,))
def _(t):
    tls_server(t).stop()
    s = t.server("--listen=unix:" + t.path("socket"), "--port=0", listen=False, wait=False)
    until(lambda: os.path.exists(t.path("socket")), "the socket")
    check(run_ctl(t, "-H", "unix:" + t.path("socket"), "--ssl-ca-file=" + pki().ca, "pid").rows == [[str(s.pid)]])


main()
