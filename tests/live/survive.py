#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Real clients across kill -9: background jobs of `gearman`, Perl and curl are in SQLite and get done; and who wants a
job is what decides about its row."""
import os

from gearlive import *
from gearlive.durable import *

FEW = (0, 2)


def script(name):
    return os.path.join(SOURCE_DIR, "clients", name)


@case("jobs of gearman, Perl and curl survive kill -9 and are done by a Perl worker and gearman -w, each once")
def _(t):
    t.need("gearman", "perl", "curl")
    options = ["--http-port=0"] if t.mode is not None else []
    s = sqlite_server(t, "-r", "http", *options)
    http = s.service_port("http")
    by_tool = t.run("gearman", "-h", "127.0.0.1", "-p", str(s.port), "-b", "-f", "append", "-n",
                    input=b"".join(b"tool %d\n" % n for n in range(10)))
    check(by_tool.status == 0)
    perl = t.run("perl", script("perl_client.pl"), str(s.port), "background", "reverse", "abc", "from-perl").out
    curl = t.run("curl", "-sS", "-i", "-H", "X-Gearman-Background: true", "-H", "X-Gearman-Unique: from-curl", "-d",
                 "curl 0\n", "http://127.0.0.1:%d/append" % http).out
    check(curl.startswith(b"HTTP/1.1 200 "), curl)
    p = s.connect()
    handles = sorted(r.split(b"\t")[0] for r in p.listing("show jobs"))
    check(len(handles) == 12 and all(r.endswith(b"\t1") for r in p.listing("show jobs")), "not all are stored")
    s.kill()
    s.start()
    p = s.connect()
    check(sorted(r.split(b"\t")[0] for r in p.listing("show jobs")) == handles, "handles changed")
    status = t.run("perl", script("perl_client.pl"), str(s.port), "status",
                   "127.0.0.1:%d//%s" % (s.port, perl.decode().strip().rpartition("//")[2])).out
    check(status.startswith(b"1 0"), status)
    done = t.path("done")
    t.spawn("gearman", "-h", "127.0.0.1", "-p", str(s.port), "-w", "-f", "append", "--", "sh", "-c", "cat >> " + done)
    t.spawn("perl", script("perl_worker.pl"), str(s.port))
    until(lambda: p.listing("show jobs") == [], "all jobs to be done")
    check(open(done).read() == "".join("tool %d\n" % n for n in range(10)) + "curl 0\n")
    s.stop()
    s.start()
    check(s.connect().listing("show jobs") == [], "a job that is done came back")


@case("a foreground job that somebody also submits in the background is stored then, and survives", modes=FEW)
def _(t):
    s = sqlite_server(t)
    fg, bg = s.connect(), s.connect()
    handle = fg.submit("f", "u", "x")
    check(sql(t, "SELECT count(*) FROM gearman_queue") == [(0,)])
    check(bg.submit("f", "u", "y", SUBMIT_JOB_BG) == handle)
    await_rows(t, 1)
    s.kill()
    s.start()
    check(drain_jobs(s) == [(handle, b"f", b"u", b"x")])
    await_rows(t, 0)


@case("a background job of which a foreground client left stays in memory and in the store", modes=FEW)
def _(t):
    s = sqlite_server(t)
    fg, bg = s.connect(), s.connect()
    handle = bg.submit("f", "u", "x", SUBMIT_JOB_BG)
    check(fg.submit("f", "u", "x") == handle)
    fg.close()
    until(lambda: len(bg.listing("workers")) == 1, "the client to be gone")
    check(bg.status(handle)[:2] == (1, 0))
    check(sql(t, "SELECT job_handle FROM gearman_queue") == [(handle.decode(),)])
    check(drain_jobs(s) == [(handle, b"f", b"u", b"x")])


@case("foreground jobs are not stored, and handles go on above those that are", modes=FEW)
def _(t):
    s = sqlite_server(t)
    p = s.connect()
    p.submit("f", "fg", "x")
    stored = p.submit("f", "bg", "x", SUBMIT_JOB_BG)
    check(sql(t, "SELECT unique_key FROM gearman_queue") == [("bg",)])
    for _ in range(3):
        s.kill()
        s.start()
        p = s.connect()
        check([r.split(b"\t")[0] for r in p.listing("show jobs")] == [stored])
        new = p.submit("f", "", "x")
        check(int(new.rpartition(b":")[2]) > int(stored.rpartition(b":")[2]))


@case("an empty payload does not hinder the next start, in any priority", modes=FEW)
def _(t):
    s = sqlite_server(t)
    p = s.connect()
    handles = [p.submit("f", u, "", nr) for u, nr in (("a", SUBMIT_JOB_HIGH_BG), ("", SUBMIT_JOB_BG),
                                                      ("-", SUBMIT_JOB_BG), ("b", SUBMIT_JOB_LOW_BG))]
    for end in (s.stop, s.kill):
        end()
        s.start()
    check([(h, d) for h, _, _, d in drain_jobs(s)] == [(h, b"") for h in handles])


@case("time limits, losses and CANT_DO leave a stored job in the store until it has ended", modes=FEW)
def _(t):
    s = sqlite_server(t)
    p, w = s.connect(), s.connect()
    handle = p.submit("f", "u", "x", SUBMIT_JOB_BG)
    w.send(CAN_DO_TIMEOUT, "f", 30)
    w.grab()
    until(lambda: p.status(handle) == (1, 0, 0, 0), "the limit to end")
    w.grab()
    w.send(CANT_DO, "f").sync()
    check(sql(t, "SELECT count(*) FROM gearman_queue") == [(1,)])
    s.kill()
    s.start()
    check([j[0] for j in drain_jobs(s)] == [handle])
    await_rows(t, 0)


main()
