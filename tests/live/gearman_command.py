#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The commands of gearman-tools: `gearman` as client and worker, and `gearadmin`."""
import os
import re

from gearlive import *

BOTH = (0, 2)


def client(t, s, *words, input=b"", status=0):
    t.need("gearman")
    return t.run("gearman", "-h", "127.0.0.1", "-p", str(s.port), *words, input=input, status=status)


def start_client(t, s, *words):
    t.need("gearman")
    return t.spawn("gearman", "-h", "127.0.0.1", "-p", str(s.port), *words)


def worker(t, s, *words):
    t.need("gearman")
    return t.spawn("gearman", "-h", "127.0.0.1", "-p", str(s.port), "-w", *words)


def finish(p, status=0):
    out, _ = p.communicate(timeout=3 * patience())
    check(p.returncode == status, "status %d: %r" % (p.returncode, out))
    return out


def admin(t, s, *words, status=0):
    t.need("gearadmin")
    return t.run("gearadmin", "-h", "127.0.0.1", "-p", str(s.port), *words, status=status).out.decode()


@case("gearman: a foreground job, its workload from standard input or the command line")
def _(t):
    s = t.server()
    worker(t, s, "-f", "up", "--", "tr", "a-z", "A-Z")
    check(client(t, s, "-f", "up", input=b"hello\n").out == b"HELLO\n")
    check(client(t, s, "-f", "up", "on the line").out == b"ON THE LINE")
    worker(t, s, "-f", "const", "--", "echo", "fixed")
    check(client(t, s, "-f", "const", "-s").out == b"fixed\n")


@case("gearman -n and -N: a job for each line")
def _(t):
    s = t.server()
    worker(t, s, "-f", "up", "--", "tr", "a-z", "A-Z")
    check(client(t, s, "-f", "up", "-n", input=b"a\nb\nc\n").out == b"A\nB\nC\n")
    check(client(t, s, "-f", "up", "-N", input=b"a\nb\nc\n").out == b"ABC")


@case("gearman: jobs of several functions in one go, with -P each line tells its function", modes=BOTH)
def _(t):
    s = t.server()
    worker(t, s, "-f", "up", "--", "tr", "a-z", "A-Z")
    worker(t, s, "-f", "rev", "--", "rev")
    out = client(t, s, "-f", "up", "-f", "rev", "-P", input=b"abc\n").out
    check(sorted(out.splitlines()) == [b"rev: cba", b"up: ABC"], out)


@case("gearman -b, -I and -L: background jobs, high before normal before low")
def _(t):
    s = t.server()
    for flags, work in ((["-L"], b"low\n"), ([], b"normal\n"), (["-I"], b"high\n")):
        client(t, s, "-f", "append", "-b", *flags, input=work)
    check(admin(t, s, "--status") == "append\t3\t0\t0\n.\n")
    check(admin(t, s, "--priority-status") == "append\t1\t1\t1\t0\n.\n")
    w = worker(t, s, "-f", "append", "-c", "3", "--", "sh", "-c", "cat >> out")
    finish(w)
    check(open(t.path("out")).read() == "high\nnormal\nlow\n")


@case("gearman -u: two clients with one unique share a job and both print the result")
def _(t):
    s = t.server()
    one, two = (start_client(t, s, "-f", "up", "-u", "same", "work") for _ in range(2))
    watch = s.connect()

    def both_wait():
        watch.send(GET_STATUS_UNIQUE, "same")
        return watch.expect(STATUS_RES_UNIQUE)[5] == b"2"
    until(both_wait, "both clients to wait for one job")
    check(admin(t, s, "--show-unique-jobs") == "same\n.\n")
    w = worker(t, s, "-f", "up", "-c", "1", "--", "tr", "a-z", "A-Z")
    check(finish(one) == finish(two) == b"WORK")
    finish(w)


