#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The example queue-redis, built with the installed SDK and nothing else: its contract, and redis in all kinds of trouble."""
import atexit
import functools
import os
import shutil
import signal
import sys
import tempfile

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, "stores"), os.path.join(TESTS, "live")]  # both have a memcached.py
from gearlive import *  # noqa: E402
from gearlive.durable import acknowledged, drain_jobs, submit_many  # noqa: E402
from gearlive.killing import *  # noqa: E402
from gearlive.sdk import build_example, find, installed, sdk  # noqa: E402
from gearlive.standby import frozen_and_robbed, standby_takes_over  # noqa: E402
import memcached  # noqa: E402
import redis as stores  # noqa: E402  tests/stores/redis.py

UNWELL = "queue redis: changes are not stored; the server tries again until they are: "
WELL = "queue redis: well again"
CLIENT = ["gearman", "-h", "127.0.0.1", "-p"]
_made = []


def forget_at_end(folder, *first):
    def remove():
        for act in first:
            act()
        shutil.rmtree(folder, ignore_errors=True)
    atexit.register(remove)
    return folder


def new_store(*options):
    """A redis of its own; gone when the script ends."""
    folder = tempfile.mkdtemp(prefix="gearmand-redis-")
    store = stores.Store(os.path.join(folder, "s"))
    forget_at_end(folder, store.kill)
    try:
        return store.make(*options)
    except memcached.Missing as missing:
        raise (Failure if os.environ.get("CI") else Skip)(str(missing))


def module(t):
    """The folder of the module, which is built once."""
    t.need("make", "pkg-config", "redis-server")
    if not os.path.exists("/usr/include/hiredis/hiredis.h"):
        raise (Failure if os.environ.get("CI") else Skip)("hiredis is not installed (Debian: libhiredis-dev)")
    if not _made:
        folder = forget_at_end(tempfile.mkdtemp(prefix="gearmand-queue-redis-"))
        os.chmod(folder, 0o755)
        os.environ["GEARMAND"] = find(installed(), "gearmand")
        _made.append(build_example(t, installed(), "queue_redis.c", os.path.join(folder, "example")))
    return _made[0]


def redis_server(t, *options, store=None, **how):
    """It answers, so its store is open.  Each case has a redis of its own."""
    folder = module(t)
    t.store = store or getattr(t, "store", None) or new_store()
    s = t.server("--plugin-dir=" + folder, "-q", "redis", "--redis-port=%d" % t.store.port, "--queue-timeout=60", *options, **how)
    if how.get("wait", True):
        s.alive()
    return s


def keys(store):
    """Of jobs, living and dead."""
    return sorted(k for k in store.do("KEYS", "*") if k.startswith((b"_gear_-", b"@_gear_:job:", b"@_gear_:dead:")))


def jobs_of(store):
    """{unique: time} of all that is stored."""
    found = [store.hash(b"@_gear_:of:" + k) for k in keys(store)]
    return {j[b"unique"]: int(j.get(b"run_at", 0)) for j in found if j}


def await_keys(store, count):
    until(lambda: len(keys(store)) == count, "%d jobs in redis" % count)


def wrong_start(t, sentence, *options, store=None, **how):
    """It ends at once and says this."""
    s = redis_server(t, *options, store=store, wait=False, **how)
    s.expect_log("cannot open the queue redis: redis .*" + sentence)
    s.end(1)


@case("the whole contract of modules holds, and redis may be killed meanwhile", modes=None, limit=900)
def _(t):
    folder, store = module(t), new_store()
    script = "%s %s %%s %s" % (sys.executable, os.path.join(TESTS, "stores", "redis.py"), store.folder)
    done = t.run(find(installed(), "gearmand-plugin-check"), "--redis-port=%d" % store.port, "--store-kill=" + script % "kill",
                 "--store-start=" + script % "again", folder + "/queue-redis.so", limit=850, status=None)
    check(done.status == 0 and b"not ok" not in done.out and done.err == b"", done.out.decode(), done.err.decode())
    skipped = [line for line in done.out.splitlines() if b"# SKIP" in line]
    check(len(skipped) == 1 and b"full_store_keeps_its_word" in skipped[0], skipped)  # redis' own process has the files; see below


