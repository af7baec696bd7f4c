#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Clients and workers written with libgearman, compiled here (clients/lg_client.c, lg_worker.c)."""
import atexit
import os
import shlex
import shutil
import subprocess
import tempfile
import time

from gearlive import *

_built = {}


def program(t, name):
    """Compiles it at its first use; returns its path."""
    if name not in _built:
        t.need("cc")
        where = tempfile.mkdtemp(prefix="gearmand-live-")
        atexit.register(shutil.rmtree, where, True)
        done = subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-O1", "-o", os.path.join(where, name),
                               os.path.join(SOURCE_DIR, "clients", name + ".c"), "-lgearman"], stderr=subprocess.PIPE)
        if b"gearman.h" in done.stderr and not os.environ.get("CI"):
            t.skip("libgearman-dev is not installed")
        check(done.returncode == 0, done.stderr.decode())
        _built[name] = os.path.join(where, name)
    return _built[name]


def client(t, s, *words, status=0, **env):
    return t.run(program(t, "lg_client"), str(s.port), *map(str, words), status=status, env=env)


def start_client(t, s, *words, **env):
    return t.spawn(program(t, "lg_client"), str(s.port), *map(str, words), env=env)


def worker(t, s, count, *functions, **env):
    return t.spawn(program(t, "lg_worker"), str(s.port), str(count), *functions, env=env)


def finish(p, status=0):
    out, _ = p.communicate(timeout=3 * patience())
    check(p.returncode == status, "status %d: %r" % (p.returncode, out))
    return out.decode()


BOTH = (0, 2)


