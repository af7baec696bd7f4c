#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""SQLite in trouble: a sentence, nothing acknowledged that is not stored, and recovery without a restart."""
import os
import resource
import subprocess

from gearlive import *
from gearlive.durable import *

FEW = (0, 2)
UNWELL = "queue sqlite: changes are not stored; the server tries again until they are: "


def refuses(t, sentence, *options):
    """The server does not start: status 1 and the sentence on stderr."""
    s = t.server("-q", "sqlite", *options, wait=False)
    s.expect_log(sentence)
    s.end(1)


# --- at start

@case("start-up failures are sentences: no file name, no folder, a folder, not a database, a foreign table", modes=(0,))
def _(t):
    refuses(t, "needs --libsqlite3-db=FILE")
    refuses(t, "queue file /no/such/queue.db: No such file or directory", "--libsqlite3-db=/no/such/queue.db")
    refuses(t, "Is a directory", "--libsqlite3-db=" + t.dir)
    text = t.write("text", "this is a letter, and no database\n" * 50)
    refuses(t, "text: .*not an SQLite database", "--libsqlite3-db=" + text)
    sql(t, "CREATE TABLE gearman_queue (a, b)")
    refuses(t, 'table "gearman_queue" is not a gearmand queue', "--libsqlite3-db=" + t.path("queue.db"))
    refuses(t, "must be OFF, NORMAL, FULL or EXTRA", "--libsqlite3-db=" + t.path("new"),
            "--libsqlite3-synchronous=MAYBE")


@case("a damaged file is a sentence at start", modes=FEW)
def _(t):
    s = sqlite_server(t)
    uniques = [b"%d" % n for n in range(3000)]
    acknowledged(submit_many(s.connect(), uniques), uniques, 3000)
    s.stop()
    with open(t.path("queue.db"), "r+b") as f:
        f.seek(3 * 4096)
        f.write(os.urandom(30 * 4096))
    refuses(t, "queue.db: .*damaged", "--libsqlite3-db=" + t.path("queue.db"))


@case("a file that the server's user may not write is a sentence at start", modes=(0,))
def _(t):
    options = []
    sql(t, "CREATE TABLE x (a)")
    os.chmod(t.path("queue.db"), 0o444)
    if os.geteuid() == 0:
        os.chmod(t.dir, 0o777)
        options = ["--user=nobody"]
    refuses(t, "queue.db: Permission denied", "--libsqlite3-db=" + t.path("queue.db"), *options)


@case("a second server on the file is refused, and the first goes on; kill -9 frees the file", modes=FEW)
def _(t):
    s = sqlite_server(t)
    os.link(t.path("queue.db"), t.path("other-name.db"))
    refuses(t, "queue.db: another gearmand is using it", "--libsqlite3-db=" + t.path("queue.db"))
    refuses(t, "other-name.db: another gearmand is using it", "--libsqlite3-db=" + t.path("other-name.db"))
    handle = s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s.kill()
    check(drain_jobs(sqlite_server(t)) == [(handle, b"f", b"u", b"x")])


@case("a daemon holds its file, too", modes=(0,))
def _(t):
    pid_file = t.path("daemon.pid")
    t.run(os.environ["GEARMAND"], "-d", "-p", "0", "-q", "sqlite", "--libsqlite3-db=" + t.path("queue.db"),
          "-P", pid_file, "-l", t.path("daemon.log"))
    pid = int(open(pid_file).read())
    try:
        refuses(t, "another gearmand is using it", "--libsqlite3-db=" + t.path("queue.db"))
    finally:
        os.kill(pid, 15)
    until(lambda: not os.path.exists(pid_file), "the daemon to end")


# --- while running

