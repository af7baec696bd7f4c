#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Starting without the store: --queue-wait for one that is down, --standby for one that another server has;
and what operators see of a store with the command `queue`."""
import os
import re
import socket
import subprocess
import time

from gearlive import *
from gearlive.durable import *
from gearlive.failing import *

STANDING_BY = "queue sqlite: standing by: .*queue.db: another gearmand is using it"
WAITING = "queue sqlite: waiting until it can be opened: .*No such file"
ACTIVE = "queue sqlite: this server is active now: it has taken the queue over"


def waiting_server(t, *options, says, db=None, **how):
    s = t.server("-q", "sqlite", "--libsqlite3-db=" + (db or t.path("queue.db")), *options, wait=False, **how)
    s.expect_log(says)
    s.await_log(says)
    check(not s.ports(), "it listens while it waits")
    return s


def standby(t, *options, **how):
    s = waiting_server(t, "--standby", *options, says=STANDING_BY, **how)
    s.expect_log(ACTIVE)
    return s


def serves(s):
    """Waits until it does."""
    until(lambda: s._alive() and s.ports(), "the server to listen")
    s.port = s.ports()[0]
    s.alive()
    return s


def queue_of(s):
    """The answer to `queue`: {name: value}"""
    with s.connect() as p:
        return dict(line.decode().split("\t") for line in p.listing("queue"))


def refuses(t, sentence, *options):
    s = t.server(*options, wait=False)
    s.expect_log(sentence)
    s.end(1)


# --- a replay that meets trouble

@case("a replay that meets a lock which passes is waited for, with --queue-wait and with --standby", modes=(0, 2))
def _(t):
    s = sqlite_server(t)
    handle = s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s.kill()
    for option in ("--queue-wait", "--standby"):
        lock = lock_database(t)
        s = t.server("-q", "sqlite", "--libsqlite3-db=" + t.path("queue.db"), option, wait=False)
        s.expect_log("queue sqlite: waiting until it can be read: .*locked by another process")
        s.await_log("queue sqlite: waiting until it can be read")
        lock.rollback()
        lock.close()
        s.await_log("queue sqlite: open now")
        check(serves(s).connect().status(handle)[0] == 1)
        s.stop()


@case("a replay that is cut in the midst begins again, and no job is there twice", modes=(0, 2))
def _(t):
    s = fail_server(t)
    acked = acknowledged(submit_many(s.connect(), [b"a", b"b", b"c"]), [b"a", b"b", b"c"], 3)
    s.stop()
    s = fail_server(t, "--queue-wait", "--fail-rules=replay 1-2 partly the line is cut", wait=False)
    s.expect_log("queue fail: waiting until it can be read: the line is cut")
    s.await_log("queue fail: open now")
    check({j[2]: j[0] for j in drain_jobs(serves(s))} == acked)


# --- a standby

@case("a standby takes over after kill -9: the jobs of the first are run, and their handles are the same")
def _(t):
    first = sqlite_server(t)
    uniques = [b"%d" % n for n in range(200)]
    acked = acknowledged(submit_many(first.connect(), uniques), uniques, len(uniques))
    running = first.worker("f").grab()[0]
    second = standby(t)
    first.kill()
    serves(second)
    check(second.connect().status(running)[0] == 1, "the job that ran is known by its handle")
    done = drain_jobs(second)
    check({(h, u) for h, _, u, _ in done} == {(acked[u], u) for u in uniques})
    await_rows(t, 0)


@case("a standby on the port of the first: clients find it where the first was", modes=(2,))
def _(t):
    first = sqlite_server(t)
    second = standby(t, "--listen=127.0.0.1", "--port=%d" % first.port, listen=False)
    handle = first.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    first.kill()
    check(serves(second).port == first.port)
    check(drain_jobs(second) == [(handle, b"f", b"u", b"x")])


@case("a standby takes over from one that ends in order, and a third from that one", modes=(2,))
def _(t):
    first = sqlite_server(t)
    handle = first.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    second = standby(t)
    first.stop()
    serves(second)
    third = standby(t)
    second.kill()
    check(drain_jobs(serves(third)) == [(handle, b"f", b"u", b"x")])


@case("SIGTERM ends a standby at once, with status 0, and the first goes on", modes=(0,))
def _(t):
    first = sqlite_server(t)
    second = waiting_server(t, "--standby", says=STANDING_BY)
    second.stop()
    first.alive()
    await_rows(t, 0)


@case("a standby with a queue that servers cannot share is refused", modes=(0,))
def _(t):
    refuses(t, "standby needs a queue that servers can share", "--standby")


@case("a socket of the service manager: who connects to a standby is served when it has taken over", modes=(1,))
def _(t):
    t.need_libsystemd()
    first = sqlite_server(t)
    with socket.create_server(("127.0.0.1", 0)) as passed:
        fd = os.dup2(passed.fileno(), 20)
        p = subprocess.Popen(
            ["bash", "-c", 'exec 3<&20 20<&-; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", os.environ["GEARMAND"],
             "--log-file=" + t.path("log"), "--pid-file=" + t.path("pid"), "--verbose=NOTICE", "-q", "sqlite",
             "--libsqlite3-db=" + t.path("queue.db"), "--standby", "--threads=%d" % t.mode],
            pass_fds=[fd], stdin=subprocess.DEVNULL, cwd=t.dir)
        os.close(fd)
        t.children.append(p)
        until(lambda: os.path.exists(t.path("log")) and re.search(STANDING_BY, open(t.path("log")).read()), "standing by")
        with Peer(passed.getsockname()) as c:
            c.send(ECHO_REQ, data=b"patience")
            first.kill()
            c.expect(ECHO_RES, b"patience")
        p.terminate()
        check(p.wait(timeout=patience()) == 0)


@case("who lost its store to another server stops, with status 1 and a sentence, and acknowledges nothing", modes=(2,))
def _(t):
    first = sqlite_server(t)
    first.expect_log("changes are not stored", "queue sqlite: another server has taken it over; this one stops")
    p = first.connect()
    for suffix in ("", "-wal", "-shm"):
        os.unlink(t.path("queue.db" + suffix))
    second = sqlite_server(t)  # `first` may find out before it is told of a job
    submit_many(p, [b"u"])
    first.end(1)
    check(re.search("^ *FATAL .*another server has taken it over", first.log(), re.M), first.log())
    check(acknowledged(p, [b"u"]) == {})
    second.alive()
    await_rows(t, 0)


@case("who lost it while there was nothing to store finds out by itself", modes=(0,))
def _(t):
    first = sqlite_server(t)
    first.expect_log("deleted or replaced while in use", "queue sqlite: another server has taken it over; this one stops")
    os.mkdir(t.path("aside"))
    second = waiting_server(t, "--queue-wait", says="waiting until it can be opened", db=t.path("new/queue.db"))
    os.mkdir(t.path("new"))
    serves(second)
    for suffix in ("", "-wal", "-shm"):
        os.rename(t.path("queue.db" + suffix), t.path("aside/queue.db" + suffix))
    for suffix in ("-wal", "-shm", ""):
        os.link(t.path("new/queue.db" + suffix), t.path("queue.db" + suffix))
    first.end(1)
    second.alive()


# --- waiting

@case("--queue-wait waits for a folder that is not there yet, says so once, and serves when it is", modes=(4,))
def _(t):
    s = waiting_server(t, "--queue-wait", says=WAITING, db=t.path("later/queue.db"))
    os.mkdir(t.path("later"))
    handle = serves(s).connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    check(len(re.findall(WAITING, s.log())) == 1, "more than one line")
    check("queue sqlite: open now" in s.log())
    check(drain_jobs(s) == [(handle, b"f", b"u", b"x")])


@case("--queue-wait waits for a folder that the server's user may not read", modes=(0,))
def _(t):
    options = []
    os.mkdir(t.path("closed"), 0)
    if os.geteuid() == 0:
        os.chmod(t.dir, 0o777)
        options = ["--user=nobody"]
    s = waiting_server(t, "--queue-wait", *options, says="waiting until it can be opened: .*Permission denied",
                       db=t.path("closed/queue.db"))
    os.chmod(t.path("closed"), 0o777)
    serves(s)


@case("SIGTERM while waiting: status 0", modes=(2,))
def _(t):
    waiting_server(t, "--queue-wait", says=WAITING, db=t.path("never/queue.db")).stop()


@case("--queue-wait does not wait for what waiting does not mend, nor for another server", modes=(0,))
def _(t):
    wait = ["-q", "sqlite", "--queue-wait"]
    refuses(t, "cannot open the queue sqlite: .*needs --libsqlite3-db=FILE", *wait)
    refuses(t, "must be OFF, NORMAL, FULL or EXTRA", *wait, "--libsqlite3-db=" + t.path("queue.db"),
            "--libsqlite3-synchronous=MAYBE")
    sqlite_server(t)
    refuses(t, "another gearmand is using it", *wait, "--libsqlite3-db=" + t.path("queue.db"))


@case("a daemon that waits lets go of the shell and says why", modes=(0,))
def _(t):
    done = t.run(os.environ["GEARMAND"], "-d", "--listen=127.0.0.1", "--port=0", "-q", "sqlite",
                 "--libsqlite3-db=" + t.path("later/queue.db"), "--queue-wait", "-P", t.path("pid"), "-l", t.path("log"))
    pid = int(open(t.path("pid")).read())
    os.kill(pid, 15)
    check(re.search(b"waiting for the queue: " + WAITING.encode(), done.err), done)
    until(lambda: not os.path.exists(t.path("pid")), "the daemon to end")


@case("the service manager is told what the server waits for, and -d is ignored under one", modes=(0,))
def _(t):
    t.need_libsystemd()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(t.path("notify"))
        manager.settimeout(patience())
        p = t.spawn(os.environ["GEARMAND"], "--log-file=stderr", "-d", "--listen=127.0.0.1", "--port=0", "-q", "sqlite",
                    "--libsqlite3-db=" + t.path("later/queue.db"), "--queue-wait", "-P", t.path("pid"), "-l", t.path("log"),
                    env={"NOTIFY_SOCKET": t.path("notify")})
        told = manager.recv(4096).decode()
        check("READY=1" in told and "MAINPID=%d\n" % p.pid in told, told)
        check("STATUS=Waiting for the queue: queue sqlite: waiting" in told, told)
        os.mkdir(t.path("later"))
        while "STATUS=Serving" not in told:
            told = manager.recv(4096).decode()
        p.terminate()
        check(p.wait(timeout=patience()) == 0, "status")


@case("SIGTERM does not wait for a module that is stuck in opening", modes=(2,))
def _(t):
    s = fail_server(t, "--fail-rules=open * hold", wait=False)
    s.await_log("open 1 begins")
    s.stop()


@case("each reason to wait is said once; what turns out to last ends the start", modes=(1,))
def _(t):
    s = fail_server(t, "--fail-rules=open 1-2 passing it boots; open 3-4 in-use it has a server; "
                       "open 5-6 passing it boots again; open 7 lasting the password is wrong", "--standby", wait=False)
    s.expect_log("cannot open the queue fail: the password is wrong", "waiting until it can be opened: it boots")
    s.end(1)
    said = re.findall(r"queue fail: (waiting|standing by)", s.log())
    check(said == ["waiting", "standing by", "waiting"], said)


@case("jobs that cannot be read after a take-over: the standby ends with the sentence", modes=(2,))
def _(t):
    s = fail_server(t, "--fail-rules=open 1 in-use it has a server; replay * fail the table is gone", "--standby",
                    wait=False)
    s.expect_log("the table is gone")
    s.end(1)


# --- while running

@case("a store that breaks is opened again whatever the reason says, but for another server, which ends this one", modes=(0,))
def _(t):
    s = fail_server(t, "--fail-rules=commit 1 broken the line is cut; open 2 passing it boots; "
                       "open 3 lasting the password is wrong; commit 3 broken the line is cut again; open 5- in-use it has a server")
    s.expect_log("changes are not stored; .*: the line is cut", "another server has taken it over; .*: it has a server")
    p = s.connect()
    p.submit("f", "a", "x", SUBMIT_JOB_BG)
    p.silent()
    submit_many(p, [b"b"])
    s.end(1)
    check(acknowledged(p, [b"b"]) == {})
    check(len(re.findall("commit \\d+ begins", s.log())) == 3, s.log())


# --- what operators and clients see

@case("the command `queue` tells module, state, since when, what waits, and the last error", modes=(2,))
def _(t):
    start = int(time.time())
    s = sqlite_server(t, "--queue-timeout=1")
    s.expect_log("changes are not stored")
    s.allow_log("QUEUE_ERROR")
    q = queue_of(s)
    check(start <= int(q.pop("since")) <= time.time(), q)
    check(q == {"module": "sqlite", "state": "well", "commit_seconds": "0", "waiting_adds": "0", "waiting_removes": "0", "waiting_bytes": "0",
                "last_error": ""}, q)
    p, worker = s.connect(), s.worker("f")
    running = p.submit("f", "running", "x", SUBMIT_JOB_BG)
    check(worker.grab()[0] == running)
    lock = lock_database(t)
    worker.complete(running).sync()
    submit_many(p, [b"a", b"b"])
    q = until(lambda: (lambda q: q["state"] == "unwell" and q["waiting_adds"] == "2" and q)(queue_of(s)), "unwell")
    check(q["waiting_removes"] == "1" and int(q["waiting_bytes"]) > 0, q)
    check("queue.db: storing jobs: locked by another process" in q["last_error"], q)
    text = p.expect_error("QUEUE_ERROR")[1]
    check(re.match(b"The queue's store did not answer in time: .*locked by another process", text), text)
    lock.rollback()
    lock.close()
    s.await_log("well again")
    q = until(lambda: (lambda q: q["state"] == "well" and q["waiting_removes"] == "0" and q)(queue_of(s)), "well")
    check(q["waiting_adds"] == "0" and "locked" in q["last_error"], q)


@case("trouble is seen and told though there is nothing to store", modes=(1,))
def _(t):
    s = fail_server(t, "--fail-rules=check 1-2 again the disk is full; check 3 broken the line is cut; open 2 passing it boots")
    s.expect_log("changes are not stored; the server tries again until they are: the disk is full")
    until(lambda: queue_of(s)["last_error"] == "it boots", "the last trouble")
    s.await_log("well again")
    until(lambda: queue_of(s)["state"] == "well", "well")


@case("the command `queue` of a server without a store", modes=(0,))
def _(t):
    q = queue_of(t.server())
    check(q["module"] == "builtin" and q["state"] == "none" and q["since"] == "0", q)


main()
