#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Background jobs in memcached: acknowledged means stored, as long as memcached lives; gearmand may be killed at will."""
import atexit
import functools
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile

from gearlive import *
from gearlive.durable import acknowledged, drain_jobs, submit_many
from gearlive.killing import *
from gearlive.standby import frozen_and_robbed, standby_takes_over

sys.path.insert(0, os.path.join(os.path.dirname(SOURCE_DIR), "stores"))
import memcached as stores  # noqa: tests/stores/memcached.py

UNWELL = "queue memcached: changes are not stored; the server tries again until they are: "
WELL = "queue memcached: well again"
FORGOT = "was restarted or emptied, and has forgotten what it had"


def new_store(*options):
    """A memcached of its own; gone when the script ends."""
    folder = tempfile.mkdtemp(prefix="gearmand-live-mc.")
    store = stores.Store(os.path.join(folder, "s"))

    def remove():
        store.stop()
        shutil.rmtree(folder, ignore_errors=True)
    atexit.register(remove)
    try:
        store.make(*(options or ("-M", "-m", "256")))
    except stores.Missing as missing:
        raise (Failure if os.environ.get("CI") else Skip)(str(missing))
    return store


def memcached_server(t, *options, store=None, **how):
    """It answers, so its store is open.  Each case has a memcached of its own."""
    t.store = store or getattr(t, "store", None) or new_store()
    s = t.server("-q", "memcached", "--libmemcached-servers=" + t.store.address, *options, **how)
    if how.get("wait", True):
        s.alive()
    return s


def jobs_of(*all_stores):
    """{unique: time} of all that is stored."""
    found = {}
    for store in all_stores:
        for key in store.keys():
            value = store.get(key)
            if value is not None:
                check(value[:4] == b"gmj1", key)
                unique, function, handle = value[5], *struct.unpack(">HH", value[6:10])
                at = 32 + function
                found[value[at:at + unique]] = struct.unpack(">q", value[24:32])[0]
                check(value[at + unique:at + unique + 2] == b"H:" and handle > 2, value)
    return found


def await_items(store, count):
    until(lambda: len(store.keys()) == count, "%d items" % count)


@case("what was submitted comes back after kill -9: order, priority, payload, unique, handle, time", modes=(0, 2))
def _(t):
    s = memcached_server(t)
    p = s.connect()
    jobs = [(SUBMIT_JOB_LOW_BG, b"u1", b"low"), (SUBMIT_JOB_BG, b"u2", b""), (SUBMIT_JOB_BG, b"U2", b"a\0b\r\nEND\r\n"),
            (SUBMIT_JOB_HIGH_BG, b"u2 ", os.urandom(300000)), (SUBMIT_JOB_BG, b"u" * 64, b"longest"),
            (SUBMIT_JOB_BG, b"\xff\xfe'\"\\\r\n", b"bytes"), (SUBMIT_JOB_BG, b"", b"none")]
    handles = [p.submit("f", u, d, nr) for nr, u, d in jobs]
    p.send(SUBMIT_JOB_EPOCH, "f", "far", 4102444800, data="later")
    p.expect(JOB_CREATED)
    long_name = "n \x01" * 2700
    odd = p.submit(long_name, "u", "x", SUBMIT_JOB_BG)
    s.kill()
    s.start()
    p = s.connect()
    check(all(p.status(h)[:2] == (1, 0) for h in handles), "a handle is not known")
    done = drain_jobs(s)
    check([(h, d) for h, _, _, d in done] == [(handles[i], jobs[i][2]) for i in (3, 1, 2, 4, 5, 6, 0)])
    check([u for _, _, u, _ in done][:5] == [jobs[i][1] for i in (3, 1, 2, 4, 5)])
    check(drain_jobs(s, long_name) == [(odd, long_name.encode(), b"u", b"x")])
    await_items(t.store, 1)
    check(jobs_of(t.store) == {b"far": 4102444800})


@case("kill -9 of the server under load, again and again: nothing is lost, nothing is altered", modes=(2,), limit=KILL_LIMIT)
def _(t):
    t.store = new_store()
    idle = int(t.store.stats()["curr_connections"])
    s = memcached_server(t, "--queue-timeout=60", verbose="WARNING")
    s.allow_log(UNWELL)
    load = Load(lambda: jobs_of(t.store))

    def stall():
        """The server is killed while memcached is stopped; then that finishes what it was sent."""
        os.kill(t.store.pid, signal.SIGSTOP)

        def resume():
            os.kill(t.store.pid, signal.SIGCONT)
            until(lambda: int(t.store.stats()["curr_connections"]) <= idle, "memcached to see the end of connections")
        return resume
    kill_rounds(s, load, [no_disaster, stall])