@case("while another process holds the file: work goes on, submissions wait, and all is stored when it lets go")
def _(t):
    s = sqlite_server(t)
    s.expect_log(UNWELL + ".*queue.db: storing jobs: locked by another process")
    worker, p, q = s.worker("f", "g"), s.connect(), s.connect()
    running = p.submit("f", "running", "x", SUBMIT_JOB_BG)
    check(worker.grab()[0] == running)
    lock = lock_database(t)
    worker.complete(running).sync()  # its removal has to wait
    submit_many(p, [b"a", b"b"])
    s.await_log(UNWELL)
    foreground = q.submit("g", "fg", "y")
    check(worker.grab()[0] == foreground)
    worker.complete(foreground, "z").sync()
    q.expect(WORK_COMPLETE, foreground, "z")
    worker.no_job()  # "a" and "b" are not stored, so they do not run
    check(not p.buf, "acknowledged while it cannot be stored")
    lock.rollback()
    lock.close()
    acked = acknowledged(p, [b"a", b"b"], 2)
    s.await_log("queue sqlite: well again")
    s.kill()
    s.start()
    check([(j[0], j[2]) for j in drain_jobs(s)] == [(acked[b"a"], b"a"), (acked[b"b"], b"b")])


@case("a submission that waits longer than --queue-timeout gets an error, and its job does not come back", modes=FEW)
def _(t):
    s = sqlite_server(t, "--queue-timeout=1")
    s.expect_log(UNWELL)
    s.allow_log("QUEUE_ERROR")
    p = s.connect()
    lock = lock_database(t)
    submit_many(p, [b"a"])
    p.expect_error("QUEUE_ERROR")
    lock.rollback()
    lock.close()
    s.await_log("well again")
    stored = p.submit("f", "b", "x", SUBMIT_JOB_BG)
    await_rows(t, 1)
    s.kill()
    s.start()
    check([j[0] for j in drain_jobs(s)] == [stored])


def limit_file_size(s, bytes):
    resource.prlimit(s.pid, resource.RLIMIT_FSIZE, (bytes, resource.RLIM_INFINITY))


FULL = "queue sqlite: full: new jobs are refused until there is room, removals go on: .*no room"
LARGE = os.urandom(10000)


def submit_until_full(s):
    """{unique: handle} of what was stored; the others got an error at once."""
    p, uniques, acked = s.connect(), [b"%d" % n for n in range(6000)], {}
    s.expect_log(FULL)
    s.allow_log("QUEUE_ERROR")
    for u in uniques:
        p.send(SUBMIT_JOB_BG, "f", u, data=LARGE)
        answer = p.packet("an answer")
        if answer.nr == ERROR:
            check(b"no room" in answer.parts[1], answer.parts)
            s.await_log(FULL)  # before somebody kills it
            return acked
        check(answer.nr == JOB_CREATED)
        acked[u] = answer.parts[0]
    raise Failure("never full")


def full_and_well_again(t, s, make_room=None):
    """Submits until it is full; what was stored is done and removed, and then, or when room is made, there is room."""
    acked = submit_until_full(s)
    with s.connect() as p:
        p.submit("f", "small", "x")  # in the foreground: it goes on serving
    s.kill()
    s.start()
    done = drain_jobs(s)
    check({(u, h) for h, _, u, d in done if d == LARGE} == set(acked.items()), "%d of %d" % (len(done), len(acked)))
    await_rows(t, 0)
    if make_room:
        submit_until_full(s)
        make_room()
    check(s.connect().submit("f", "again", LARGE, SUBMIT_JOB_BG))
    if make_room:
        s.await_log("queue sqlite: has room again")


@case("at the limit of file sizes: what does not fit gets an error at once, what is done is removed", modes=FEW)
def _(t):
    s = sqlite_server(t)
    limit_file_size(s, 4 << 20)
    acked = submit_until_full(s)
    check([(u, h) for h, _, u, _ in drain_jobs(s)] == list(acked.items()))
    await_rows(t, 0)
    submit_until_full(s)
    limit_file_size(s, resource.RLIM_INFINITY)
    s.connect().submit("f", "again", LARGE, SUBMIT_JOB_BG)
    s.await_log("queue sqlite: has room again")


