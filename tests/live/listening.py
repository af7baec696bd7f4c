#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Where the server listens, what it accepts, and what it does when there are too many."""
import os
import pwd
import re
import signal
import socket
import stat
import subprocess

from gearlive import *

GEARMAND = os.environ.get("GEARMAND", "")
ONE = (0,)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def listening_on(s):
    """{"host:port (service)"} as the log says."""
    return set(re.findall(r"Listening on (.*)$", s.log(), re.M))


def answers(address):
    with Peer(address) as p:
        p.sync()


# ---- Addresses -----------------------------------------------------------------------------------


@case("without --listen it listens on loopback only, on one port for both families", modes=ONE)
def _(t):
    s = t.server("--port=0", listen=False)
    answers(("127.0.0.1", s.port))
    want = {"127.0.0.1:%d (gear)" % s.port}
    if has_ipv6():
        answers(("::1", s.port))
        want.add("[::1]:%d (gear)" % s.port)
    check(listening_on(s) == want, listening_on(s))
    check(set(s.ports()) == {s.port}, "ports", s.ports())


@case("several --listen are all bound, each once, and share the port that the system chose", modes=ONE)
def _(t):
    s = t.server("--port=0", "-L", "127.0.0.1", "-L", "127.0.0.2", "-L", "127.0.0.1", "--listen=127.0.0.3", listen=False)
    for n in (1, 2, 3):
        answers(("127.0.0.%d" % n, s.port))
    check(listening_on(s) == {"127.0.0.%d:%d (gear)" % (n, s.port) for n in (1, 2, 3)}, listening_on(s))
    check(s.ports() == [s.port] * 3, s.ports())


@case("IPv6 addresses, also in brackets", modes=ONE)
def _(t):
    if not has_ipv6():
        t.skip("no IPv6")
    for address in ("::1", "[::1]"):
        s = t.server("--port=0", "--listen=" + address, listen=False)
        answers(("::1", s.port))
        check(listening_on(s) == {"[::1]:%d (gear)" % s.port}, listening_on(s))
        with Peer(("::1", s.port)) as p:
            check(any(b" ::1 " in line for line in p.listing("workers")), p.listing("workers"))


@case("--listen=* listens on every address of both families", modes=ONE)
def _(t):
    s = t.server("--port=0", "--listen=*", listen=False)
    answers(("127.0.0.1", s.port))
    answers(("127.1.2.3", s.port))
    want = {"0.0.0.0:%d (gear)" % s.port}
    if has_ipv6():
        answers(("::1", s.port))
        want.add("[::]:%d (gear)" % s.port)
    check(listening_on(s) == want, listening_on(s))


@case("a host name stands for all its addresses", modes=ONE)
def _(t):
    s = t.server("--port=0", "--listen=localhost", listen=False)
    check(listening_on(s) <= {"127.0.0.1:%d (gear)" % s.port, "[::1]:%d (gear)" % s.port}, listening_on(s))
    for family, _kind, _proto, _name, address in socket.getaddrinfo("localhost", s.port, type=socket.SOCK_STREAM):
        if family == socket.AF_INET or has_ipv6():
            answers(address[:2])


@case("the port may be a service's name", modes=ONE)
def _(t):
    # Any row of /etc/services whose port is free will do.
    port = name = None
    with open("/etc/services") as f:
        for line in f:
            row = re.match(r"([a-z]\w+)\s+(\d+)/tcp", line)
            if not row or int(row.group(2)) < 1024:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", int(row.group(2))))
                except OSError:
                    continue
            name, port = row.group(1), int(row.group(2))
            break
    if name is None:
        t.skip("no free port has a name")
    s = t.server("--listen=127.0.0.1", "--port=" + name, listen=False)
    check(s.port == port, s.port, "for", name)


@case("all or nothing: one address in use ends the start", modes=ONE)
def _(t):
    with socket.socket() as held:
        held.bind(("127.0.0.2", 0))
        held.listen()
        port = held.getsockname()[1]
        done = t.run(GEARMAND, "-L", "127.0.0.1", "-L", "127.0.0.2", "-p", str(port), "-l", "none", status=1)
    check(b"cannot listen on 127.0.0.2:%d: Address already in use" % port in done.err, done)


# ---- Unix sockets --------------------------------------------------------------------------------