@case("what was submitted comes back after kill -9: order, priority, payload, unique, handle, time; over a socket, too", modes=(0, 2))
def _(t):
    store = new_store()
    s = redis_server(t, "--redis-server=" + os.path.join(store.folder, "socket"), store=store)
    p = s.connect()
    jobs = [(SUBMIT_JOB_LOW_BG, b"u1", b"low"), (SUBMIT_JOB_BG, b"u2", b""), (SUBMIT_JOB_BG, b"U2", b"a\0b\r\nEND\r\n"),
            (SUBMIT_JOB_HIGH_BG, b"u2 ", os.urandom(300000)), (SUBMIT_JOB_BG, b"u" * 64, b"longest"),
            (SUBMIT_JOB_BG, b"\xff\xfe'\"\\\r\n", b"bytes"), (SUBMIT_JOB_BG, b"", b"none")]
    handles = [p.submit("f", u, d, nr) for nr, u, d in jobs]
    p.send(SUBMIT_JOB_EPOCH, "f", "far", 4102444800, data="later")
    p.expect(JOB_CREATED)
    odd = p.submit("a-b", "c", "x", SUBMIT_JOB_BG)
    other = p.submit("a", "b-c", "y", SUBMIT_JOB_BG)
    s.kill()
    s.start()
    p = s.connect()
    check(all(p.status(h)[:2] == (1, 0) for h in handles), "a handle is not known")
    done = drain_jobs(s)
    check([(h, d) for h, _, _, d in done] == [(handles[i], jobs[i][2]) for i in (3, 1, 2, 4, 5, 6, 0)])
    check([u for _, _, u, _ in done][:5] == [jobs[i][1] for i in (3, 1, 2, 4, 5)])
    check(sorted(drain_jobs(s, "a-b", "a")) == [(odd, b"a-b", b"c", b"x"), (other, b"a", b"b-c", b"y")])
    await_keys(store, 1)
    check(jobs_of(store) == {b"far": 4102444800})


@case("kill -9 of the server, of redis, and of both, under load: nothing is lost, nothing is altered", modes=(2,), limit=KILL_LIMIT)
def _(t):
    t.store = new_store()
    s = redis_server(t, verbose="WARNING")
    s.allow_log(UNWELL, "it is busy with somebody's script")

    def stall():
        """The server is killed while redis is stopped; then that finishes what it was sent."""
        os.kill(t.store.pid, signal.SIGSTOP)
        return lambda: os.kill(t.store.pid, signal.SIGCONT)

    def redis_dies():
        t.store.kill()
        return t.store.start
    kill_rounds(s, Load(lambda: jobs_of(t.store)), [no_disaster, redis_dies, stall, t.store.restart], rounds=max(4, KILL_ROUNDS))


@case("redis dies and comes back: it heals by itself, and nothing is acknowledged meanwhile", modes=(2,))
def _(t):
    s = redis_server(t)
    s.expect_log(UNWELL + "redis 127.0.0.1:[0-9]+: ", WELL)
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
    s.kill()
    s.start()
    check([(j[0], j[2]) for j in drain_jobs(s)] == [(acked[u], u) for u in uniques])
    await_keys(t.store, 0)


@case("redis is stopped (SIGSTOP): work goes on, submissions wait, and all is stored once when it goes on", modes=(0,))
def _(t):
    s = redis_server(t, "--redis-timeout=1")
    s.expect_log(UNWELL + "redis 127.0.0.1:[0-9]+: it does not answer", WELL)
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
    await_keys(t.store, 0)


