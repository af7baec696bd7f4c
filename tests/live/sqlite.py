#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Background jobs in SQLite: acknowledged means stored, and kill -9 loses nothing of it."""
import os
import signal
import time

from gearlive import *
from gearlive.durable import *
from gearlive.killing import *

FEW = (0, 2)


@case("what was submitted comes back after kill -9: order, priority, payload, unique, handle")
def _(t):
    s = sqlite_server(t)
    p = s.connect()
    jobs = [(SUBMIT_JOB_LOW_BG, "u1", b"low"), (SUBMIT_JOB_BG, "u2", b""), (SUBMIT_JOB_BG, "u3", b"a\0b"),
            (SUBMIT_JOB_HIGH_BG, "u4", os.urandom(300000)), (SUBMIT_JOB_BG, "u" * 64, b"longest"),
            (SUBMIT_JOB_BG, b"\xff\xfe'\"", b"bytes")]
    handles = [p.submit("f", u, d, nr) for nr, u, d in jobs]
    s.kill()
    s.start()
    order = [3, 1, 2, 4, 5, 0]
    want = [(handles[i], b"f", jobs[i][1] if isinstance(jobs[i][1], bytes) else jobs[i][1].encode(), jobs[i][2])
            for i in order]
    p = s.connect()
    check(all(p.status(h)[:2] == (1, 0) for h in handles), "a handle is not known")
    check(drain_jobs(s) == want)
    await_rows(t, 0)
    s.kill()
    s.start()
    check(drain_jobs(s) == [], "a job that is done came back")


@case("JOB_CREATED comes after the commit, in order with other replies")
def _(t):
    s = sqlite_server(t)
    p = s.connect()
    p.raw(pack(ECHO_REQ, data="1") + pack(SUBMIT_JOB_BG, "f", "a", data="x") + pack(ECHO_REQ, data="2") +
          pack(SUBMIT_JOB_BG, "f", "b", data="y") + pack(ECHO_REQ, data="3"))
    p.expect(ECHO_RES, "1")
    first = p.expect(JOB_CREATED)[0]
    check(sql(t, "SELECT job_handle FROM gearman_queue WHERE unique_key = 'a'") == [(first.decode(),)])
    p.expect(ECHO_RES, "2")
    p.expect(JOB_CREATED)
    p.expect(ECHO_RES, "3")


@case("counters tells how many batches were committed", modes=FEW)
def _(t):
    p = sqlite_server(t).connect()
    for unique in ("a", "b", "c"):
        p.submit("f", unique, "x", SUBMIT_JOB_BG)
    check(b"store_commits\t3" in p.listing("counters"))


@case("kill -9 under load, again and again: nothing acknowledged is lost, nothing is altered", modes=FEW, limit=KILL_LIMIT)
def _(t):
    s = sqlite_server(t, verbose="WARNING")
    kill_rounds(s, Load(lambda: dict(sql(t, "SELECT CAST(unique_key AS BLOB), when_to_run FROM gearman_queue"))), [no_disaster])


@case("a job that was running at kill -9 runs again", modes=FEW)
def _(t):
    s = sqlite_server(t)
    handle = s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    check(s.worker("f").grab()[0] == handle)
    s.kill()
    s.start()
    check(drain_jobs(s) == [(handle, b"f", b"u", b"x")])


@case("jobs without a unique are jobs of their own, and stay so; '-' coalesces on the payload also after a restart",
      modes=FEW)
def _(t):
    s = sqlite_server(t)
    p = s.connect()
    empty = [p.submit("f", "", "same", SUBMIT_JOB_BG) for _ in range(3)]
    dash = [p.submit("f", "-", d, SUBMIT_JOB_BG) for d in ("a", "b", "a")]
    check(len(set(empty)) == 3 and dash[0] == dash[2] != dash[1])
    check(sql(t, "SELECT count(DISTINCT unique_key) FROM gearman_queue") == [(5,)])
    s.kill()
    s.start()
    check(s.connect().submit("f", "-", "b", SUBMIT_JOB_BG) == dash[1])
    check([j[0] for j in drain_jobs(s)] == empty + dash[:2])
    await_rows(t, 0)


@case("a delayed job keeps its time across a restart", modes=FEW)
def _(t):
    s = sqlite_server(t)
    p = s.connect()
    far, near = 4102444800, int(time.time()) + 2
    for unique, when in (("far", far), ("near", near)):
        p.send(SUBMIT_JOB_EPOCH, "f", unique, when, data=unique)
        p.expect(JOB_CREATED)
    check(sql(t, "SELECT when_to_run FROM gearman_queue WHERE unique_key = 'far'") == [(far,)])
    s.kill()
    s.start()
    w = s.worker("f")
    w.send(PRE_SLEEP)  # `near` may be now
    w.expect(NOOP)
    check(time.time() >= near)
    check(w.grab()[2] == b"near")
    w.no_job()


