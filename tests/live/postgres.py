#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Background jobs in PostgreSQL: acknowledged means stored, whoever is killed; trouble is a sentence and heals; tables of
gearmand 1.1 go forward and back."""
import os
import signal
import socket
import subprocess

from gearlive import *
from gearlive.durable import acknowledged, drain_jobs, submit_many
from gearlive.killing import *
from gearlive.postgres import *

FEW = (0, 2)
UNWELL = "queue postgres: changes are not stored; the server tries again until they are: "
WELL = "queue postgres: well again"


@case("what was submitted comes back after kill -9: order, priority, payload, unique, handle, time", modes=FEW)
def _(t):
    db = Database(t)
    s = db.server()
    p = s.connect()
    jobs = [(SUBMIT_JOB_LOW_BG, b"u1", b"low"), (SUBMIT_JOB_BG, b"u2", b""), (SUBMIT_JOB_BG, b"u3", b"a\0b"),
            (SUBMIT_JOB_HIGH_BG, b"u4", os.urandom(300000)), (SUBMIT_JOB_BG, b"u" * 64, b"longest"),
            (SUBMIT_JOB_BG, b"\xff\xfe'\"", b"bytes"), (SUBMIT_JOB_BG, b"", b"none")]
    handles = [p.submit("f", u, d, nr) for nr, u, d in jobs]
    p.send(SUBMIT_JOB_EPOCH, "f", "far", 4102444800, data="later")
    p.expect(JOB_CREATED)
    s.kill()
    s.start()
    p = s.connect()
    check(all(p.status(h)[:2] == (1, 0) for h in handles), "a handle is not known")
    done = drain_jobs(s)
    check([(h, d) for h, _, _, d in done] == [(handles[i], jobs[i][2]) for i in (3, 1, 2, 4, 5, 6, 0)])
    check([u for _, _, u, _ in done][:5] == [jobs[i][1] for i in (3, 1, 2, 4, 5)])
    db.await_rows(1)
    check(db.sql("SELECT unique_key, when_to_run FROM queue") == [("far", "4102444800")])


# --- kill -9

@case("kill -9 of the server or of the database, under load, again and again: nothing is lost, nothing is altered",
      modes=FEW, limit=KILL_LIMIT)
def _(t):
    db = Database(t)
    load = Load(db.times)
    s = db.server("--queue-timeout=60", verbose="WARNING")
    s.allow_log(UNWELL)

    def kill_database():
        db.store.kill()
        db.store.start()
        load.submit_one(s)

    def kill_both():
        db.store.kill()
        return db.store.start

    def end_sessions():
        db.end_sessions()
        load.submit_one(s)
    kill_rounds(s, load, [kill_database, end_sessions, no_disaster, kill_both])


# --- trouble while running

@case("while the database is down work goes on, submissions wait, and all is stored when it is back", modes=(0, 1, 4))
def _(t):
    db = Database(t)
    s = db.server("--queue-timeout=60")
    s.expect_log(UNWELL + "PostgreSQL database .*: storing jobs: ")
    worker, p, q = s.worker("f", "g"), s.connect(), s.connect()
    running = p.submit("f", "running", "x", SUBMIT_JOB_BG)
    check(worker.grab()[0] == running)
    db.store.stop("fast")
    worker.complete(running).sync()  # its removal has to wait
    submit_many(p, [b"a", b"b"])
    s.await_log(UNWELL)
    foreground = q.submit("g", "fg", "y")
    check(worker.grab()[0] == foreground)
    worker.complete(foreground, "z").sync()
    q.expect(WORK_COMPLETE, foreground, "z")
    worker.no_job()  # "a" and "b" are not stored, so they do not run
    check(not p.buf, "acknowledged while it cannot be stored")
    db.store.start()
    acked = acknowledged(p, [b"a", b"b"], 2)
    s.await_log(WELL)
    s.kill()
    s.start()
    check([(j[0], j[2]) for j in drain_jobs(s)] == [(acked[b"a"], b"a"), (acked[b"b"], b"b")])


@case("pg_terminate_backend under load is not noticed by anybody but the log", modes=FEW)
def _(t):
    db = Database(t)
    s = db.server()
    s.expect_log(UNWELL + ".*terminating connection due to administrator command")
    p, uniques = s.connect(), [b"%d" % n for n in range(2000)]
    submit_many(p, uniques[:1000])
    acked = acknowledged(p, uniques, 500)
    db.end_sessions()
    submit_many(p, uniques[1000:])
    acked.update(acknowledged(p, uniques[500:], 1500))
    s.await_log(WELL)
    s.kill()
    s.start()
    check([(j[0], j[2]) for j in drain_jobs(s)] == [(acked[u], u) for u in uniques])


@case("a standby that takes over is found, and has everything that was acknowledged", modes=(2,))
def _(t):
    primary = new_store()
    db = Database(t, primary)
    standby = new_store(lambda store: store.make_standby(primary))
    db.sql("ALTER SYSTEM SET synchronous_standby_names TO '*'")
    db.sql("SELECT pg_reload_conf()")
    until(lambda: db.sql("SELECT sync_state FROM pg_stat_replication") == [("sync",)], "the standby to be one")
    hosts = "host=%s,%s port=%d,%d user=gearman dbname=%s" % (standby.socket, primary.socket, standby.port, primary.port, db.name)

    alone = t.server("-q", "postgres", "--libpq-conninfo=host=%s port=%d user=gearman dbname=%s target_session_attrs=any"
                     % (standby.socket, standby.port, db.name), wait=False)
    alone.expect_log("the server is read-only, is it a standby?")
    alone.end(1)

    s = t.server("-q", "postgres", "--libpq-conninfo=" + hosts, "--queue-timeout=60")
    s.expect_log(UNWELL)
    p, uniques = s.connect(), [b"%d" % n for n in range(2000)]
    submit_many(p, uniques[:1500])
    acked = acknowledged(p, uniques, 700)
    primary.kill()
    submit_many(p, uniques[1500:])
    standby.promote()
    db.store = standby
    acked.update(acknowledged(p, uniques[700:], 1300))
    s.await_log(WELL)
    check(db.count() == 2000)
    s.kill()
    s.start()
    check([(j[0], j[2]) for j in drain_jobs(s)] == [(acked[u], u) for u in uniques])


@case("a full disk: what does not fit gets an error at once, what is stored stays, and there is room again", modes=(2,))
def _(t):
    disk, store = t.path("disk"), shared_store()
    os.mkdir(disk)
    os.chmod(t.dir, 0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m,mode=0777", "none", disk]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
        t.skip("may not mount a small disk (not root)")
    try:
        owner = os.stat(store.data)
        os.mkdir(t.path("disk/tables"))
        os.chown(t.path("disk/tables"), owner.st_uid, owner.st_gid)
        Database(t).sql("CREATE TABLESPACE small LOCATION '%s'" % t.path("disk/tables"))
        db = Database(t, more=("--tablespace=small",))
        s = db.server()
        s.expect_log("queue postgres: full: new jobs are refused until there is room, removals go on: ")
        s.allow_log("QUEUE_ERROR")
        with open(t.path("disk/ballast"), "wb") as f:
            f.write(b"x" * (30 << 20))
        data, p, acked, full = os.urandom(10000), s.connect(), {}, False
        while not full:
            u = b"%d" % len(acked)
            p.send(SUBMIT_JOB_BG, "f", u, data=data)
            answer = p.packet("an answer")
            full = answer.nr == ERROR
            if not full:
                acked[u] = answer.parts[0]
        os.unlink(t.path("disk/ballast"))
        until(lambda: p.send(SUBMIT_JOB_BG, "f", b"again", data=data) or p.packet("an answer").nr == JOB_CREATED, "room")
        s.await_log("queue postgres: has room again")
        s.kill()
        s.start()
        done = drain_jobs(s)
        check([(u, h) for h, _, u, _ in done][:-1] == list(acked.items()) and done[-1][2] == b"again")
        check(all(d == data for _, _, _, d in done))
        s.stop()
        Database(t).sql("DROP DATABASE %s WITH (FORCE)" % db.name)
        Database(t).sql("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", disk])


@case("what a trigger forbids gets an error with its words; the others are stored", modes=FEW)
def _(t):
    db = Database(t)
    s = db.server()
    s.allow_log("QUEUE_ERROR")
    db.sql("ALTER TABLE queue ADD CONSTRAINT no_evil CHECK (function_name <> 'evil')")
    p = s.connect()
    p.raw(pack(SUBMIT_JOB_BG, "f", "a", data="1") + pack(SUBMIT_JOB_BG, "evil", "b", data="2") +
          pack(SUBMIT_JOB_BG, "f", "c", data="3"))
    p.expect(JOB_CREATED)
    code, text = p.expect(ERROR)
    check(code == b"QUEUE_ERROR" and b"no_evil" in text, text)
    p.expect(JOB_CREATED)
    check(db.sql("SELECT unique_key FROM queue ORDER BY added") == [("a",), ("c",)])


# --- at start

@case("a second server on the table is refused, and the first goes on; kill -9 frees the table", modes=FEW)
def _(t):
    db = Database(t)
    s = db.server()
    second = db.server(wait=False)
    second.expect_log('table "queue" is in use by another gearmand')
    second.end(1)
    handle = s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s.kill()
    check(drain_jobs(db.server()) == [(handle, b"f", b"u", b"x")])


@case("a daemon holds its table, too", modes=(0,))
def _(t):
    db, pid_file = Database(t), t.path("daemon.pid")
    t.run(os.environ["GEARMAND"], "-d", "-p", "0", "-q", "postgres", "--libpq-conninfo=" + db.conninfo, "-P", pid_file, "-l",
          t.path("daemon.log"))
    pid = int(open(pid_file).read())
    try:
        second = db.server(wait=False)
        second.expect_log("is in use by another gearmand")
        second.end(1)
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not os.path.exists(pid_file), "the daemon to end")


@case("what is wrong at start is a sentence without a password; other names of the module work, and options from a file",
      modes=(0,))
def _(t):
    db = Database(t)
    for more, sentence in (("dbname=nosuch", 'database "nosuch" does not exist'), ("user=nosuch", 'role "nosuch" does not exist'),
                           ("port=1 password=tell-nobody", "No such file or directory")):
        s = t.server("-q", "Postgres", "--libpq-conninfo=%s %s" % (db.conninfo, more), wait=False)
        s.expect_log(sentence)
        s.end(1)
        check("tell-nobody" not in s.log() + s.err(), "it tells the password")
    conf = t.write("conf", "--queue-type=LibPQ\n--libpq-conninfo=postgresql://gearman@/%s?host=%s&port=%d\n--libpq-table odd-name\n"
                   % (db.name, db.store.socket.replace("/", "%2F"), db.store.port))
    s = t.server("--config-file=" + conf)
    s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    check(db.sql('SELECT unique_key FROM "odd-name"') == [("u",)])


# --- gearmand 1.1

def old_server(t, db):
    """gearmand 1.1 on the database; returns (process, port)."""
    program = os.environ.get("GEARMAND_1_1", "/usr/sbin/gearmand")
    t.need(program, "gearman")
    if b"gearmand 1.1" not in t.run(program, "--version", status=None).out or b"libpq" not in t.run(program, "--help").out:
        t.skip("%s is not gearmand 1.1 with PostgreSQL" % program)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    old = t.spawn(program, "-q", "Postgres", "--libpq-conninfo=" + db.conninfo, "-p", str(port), "-L", "127.0.0.1", "-l",
                  t.path("old.log"))

    def answers():
        check(old.poll() is None, "gearmand 1.1 ended at once")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    until(answers, "gearmand 1.1")
    return old, str(port)


def end(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


@case("forward and back: jobs of a killed gearmand 1.1 run here, jobs of ours run there", modes=FEW)
def _(t):
    db = Database(t)
    old, port = old_server(t, db)
    for n, priority in ((0, []), (1, []), (2, ["-L"]), (3, ["-I"])):
        t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", *priority, "-f", "f", "-u", "old%d" % n, input=b"from\0 1.1 %d" % n)
    t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", "-f", "f", "-u", "it's empty", input=b"")
    end(old)

    s = db.server()
    w = s.worker("f")
    check(w.grab()[2] == b"from\0 1.1 3")
    w.complete(w.grab()[0]).sync()  # the second; the first is only running
    p = s.connect()
    for n in range(2):
        p.submit("f", "new%d" % n, b"from ours %d" % n, SUBMIT_JOB_BG)
    db.await_rows(6)
    s.stop()
    check(db.sql("SELECT unique_key FROM queue ORDER BY added") ==
          [("old1",), ("old2",), ("old3",), ("it's empty",), ("new0",), ("new1",)])

    db.sql("DELETE FROM queue WHERE unique_key = 'it''s empty'")  # 1.1 cannot remove what has a quote
    old, port = old_server(t, db)
    t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", "-f", "f", "-u", "old4", input=b"again 1.1")
    t.run("gearman", "-h", "127.0.0.1", "-p", port, "-w", "-f", "f", "-c", "2", "--", "tee", "-a", t.path("done"))
    db.await_rows(4)
    end(old)

    s.start()
    left = drain_jobs(s)
    check(left[-1][3] == b"again 1.1", left)
    done = open(t.path("done"), "rb").read()
    check(len(left) == 4 and all((d in done) != (d in [j[3] for j in left]) for d in (b"from ours 0", b"from ours 1")), done)


main()