def unix_server(t, path, *more):
    return t.server("--listen=unix:" + path, "--listen=127.0.0.1", "--port=0", *more, listen=False)


@case("a unix socket serves, shows in listings by its path, and goes with the server")
def _(t):
    path = t.path("sock")
    s = unix_server(t, path)
    with Peer(path) as p:
        p.can("f")
        check(any(line.split(b" ")[1] == path.encode() for line in p.listing("workers")), p.listing("workers"))
        client = s.connect()
        handle = client.submit("f", "", b"over the socket")
        check(p.grab() == [handle, b"f", b"over the socket"], "the job")
    s.stop()
    check(not os.path.exists(path), "the socket is left")


@case("the socket that a killed server left is replaced, that of a running one is not", modes=ONE)
def _(t):
    path = t.path("sock")
    s = unix_server(t, path)
    done = t.run(GEARMAND, "--listen=unix:" + path, "-l", "none", status=1)
    check(b"cannot listen on unix:%s: another server listens there" % path.encode() in done.err, done)
    answers(path)
    s.kill()
    check(stat.S_ISSOCK(os.stat(path).st_mode), "kill -9 leaves it")
    s.start()
    answers(path)


@case("what is no socket is not replaced, and an impossible path is refused", modes=ONE)
def _(t):
    path = t.write("precious", "data")
    for where, why in ((path, "a file that is not a socket is in the way"),
                       (t.path("no/such/folder"), "No such file or directory"),
                       ("/" + 120 * "x", "the path must have 1 to 107 bytes"), ("", "the path must have 1 to 107 bytes")):
        done = t.run(GEARMAND, "--listen=unix:" + where, "-l", "none", status=1)
        check(("cannot listen on unix:%s: %s" % (where, why)).encode() in done.err, done)
    with open(path) as f:
        check(f.read() == "data", "it is as before")


@case("a start that fails leaves no unix socket behind", modes=ONE)
def _(t):
    done = t.run(GEARMAND, "--listen=unix:" + t.path("sock"), "--listen=192.0.2.1", "-p", "0", "-l", "none", status=1)
    check(b"192.0.2.1" in done.err and not os.path.exists(t.path("sock")), done)


@case("a socket that was replaced by another's is not removed", modes=ONE)
def _(t):
    path = t.path("sock")
    s = unix_server(t, path)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        s.stop()
        check(os.path.exists(path), "it was somebody else's")


# ---- Sockets from a service manager ---------------------------------------------------------------


def listening_socket(address, family=socket.AF_INET):
    s = socket.socket(family)
    s.bind(address)
    s.listen()
    return s


def pass_sockets(t, sockets, names, *options):
    """Starts a server as systemd does: descriptors from 3 up, and LISTEN_* in the environment."""
    fds = ["%d<&%d" % (3 + i, 20 + i) for i in range(len(sockets))]
    script = "exec %s; LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s exec \"$@\"" % (
        " ".join(fds) + " " + " ".join("%d<&-" % (20 + i) for i in range(len(sockets))), len(sockets), names)
    dups = [os.dup2(s.fileno(), 20 + i) for i, s in enumerate(sockets)]
    try:
        command = ["bash", "-c", script, "sh", GEARMAND, "--verbose=INFO", "--log-file=" + t.path("log"),
                   "--pid-file=" + t.path("pid"), "--threads=%d" % t.mode] + list(options)
        p = subprocess.Popen(command, pass_fds=dups, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=t.dir)
    finally:
        for fd in dups:
            os.close(fd)
    t.children.append(p)
    return p


def end(p, status=0):
    p.terminate()
    check(p.wait(timeout=patience()) == status, "status", p.returncode, p.stderr.read())
    check(p.stderr.read() == b"", "stderr")


@case("sockets that a service manager passed take the place of --listen", modes=(0, 2))
def _(t):
    t.need_libsystemd()
    with listening_socket(("127.0.0.1", 0)) as tcp, listening_socket(t.path("sock"), socket.AF_UNIX) as local:
        p = pass_sockets(t, [tcp, local], "gear:gearmand.socket", "--listen=192.0.2.1")
        answers(tcp.getsockname())
        answers(t.path("sock"))
        end(p)
        check(os.path.exists(t.path("sock")), "a socket that is the manager's was removed")
        # The manager still listens: who comes now waits for the next server.
        with Peer(tcp.getsockname()):
            pass