@case("a reducer survives a restart", modes=FEW)
def _(t):
    s = sqlite_server(t)
    p = s.connect()
    p.send(SUBMIT_REDUCE_JOB_BACKGROUND, "f", "u", "collect", "", data="x")
    handle = p.expect(JOB_CREATED)[0]
    s.kill()
    s.start()
    check(s.worker("f").grab(GRAB_JOB_ALL) == [handle, b"f", b"u", b"collect", b"x"])


@case("16 MiB survive a restart", modes=FEW)
def _(t):
    s = sqlite_server(t)
    data = os.urandom(1 << 20) * 16
    handle = s.connect().submit("f", "u", data, SUBMIT_JOB_BG)
    s.kill()
    s.start()
    check(s.worker("f").grab() == [handle, b"f", data])


@case("SIGTERM with submissions under way: what was acknowledged is there, the rest was not", modes=FEW)
def _(t):
    s = sqlite_server(t)
    uniques = [b"%d" % n for n in range(3000)]
    p = submit_many(s.connect(), uniques)
    acked = acknowledged(p, uniques, 500)
    s.stop()
    acked.update(acknowledged(p, uniques[500:]))
    s.start()
    got = {u: h for h, _, u, _ in drain_jobs(s)}
    check(all(got.get(u) == h for u, h in acked.items()))


@case("cancelling, failing and dropping take a job out of the store", modes=FEW)
def _(t):
    s = sqlite_server(t, "--job-retries=1")
    p = s.connect()
    handles = [p.submit("f", "u%d" % n, "x", SUBMIT_JOB_BG) for n in range(3)]
    p.ask(b"cancel job " + handles[0])
    w = s.worker("f")
    w.send(WORK_FAIL, w.grab()[0]).sync()
    w.grab()
    w.close()
    await_rows(t, 0)


# --- options

@case("the table has any name; other names of the module work; options may be in the file", modes=(0,))
def _(t):
    conf = t.write("conf", "--queue-type=LibSQLite3\n--libsqlite3-table my-queue.x\n--libsqlite3-db=%s\n"
                   % t.path("queue.db"))
    s = t.server("--config-file=" + conf)
    s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    check(sql(t, 'SELECT unique_key FROM "my-queue.x"') == [("u",)])


@case("--store-queue-on-shutdown stores at SIGTERM, and a kill -9 loses what is not stored", modes=FEW)
def _(t):
    s = sqlite_server(t, "--store-queue-on-shutdown")
    p = s.connect()
    handles = [p.submit("f", "u%d" % n, "x", SUBMIT_JOB_BG) for n in range(200)]
    check(sql(t, "SELECT count(*) FROM gearman_queue") == [(0,)])
    s.stop()
    await_rows(t, 200)
    s.start()
    s.connect().submit("f", "not stored", "x", SUBMIT_JOB_BG)
    s.kill()
    s.start()
    check(sorted(j[0] for j in drain_jobs(s)) == sorted(handles))
    s.stop()
    await_rows(t, 0)


# --- gearmand 1.1

def old_server(t):
    """gearmand 1.1 on queue.db; returns (process, port)."""
    import socket
    program = os.environ.get("GEARMAND_1_1", "/usr/sbin/gearmand")
    t.need(program, "gearman")
    if b"gearmand 1.1" not in t.run(program, "--version", status=None).out:
        t.skip("%s is not gearmand 1.1" % program)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    old = t.spawn(program, "-q", "libsqlite3", "--libsqlite3-db=" + t.path("queue.db"), "-p", str(port),
                  "-L", "127.0.0.1", "-l", t.path("old.log"))

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
    old, port = old_server(t)
    for n in range(3):
        t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", "-f", "f", "-u", "old%d" % n, input=b"from 1.1 %d" % n)
    t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", "-f", "f", "-u", "empty", input=b"")
    end(old)

    s = sqlite_server(t)
    w = s.worker("f")
    check(w.grab()[2] == b"from 1.1 0")
    w.complete(w.grab()[0]).sync()  # the second; the first is only running
    p = s.connect()
    for n in range(2):
        p.submit("f", "new%d" % n, b"from ours %d" % n, SUBMIT_JOB_BG)
    await_rows(t, 5)
    s.stop()

    sql(t, "DELETE FROM gearman_queue WHERE data IS NULL")  # 1.1 does not start with its own empty payload
    old, port = old_server(t)
    t.run("gearman", "-h", "127.0.0.1", "-p", port, "-w", "-f", "f", "-c", "2", "--", "tee", "-a", t.path("done"))
    await_rows(t, 2)
    end(old)
    check(open(t.path("done")).read() == "from 1.1 0from 1.1 2")

    s.start()
    check([j[2:] for j in drain_jobs(s)] == [(b"new0", b"from ours 0"), (b"new1", b"from ours 1")])


main()