@case("kill -9 of memcached: it heals by itself, and what is acknowledged after that is stored", modes=(2,))
def _(t):
    s = memcached_server(t, "--queue-timeout=60")
    s.expect_log(UNWELL + "memcached 127.0.0.1", FORGOT)
    uniques = [b"%d" % n for n in range(3000)]
    p = submit_many(s.connect(), uniques[:1000])
    acked = acknowledged(p, uniques, 1000)
    t.store.kill()
    submit_many(p, uniques[1000:])
    s.await_log(UNWELL)
    foreground = s.connect()
    foreground.send(SUBMIT_JOB, "g", "fg", data="y")
    foreground.expect(JOB_CREATED)
    worker = s.worker("g")
    worker.complete(worker.grab()[0], "z").sync()
    check(not p.buf, "acknowledged while it cannot be stored")
    t.store.start()
    acked.update(acknowledged(p, uniques[1000:], 2000))
    s.await_log(WELL)
    check(set(jobs_of(t.store)) == set(uniques[1000:]))
    check([(j[0], j[2]) for j in drain_jobs(s)] == [(acked[u], u) for u in uniques], "what memcached forgot still runs here")
    await_items(t.store, 0)


@case("a memcached that is stopped (SIGSTOP): work goes on, submissions wait, and all is stored when it goes on", modes=(0,))
def _(t):
    s = memcached_server(t, "--libmemcached-timeout=1", "--queue-timeout=60", "--libmemcached-lease=60")
    s.expect_log(UNWELL + "memcached 127.0.0.1:[0-9]+: it does not answer")
    worker, p = s.worker("f"), s.connect()
    running = p.submit("f", "running", "x", SUBMIT_JOB_BG)
    check(worker.grab()[0] == running)
    uniques = [b"%d" % n for n in range(2000)]
    os.kill(t.store.pid, signal.SIGSTOP)
    try:
        worker.complete(running).sync()
        submit_many(p, uniques)
        s.await_log(UNWELL)
        worker.no_job()
        check(not p.buf, "acknowledged while it cannot be stored")
    finally:
        os.kill(t.store.pid, signal.SIGCONT)
    acked = acknowledged(p, uniques, len(uniques))
    s.await_log(WELL)
    s.kill()
    s.start()
    check([(j[0], j[2]) for j in drain_jobs(s)] == [(acked[u], u) for u in uniques])
    await_items(t.store, 0)


@case("memcached down at the start: a sentence; with --queue-wait it is waited for", modes=(1,))
def _(t):
    store = new_store()
    store.kill()
    s = memcached_server(t, store=store, wait=False)
    s.expect_log("cannot open the queue memcached: memcached 127.0.0.1:[0-9]+: Connection refused")
    s.end(1)
    s = memcached_server(t, "--queue-wait", wait=False)
    s.expect_log("queue memcached: waiting until it can be opened: memcached 127.0.0.1:[0-9]+: Connection refused")
    s.await_log("waiting until it can be opened")
    store.start()
    until(s.ports, "the server to listen")
    s.port = s.ports()[0]
    s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    check(jobs_of(store) == {b"u": 0})


@case("what is wrong with the options is a sentence; the other name of the module works", modes=(0,))
def _(t):
    for sentence, options in (("needs --libmemcached-servers=HOST:PORT", []),
                              ("up to 200 printable characters", ["--libmemcached-servers=a", "--libmemcached-prefix=a b"])):
        s = t.server("-q", "memcached", *options, wait=False)
        s.expect_log(sentence)
        s.end(1)
    store = new_store()
    s = t.server("-q", "libmemcached", "--libmemcached-servers", store.address, "--libmemcached-prefix=mine.")
    s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    check([k[:5] for k in store.keys()] == ["mine."])


@case("a second server is refused while the first lives; a standby takes over after kill -9", modes=(2,))
def _(t):
    first = memcached_server(t)
    second = memcached_server(t, wait=False)
    second.expect_log("prefix gear_: another gearmand is using it \\(process %d on " % first.pid)
    second.end(1)
    standby_takes_over(functools.partial(memcached_server, t), "memcached", first)
    await_items(t.store, 0)


def robbed(t):
    return frozen_and_robbed(functools.partial(memcached_server, t), "memcached", "--libmemcached-lease=2")


@case("a server that was frozen and lost its lock to a standby ends, and acknowledges nothing", modes=(1,))
def _(t):
    first, standby = robbed(t)
    p = submit_many(first.connect(), [b"u"])
    first.signal(signal.SIGCONT)
    first.end(1)
    check(acknowledged(p, [b"u"]) == {})