@case("a passed socket with a protocol module's name speaks that protocol", modes=ONE)
def _(t):
    t.need_libsystemd()
    t.need_module("proto-http")
    with listening_socket(("127.0.0.1", 0)) as web, listening_socket(("127.0.0.1", 0)) as gear:
        p = pass_sockets(t, [web, gear], "http:gear", "-r", "http", "--http-port=1")
        answers(gear.getsockname())
        with Peer(web.getsockname()) as browser:
            browser.raw(b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            check(browser.read(9) == b"HTTP/1.1 ", "HTTP")
        end(p)


@case("a passed socket that is named after a protocol which is not there ends the start", modes=ONE)
def _(t):
    t.need_libsystemd()
    with listening_socket(("127.0.0.1", 0)) as web:
        p = pass_sockets(t, [web], "http")
        check(p.wait(timeout=patience()) == 1, "status")
        check(b'a socket was passed for "http", which this server does not speak; add --protocol=http' in p.stderr.read())


@case("a daemon takes passed sockets, too", modes=ONE)
def _(t):
    t.need_libsystemd()
    with listening_socket(("127.0.0.1", 0)) as tcp:
        p = pass_sockets(t, [tcp], "gear", "--daemon")
        check(p.wait(timeout=patience()) == 0, "status")
        with open(t.path("pid")) as f:
            pid = int(f.read())
        try:
            answers(tcp.getsockname())
        finally:
            os.kill(pid, signal.SIGTERM)
            try:
                until(lambda: not os.path.exists(t.path("pid")), "the daemon to end")
            except Failure:
                os.kill(pid, signal.SIGKILL)
                raise


@case("a passed descriptor that does not listen ends the start with a sentence", modes=ONE)
def _(t):
    t.need_libsystemd()
    with socket.socket() as idle:
        p = pass_sockets(t, [idle], "gear")
        check(p.wait(timeout=patience()) == 1, "status")
        check(b"descriptor 3 that was passed for gear is not a listening stream socket" in p.stderr.read(), "the sentence")


# ---- Unix sockets --------------------------------------------------------------------------------


@case("unix sockets are for their owner and group, or as told", modes=ONE)
def _(t):
    def rights(*options):
        path = t.path("sock.%d" % len(t.servers))
        s = t.server("--listen=unix:" + path, *options, listen=False, wait=False)
        until(lambda: "Listening on unix:" in s.log(), "the socket")
        st = os.stat(path)
        return "%04o %d:%d" % (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid)
    me = "%d:%d" % (os.geteuid(), os.getegid())
    check(rights() == "0660 " + me, rights())
    check(rights("--unix-mode=666") == "0666 " + me)
    if os.geteuid() == 0:
        os.chmod(t.dir, 0o777)
        nobody = pwd.getpwnam("nobody")
        check(rights("--user=nobody") == "0660 %d:%d" % (nobody.pw_uid, nobody.pw_gid))
        check(rights("--user=nobody", "--unix-owner=daemon:12", "--unix-mode=0600") == "0600 %d:12" % pwd.getpwnam("daemon").pw_uid)
    for option, sentence in (("--unix-owner=no-such-user", "--unix-owner=no-such-user: no such user or group"),
                             ("--unix-owner=:no-such-group", "--unix-owner=:no-such-group: no such user or group"),
                             ("--unix-mode=rw", "the argument ('rw') for option '--unix-mode' is invalid: it must be a file "
                              "mode such as 0660")):
        done = t.run(GEARMAND, "--listen=unix:" + t.path("sock"), "--log-file=none", option, status=1)
        check(done.err.decode() == "%s: %s\n" % (GEARMAND, sentence), done)


# ---- Too many ------------------------------------------------------------------------------------


def is_refused(address):
    """Connected and closed at once."""
    try:
        Peer(address).expect_closed()
    except ConnectionError:
        pass
    return True


def said_once(server, text):
    server.await_log(text)
    check(server.log().count(text) == 1, "it is said more than once")


@case("--max-connections closes what is too many at once, and only that")
def _(t):
    s = t.server("--max-connections=3")
    s.expect_log("ERROR .*connection closed: 3 are open, as many as --max-connections allows")
    peers = [s.connect().sync() for _ in range(3)]
    for _ in range(20):
        is_refused(("127.0.0.1", s.port))
    for p in peers:
        p.sync()
    said_once(s, "as many as --max-connections")
    peers.pop().close()

    def served_again():
        try:
            s.alive()
            return True
        except (Failure, ConnectionError):
            return False
    until(served_again, "a place that has become free")


@case("out of descriptors the server goes on: it closes what is too many, says it once, and recovers")
def _(t):
    s = t.server(fds=64)
    s.expect_log("ERROR .*descriptors run out; raise --file-descriptors")
    peers = []
    while len(peers) < 80:
        p = s.connect()
        try:
            p.sync()
        except (Failure, ConnectionError):
            break
        peers.append(p)
    check(20 < len(peers) < 64, "%d connections were served with 64 descriptors" % len(peers))
    for p in peers:
        p.sync()
    said_once(s, "descriptors run out")
    # Some are kept: a log can still be reopened.
    os.rename(s.log_path, t.path("old"))
    s.signal(signal.SIGHUP)
    until(lambda: os.path.exists(s.log_path), "the new log")
    os.rename(t.path("old"), s.log_path)
    for p in peers[10:]:
        p.close()

    def served_again():
        try:
            s.alive()
            return True
        except (Failure, ConnectionError):
            return False
    until(served_again, "descriptors that have become free")


@case("while descriptors are short, waiting connections cost no processor time", modes=ONE)
def _(t):
    s = t.server(fds=40)
    s.allow_log("descriptors run out")
    peers = []
    try:
        while len(peers) < 80:
            peers.append(s.connect().sync())
    except (Failure, ConnectionError):
        pass
    waiting = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(20)]
    before = s.cpu()
    for w in waiting:  # each is closed in its turn, after rests
        w.settimeout(patience())
        check(w.recv(1) == b"", "a connection that should have been closed")
    check(s.cpu() - before < 0.5, "it spins: %f s" % (s.cpu() - before))


