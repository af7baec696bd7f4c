#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The server's log: its file and the rotation of it, syslog, a log that is full or that nobody reads."""
import os
import re
import select
import signal
import socket
import stat
import subprocess

from gearlive import *
from gearlive.process import *

ONE = (0,)  # what does not depend on threads


@case("log lines have level, time to the microsecond and thread, in a file that is appended to")
def _(t):
    t.write("log.0", "earlier\n")
    s = t.server(verbose="DEBUG")
    s.allow_log("^earlier$")
    s.alive()
    s.stop()
    lines = read(t.path("log.0")).splitlines()
    check(lines[0] == "earlier", "the log was truncated")
    for line in lines[1:]:
        check(LOG_LINE.match(line) and line[7] == " ", "shape of", repr(line))
    check(any("[  main ] SIGTERM, shutting down" in line for line in lines), "tag of the main thread")
    micros = [int(re.search(r"\.(\d{6}) ", line).group(1)) for line in lines[1:]]
    check(any(micros), "microseconds are always 0")


@case("a new log file has mode 0644", modes=ONE)
def _(t):
    old = os.umask(0o022)
    try:
        t.server()
    finally:
        os.umask(old)
    check(stat.S_IMODE(os.stat(t.path("log.0")).st_mode) == 0o644, "mode")


@case("SIGHUP goes on in a new file after the old one was moved away")
def _(t):
    s = t.server(verbose="NOTICE")
    os.rename(t.path("log.0"), t.path("old"))
    s.signal(signal.SIGHUP)
    until(lambda: os.path.exists(t.path("log.0")), "the new file")
    s.stop()
    check("NOTICE" in read(t.path("old")) and "SIGHUP, reopening log file" in read(t.path("old")), "line in the old file")
    check("SIGTERM, shutting down" in read(t.path("log.0")), "line in the new file")
    check("SIGTERM" not in read(t.path("old")), "the old file is still written to")


@case("SIGHUP keeps the old file when the new one cannot be opened", modes=ONE)
def _(t):
    os.mkdir(t.path("logs"))
    p = t.spawn(*words(t, "--verbose=NOTICE", "--pid-file=" + t.path("pid"), log=t.path("logs/log")))
    until(lambda: os.path.exists(t.path("pid")), "the start")
    os.rename(t.path("logs"), t.path("moved"))
    until(lambda: of_pid(p.pid).ports(), "the server to listen")
    p.send_signal(signal.SIGHUP)
    until(lambda: "again (No such file or directory)" in read(t.path("moved/log")), "the complaint")
    p.terminate()
    check(p.wait(timeout=patience()) == 0, "status")
    check("SIGTERM, shutting down" in read(t.path("moved/log")), "later lines")


@case("SIGHUP with a log on stderr, or with none, makes no file of that name", modes=ONE)
def _(t):
    for log in ("stderr", "none"):
        p = t.spawn(*words(t, "--verbose=NOTICE", "--pid-file=" + t.path("pid"), log=log))
        until(lambda: os.path.exists(t.path("pid")) and of_pid(p.pid).ports(), "the start")
        p.send_signal(signal.SIGHUP)
        p.send_signal(signal.SIGTERM)
        check(p.wait(timeout=patience()) == 0, "status")
        check(not os.path.exists(t.path(log)), "a file named", log)
    check("SIGTERM, shutting down" in read(t.path("stderr.0")), "later lines on stderr")
    check(read(t.path("stderr.1")) == "", "--log-file=none is not silent")


@case("what a peer sends does not make lines of its own in the log", modes=ONE)
def _(t):
    s = t.server(verbose="DEBUG")
    p = s.connect()
    p.submit("f\n  FATAL 2026-01-01 00:00:00.000000 [  main ] forged", "u\x1b[2J", b"", SUBMIT_JOB_BG)
    p.sync()
    s.stop()
    check("\x1b" not in s.log(), "an escape byte")
    check(not re.search("^ *FATAL", s.log(), re.M), "a forged line")


@case("a full disk does not stop the server", modes=ONE)
def _(t):
    if not os.path.exists("/dev/full"):
        t.skip("no /dev/full")
    p = t.spawn(*words(t, "--verbose=DEBUG", "--pid-file=" + t.path("pid"), log="/dev/full"))
    port = until(lambda: os.path.exists(t.path("pid")) and of_pid(p.pid).ports(), "the start")[0]
    with Peer(("127.0.0.1", port)) as peer:
        peer.sync()
    p.terminate()
    check(p.wait(timeout=patience()) == 0, "status")