@case("redis is full: what has no room gets an error, what is done leaves, and a full queue can be opened", modes=(0,))
def _(t):
    t.store = new_store("--maxmemory", "8mb")
    s = redis_server(t)
    s.allow_log("QUEUE_ERROR")
    s.expect_log("queue redis: full: new jobs are refused until there is room")
    uniques = [b"%d" % n for n in range(1000)]
    p = submit_many(s.connect(), uniques, data=b"x" * 20000)
    answers = [p.packet() for _ in uniques]
    refused = [a for a in answers if a.nr == ERROR]
    check(len(refused) > 100 and all(b"is full" in a.parts[1] for a in refused), len(refused))
    t.store.do("CONFIG", "SET", "maxmemory", "1mb")  # less than it has
    s.kill()
    s.start()
    check(len(drain_jobs(s)) == 1000 - len(refused))
    await_keys(t.store, 0)
    t.store.do("CONFIG", "SET", "maxmemory", "8mb")

    def has_room():
        p = s.connect()
        p.send(SUBMIT_JOB_BG, "f", "again", data=b"x" * 9000)
        return p.packet().nr == JOB_CREATED
    until(has_room, "room in redis")


@case("a job that redis can never take gets an error with the reason, and the others are stored", modes=(0,))
def _(t):
    s = redis_server(t, store=new_store("--proto-max-bulk-len", "1mb"))
    s.allow_log("QUEUE_ERROR")
    p = s.connect()
    p.raw(pack(SUBMIT_JOB_BG, "f", "a", data="1") + pack(SUBMIT_JOB_BG, "f", "b", data=b"x" * ((1 << 20) + 1)) +
          pack(SUBMIT_JOB_BG, "f", "c", data=b"x" * (1 << 20)))
    p.expect(JOB_CREATED)
    code, text = p.expect(ERROR)
    check(code == b"QUEUE_ERROR" and b"is too large for redis" in text, text)
    p.expect(JOB_CREATED)
    check(set(jobs_of(t.store)) == {b"a", b"c"})


@case("what is wrong at the start is one sentence: no redis, passwords, a replica, a prefix; with --queue-wait redis is waited for", modes=(0,))
def _(t):
    store = new_store("--requirepass", "secret")
    wrong_start(t, "it wants a password: --redis-password", store=store)
    wrong_start(t, "--redis-password is wrong", "--redis-password=other", store=store)
    redis_server(t, "--redis-password=secret", store=store).stop()
    store = new_store()
    wrong_start(t, "it has no password, but --redis-password is given", "--redis-password=x", store=store)
    s = redis_server(t, "--redis-prefix=" + 201 * "x", store=store, wait=False)
    s.expect_log("--redis-prefix takes 1 to 200 bytes")
    s.end(1)
    store.do("REPLICAOF", "127.0.0.1", new_store().port)
    wrong_start(t, "it is a read-only replica; --redis-server must name its primary", store=store)
    store.do("REPLICAOF", "NO", "ONE")
    store.kill()
    wrong_start(t, "Connection refused", store=store)
    s = redis_server(t, "--queue-wait", wait=False, store=store)
    s.expect_log("queue redis: waiting until it can be opened: redis 127.0.0.1:[0-9]+: Connection refused")
    s.await_log("waiting until it can be opened")
    store.start()
    until(s.ports, "the server to listen")
    s.port = s.ports()[0]
    s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    check(jobs_of(store) == {b"u": 0})


@case("a redis that becomes a replica while it runs takes nothing, and all when it is the primary again", modes=(0,))
def _(t):
    s, other = redis_server(t), new_store()
    s.expect_log(UNWELL + "redis .*: it is a read-only replica", WELL)
    first = s.connect().submit("f", "first", "x", SUBMIT_JOB_BG)
    other.kill()  # so it keeps what it has
    t.store.do("REPLICAOF", "127.0.0.1", other.port)
    p = submit_many(s.connect(), [b"second"])
    s.await_log(UNWELL)
    check(not p.buf, "acknowledged while it cannot be stored")
    t.store.do("REPLICAOF", "NO", "ONE")
    second = acknowledged(p, [b"second"], 1)[b"second"]
    s.await_log(WELL)
    check([j[0] for j in drain_jobs(s)] == [first, second])