# ---- Socket options --------------------------------------------------------------------------------


def has_keepalive(s, peer):
    """Is the server's side of a connection watched by the kernel?  (timer 02 of /proc/net/tcp)"""
    mine = peer.sock.getsockname()[1]
    with open("/proc/%d/net/tcp" % s.pid) as f:
        for row in [line.split() for line in f][1:]:
            if int(row[1].rpartition(":")[2], 16) == s.port and int(row[2].rpartition(":")[2], 16) == mine:
                return row[5].startswith("02:")
    raise Failure("the connection is not there")


@case("accepted connections are probed, unless --keepalive-idle=0", modes=(0, 2))
def _(t):
    for options, want in (([], True), (["--keepalive"], True), (["--keepalive-idle=-1"], True), (["--keepalive-idle=0"], False),
                          (["--keepalive-idle=77", "--keepalive-interval=5", "--keepalive-count=3"], True)):
        s = t.server(*options)
        p = s.connect().sync()
        until(lambda: has_keepalive(s, p) == want, "keepalive to be %s with %s" % (want, options))


@case("the backlog is what the system allows, or as told", modes=ONE)
def _(t):
    t.need("ss")
    with open("/proc/sys/net/core/somaxconn") as f:
        most = int(f.read())
    for options, want in (([], most), (["--backlog=-1"], most), (["-b", "7"], 7)):
        s = t.server(*options)
        row = t.run("ss", "-Hltn", "sport = :%d" % s.port).out.split()
        check(int(row[2]) == want, row, options)


@case("addresses of peers show in the log, with port", modes=ONE)
def _(t):
    s = t.server()
    p = s.connect().sync()
    until(lambda: "Accepted connection 1 from 127.0.0.1:%d (gear)" % p.sock.getsockname()[1] in s.log(), "the line of the connection")


@case("each connection is counted once, also one that is refused")
def _(t):
    s = t.server("--max-connections=2")
    s.allow_log("connection closed: 2 are open")
    peers = [s.connect().sync() for _ in range(2)]
    is_refused(("127.0.0.1", s.port))

    def counted(name, number):
        until(lambda: dict(line.split(b"\t") for line in peers[0].listing("counters"))[name] == b"%d" % number,
              "%d %s" % (number, name.decode()))
    counted(b"connections_refused", 1)
    counted(b"connections", 2)
    counted(b"connections_now", 2)


main()
