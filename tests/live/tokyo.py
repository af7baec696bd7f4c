#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Background jobs in Tokyo Cabinet: acknowledged means stored, and kill -9 loses nothing of it; files go to gearmand 1.1
and come back; trouble is a sentence and heals."""
import contextlib
import ctypes
import ctypes.util
import os
import resource
import subprocess
import time

from gearlive import *
from gearlive.durable import acknowledged, drain_jobs, submit_many
from gearlive.killing import *

KINDS = ("tch", "tcb")
UNWELL = "queue tokyo: changes are not stored; the server tries again until they are: "


def file_of(t, kind="tch"):
    return t.path("queue." + kind)


def tokyo_server(t, *options, kind="tch", file=None, **how):
    """It answers, so its database is open."""
    s = t.server("-q", "tokyo", "--libtokyocabinet-file=" + (file or file_of(t, kind)), *options, **how)
    s.alive()
    return s


def refuses(t, sentence, *options):
    s = t.server("-q", "tokyo", *options, wait=False)
    s.expect_log(sentence)
    s.end(1)


@contextlib.contextmanager
def database(t, kind="tch", file=None):
    """The file as gearmand 1.1 has it, through the abstract API of the library; no server may have it."""
    name = ctypes.util.find_library("tokyocabinet")
    if name is None:
        if os.environ.get("CI"):
            raise Failure("libtokyocabinet is not installed")
        t.skip("libtokyocabinet is not installed")
    lib = ctypes.CDLL(name)
    lib.tcadbnew.restype = lib.tcadbget.restype = lib.tcadbiternext.restype = ctypes.c_void_p
    lib.tcadbrnum.restype = ctypes.c_uint64
    db = ctypes.c_void_p(lib.tcadbnew())
    check(lib.tcadbopen(db, os.fsencode(file or file_of(t, kind))), "tcadbopen")
    try:
        yield lib, db
    finally:
        check(lib.tcadbclose(db), "tcadbclose")
        lib.tcadbdel(db)


def old_put(d, function, unique, data, priority=b"1", epoch=b"0"):
    """A job as 1.1 stores it."""
    lib, db = d
    key, value = function + b"-" + unique, b"\0".join((function, unique, priority + epoch, data))
    check(lib.tcadbput(db, key, len(key), value, len(value)), "tcadbput")


def old_jobs(d):
    """{unique: (function, priority, epoch, data)} as 1.1's replay takes them; strtoul() passes over blanks."""
    lib, db = d
    found, size = {}, ctypes.c_int()
    check(lib.tcadbiterinit(db), "tcadbiterinit")
    while True:
        key = lib.tcadbiternext(db, ctypes.byref(size))
        if not key:
            return found
        key = ctypes.string_at(key, size.value)
        value = lib.tcadbget(db, key, len(key), ctypes.byref(size))
        function, unique, number, data = ctypes.string_at(value, size.value).split(b"\0", 3)
        found[unique] = (function, number[:1], int(number[1:]), data)


def count(t, kind="tch", **how):
    with database(t, kind, **how) as (lib, db):
        return lib.tcadbrnum(db)


# --- what was acknowledged comes back

@case("what was submitted comes back after kill -9: order, priority, payload, unique, handle, time", modes=(0, 2))
def _(t):
    for kind in KINDS:
        s = tokyo_server(t, kind=kind)
        p = s.connect()
        jobs = [(SUBMIT_JOB_LOW_BG, b"u1", b"low"), (SUBMIT_JOB_BG, b"u2", b""), (SUBMIT_JOB_BG, b"u3", b"a\0b"),
                (SUBMIT_JOB_HIGH_BG, b"u4", os.urandom(300000)), (SUBMIT_JOB_BG, b"u" * 64, b"longest"),
                (SUBMIT_JOB_BG, b"\xff\xfe'\"", b"bytes"), (SUBMIT_JOB_BG, b"", b"none"), (SUBMIT_JOB_BG, b"a-b", b"-")]
        handles = [p.submit("f", u, d, nr) for nr, u, d in jobs]
        p.send(SUBMIT_JOB_EPOCH, "f", "far", 4102444800, data="later")
        p.expect(JOB_CREATED)
        p.send(SUBMIT_REDUCE_JOB_BACKGROUND, "r", "red", "collect", "", data="x")
        reduce_handle = p.expect(JOB_CREATED)[0]
        s.kill()
        s.start()
        p = s.connect()
        check(all(p.status(h)[:2] == (1, 0) for h in handles), "a handle is not known")
        done = drain_jobs(s)
        check([(h, d) for h, _, _, d in done] == [(handles[i], jobs[i][2]) for i in (3, 1, 2, 4, 5, 6, 7, 0)])
        check([u for _, _, u, _ in done][:5] == [jobs[i][1] for i in (3, 1, 2, 4, 5)])
        check(s.worker("r").grab(GRAB_JOB_ALL) == [reduce_handle, b"r", b"red", b"collect", b"x"])
        s.stop()
        with database(t, kind) as d:
            check(old_jobs(d) == {b"far": (b"f", b"1", 4102444800, b"later"), b"red": (b"r", b"1", 0, b"x")})


