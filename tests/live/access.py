#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Access rules: who a connection is (loopback, unix users, networks behind a proxy, certificates), what it may over each protocol, and
what becomes of the rules at the start and at SIGHUP."""
import array
import os
import pwd
import re
import shlex
import signal
import socket
import time

from gearlive import *
from gearlive.ctl import ctl, ctl_path

BOTH = (0, 2)
NOBODY = 65534
ME = pwd.getpwuid(os.getuid()).pw_name
NOT_SUBMIT = "This connection may not submit jobs of this function"
NOT_WORK = "This connection may not do jobs of this function"
REFUSED = r"not allowed: "


def rules(t, text, name="access"):
    t.write(name, text)
    os.chmod(t.path(name), 0o644)
    return t.path(name)


def access_server(t, text, *options, **how):
    s = t.server("--access-file=" + rules(t, text), *options, **how)
    s.allow_log(REFUSED)
    return s


def peer_as(path, user):
    """A connection to the unix socket that this user has made."""
    ours, childs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                childs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
        finally:
            os._exit(0)
    childs.close()
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    os.waitpid(child, 0)
    ours.close()
    check(len(fds) == 1, "no connection as user %d" % user)
    p = Peer.__new__(Peer)
    p.sock, p.buf, p.stash = socket.socket(fileno=fds[0]), bytearray(), []
    return p


def whoami(p):
    return [tuple(line.split(b"\t")) for line in p.listing("whoami")]


def refused(p, text):
    p.expect_error("NOT_ALLOWED", text)


@case("without a file the machine itself may all, and others may submit, work and see", modes=BOTH)
def _(t):
    t.need_module("transport-proxy")
    s = t.server("--transport=proxy", "--proxy-listen=127.0.0.1:0")
    s.port, proxied = s.ports()
    s.allow_log(REFUSED)
    near, far = s.connect(), Peer(("127.0.0.1", proxied))
    far.raw(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 4730\r\n")
    check(near.ask("create function f") == b"OK\r\n")
    check((b"rights", b"all") in whoami(near), whoami(near))
    far.can("f").submit("f", nr=SUBMIT_JOB_BG)
    check(far.listing("status") == [b"f\t1\t0\t1"])
    check(far.ask("peek f") == b"ERR NOT_ALLOWED The+command+needs+the+right+manage\r\n")
    check(far.ask("drop function f") == b"ERR NOT_ALLOWED The+command+needs+the+right+admin\r\n")
    check(whoami(far) == [(b"address", b"192.0.2.7:56324"), (b"protocol", b"gear"), (b"rights", b"submit=* work=* see")], whoami(far))
    s.expect_log(r"192\.0\.2\.7:56324: not allowed: peek, for want of the right manage: there is no access file")


@case("networks are those of the peer that a proxy names", modes=BOTH)
def _(t):
    t.need_module("transport-proxy")
    s = access_server(t, "net:192.0.2.0/24 submit=f\nnet:2001:db8::/32 work=f\nnet:127.0.0.1 see\n",
                      "--transport=proxy", "--proxy-listen=127.0.0.1:0")
    s.port, proxied = s.ports()

    def at(header):
        return Peer(("127.0.0.1", proxied)).raw(header)
    client = at(b"PROXY TCP4 192.0.2.7 198.51.100.1 1 4730\r\n")
    worker = at(b"PROXY TCP6 2001:db8::7 2001:db8::1 1 4730\r\n")
    stranger = at(b"PROXY TCP4 203.0.113.7 198.51.100.1 1 4730\r\n")
    proxy = at(b"PROXY UNKNOWN\r\n")
    worker.can("f").sleep()
    client.send(CAN_DO, "f")
    refused(client, NOT_WORK)
    handle = client.submit("f", data=b"data")
    worker.expect(NOOP)
    check(worker.grab()[:2] == [handle, b"f"])
    worker.complete(handle, b"done")
    client.expect(WORK_COMPLETE, handle, b"done")
    worker.send(SUBMIT_JOB, "f", "", data=b"")
    refused(worker, NOT_SUBMIT)
    stranger.send(SUBMIT_JOB, "f", "", data=b"")
    refused(stranger, NOT_SUBMIT)
    check(stranger.ask("status") == b"ERR NOT_ALLOWED The+command+needs+the+right+see\r\n")
    check(proxy.listing("status") == [b"f\t0\t0\t1"])


@case("users of a unix socket are known by name and number", modes=BOTH)
def _(t):
    path = t.path("socket")
    s = access_server(t, "unix:%s submit=mine see\nunix submit=unix\nany submit=any see\n" % ME,
                      "--listen=unix:" + path, "--listen=127.0.0.1", "--port=0", "--unix-mode=0666", listen=False)
    mine = Peer(path)
    mine.submit("mine", nr=SUBMIT_JOB_BG)
    check(whoami(mine) == [(b"address", path.encode()), (b"protocol", b"gear"), (b"user", b"%d" % os.getuid()), (b"line", b"1"),
                           (b"rights", b"submit=mine see")], whoami(mine))
    s.connect().submit("any", nr=SUBMIT_JOB_BG)
    if os.getuid() != 0:
        return
    os.chmod(t.dir, 0o711)
    other = peer_as(path, NOBODY)
    other.submit("unix", nr=SUBMIT_JOB_BG)
    other.send(SUBMIT_JOB, "mine", "", data=b"")
    refused(other, NOT_SUBMIT)
    check((b"user", b"%d" % NOBODY) in whoami(other))
    rules(t, "unix:%d submit=number\n" % NOBODY)
    s.signal(signal.SIGHUP)
    s.await_log("access rules read from %s: 1" % t.path("access"))
    until(lambda: (b"rights", b"submit=number") in whoami(other), "the new rules")
    other.submit("number", nr=SUBMIT_JOB_BG)


@case("at SIGHUP new rules hold for connections that are there: abilities go without a word, running jobs end well", modes=BOTH)
def _(t):
    s = access_server(t, "net:127.0.0.1 all\n")
    worker, sleeper, client = s.worker("f", "g"), s.sleeper("f"), s.connect()
    first = client.submit("f", data=b"1")
    sleeper.expect(NOOP)
    check(worker.grab()[0] == first)
    rules(t, "net:127.0.0.1 submit=* work=g see\n")
    s.signal(signal.SIGHUP)
    until(lambda: sorted(client.listing("status")) == [b"f\t1\t1\t0", b"g\t0\t0\t1"], "the abilities to go")
    worker.silent()
    second = client.submit("f", data=b"2")
    worker.complete(first, b"done")
    client.expect(WORK_COMPLETE, first, b"done")
    worker.no_job()
    sleeper.no_job()
    sleeper.send(CAN_DO, "f")
    refused(sleeper, NOT_WORK)
    check(client.ask("create function h") == b"ERR NOT_ALLOWED The+command+needs+the+right+admin\r\n")
    rules(t, "any all\n")
    s.signal(signal.SIGHUP)
    until(lambda: (b"rights", b"all") in whoami(client), "the new rules")
    sleeper.can("f")
    check(sleeper.grab()[0] == second)


@case("a file that is wrong, empty, unreadable or everybody's to write leaves the old rules, and one ERROR says so", modes=BOTH)
def _(t):
    s = access_server(t, "net:127.0.0.1 submit=f see\n")
    client, path = s.connect(), t.path("access")
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() - 60))[:10]
    faults = [("any admin\n any submit\n", 0o644, r", line 2: submit is neither who .*"),
              ("# nothing\n", 0o644, r": it has no rule, so nobody would be allowed anything"),
              ("", 0o644, r": it has no rule, so nobody would be allowed anything"),
              ("any all\n", 0o646, r": everybody may write to it; chmod o-w takes that away"),
              ("cert all\n", 0o644, r", line 1: cert: nobody's certificate is verified; use --ssl-verify=optional or required"),
              ("unix:no-such-user none\nany all\n", 0o644, r", line 1: unix:no-such-user: this system has no such user"),
              (None, 0, r": No such file or directory")]
    for n, (text, mode, why) in enumerate(faults):
        if text is None:
            os.unlink(path)
        else:
            rules(t, text)
            os.chmod(path, mode)
        s.signal(signal.SIGHUP)
        line = r"access file %s%s; the rules read at %s \d\d:\d\d:\d\d stay" % (path, why, since)
        s.expect_log(line)
        until(lambda: s.log().count("; the rules read at ") == n + 1, "the line about " + why)
        client.submit("f", nr=SUBMIT_JOB_BG)
        client.send(SUBMIT_JOB, "g", "", data=b"")
        refused(client, NOT_SUBMIT)
        check(client.ask("peek f").startswith(b"ERR NOT_ALLOWED"))


@case("a start with such a file ends with status 1 and a sentence, and so does --check-args", modes=(0,))
def _(t):
    path = rules(t, "any all\nanybody all\n")
    server = os.environ["GEARMAND"]
    for options in (["--check-args"], []):
        done = t.run(server, "--access-file=" + path, *options, status=1)
        check(b"access file %s, line 2: anybody is neither who" % path.encode() in done.err, done.err)
    for text, mode, why in (("", 0o644, b"it has no rule"), ("any all\n", 0o602, b"everybody may write to it")):
        rules(t, text)
        os.chmod(path, mode)
        done = t.run(server, "--access-file=" + path, "--check-args", status=1)
        check(b"access file %s: %s" % (path.encode(), why) in done.err, done.err)
    for wrong, why in ((t.path("none"), b"No such file or directory"), (t.dir, b"it is no regular file"), ("", b"No such file or directory")):
        done = t.run(server, "--check-args", "--access-file", wrong, status=1)
        check(done.err.endswith(b"access file %s: %s\n" % (wrong.encode(), why)), done.err)
    rules(t, "cert:cn=x all\n")
    os.chmod(path, 0o644)
    done = t.run(server, "--access-file=" + path, "--port=0", "--log-file=" + t.path("log"), "--pid-file=" + t.path("pid"), status=1)
    check(b"line 1: cert: nobody's certificate is verified" in done.err, done.err)


@case("a file that only root may read ends the start of a server that runs as another user", modes=(0,))
def _(t):
    if os.getuid() != 0:
        t.skip("only root can start a server as another user")
    path = rules(t, "any all\n")
    os.chmod(path, 0o600)
    os.chmod(t.dir, 0o777)
    user = pwd.getpwuid(NOBODY).pw_name
    done = t.run(os.environ["GEARMAND"], "--access-file=" + path, "--user=" + user, "--port=0", "--log-file=" + t.path("log"),
                 "--pid-file=" + t.path("pid"), status=1)
    check(done.err.endswith(b"access file %s: Permission denied\n" % path.encode()), done.err)


@case("--check-access and gearmanctl access say which line decides, and gearmanctl whoami what the server thinks", modes=(0,))
def _(t):
    path = rules(t, "unix:root all\nnet:192.0.2.0/24  work=*,!billing.*\nany see\n")
    server, ctl_command = os.environ["GEARMAND"], ctl_path()
    for words, line in ((["net:192.0.2.9"], b"line 2: net:192.0.2.0/24  work=*,!billing.*\n"), (["unix:root", "on:http"], b"line 1: unix:root all\n"),
                        (["net:127.0.0.1"], b"line 3: any see\n"), ([], b"rules: 3\n")):
        for command in ((server, "--check-access", path), (ctl_command, "access", path)):
            check(t.run(*command, *words).out == line, command, words)
    wrong = b"net:x: expected net:ADDRESS, unix:USER, on:PROTOCOL, or cert: and cn=, dns=, uri=, email= or sha256= with a text\n"
    check(t.run(server, "--check-access", path, "net:x", status=1).err.endswith(wrong))
    check(t.run(ctl_command, "access", path, "net:x", status=2).err.endswith(wrong))
    check(t.run(server, "net:192.0.2.9", status=1).err.endswith(b"unrecognised option 'net:192.0.2.9'\n"))
    rules(t, "any all\n\nany submit=\n")
    for command in ((server, "--check-access", path), (ctl_command, "access", path)):
        done = t.run(*command, status=1)
        check(b"%s, line 3: submit= names no function; leave it out\n" % path.encode() in done.err, done.err)
    check(t.run(ctl_command, "access", t.path("none"), status=1).err.endswith(b"none: No such file or directory\n"))
    s = access_server(t, "any see\n")
    done = ctl(t, s, "whoami")
    check(done.rows[1:] == [["protocol", "gear"], ["line", "1"], ["rights", "see"]], done)


@case("the rules in docs/security.md are right, and what it says of them", modes=(0,))
def _(t):
    with open(os.path.join(os.path.dirname(os.path.dirname(SOURCE_DIR)), "docs/security.md")) as f:
        blocks = re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```", f.read())
    example, hardened = (next(b for b in blocks if word in b) for word in ("net:198.51.100.0/24", "cert:cn=web-*"))
    try:
        pwd.getpwnam("www-data")
    except KeyError:
        t.skip("there is no user www-data")
    check(t.run(os.environ["GEARMAND"], "--check-access", rules(t, hardened)).out == b"rules: 6\n")
    path = rules(t, example)
    commands = next(b for b in blocks if "--check-access" in b).splitlines()
    programs, tried = {"gearmand": os.environ["GEARMAND"], "gearmanctl": ctl_path()}, 0
    for line in commands:
        words = [path if w == "/etc/gearmand/access" else w for w in shlex.split(line, comments=True)]
        if path not in words:
            continue
        out = t.run(programs[words[0]], *words[1:]).out.decode()
        wanted = line.partition("# ")[2]
        check(out.startswith(wanted.removesuffix("...").rstrip()), line, out)
        tried += 1
    check(tried == 3)


@case("over HTTP what is not allowed is 403 with the sentence", modes=BOTH)
def _(t):
    t.need_module("proto-http")
    s = access_server(t, "on:http submit=open\nany all\n", "-r", "http", "--http-port=0")
    worker = s.sleeper("open", "shut")
    http = Peer(("127.0.0.1", s.service_port("http")))
    http.raw(b"POST /shut HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
    got = http.drain()
    check(got.startswith(b"HTTP/1.1 403 Forbidden\r\n") and NOT_SUBMIT.encode() in got, got)
    handle = s.connect().submit("shut", nr=SUBMIT_JOB_BG).decode()
    for method in ("GET", "DELETE"):
        http = Peer(("127.0.0.1", s.service_port("http")))
        http.raw(("%s /_job/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (method, handle)).encode())
        got = http.drain()
        check(got.startswith(b"HTTP/1.1 403 Forbidden\r\n") and b"The command needs the right" in got, got)
    worker.expect(NOOP)
    worker.complete(worker.grab()[0]).sleep()
    http = Peer(("127.0.0.1", s.service_port("http")))
    http.raw(b"POST /open HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
    worker.expect(NOOP)
    worker.complete(worker.grab()[0], b"done")
    check(http.read(15) == b"HTTP/1.1 200 OK")


@case("the monitor's metrics are for who may see; its health is for all", modes=BOTH)
def _(t):
    t.need_module("proto-monitor")
    from gearlive.monitor import get, monitor_server
    path = rules(t, "on:monitor none\nany all\n")
    s = monitor_server(t, "--access-file=" + path)
    s.allow_log(REFUSED)
    check("the access rules do not let this connection see that" in get(s, "/metrics", 403))
    check(get(s, "/healthz") == "ok\n")
    rules(t, "on:monitor see\nany all\n")
    s.signal(signal.SIGHUP)
    s.await_log("access rules read from %s: 2(.|\n)*access rules read from %s: 2" % (path, path))
    check("gearman_up 1" in get(s, "/metrics"))


@case("certificates: each name counts, verified ones only", modes=BOTH)
def _(t):
    t.need_module("transport-tls")
    from gearlive.tls import context, pki, tls_connect, tls_server
    path = rules(t, "cert:cn=worker-* work=*\ncert:dns=shop.example submit=*\ncert see\nany none\n")
    s = tls_server(t, "--ssl-verify=optional", "--access-file=" + path)
    s.allow_log(REFUSED)

    def with_certificate(name, more=""):
        return tls_connect(s, context(pair=pki().pair(name, kind="client", more=more)))
    worker = with_certificate("worker-7").can("f").silent()
    check((b"identity", b"cn=worker-7") in whoami(worker), whoami(worker))
    shop = with_certificate("shop", "subjectAltName=DNS:Shop.example\n")
    shop.submit("f", nr=SUBMIT_JOB_BG)
    check(worker.grab()[1] == b"f")
    other, nobody = with_certificate("other"), tls_connect(s)
    check(other.listing("status") == [b"f\t1\t1\t1"])
    nobody.send(SUBMIT_JOB, "f", "", data=b"")
    refused(nobody, NOT_SUBMIT)
    rules(t, "cert:cn=other all\n")
    s.signal(signal.SIGHUP)
    until(lambda: (b"rights", b"all") in whoami(other), "the new rules")
    check((b"line", b"0") in whoami(worker))


main()
