#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Perl's Gearman::Client and Gearman::Worker (clients/perl_client.pl, perl_worker.pl)."""
import os
import subprocess

from gearlive import *

BOTH = (0, 2)


def script(name):
    return os.path.join(SOURCE_DIR, "clients", name)


def worker(t, s):
    t.need("perl")
    if subprocess.run(["perl", "-MGearman::Worker", "-e", "1"], stderr=subprocess.DEVNULL).returncode:
        check(not os.environ.get("CI"), "Gearman::Worker is not installed")
        t.skip("Gearman::Worker is not installed")
    w = t.spawn("perl", script("perl_worker.pl"), str(s.port))
    check(w.stdout.readline() == b"ready\n")
    return w


def client(t, s, *words, **env):
    return t.run("perl", script("perl_client.pl"), str(s.port), *map(str, words), env=env).out.decode()


@case("Perl: a foreground job and its result")
def _(t):
    s = t.server()
    worker(t, s)
    check(client(t, s, "do", "reverse", "abc", "") == "result cba\n")
    check(client(t, s, "do", "reverse", "xyz", "u") == "result zyx\n")


@case("Perl: a worker that dies sends an exception and a failure behind it; it is not cut off and does the next job")
def _(t):
    s = t.server()
    w = worker(t, s)
    pid = client(t, s, "do", "pid", "", "")
    for _ in range(3):
        check(client(t, s, "do", "die", "boredom", "") == "failed\n")
        out = client(t, s, "set", "die", "boredom", 1, EXCEPTIONS="1")
        check("exception" in out and "died of boredom1" in out, out)
    check(client(t, s, "do", "pid", "", "") == pid)
    check(w.poll() is None, "the worker ended")


@case("Perl: a job that returns nothing has failed", modes=BOTH)
def _(t):
    s = t.server()
    worker(t, s)
    check(client(t, s, "do", "fail", "x", "") == "failed\n")


@case("Perl: a set of fifty jobs on one connection, three workers", modes=BOTH)
def _(t):
    s = t.server()
    for _ in range(3):
        worker(t, s)
    out = client(t, s, "set", "reverse", "x", 50).split("\n")
    check(sorted(x for x in out if x) == sorted("complete %sx" % str(n)[::-1] for n in range(1, 51)), out)


@case("Perl: progress reaches the client, in order", modes=BOTH)
def _(t):
    s = t.server()
    worker(t, s)
    check(client(t, s, "set", "progress", "x", 1) == "status 1/3\nstatus 2/3\nstatus 3/3\ncomplete done\n")


@case("Perl: a background job and its status", modes=BOTH)
def _(t):
    s = t.server()
    handle = client(t, s, "background", "reverse", "x", "uni").strip()
    check("H:" in handle)
    check(client(t, s, "background", "reverse", "x", "uni").strip() == handle)
    check(client(t, s, "status", handle).startswith("1 0"))
    worker(t, s)
    p = s.connect()
    until(lambda: p.listing("show jobs") == [], "the job to be done")
    check(client(t, s, "status", handle).startswith("0 0"))


@case("Perl: a worker over its time limit; the client hears the failure, the worker lives on", modes=BOTH)
def _(t):
    s = t.server()
    s.allow_log("JOB_NOT_FOUND")
    worker(t, s)
    check(client(t, s, "set", "limited", "x", 1) == "fail\n")


main()