@case("16 MiB survive kill -9, and leave the file small again", modes=(2,))
def _(t):
    s = tokyo_server(t)
    data = os.urandom(1 << 20) * 16
    handle = s.connect().submit("f", "u", data, SUBMIT_JOB_BG)
    s.kill()
    s.start()
    w = s.worker("f")
    check(w.grab() == [handle, b"f", data])
    w.complete(handle).sync()
    s.stop()
    check(count(t) == 0)
    tokyo_server(t).stop()
    check(os.stat(file_of(t)).st_size < 4 << 20, "a file without jobs stayed large")


@case("kill -9 under load, again and again: nothing acknowledged is lost, nothing is altered (hash)", modes=(2,),
      limit=KILL_LIMIT)
def _(t):
    kill_rounds(tokyo_server(t, verbose="WARNING"), Load(), [no_disaster])


@case("kill -9 under load, again and again: nothing acknowledged is lost, nothing is altered (B+ tree)", modes=(0,),
      limit=KILL_LIMIT)
def _(t):
    kill_rounds(tokyo_server(t, kind="tcb", verbose="WARNING"), Load(), [no_disaster])


# --- one server, and a second

@case("a second server is refused, Tokyo's tools wait outside, and a standby takes over after kill -9", modes=(2,))
def _(t):
    first = tokyo_server(t)
    refuses(t, "queue.tch: another gearmand is using it",
            "--libtokyocabinet-file=" + file_of(t))
    uniques = [b"%d" % n for n in range(200)]
    acked = acknowledged(submit_many(first.connect(), uniques), uniques, len(uniques))
    running = first.worker("f").grab()[0]
    second = t.server("-q", "tokyo", "--libtokyocabinet-file=" + file_of(t), "--standby", wait=False)
    second.expect_log("queue tokyo: standing by: .*is using it", "queue tokyo: this server is active now")
    second.await_log("standing by")
    first.kill()
    until(lambda: second._alive() and second.ports(), "the standby to listen")
    second.port = second.ports()[0]
    second.alive()
    check(second.connect().status(running)[0] == 1, "the job that ran is known by its handle")
    check({(h, u) for h, _, u, _ in drain_jobs(second)} == {(acked[u], u) for u in uniques})
    second.stop()
    with database(t) as (lib, db):
        check(lib.tcadbrnum(db) == 0)
        refuses(t, "is using it", "--libtokyocabinet-file=" + file_of(t))


# --- gearmand 1.1

@case("a file of gearmand 1.1 is taken over, and goes back", modes=(2,))
def _(t):
    for kind in KINDS:
        with database(t, kind) as d:
            old_put(d, b"resize", b"1b4e28ba-2fa1-11d2", b"cat\0gif", priority=b"0")
            old_put(d, b"send-mail", b"7", b"x" * 5000, priority=b"2")
            old_put(d, b"resize", b"far", b"later", epoch=b"4102444800")
            old_put(d, b"resize", b"", b"no unique")
            old_put(d, b"resize", b"-", b"coalesced")
        s = tokyo_server(t, kind=kind)
        new = s.connect().submit("send", "mail-7", "new", SUBMIT_JOB_BG)  # 1.1's key of ("send-mail", "7")
        check(s.connect().submit("resize", "-", "coalesced", SUBMIT_JOB_BG), "the same job")
        s.kill()
        s.start()
        done = {(f, d) for _, f, _, d in drain_jobs(s, "resize")}
        check(done == {(b"resize", b"cat\0gif"), (b"resize", b"no unique"), (b"resize", b"coalesced")})
        check(drain_jobs(s, "send") == [(new, b"send", b"mail-7", b"new")])
        s.stop()
        with database(t, kind) as d:
            check(old_jobs(d) == {b"far": (b"resize", b"1", 4102444800, b"later"),
                                  b"7": (b"send-mail", b"2", 0, b"x" * 5000)})


# --- trouble