def small_disk(t, size):
    disk = t.path("disk")
    os.mkdir(disk)
    mount = ["mount", "-t", "tmpfs", "-o", "size=" + size, "none", disk]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
        t.skip("may not mount a small disk (not root)")
    os.symlink(t.path("disk/queue.db"), t.path("queue.db"))
    return disk


@case("a disk that the queue itself has filled: an error at once, and all that is stored is done and removed",
      modes=(0, 1, 2, 4))
def _(t):
    disk = small_disk(t, "2m" if t.mode == 0 else "%dm" % (8 * t.mode))
    try:
        s = sqlite_server(t, db=t.path("disk/queue.db"))
        full_and_well_again(t, s)
        s.stop()
    finally:
        subprocess.run(["umount", "-l", disk])


@case("a disk that others have filled: an error at once, and when they have gone there is room again", modes=FEW)
def _(t):
    disk = small_disk(t, "32m")
    try:
        s = sqlite_server(t, db=t.path("disk/queue.db"))
        with open(t.path("disk/ballast"), "wb") as f:
            f.write(b"x" * (26 << 20))
        full_and_well_again(t, s, lambda: os.unlink(t.path("disk/ballast")))
        s.stop()
    finally:
        subprocess.run(["umount", "-l", disk])


@case("a deleted file is noticed before anything more is acknowledged, and made again", modes=FEW)
def _(t):
    s = sqlite_server(t)
    s.expect_log(UNWELL + ".*queue.db was deleted or replaced while in use")
    p = s.connect()
    kept = p.submit("f", "kept in memory", "x", SUBMIT_JOB_BG)
    for suffix in ("", "-wal", "-shm"):
        os.unlink(t.path("queue.db" + suffix))
    stored = p.submit("f", "u", "x", SUBMIT_JOB_BG)
    s.await_log("well again")
    check(sql(t, "SELECT unique_key FROM gearman_queue") == [("u",)])
    check([j[0] for j in drain_jobs(s)] == [kept, stored])
    await_rows(t, 0)


@case("a table that somebody dropped is made again", modes=FEW)
def _(t):
    s = sqlite_server(t)
    s.expect_log(UNWELL + ".*no such table")
    sql(t, "DROP TABLE gearman_queue")
    s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s.await_log("well again")
    check(sql(t, "SELECT unique_key FROM gearman_queue") == [("u",)])


@case("what a trigger forbids gets an error with its words; the others are stored", modes=FEW)
def _(t):
    s = sqlite_server(t)
    s.allow_log("QUEUE_ERROR")
    sql(t, "CREATE TRIGGER t BEFORE INSERT ON gearman_queue WHEN new.function_name = 'evil' "
           "BEGIN SELECT RAISE(ABORT, 'no evil here'); END")
    p = s.connect()
    p.raw(pack(SUBMIT_JOB_BG, "f", "a", data="1") + pack(SUBMIT_JOB_BG, "evil", "b", data="2") +
          pack(SUBMIT_JOB_BG, "f", "c", data="3"))
    p.expect(JOB_CREATED)
    code, text = p.expect(ERROR)
    check(code == b"QUEUE_ERROR" and b"no evil here" in text, text)
    p.expect(JOB_CREATED)
    check(sql(t, "SELECT group_concat(unique_key, ' ') FROM gearman_queue") == [("a c",)])


@case("SIGTERM while the file is locked: it waits a while, ends, and says what it could not save", modes=(2,))
def _(t):
    s = sqlite_server(t)
    s.expect_log(UNWELL)
    p = s.connect()
    lock = lock_database(t)
    submit_many(p, [b"a"])
    s.await_log(UNWELL)
    s.signal(15)
    s.await_log("SIGTERM")
    lock.rollback()  # in time
    lock.close()
    s.end(0)
    await_rows(t, 1)


main()