@case("libgearman: a foreground job, high and low too, and its result", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    w = worker(t, s, 3, "copy")
    for how in ("do", "high", "low"):
        check(client(t, s, how, "copy", "", "payload of " + how).out == b"result payload of %s\n" % how.encode())
    check(len(finish(w).splitlines()) == 3)


@case("libgearman: background jobs run in the order of their priority", modes=BOTH)
def _(t):
    s = t.server()
    for how, work in (("bglow", "3"), ("bg", "2"), ("bghigh", "1")):
        check(client(t, s, how, "copy", "u" + work, work).out.startswith(b"H:"))
    out = finish(worker(t, s, 3, "copy", LG_GRAB="uniq"))
    check(out == "copy unique=u1 1\ncopy unique=u2 2\ncopy unique=u3 3\n", out)


@case("libgearman: data, warnings and status reach the tasks of a client, in order", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    worker(t, s, 1, "talk")
    out = client(t, s, "tasks", 1, "talk", "u", "end").out.decode().splitlines()
    check(out[0].startswith("created H:") and
          out[1:] == ["data one", "warning two", "status 3/4", "data end", "complete "], out)


@case("libgearman: a hundred jobs on one connection, four workers", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    for _ in range(4):
        worker(t, s, 1000, "copy")
    out = client(t, s, "tasks", 100, "copy", "u", "w").out.decode().splitlines()
    check(sum(x.startswith("created") for x in out) == 100 and out.count("data w") == 100 and
          out.count("complete ") == 100, out[:10])


@case("libgearman: a job that fails is a failure at the client", modes=BOTH)
def _(t):
    s = t.server()
    worker(t, s, 99, "fail")
    check(client(t, s, "tasks", 1, "fail", "u", "x").out.splitlines()[1:] == [b"fail u0"])
    check(b"FAIL" in client(t, s, "do", "fail", "u", "x", status=1).err)


@case("libgearman: an exception reaches the client that asked for exceptions, to others it is a failure", modes=BOTH)
def _(t):
    s = t.server()
    s.allow_log("JOB_NOT_FOUND")
    worker(t, s, 99, "throw")
    check(client(t, s, "option", "exceptions").out == b"yes\n")
    check(client(t, s, "tasks", 1, "throw", "u", "x", LG_EXCEPTIONS="1").out.splitlines()[1:][:1] == [b"exception thrown"])
    check(client(t, s, "tasks", 1, "throw", "u", "x").out.splitlines()[1:] == [b"fail u0"])
    check(client(t, s, "option", "bogus").out == b"no\n")


@case("libgearman: two clients with one unique share a job and both get the result", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    one, two = (start_client(t, s, "do", "copy", "same", work) for work in ("same work", "same work"))
    watch = s.connect()

    def both_there():
        watch.send(GET_STATUS_UNIQUE, "same")
        return watch.expect(STATUS_RES_UNIQUE)[5] == b"2"
    until(both_there, "both clients to wait for one job")
    check(watch.listing("status") == [b"copy\t1\t0\t0"])
    w = worker(t, s, 1, "copy", LG_GRAB="uniq")
    check(finish(w) == "copy unique=same same work\n")
    check(finish(one) == finish(two) == "result same work\n")


@case("libgearman: # has the library make a unique of the workload, so equal work is shared", modes=BOTH)
def _(t):
    s = t.server()
    a = client(t, s, "bg", "copy", "#", "abc").out
    check(client(t, s, "bg", "copy", "#", "abc").out == a)
    check(client(t, s, "bg", "copy", "#", "xyz").out != a)


@case("libgearman: status by handle and by unique, before, during and after", modes=BOTH)
def _(t):
    s = t.server()
    handle = client(t, s, "bg", "talkslow", "uni", "x").out.decode().strip()
    check(client(t, s, "status", handle).out == b"1 0 0 0\n")
    check(client(t, s, "ustatus", "uni").out == b"1 0 0 0\n")
    raw = s.worker("talkslow")
    raw.grab()
    raw.send(WORK_STATUS, handle, 3, 4).sync()
    check(client(t, s, "status", handle).out == b"1 1 3 4\n")
    check(client(t, s, "ustatus", "uni").out == b"1 1 3 4\n")
    raw.complete(handle).silent()
    check(client(t, s, "status", handle).out == b"0 0 0 0\n")


@case("libgearman: an EPOCH job runs when it is due and wakes the worker", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    w = worker(t, s, 1, "copy")
    until(lambda: b"copy\t0\t0\t1" in s.connect().listing("status"), "the worker to be there")
    due = int(time.time()) + 2
    check(client(t, s, "epoch", due, "copy", "u", "late").out.startswith(b"H:"))
    check(finish(w).endswith(" late\n"))
    check(time.time() >= due, "it ran early")


@case("libgearman: a reduce job is split among workers and joined", modes=(0, 1, 2, 4))
def _(t):
    s = t.server()
    worker(t, s, 9, "copy")
    w = worker(t, s, 1, "split", LG_GRAB="all")
    got = client(t, s, "reduce", "split", "copy", "u", "this is a test").out
    check(sorted(got[7:-1]) == sorted(b"thisisatest"), got)  # the library chooses the order of the pieces
    finish(w)


@case("libgearman: echo, and a worker's identifier in the listing", modes=BOTH)
def _(t):
    s = t.server()
    client(t, s, "echo", "hello")
    worker(t, s, 1, "copy")
    until(lambda: any(b" lg_worker : copy" in row for row in s.connect().listing("workers")), "the worker to be listed")


@case("libgearman: a worker's timeout returns, and its later jobs are found", modes=BOTH)
def _(t):
    s = t.server()
    check(finish(worker(t, s, 1, "copy", LG_IDLE="300"), status=3) == "")
    w = worker(t, s, 1, "copy", LG_IDLE="60000")
    check(client(t, s, "do", "copy", "", "x").out == b"result x\n")
    finish(w)


@case("libgearman: a job whose worker exceeds the time limit fails at the client", modes=BOTH)
def _(t):
    s = t.server()
    s.allow_log("JOB_NOT_FOUND")
    w = worker(t, s, 1, "slow=1000")
    check(client(t, s, "tasks", 1, "slow", "u", "x").out.splitlines()[1:] == [b"fail u0"])
    w.wait(timeout=patience())


@case("libgearman: plain, uniq and all ways to grab", modes=BOTH)
def _(t):
    s = t.server()
    for grab in ("plain", "uniq", "all"):
        client(t, s, "bg", "copy", "key", grab)
        out = finish(worker(t, s, 1, "copy", LG_GRAB=grab))
        check(out.endswith(" %s\n" % grab) and (grab == "plain" or "unique=key " in out), out)


@case("libgearman: a worker killed in the middle of a job, another one finishes it", modes=BOTH)
def _(t):
    s = t.server()
    c = start_client(t, s, "do", "slow", "", "precious")
    first = worker(t, s, 1, "slow")
    check(first.stdout.readline().endswith(b" precious\n"))
    first.kill()
    second = worker(t, s, 1, "slow")
    check(finish(c) == "result precious\n")
    finish(second)


main()
