#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""PHP's gearman extension (clients/php_client.php, php_worker.php)."""
import json
import os
import subprocess

from gearlive import *

BOTH = (0, 2)


def script(name):
    return os.path.join(SOURCE_DIR, "clients", name)


def ready(t):
    t.need("php")
    if b"gearman" not in subprocess.run(["php", "-m"], stdout=subprocess.PIPE).stdout.split():
        check(not os.environ.get("CI"), "PHP's gearman extension is not installed")
        t.skip("PHP's gearman extension is not installed")


def worker(t, s, count=1000):
    ready(t)
    w = t.spawn("php", script("php_worker.php"), str(s.port), str(count))
    check(w.stdout.readline() == b"ready\n")
    return w


def client(t, s, *words):
    ready(t)
    return t.run("php", script("php_client.php"), str(s.port), *words).out.decode()


@case("PHP: foreground jobs in all priorities, and their results")
def _(t):
    s = t.server()
    worker(t, s)
    for method in ("doNormal", "doHigh", "doLow"):
        check(client(t, s, "do", method, "reverse", "abc") == "success cba\n")
    check(client(t, s, "do", "doNormal", "unique", "x", "my-unique") == "success my-unique\n")


@case("PHP: data sent before the result is part of it", modes=BOTH)
def _(t):
    s = t.server()
    worker(t, s)
    out = client(t, s, "do", "doNormal", "talk", "x")
    check(out == "success partend\n", out)


@case("PHP: failures and exceptions", modes=BOTH)
def _(t):
    s = t.server()
    s.allow_log("JOB_NOT_FOUND")
    worker(t, s)
    check(client(t, s, "do", "doNormal", "fail", "x") == "fail \n")
    out = client(t, s, "tasks", "throw", "x")
    check(out.splitlines()[0] == "exception thrown", out)
    check(client(t, s, "do", "doNormal", "reverse", "abc") == "success cba\n")


@case("PHP: many tasks at once", modes=BOTH)
def _(t):
    s = t.server()
    worker(t, s)
    out = client(t, s, "tasks", "reverse", *["w%d" % n for n in range(30)])
    check(sorted(out.splitlines()) == sorted("complete " + ("w%d" % n)[::-1] for n in range(30)), out)


@case("PHP: a background job, its status and a ping", modes=BOTH)
def _(t):
    s = t.server()
    handle = client(t, s, "do", "doBackground", "reverse", "x").split()[1]
    check(json.loads(client(t, s, "status", handle)) == [True, False, 0, 0])
    check(client(t, s, "ping", "hello") == "pong\n")
    worker(t, s)
    until(lambda: s.connect().listing("show jobs") == [], "the job to be done")
    check(json.loads(client(t, s, "status", handle)) == [False, False, 0, 0])


main()
