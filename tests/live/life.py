#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The life of the process: start and its failures, daemon, pid file, user, signals, crash, end."""
import os
import re
import signal
import socket
import subprocess

from gearlive import *
from gearlive.process import *

GEARMAND = os.environ.get("GEARMAND", "")
ONE = (0,)  # what does not depend on threads
NOBODY = 65534


def occupied():
    """A port of loopback that is in use."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    return s, s.getsockname()[1]


def has_ended(pid):
    try:
        return read("/proc/%d/stat" % pid).rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def status_line(pid, name, task=None):
    where = "/proc/%d/status" % pid if task is None else "/proc/%d/task/%d/status" % (pid, task)
    return re.search("^%s:\\s*(.*)$" % name, read(where), re.M).group(1)


# ---- A start that fails ------------------------------------------------------------------------


@case("a port in use ends the start at once, with one sentence and status 1", modes=ONE)
def _(t):
    held, port = occupied()
    with held:
        done = t.run(*words(t, "--pid-file=" + t.path("pid"), port=port), status=1)
    check(done.err.decode() == "%s: cannot listen on 127.0.0.1:%d: Address already in use\n" % (GEARMAND, port), done)
    check(not os.path.exists(t.path("pid")), "a pid file is left")


@case("an address that is not ours ends the start with a sentence", modes=ONE)
def _(t):
    done = t.run(GEARMAND, "--listen=192.0.2.1", "--port=0", "--log-file=none", status=1)
    check(b"cannot listen on 192.0.2.1:0: Cannot assign requested address" in done.err, done)


@case("a log that cannot be opened is said, and stderr takes its place", modes=ONE)
def _(t):
    path = t.path("no/such/folder/log")
    p = t.spawn(*words(t, "--pid-file=" + t.path("pid"), "--verbose=INFO", log=path))
    until(lambda: os.path.exists(t.path("pid")) and read(t.path("stderr.0")).count("Listening"), "the server to start")
    check('Could not open log file "%s" (No such file or directory)' % path in read(t.path("stderr.0")))
    p.terminate()
    check(p.wait(timeout=patience()) == 0, "status")


# ---- Daemon ------------------------------------------------------------------------------------


def daemon(t, *options):
    """Starts a daemon that serves; returns its pid."""
    done = t.run(*words(t, "--daemon", "--pid-file=" + t.path("pid"), *options))
    check(done.out == b"" and done.err == b"", done)
    return int(read(t.path("pid")))


def end_daemon(pid):
    os.kill(pid, signal.SIGTERM)
    try:
        until(lambda: has_ended(pid), "the daemon to end")
    except Failure:
        os.kill(pid, signal.SIGKILL)
        raise


@case("a daemon lets go of the shell when it serves, in a session of its own and with /dev/null as its streams")
def _(t):
    pid = daemon(t)
    try:
        with Peer(("127.0.0.1", of_pid(pid).ports()[0])) as p:
            p.sync()
        check(os.getsid(pid) == pid, "session")
        for fd in (0, 1, 2):
            check(os.readlink("/proc/%d/fd/%d" % (pid, fd)) == "/dev/null", "fd", fd)
        check(os.readlink("/proc/%d/cwd" % pid) == os.path.realpath(t.dir), "working directory")
    finally:
        end_daemon(pid)
    check(not os.path.exists(t.path("pid")), "the pid file is left")


@case("a daemon's failures reach the shell that started it: sentence and status", modes=(0, 2))
def _(t):
    held, port = occupied()
    with held:
        for options, sentence in (
                (["--port=%d" % port], "cannot listen on 127.0.0.1:%d: Address already in use" % port),
                (["--port=0", "--pid-file=" + t.path("no/pid")], "Could not open pid file for writing: "),
                (["--port=0", "--user=no-such-user-here"],
                 "Could not find user : no-such-user-here" if os.geteuid() == 0 else "Must be root to switch users.")):
            done = t.run(GEARMAND, "-d", "--listen=127.0.0.1", "--log-file=none", "-t", str(t.mode), *options, status=1)
            check(done.err.decode().startswith("%s: %s" % (GEARMAND, sentence)) and done.err.count(b"\n") == 1, done)


@case("a daemon whose store does not open says so to the shell", modes=ONE)
def _(t):
    t.need_module("queue-sqlite")
    done = t.run(*words(t, "-d", "-q", "sqlite", "--libsqlite3-db=" + t.path("no/such/folder/db"), log="none"), status=1)
    check(b"cannot open the queue sqlite: " in done.err, done)


# ---- Pid file ----------------------------------------------------------------------------------


@case("a default pid file that cannot be written is no failure, nor at a SIGTERM while the store is opened", modes=(0, 2))
def _(t):
    t.need_module("queue-sqlite")
    server = t.spawn(*words(t, "-q", "sqlite", "--queue-wait", "--verbose=INFO", "--libsqlite3-db=" + t.path("no/db")))
    until(lambda: os.path.exists(t.path("log")) and "waiting until it can be opened" in read(t.path("log")), "the wait")
    server.terminate()
    check(server.wait(patience()) == 0, "status", server.returncode)
    check("pid file for writing" not in read(t.path("stderr.0")), read(t.path("stderr.0")))


@case("a stale pid file is taken over, whatever it holds", modes=ONE)
def _(t):
    gone = subprocess.Popen(["true"])
    gone.wait()
    for content in ("%d\n" % gone.pid, "%d\n" % os.getpid(), "", "rubbish\n", "-1\n", "99999999999999999999\n"):
        t.write("pid.%d" % len(t.servers), content)
        s = t.server()
        until(lambda: read(t.path("pid.%d" % (len(t.servers) - 1))) == "%d\n" % s.pid, "the pid file after " + repr(content))


@case("the pid file of a killed server is taken over", modes=ONE)
def _(t):
    s = t.server()
    s.kill()
    check(os.path.exists(t.path("pid.0")), "kill -9 leaves it")
    s.start()
    check(read(t.path("pid.0")) == "%d\n" % s.pid, "pid file")


@case("the pid file of a running server is not taken over, with or without a lock on it", modes=ONE)
def _(t):
    s = t.server()
    done = t.run(*words(t, "--pid-file=" + t.path("pid.0"), log="none"), status=1)
    check(b"pid file %s is held by a running server (pid %d)" % (t.path("pid.0").encode(), s.pid) in done.err, done)
    t.write("unlocked", "%d\n" % s.pid)
    done = t.run(*words(t, "--pid-file=" + t.path("unlocked"), log="none"), status=1)
    check(b"names a running server (pid %d)" % s.pid in done.err, done)
    check(read(t.path("pid.0")) == "%d\n" % s.pid and read(t.path("unlocked")) == "%d\n" % s.pid, "they are as before")


@case("a pid file that was replaced by another's is not removed", modes=ONE)
def _(t):
    s = t.server()
    os.unlink(t.path("pid.0"))
    t.write("pid.0", "1\n")
    s.stop()
    check(read(t.path("pid.0")) == "1\n", "it belongs to somebody else")


@case("a pid file that is a link, a device, a folder or somebody else's is not touched", modes=ONE)
def _(t):
    t.write("target", "precious\n")
    os.symlink(t.path("target"), t.path("link"))
    os.link(t.path("target"), t.path("hard"))
    os.mkfifo(t.path("fifo"))
    os.mkdir(t.path("folder"))
    plain = "it is not a plain file of its own"
    wrong = [(t.path("link"), "it is a symbolic link"), (t.path("hard"), plain), (t.path("fifo"), plain), ("/dev/null", plain),
             (t.path("folder"), "Is a directory")]
    if os.geteuid() == 0:
        t.write("other", "1\n")
        os.chown(t.path("other"), NOBODY, NOBODY)
        wrong.append((t.path("other"), "it belongs to user %d" % NOBODY))
    for path, why in wrong:
        done = t.run(*words(t, "--pid-file=" + path, log="none"), status=1)
        check(done.err.decode() == "%s: Could not open pid file for writing: %s (%s)\n" % (GEARMAND, path, why), done)
        check(os.path.lexists(path), path, "was removed")
    check(read(t.path("target")) == "precious\n", "it was written to")


# ---- User --------------------------------------------------------------------------------------


@case("--user: uid, gid and groups are that user's and nothing else; log and pid file are too", modes=(0, 2))
def _(t):
    if os.geteuid() != 0:
        t.skip("needs root")
    os.chmod(t.dir, 0o777)
    s = t.server("--user=nobody")
    s.alive()
    for task in s.threads().values():
        check(status_line(s.pid, "Uid", task).split() == [str(NOBODY)] * 4, "uid")
        check(status_line(s.pid, "Gid", task).split() == [str(NOBODY)] * 4, "gid")
        check(status_line(s.pid, "Groups", task).split() in ([], [str(NOBODY)]), "groups")
        check(int(status_line(s.pid, "CapEff", task), 16) == 0, "capabilities")
    for name in ("log.0", "pid.0"):
        check(os.stat(t.path(name)).st_uid == NOBODY, name, "belongs to root")


@case("--user is for root; whoever runs as that user already needs no switch", modes=ONE)
def _(t):
    if os.geteuid() != 0:
        t.skip("needs root")
    t.need("setpriv")
    os.chmod(t.dir, 0o777)
    as_nobody = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups"]
    if subprocess.run(as_nobody + ["test", "-x", GEARMAND]).returncode != 0:
        t.skip("nobody may not run the server that was built here")
    done = t.run(*as_nobody, *words(t, "--user=daemon", log="none"), status=1)
    check(done.err.endswith(b": Must be root to switch users.\n"), done)
    t.server("--user=nobody", under=as_nobody).alive()


# ---- Threads and descriptors -------------------------------------------------------------------


@case("threads are as -t says, have names, and leave signals to the main thread", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    names = {0: [], 1: ["gm-io-1"], 2: ["gm-io-1", "gm-proc"], 4: ["gm-io-1", "gm-io-2", "gm-io-3", "gm-proc"]}[t.mode]
    main_name = read("/proc/%d/comm" % s.pid).strip()

    def all_named():  # each thread names itself, which may be after the server listens
        tasks = s.threads()
        return tasks if sorted(n for n in tasks if n != main_name) == sorted(names + ["gm-log"]) else None

    tasks = until(all_named, "the threads %s" % names)
    for name, task in tasks.items():
        blocked = int(status_line(s.pid, "SigBlk", task), 16)
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGCHLD):
            check((blocked >> (sig - 1) & 1) == (task != s.pid), name, sig)


@case("-f sets the limit of descriptors; one that the system refuses ends the start", modes=ONE)
def _(t):
    s = t.server("-f", "200")
    check(re.search(r"^Max open files +200 ", read("/proc/%d/limits" % s.pid), re.M), "the limit")
    done = t.run(*words(t, "-f", 2147483647, log="none"), status=1)
    check(re.search(rb": Failed to set limit for the number of file descriptors.  Try running as root or giving a "
                    rb"smaller value to -f. \(.+\)\n$", done.err), done)


@case("more threads than descriptors allow is a sentence", modes=ONE)
def _(t):
    done = t.run(GEARMAND, "-L", "127.0.0.1", "-p", "0", "-l", "none", "-t", "100", "-f", "100", status=1)
    check(re.search(rb": --threads=100 needs at least \d+ descriptors and the limit is 100; raise --file-descriptors\n$", done.err), done)


@case("too few descriptors for anything is one sentence", modes=ONE)
def _(t):
    done = t.run(*words(t, "-f", 5, log="none"), status=1)
    check(done.err.decode() == "%s: --threads=0 needs at least 22 descriptors and the limit is 5; raise --file-descriptors\n"
          % GEARMAND, done)


@case("closed standard streams are not taken for anything else", modes=ONE)
def _(t):
    p = t.spawn("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words(t, "--pid-file=" + t.path("pid")))
    until(lambda: os.path.exists(t.path("pid")) and of_pid(p.pid).ports(), "the start")
    for fd in (0, 1, 2):
        check(os.readlink("/proc/%d/fd/%d" % (p.pid, fd)) == "/dev/null", "fd", fd)
    p.terminate()
    check(p.wait(timeout=patience()) == 0, "status")


@case("memory of jobs that are done is given back when the load has ended", modes=(0, 2))
def _(t):
    if server_sanitized():
        t.skip("a sanitizer keeps memory")
    s = t.server(verbose="NOTICE")
    start, jobs, p, w = s.rss(), 100000, s.connect(), s.worker("f")
    for _n in range(0, jobs, 1000):
        p.raw(pack(SUBMIT_JOB_BG, "f", "", data=700 * b"x") * 1000)
        for _i in range(1000):
            p.expect(JOB_CREATED)
    peak = s.rss()
    check(peak > start + 60 * 1000000, "it holds the jobs in", peak - start)
    for _n in range(0, jobs, 1000):
        w.raw(pack(GRAB_JOB) * 1000)
        w.raw(b"".join(pack(WORK_COMPLETE, w.expect(JOB_ASSIGN)[0], data=b"") for _i in range(1000)))
    w.sync()
    until(lambda: s.rss() - start < peak / 10, "memory to be given back")


# ---- Handles -----------------------------------------------------------------------------------


@case("handles begin with the host's name, or as told, and a restart does not use them again", modes=ONE)
def _(t):
    s = t.server()
    first = s.connect().submit("f", nr=SUBMIT_JOB_BG).decode()
    check(re.match(r"H:%s:\d+$" % re.escape(os.uname().nodename[:40]), first), first)
    s.stop()
    s.start()
    check(s.connect().submit("f", nr=SUBMIT_JOB_BG).decode() != first, first)
    other = t.server("--job-handle-prefix=X" + "y" * 41)
    handle = other.connect().submit("f", nr=SUBMIT_JOB_BG)
    check(handle.startswith(b"X" + b"y" * 41 + b":") and len(handle) <= 63, handle)


# ---- The end -----------------------------------------------------------------------------------


@case("SIGTERM and SIGINT end an orderly life with status 0, also with connections and jobs")
def _(t):
    for sig in (signal.SIGTERM, signal.SIGINT):
        s = t.server()
        worker, client, idle = s.sleeper("f"), s.connect(), s.connect()
        client.submit("f", "", b"x" * 100000)
        worker.expect(NOOP)
        worker.grab()
        client.submit("g", "", b"waits")
        s.stop(sig)
        idle.expect_closed()
        check(not os.path.exists(t.path("pid.%d" % (len(t.servers) - 1))), "the pid file is left")


@case("replies that are under way when SIGTERM comes still go out")
def _(t):
    s = t.server()
    p = s.connect().sync()
    p.raw(pack(ECHO_REQ, data=b"last words"))
    # The echo is under way at some place between the socket and the socket; what was read is answered.
    until(lambda: p.sock.recv(1, socket.MSG_PEEK), "the echo")
    s.stop()
    p.expect(ECHO_RES, b"last words")
    p.expect_closed()


@case("SIGUSR1 without jobs ends at once", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    s.alive()
    s.stop(signal.SIGUSR1)


@case("SIGUSR1 lets running and queued jobs end, refuses new ones and new connections")
def _(t):
    s = t.server()
    worker, client = s.worker("f"), s.connect()
    first, second = client.submit("f", "", b"1"), client.submit("f", "", b"2")
    worker.grab()
    s.signal(signal.SIGUSR1)
    s.await_log("SIGUSR1, shutting down")
    client.send(SUBMIT_JOB, "f", "", data=b"3")
    client.expect(ERROR)
    until(lambda: not of_pid(s.pid).ports(), "the server to close its doors")
    try:
        s.connect()
        check(False, "a new connection was taken")
    except ConnectionRefusedError:
        pass
    worker.complete(first, b"one")
    client.expect(WORK_COMPLETE, first, b"one")
    check(worker.grab()[0] == second, "the queued job")
    worker.complete(second, b"two")
    client.expect(WORK_COMPLETE, second, b"two")
    s.end()


@case("SIGUSR1 is bounded by --shutdown-timeout")
def _(t):
    s = t.server("--shutdown-timeout=1")
    s.connect().submit("f", nr=SUBMIT_JOB_BG)
    s.signal(signal.SIGUSR1)
    s.end()
    check("jobs are left after --shutdown-timeout" in s.log(), "the reason")


@case("SIGTERM ends a graceful shutdown that waits for jobs")
def _(t):
    s = t.server("--shutdown-timeout=0")
    s.connect().submit("f", nr=SUBMIT_JOB_BG)
    s.signal(signal.SIGUSR1)
    s.await_log("SIGUSR1, shutting down")
    s.stop()


@case("SIGUSR1 does not wait for stored jobs that nobody works on: they are there after a restart")
def _(t):
    t.need_module("queue-sqlite")
    s = t.server("-q", "sqlite", "--libsqlite3-db=" + t.path("db"), "--shutdown-timeout=0")
    s.connect().submit("f", "u", b"kept", SUBMIT_JOB_BG)
    s.stop(signal.SIGUSR1)
    s.start()
    check(s.worker("f").grab()[1:] == [b"f", b"kept"], "the stored job")


@case("a second SIGTERM does not wait for a store that does not answer", modes=(0, 2))
def _(t):
    t.need_module("queue-sqlite")
    import sqlite3
    s = t.server("-q", "sqlite", "--libsqlite3-db=" + t.path("db"), "--queue-timeout=600")
    s.allow_log("changes are not stored", "given up at shutdown")
    s.connect().submit("f", nr=SUBMIT_JOB_BG)
    s.alive()
    lock = sqlite3.connect(t.path("db"), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        p = s.connect()
        p.send(SUBMIT_JOB_BG, "f", "", data=b"x")
        s.await_log("changes are not stored")
        s.signal(signal.SIGTERM)
        s.await_log("SIGTERM, shutting down")
        s.signal(signal.SIGTERM)
        s.end(status=1)
        check("SIGTERM again, ending at once" in s.log(), "the line")
        check(not os.path.exists(t.path("pid.0")), "the pid file is left")
    finally:
        lock.execute("ROLLBACK")
        lock.close()


# ---- A crash -----------------------------------------------------------------------------------


@case("a crash says where on stderr and ends with status 1")
def _(t):
    for sig, name in ((signal.SIGABRT, "SIGABRT"), (signal.SIGSEGV, "SIGSEGV"), (signal.SIGBUS, "SIGBUS"),
                      (signal.SIGFPE, "SIGFPE"), (signal.SIGILL, "SIGILL")):
        if server_sanitized() and sig != signal.SIGABRT:
            continue  # the sanitizer tells
        s = t.server()
        s.allow_log(".")
        s.stop(sig, status=1)
        check("gearmand: crashed with %s, stack of the thread:\n" % name in s.err(), s.err())
        check(s.err().count("\n") > 3, "no stack", s.err())


@case("--coredump, and a debugger's environment, leave the crash to the system", modes=ONE)
def _(t):
    for options, env in ((["--coredump"], {}), ([], {"LIBTEST_IN_GDB": "1"})):
        s = t.server(*options, env=env)
        if options:
            check(re.search(r"^Max core file size +(\S+) +\1 ", read("/proc/%d/limits" % s.pid), re.M), "core limit")
        s.stop(signal.SIGABRT, status=-signal.SIGABRT)


@case("--coredump works after a change of user, too", modes=ONE)
def _(t):
    if os.geteuid() != 0:
        t.skip("needs root")
    os.chmod(t.dir, 0o777)
    s = t.server("--coredump", "--user=nobody")
    s.alive()
    # A process that cannot leave a core is not dumpable, and its /proc files are root's.
    check(os.stat("/proc/%d/status" % s.pid).st_uid == NOBODY, "not dumpable")
    s.stop(signal.SIGABRT, status=-signal.SIGABRT)


# ---- Service manager -----------------------------------------------------------------------------


@case("the service manager is told when the server serves and when it stops")
def _(t):
    t.need_libsystemd()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(t.path("notify"))
        manager.settimeout(patience())
        s = t.server(env={"NOTIFY_SOCKET": t.path("notify")})
        ready = manager.recv(4096).decode().split("\n")
        if "READY=1" not in ready:
            check(ready[0].startswith("STATUS="), ready)
            ready = manager.recv(4096).decode().split("\n")
        check("READY=1" in ready and "MAINPID=%d" % s.pid in ready, ready)
        s.stop()
        check(manager.recv(4096).decode() == "STOPPING=1", "STOPPING=1")


main()