@case("gearman: a command that fails is a failed job, and the client's status tells", modes=BOTH)
def _(t):
    s = t.server()
    worker(t, s, "-f", "bad", "--", "false")
    check(client(t, s, "-f", "bad", "x", status=None).status != 0)


@case("gearman: half a megabyte each way", modes=BOTH)
def _(t):
    s = t.server()
    worker(t, s, "-f", "cat", "--", "sh", "-c", "cat > all; cat all")
    data = os.urandom(500000)  # more is slow: the tool grows its buffer by little steps
    check(client(t, s, "-f", "cat", input=data).out == data)


@case("gearman: a worker killed in the middle of a job, another one finishes it", modes=BOTH)
def _(t):
    s = t.server()
    c = start_client(t, s, "-f", "f", "x")
    first = worker(t, s, "-f", "f", "--", "sh", "-c", "cat; echo > started; exec sleep 60")
    until(lambda: os.path.exists(t.path("started")), "the worker to start the job")
    first.kill()
    worker(t, s, "-f", "f", "--", "tr", "x", "y")
    check(finish(c) == b"y")


@case("gearman -t: a client gives up after its time, the server forgets its job", modes=BOTH)
def _(t):
    s = t.server()
    client(t, s, "-f", "nobody", "-t", "300", "x", status=None)
    p = s.connect()
    until(lambda: p.listing("show jobs") == [], "the job to be forgotten")


@case("gearman in a pipeline of a hundred background jobs and two workers: each is done once", modes=BOTH)
def _(t):
    s = t.server()
    client(t, s, "-f", "append", "-b", "-n", input=b"".join(b"%d\n" % n for n in range(100)))
    workers = [worker(t, s, "-f", "append", "--", "sh", "-c", "cat >> out") for _ in range(2)]
    p = s.connect()
    until(lambda: p.listing("show jobs") == [], "the jobs to be done")
    check(len(workers) == 2)
    check(sorted(map(int, open(t.path("out")))) == list(range(100)))


@case("gearadmin: pid, version and level of the log")
def _(t):
    s = t.server(verbose="NOTICE")
    check(admin(t, s, "--getpid") == "%d\n" % s.pid)
    check(admin(t, s, "--server-verbose") == "NOTICE\n")
    said = t.run(os.environ["GEARMAND"], "--version").out.decode()
    check(admin(t, s, "--server-version") == re.search(r"gearmand (\S+)", said).group(1) + "\n")


@case("gearadmin: workers, with a hundred abilities too", modes=BOTH)
def _(t):
    s = t.server()
    w = s.worker(*["ability_%d" % n for n in range(100)])
    w.send(SET_CLIENT_ID, "many").sync()
    rows = admin(t, s, "--workers").splitlines()
    check(rows[-1] == "." and len(rows) == 3, rows)
    row = next(r for r in rows if " many : " in r)
    check(sorted(row.split(" : ")[1].split()) == sorted("ability_%d" % n for n in range(100)))


@case("gearadmin: functions are made and dropped, jobs shown and cancelled")
def _(t):
    s = t.server()
    admin(t, s, "--create-function", "fun")
    check(admin(t, s, "--status") == "fun\t0\t0\t0\n.\n")
    admin(t, s, "--drop-function", "fun")
    check(admin(t, s, "--status") == ".\n")
    p = s.connect()
    handle = p.submit("g", "uni", "x").decode()
    check(admin(t, s, "--show-jobs") == handle + "\t0\t0\t0\n.\n")
    check(admin(t, s, "--show-unique-jobs") == "uni\n.\n")
    admin(t, s, "--drop-function", "g")
    check(admin(t, s, "--status") == "g\t1\t0\t0\n.\n")
    admin(t, s, "--cancel-job", handle)
    p.expect(WORK_FAIL, handle)
    check(admin(t, s, "--show-jobs") == ".\n")
    admin(t, s, "--cancel-job", "no_such_job")
    admin(t, s, "--shutdown", status=1)


main()
