#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Background jobs in MariaDB: acknowledged means stored, whoever is killed; tables go to gearmand 1.1 and come back."""
import os
import signal
import socket

from gearlive import *
from gearlive.durable import drain_jobs
from gearlive.killing import *
from gearlive.mysql import *

UNWELL = "queue mysql: changes are not stored; the server tries again until they are: "


@case("what was submitted comes back after kill -9: order, priority, payload, unique, handle", modes=(0, 2))
def _(t):
    db = Database(t)
    s = db.server()
    p = s.connect()
    jobs = [(SUBMIT_JOB_LOW_BG, b"u1", b"low"), (SUBMIT_JOB_BG, b"u2", b""), (SUBMIT_JOB_BG, b"U2", b"a\0b"),
            (SUBMIT_JOB_HIGH_BG, b"u2 ", os.urandom(300000)), (SUBMIT_JOB_BG, b"u" * 64, b"longest"),
            (SUBMIT_JOB_BG, b"\xff\xfe'\"\\", b"bytes")]
    handles = [p.submit("f", u, d, nr) for nr, u, d in jobs]
    empty = [p.submit("f", "", "same", SUBMIT_JOB_BG) for _ in range(2)]
    s.kill()
    s.start()
    want = [(handles[i], b"f", jobs[i][1], jobs[i][2]) for i in (3, 1, 2, 4, 5)]
    got = drain_jobs(s)
    check(got[:5] == want)
    check([j[0] for j in got[5:]] == empty + [handles[0]])
    db.await_rows(0)


@case("kill -9 of the server or of the database, under load, again and again: nothing is lost, nothing is altered",
      modes=(0, 2), limit=KILL_LIMIT)
def _(t):
    db = Database(t)
    s = db.server("--queue-timeout=60", verbose="WARNING")
    s.allow_log(UNWELL + "mysql table jobs.queue_")
    load = Load(db.times)

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


@case("start-up failures are sentences, and name no password; a second server on the table is refused", modes=(0,))
def _(t):
    db = Database(t)
    s = db.server()

    def refused(sentence, *options):
        other = db.server(*options, wait=False)
        other.expect_log(sentence)
        other.end(1)
        check("swordfish" not in other.log() + other.err())
    s.alive()
    refused(r"mysql table jobs\.queue_\d+ on .*: another gearmand is using it")
    refused("connecting: Access denied for user 'gearman'", "--mysql-password=swordfish")


# --- gearmand 1.1

def old_server(t, db):
    """gearmand 1.1 on the table; returns (process, port)."""
    program = os.environ.get("GEARMAND_1_1", "/usr/sbin/gearmand")
    t.need(program, "gearman")
    if b"gearmand 1.1" not in t.run(program, "--version", status=None).out:
        t.skip("%s is not gearmand 1.1" % program)
    if b"--mysql-host" not in t.run(program, "--help", status=None).out:
        t.skip("%s is built without MySQL" % program)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    old = t.spawn(program, "-q", "mysql", "--mysql-host=127.0.0.1", "--mysql-port=%d" % db.store.port, "--mysql-user=gearman",
                  "--mysql-password=secret", "--mysql-db=jobs", "--mysql-table=" + db.table, "-p", str(port), "-L", "127.0.0.1",
                  "-l", t.path("old.log"))

    def answers():
        check(old.poll() is None, "gearmand 1.1 ended at once")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    until(answers, "gearmand 1.1")
    return old, str(port)


def end(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


@case("forward and back: jobs of a killed gearmand 1.1 run here, jobs of ours run there", modes=(0,))
def _(t):
    db = Database(t)
    old, port = old_server(t, db)
    for n in range(3):
        t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", "-f", "f", "-u", "old%d" % n, input=b"from 1.1 %d" % n)
    t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", "-f", "gr\u00fc\u00df", "-u", "\u00fc", input=b"UTF-8")
    end(old)

    s = db.server()
    w = s.worker("f")
    check(w.grab()[2] == b"from 1.1 0")
    w.complete(w.grab()[0]).sync()  # the second; the first is only running
    check([j[1:] for j in drain_jobs(s, "gr\u00fc\u00df")] == [("gr\u00fc\u00df".encode(), "\u00fc".encode(), b"UTF-8")])
    p = s.connect()
    for unique in ("new", "NEW", "new "):
        p.submit("f", unique, "from ours " + unique, SUBMIT_JOB_BG)
    db.await_rows(5)
    s.stop()

    old, port = old_server(t, db)
    t.run("gearman", "-h", "127.0.0.1", "-p", port, "-w", "-f", "f", "-c", "3", "--", "tee", "-a", t.path("done"))
    db.await_rows(2)
    t.run("gearman", "-h", "127.0.0.1", "-p", port, "-b", "-f", "f", "-u", "Old", input=b"from 1.1 again")
    end(old)
    check(open(t.path("done")).read().startswith("from 1.1 0from 1.1 2from ours "))

    s.start()
    check(len(drain_jobs(s)) == 3)
    db.await_rows(0)


main()