@case("--redis-wait: what no replica has is not acknowledged; what is, a replica has", modes=(1,))
def _(t):
    primary, replica = new_store(), new_store()
    s = redis_server(t, "--redis-wait=1", "--redis-timeout=2", store=primary)
    s.expect_log(UNWELL + "redis .*: 0 of its replicas have what was stored, --redis-wait wants 1", WELL)
    p = submit_many(s.connect(), [b"u"])
    s.await_log(UNWELL)
    check(not p.buf, "acknowledged without a replica")
    replica.do("REPLICAOF", "127.0.0.1", primary.port)
    acked = acknowledged(p, [b"u"], 1)
    s.await_log(WELL)
    primary.kill()
    s.kill()
    replica.do("REPLICAOF", "NO", "ONE")
    s = redis_server(t, store=replica)
    check([j[0] for j in drain_jobs(s)] == [acked[b"u"]])


@case("redis was emptied under a server: a warning, jobs in memory still run, and new ones are stored", modes=(0,))
def _(t):
    s = redis_server(t)
    s.expect_log("was emptied, or came back with older data: jobs that wait here run", WELL)
    s.allow_log(UNWELL)
    first = s.connect().submit("f", "first", "x", SUBMIT_JOB_BG)
    t.store.do("FLUSHALL")
    second = s.connect().submit("f", "second", "x", SUBMIT_JOB_BG)
    check(jobs_of(t.store) == {b"second": 0})
    check([j[0] for j in drain_jobs(s)] == [first, second])
    await_keys(t.store, 0)


@case("what redis is not set up for is told when the server starts", modes=(0,))
def _(t):
    s = redis_server(t, store=new_store("--appendonly", "no", "--maxmemory-policy", "allkeys-lru"))
    s.expect_log("NOTICE.*writes no append-only file", "NOTICE.*throws jobs away when it is full; with maxmemory-policy noeviction")


# ---- Two servers


@case("a second server is refused while the first lives; a standby takes over after kill -9", modes=(2,))
def _(t):
    first = redis_server(t)
    wrong_start(t, "prefix _gear_: another gearmand is using it \\(process %d on " % first.pid)
    redis_server(t, "--redis-prefix=another").stop()
    standby_takes_over(functools.partial(redis_server, t), "redis", first)
    await_keys(t.store, 0)


def robbed(t):
    return frozen_and_robbed(functools.partial(redis_server, t), "redis", "--redis-lease=4")


@case("a server that was frozen and lost its lock ends, and acknowledges nothing; nothing of it is stored", modes=(1,))
def _(t):
    first, standby = robbed(t)
    p = submit_many(first.connect(), [b"u"])
    first.signal(signal.SIGCONT)
    first.end(1)
    check(acknowledged(p, [b"u"]) == {} and jobs_of(t.store) == {})


@case("the standby took over from a frozen server, left jobs and ended: the first does not go on without them", modes=(0,))
def _(t):
    first, standby = robbed(t)
    handle = standby.connect().submit("f", "new", "x", SUBMIT_JOB_BG)
    standby.stop()
    first.signal(signal.SIGCONT)
    first.end(1)
    first.start()
    check([j[0] for j in drain_jobs(first)] == [handle])


# ---- gearmand 1.1