@case("--syslog has every line too, with ident, pid, facility user and the level", modes=ONE)
def _(t):
    # A file system view of its own, in which /dev/log is ours.
    own_dev = ["unshare", "-m", "sh", "-c", 'cd "$0" && touch null urandom && mount --bind /dev/null null && '
               'mount --bind /dev/urandom urandom && mount --rbind . /dev && exec "$@"', t.path("dev")]
    os.mkdir(t.path("dev"))
    if subprocess.run(own_dev + ["true"], stderr=subprocess.DEVNULL).returncode != 0:
        t.skip("may not make a mount namespace")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(t.path("dev/log"))
        syslog.settimeout(patience())
        s = t.server("--syslog", under=own_dev)
        line = syslog.recv(4096).decode()
        # user is facility 1, INFO is priority 6
        while "Listening on " not in line:
            line = syslog.recv(4096).decode()
        check(re.match(r"<13>.* gearmand\[%d\]: \[  main \] Listening on " % s.pid, line), line)
        s.stop()
        while "SIGTERM, shutting down" not in line:
            line = syslog.recv(4096).decode()
        check(line.startswith("<13>"), line)
        check("Listening on " in s.log(), "the file has it, too")


def counter(peer, name):
    return next(line.split(b"\t")[1] for line in peer.listing("counters") if line.startswith(name.encode() + b"\t"))


def flood(p):
    """Log lines, more than wait for a log that nobody reads."""
    for n in range(0, 12000, 1000):
        p.raw(b"".join(pack(SUBMIT_JOB_BG, 600 * "f", i, data=b"") for i in range(n, n + 1000)))
        p.sync()


@case("a log that nobody reads stops nobody: lines are dropped and counted, signals are heard", modes=(0, 2))
def _(t):
    os.mkfifo(t.path("fifo"))
    reader, writer = os.pipe()
    for log in (t.path("fifo"), "stderr"):
        p = t.spawn(*words(t, "--verbose=INFO", log=log), stderr=writer)
        port = until(lambda: of_pid(p.pid).ports(), "the start")[0]
        with Peer(("127.0.0.1", port)) as peer:
            flood(peer)
            until(lambda: int(counter(peer, "log_lost")) > 0,
                  "lines to be dropped")
        p.send_signal(signal.SIGHUP)
        with Peer(("127.0.0.1", port)) as peer:
            peer.sync()
        p.terminate()
        check(p.wait(timeout=patience()) == 0, "status")
    os.close(reader), os.close(writer)


@case("a log that is read again says how many lines were dropped", modes=ONE)
def _(t):
    os.mkfifo(t.path("fifo"))
    p = t.spawn(*words(t, "--verbose=INFO", log=t.path("fifo")))
    port = until(lambda: of_pid(p.pid).ports(), "the start")[0]
    with Peer(("127.0.0.1", port)) as peer:
        flood(peer)
        log, text = os.open(t.path("fifo"), os.O_RDONLY | os.O_NONBLOCK), bytearray()

        def says_dropped():
            peer.submit("f", nr=SUBMIT_JOB_BG)  # a line behind those that were dropped
            while select.select([log], [], [], 0)[0]:
                text.extend(os.read(log, 1 << 16))
            return re.search(rb"WARNING .* \d+ log lines were dropped: the log could not keep up\n", text)
        until(says_dropped, "the line that says it")
        os.close(log)
    check(b" starts, process " in text.splitlines()[0], "the first line is there")
    p.terminate()
    check(p.wait(timeout=patience()) == 0, "status")


@case("a daemon whose log cannot be opened does not start: its stderr is about to be nowhere", modes=ONE)
def _(t):
    path = t.path("no/such/folder/log")
    done = t.run(*words(t, "--daemon", "--pid-file=" + t.path("pid"), log=path), status=1)
    check(done.err.decode() == '%s: Could not open log file "%s" (No such file or directory)\n' % (os.environ["GEARMAND"], path), done)


@case("the life of the server is in the log at the default level, submissions are not", modes=ONE)
def _(t):
    p = t.spawn(*words(t, "--job-retries=1", log=t.path("log")))
    port = until(lambda: of_pid(p.pid).ports(), "the start")[0]
    with Peer(("127.0.0.1", port)) as peer, Peer(("127.0.0.1", port)) as worker:
        worker.can("f")
        peer.submit("f", "u", nr=SUBMIT_JOB_BG)
        worker.send(GRAB_JOB)
        worker.expect(JOB_ASSIGN)
        worker.close()
        until(lambda: "dropped job" in read(t.path("log")), "the line of a job that is given up")
    p.terminate()
    check(p.wait(timeout=patience()) == 0, "status")
    lines = [re.sub(r"^ *(\w+) .{26} \[[^]]*\] ", r"\1 ", line) for line in read(t.path("log")).splitlines()]
    for want in (r"NOTICE gearmand \S+ starts, process %d$" % p.pid, r"NOTICE Listening on 127\.0\.0\.1:%d " % port,
                 r"NOTICE dropped job \S+ of f: attempts that came to nothing: 1$", r"NOTICE SIGTERM, shutting down$"):
        check(any(re.match(want, line) for line in lines), want, "is not in", lines)
    check(not any("accepted," in line for line in lines), lines)


@case("SIGTERM is heard though whoever started the server had it blocked", modes=(0, 2))
def _(t):
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1})
    p = t.spawn(*words(t), preexec_fn=block)
    until(lambda: of_pid(p.pid).ports(), "the start")
    p.terminate()
    check(p.wait(timeout=patience()) == 0, "status")


main()