@case("start-up failures are sentences", modes=(0,))
def _(t):
    refuses(t, "needs --libtokyocabinet-file=NAME")
    refuses(t, "queue file /no/such/q.tch: No such file", "--libtokyocabinet-file=/no/such/q.tch")
    refuses(t, "a queue is a hash database", "--libtokyocabinet-file=" + t.path("q.db"))
    refuses(t, "the other kinds of Tokyo Cabinet cannot keep jobs safely", "--libtokyocabinet-file=*")
    t.write("text.tch", "this is a letter, and no database\n" * 50)
    refuses(t, "not a Tokyo Cabinet database", "--libtokyocabinet-file=" + t.path("text.tch"))
    s = tokyo_server(t)
    s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s.stop()
    os.truncate(file_of(t), os.stat(file_of(t)).st_size // 2)
    with open(file_of(t), "r+b") as f:  # it was in use
        f.seek(33)
        f.write(b"\1")
    refuses(t, "the database is damaged: it ends at byte", "--libtokyocabinet-file=" + file_of(t))


@case("the options of gearmand 1.1 are taken", modes=(0,))
def _(t):
    s = t.server("-q", "libtokyocabinet", "--libtokyocabinet-file=" + file_of(t) + "#bnum=1000#opts=l",
                 "--libtokyocabinet-optimize")
    handle = s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    check(drain_jobs(s) == [(handle, b"f", b"u", b"x")])


FULL = "queue tokyo: full: new jobs are refused until there is room.*storing jobs: no room: "


def is_stored(s, function, unique):
    with s.connect() as p:
        p.send(SUBMIT_JOB_BG, function, unique, data=b"x" * 20000)
        return p.packet("an answer").nr == JOB_CREATED


def fill_and_work_off(t, s, file):
    """Submits until it is full, works all jobs off, which makes room, and submits again."""
    s.expect_log(FULL)
    s.expect_log("queue tokyo: has room again")
    uniques = [b"%d" % n for n in range(3000)]
    p = submit_many(s.connect(), uniques, data=b"x" * 20000)
    answers = [(u, p.packet("an answer")) for u in uniques]
    acked = {u: a.parts[0] for u, a in answers if a.nr == JOB_CREATED}
    check(acked and len(acked) < len(uniques), "%d jobs of %d" % (len(acked), len(uniques)))
    check({a.parts[0] for _, a in answers if a.nr == ERROR} == {b"QUEUE_ERROR"})
    check({(h, u) for h, _, u, _ in drain_jobs(s)} == {(h, u) for u, h in acked.items()})
    uniques = [b"more %d" % n for n in range(50)]
    until(lambda: is_stored(s, "f", "again"), "the store to have room")
    acked = acknowledged(submit_many(s.connect(), uniques, data=b"x" * 20000), uniques, len(uniques))
    s.stop()
    check(count(t, file=file) == len(acked) + 1)
    s.start()
    check({u for _, _, u, _ in drain_jobs(s)} == set(acked) | {b"again"})
    s.stop()


@case("at the limit of file sizes jobs are refused, removals go on, and done jobs make room", modes=(2,))
def _(t):
    for kind in KINDS:
        s = tokyo_server(t, kind=kind)
        resource.prlimit(s.pid, resource.RLIMIT_FSIZE, (8 << 20, resource.RLIM_INFINITY))
        fill_and_work_off(t, s, file_of(t, kind))


@case("a disk that the queue filled itself takes removals, and done jobs make room", modes=(2,))
def _(t):
    for kind in KINDS:
        disk = t.path("disk-" + kind)
        os.mkdir(disk)
        mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "none", disk]
        if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
            t.skip("may not mount a small disk (not root)")
        try:
            fill_and_work_off(t, tokyo_server(t, file=disk + "/q." + kind), disk + "/q." + kind)
        finally:
            subprocess.run(["umount", "-l", disk])


@case("a deleted file is noticed before anything more is acknowledged, and made again", modes=(2,))
def _(t):
    s = tokyo_server(t)
    s.expect_log(UNWELL + ".*queue.tch: it was deleted or replaced while in use")
    s.expect_log("queue tokyo: well again")
    p = s.connect()
    kept = p.submit("f", "kept in memory", "x", SUBMIT_JOB_BG)
    os.unlink(file_of(t))
    stored = p.submit("f", "u", "x", SUBMIT_JOB_BG)
    s.await_log("well again")
    s.stop()
    with database(t) as d:
        check(list(old_jobs(d)) == [b"u"])
    s.start()
    check([j[0] for j in drain_jobs(s)] == [stored] != [kept])


if has_module("queue-tokyo"):
    main()
else:
    print("1..0 # SKIP queue-tokyo is not built")