@case("keys as gearmand 1.1 writes them become jobs; what is no job is left alone and named", modes=(0,))
def _(t):
    store, uuid = new_store(), "d2ca890e-ec09-11f1-93e8-02fc00000001"
    store.do("HMSET", "_gear_-f-one", "data", b"nul\0byte", "priority", 2)
    store.do("HMSET", "_gear_-f-" + uuid, "data", "two", "priority", 0)
    store.do("HMSET", "_gear_-f-my-key", "data", "three", "priority", 1)
    store.do("HMSET", "_gear_-with-dash-" + uuid, "data", "four", "priority", 1)
    store.do("HMSET", "_gear_-new-dash-u", "data", "five", "priority", 1, "function", "new-dash", "unique", "u")
    store.do("HMSET", "_gear_-f-", "data", "six", "priority", 1)
    store.do("SET", "_gear_-f-string", "seven")
    foreign = ["_gear_-list-x", "_gear_-hash-x", "_gear_-" + "l" * 80, "_gear_-f-" + "u" * 65]
    store.do("RPUSH", foreign[0], "x")
    store.do("HMSET", foreign[1], "other", "x")
    store.do("SET", foreign[2], "x")
    store.do("SET", foreign[3], "x")
    store.do("SET", "_gear_other", "x")
    s = redis_server(t, store=store)
    s.expect_log("7 jobs of gearmand 1.1 are taken over", "in the keys of 1 of them it cannot be told .*: _gear_-f-my-key for one",
                 "4 keys have this prefix and are no jobs, _gear_-")
    for again in range(2):  # they are jobs of this module now
        check(len(keys(store)) == 11 and store.do("GET", "_gear_other") == b"x")
        s.kill()
        s.start()
    check(s.log().count("are taken over") == 1, s.log())
    done = [(f, u, d) for _, f, u, d in drain_jobs(s, "f", "with-dash", "new-dash")]
    check(done[0] == (b"f", uuid.encode(), b"two") and sorted(done[1:]) == sorted([
        (b"f", b"one", b"nul\0byte"), (b"f", b"my-key", b"three"), (b"with-dash", uuid.encode(), b"four"),
        (b"new-dash", b"u", b"five"), (b"f", b"", b"six"), (b"f", b"string", b"seven")]), done)
    check((b"f", b"one", b"nul\0byte") in done[-2:], done)  # low
    until(lambda: keys(store) == sorted(k.encode() for k in foreign), "what is done to leave redis")


def old_server(t, store):
    """gearmand 1.1 on that redis: (process, port)"""
    program = os.environ.get("GEARMAND_1_1", "/usr/sbin/gearmand")
    t.need(program, "gearman")
    if b"gearmand 1.1" not in t.run(program, "--version", status=None).out or b"--redis-port" not in t.run(program, "--help").out:
        t.skip("%s is not gearmand 1.1 with redis" % program)
    port = str(memcached.free_port())
    old = t.spawn(program, "-q", "redis", "--redis-port=%d" % store.port, "-p", port, "-L", "127.0.0.1", "-l", t.path("old.log"))

    def answers():
        check(old.poll() is None, "gearmand 1.1 ended at once")
        return t.run("gearadmin", "-h", "127.0.0.1", "-p", port, "--server-version", status=None).status == 0
    until(answers, "gearmand 1.1")
    return old, port