@case("the standby took over from a frozen server, left jobs and ended: the first does not go on without them", modes=(0,))
def _(t):
    first, standby = robbed(t)
    handle = standby.connect().submit("f", "new", "x", SUBMIT_JOB_BG)
    standby.stop()
    first.signal(signal.SIGCONT)
    first.end(1)
    check("meanwhile, and may have left jobs in it" in first.log(), first.log())
    first.start()
    check([j[0] for j in drain_jobs(first)] == [handle])


@case("two servers in the pool: all comes back in order; one of them dies and is named; nothing goes to the other", modes=(2,))
def _(t):
    one, two = new_store(), new_store()
    s = t.server("-q", "memcached", "--libmemcached-servers=%s,%s" % (one.address, two.address), "--queue-timeout=60")
    s.alive()
    s.expect_log(UNWELL + "memcached %s: " % two.address, FORGOT)
    uniques = [b"%d" % n for n in range(3000)]
    p = submit_many(s.connect(), uniques[:2000])
    acked = acknowledged(p, uniques, 2000)
    check(min(len(one.keys()), len(two.keys())) > 500)
    s.kill()
    s.start()
    p = s.connect().sync()
    two.kill()
    submit_many(p, uniques[2000:])
    s.await_log(UNWELL)
    two.start()
    acked.update(acknowledged(p, uniques[2000:], 1000))
    s.await_log(WELL)
    check([(j[0], j[2]) for j in drain_jobs(s)] == [(acked[u], u) for u in uniques])
    await_items(one, 0)
    await_items(two, 0)


@case("what is too large gets an error with the reason; so does what finds memcached full; the others are stored", modes=(0,))
def _(t):
    s = memcached_server(t, store=new_store("-M", "-m", "4"))
    s.allow_log("QUEUE_ERROR")
    s.expect_log("queue memcached: full: new jobs are refused until there is room")
    p = s.connect()
    p.raw(pack(SUBMIT_JOB_BG, "f", "a", data="1") + pack(SUBMIT_JOB_BG, "f", "b", data=b"x" * (1 << 20)) +
          pack(SUBMIT_JOB_BG, "f", "c", data="3"))
    p.expect(JOB_CREATED)
    code, text = p.expect(ERROR)
    check(code == b"QUEUE_ERROR" and b"is too large for memcached" in text, text)
    p.expect(JOB_CREATED)
    check(set(jobs_of(t.store)) == {b"a", b"c"})
    uniques = [b"%d" % n for n in range(1000)]
    submit_many(p, uniques, data=b"x" * 9000)
    answers = [p.packet() for _ in uniques]
    refused = [a for a in answers if a.nr == ERROR]
    check(len(refused) > 100 and all(b"is full" in a.parts[1] for a in refused))
    check(len(drain_jobs(s)) == 1002 - len(refused))
    await_items(t.store, 0)

    def has_room():
        """memcached tidies up meanwhile."""
        p.send(SUBMIT_JOB_BG, "f", "again", data=b"x" * 9000)
        return p.packet().nr == JOB_CREATED
    until(has_room, "room in memcached")


@case("jobs of a killed gearmand 1.1 run here", modes=(0,))
def _(t):
    program = os.environ.get("GEARMAND_1_1", "/usr/sbin/gearmand")
    t.need(program, "gearman")
    if b"gearmand 1.1" not in t.run(program, "--version", status=None).out or \
            b"--libmemcached-servers" not in t.run(program, "--help").out:
        t.skip("%s is not gearmand 1.1 with libmemcached" % program)
    t.store = new_store()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    old = t.spawn(program, "-q", "libmemcached", "--libmemcached-servers=" + t.store.address, "-p", port, "-L", "127.0.0.1",
                  "-l", t.path("old.log"))

    def answers():
        check(old.poll() is None, "gearmand 1.1 ended at once")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(port))) == 0
    until(answers, "gearmand 1.1")
    for n, priority in ((0, []), (1, []), (2, ["-L"]), (3, ["-I"])):
        t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", *priority, "-f", "f", "-u", "old%d" % n, input=b"from\0 1.1 %d" % n)
    t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", "-f", "with-dash", input=b"its unique is a UUID")
    old.kill()
    old.wait()
    check(len(t.store.keys()) == 5)

    s = memcached_server(t)
    done = drain_jobs(s, "f")
    check([(u, d) for _, _, u, d in done] == [(b"old%d" % n, b"from\0 1.1 %d" % n) for n in (3, 0, 1, 2)])
    done = drain_jobs(s, "with-dash")
    check(len(done) == 1 and done[0][1] == b"with-dash" and len(done[0][2]) == 36 and done[0][3] == b"its unique is a UUID")
    await_items(t.store, 0)


main()