@case("jobs of a killed gearmand 1.1 run here, and ours run there", modes=(0,))
def _(t):
    t.store = store = new_store()
    old, port = old_server(t, store)
    for n, priority in ((0, []), (1, []), (2, ["-L"]), (3, ["-I"])):
        t.run(*CLIENT, port, "-b", *priority, "-f", "f", "-u", "old%d" % n, input=b"from\0 1.1 %d" % n)
    t.run(*CLIENT, port, "-b", "-f", "with-dash", input=b"its unique is a UUID")
    old.kill()
    old.wait()
    check(len(keys(store)) == 5)

    s = redis_server(t)
    s.expect_log("5 jobs of gearmand 1.1 are taken over")
    done = [(u, d) for _, _, u, d in drain_jobs(s, "f")]
    check((done[0], done[3]) == ((b"old3", b"from\0 1.1 3"), (b"old2", b"from\0 1.1 2")) and
          sorted(done[1:3]) == [(b"old0", b"from\0 1.1 0"), (b"old1", b"from\0 1.1 1")], done)
    done = drain_jobs(s, "with-dash")
    check(len(done) == 1 and len(done[0][2]) == 36 and done[0][3] == b"its unique is a UUID", done)
    p = s.connect()
    for n in range(20):
        p.submit("f", "new.%d" % n, b"%d " % n + b"y" * 40 * n, SUBMIT_JOB_BG)
    p.submit("f", "urgent", "99 ", SUBMIT_JOB_HIGH_BG)
    p.submit("a-b", "hidden", "x", SUBMIT_JOB_BG)
    until(lambda: len(keys(store)) == 22, "what is done to leave redis")
    s.kill()

    old, port = old_server(t, store)
    done = t.run(*CLIENT, port, "-w", "-c", "21", "-f", "f", "--", "tee", "-a", t.path("done"))
    with open(t.path("done"), "rb") as f:
        got = [int(g.strip(b"y")) for g in f.read().split(b" ") if g.strip(b"y")]
    check(got[0] == 99 and sorted(got[1:]) == list(range(20)), got)
    until(lambda: len(keys(store)) == 1, "gearmand 1.1 to remove them")
    t.run(*CLIENT, port, "-b", "-f", "f", "-u", "new.3", input=b"anew")
    old.kill()
    old.wait()
    s.start()
    check([(f, u, d) for _, f, u, d in drain_jobs(s, "f", "a-b")] == [(b"a-b", b"hidden", b"x"), (b"f", b"new.3", b"anew")])
    check("20 jobs were gone: done by a gearmand 1.1" in s.log(), s.log())
    await_keys(store, 0)


# ---- The project


@case("it is a project of its own: manual, options, installation, and a Debian package", modes=None, limit=120)
def _(t):
    folder = module(t)
    gearmand = [os.environ["GEARMAND"], "--config-file=" + t.write("conf", ""), "--plugin-dir=" + folder]
    help = t.run(*gearmand, "--help").out.decode()
    with open(os.path.join(folder, "queue-redis.8.rst")) as f:
        manual = f.read()
    ours = help[help.index("Module redis (queue): keeps background jobs in a redis or Valkey\n"):].split("\nModule ")[0]
    options = [line.split()[0].split("=")[0] for line in ours.splitlines() if line.strip().startswith("--")]
    check(len(options) == 7 and all("\n%s=" % o in manual for o in options), options)
    done = t.run(*gearmand, "--redis-wait=x", "--check-args", status=1)
    check(b"'--redis-wait' is invalid" in done.err, done)
    t.need("rst2man")
    t.run("make", "-C", folder, "install", "DESTDIR=" + t.path("there"), "PLUGIN_DIR=/modules", "SDK_CFLAGS=")
    check(os.path.exists(t.path("there/modules/queue-redis.so")) and os.path.getsize(t.path("there/usr/share/man/man8/queue-redis.8")) > 5000)

    if shutil.which("dh") and shutil.which("dpkg-buildpackage"):
        check_package(t)


def check_package(t):
    """With gearmand-dev's part of debhelper from the source, since gearmand-dev is not installed as a package."""
    debian = os.path.join(os.environ["top_srcdir"], "packaging/debian")
    shutil.copytree(os.path.dirname(find(installed(), "queue_redis.c")), t.path("deb/src"))
    os.makedirs(t.path("perl/Debian/Debhelper/Sequence"))
    shutil.copy(os.path.join(debian, "gearmand.pm"), t.path("perl/Debian/Debhelper/Sequence"))
    env = dict(sdk(installed()), PERL5LIB=t.path("perl"), PATH=debian + ":" + os.environ["PATH"])
    t.run("sh", "-c", "cd deb/src && dpkg-buildpackage -d -b -us -uc", env=env, limit=100)
    package = next(n for n in os.listdir(t.path("deb")) if n.startswith("gearmand-queue-redis_") and n.endswith(".deb"))
    check(b", libhiredis" in t.run("dpkg-deb", "-f", "deb/" + package, "Depends").out)
    content = t.run("dpkg-deb", "-c", "deb/" + package).out
    check(b"/queue-redis.so\n" in content and b"/man8/queue-redis.8.gz\n" in content, content)


main()
