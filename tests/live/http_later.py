#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Jobs over HTTP that run later, that nobody waits for, or for a moment only; and refusals that programs can read."""
import os
import signal
import time
import urllib.parse

from gearlive import *
from gearlive.failing import UNWELL, WELL, fail_server, no_rules, rules
from gearlive.http import *

BOTH = (0, 2)


# --- X-Gearman-When

@case("curl: a job with X-Gearman-When is given to a worker when its time has come", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.sleeper("f")
    began = time.time()
    got = curl(t, s, "-H", "X-Gearman-When: +2", "-d", "x", "/f")
    check(got.status == 200 and got.headers["x-gearman-command"] == "JOB_CREATED", got)
    handle = got.headers["x-gearman-job-handle"]
    check(job_of(s.connect(), handle)[b"state"] == b"delayed")
    worker.expect(NOOP)
    check(worker.grab()[0] == handle.encode())
    check(time.time() >= began + 1)


@case("curl: all three forms of X-Gearman-When mean that second")
def _(t):
    s = http_server(t)
    client, when = s.connect(), int(time.time()) + 100000
    for form in (str(when), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)),
                 time.strftime("%Y-%m-%dT%H:%M:%S.000+02:00", time.gmtime(when + 7200))):
        got = curl(t, s, "-H", "X-Gearman-When: " + form, "-H", "X-Gearman-Unique;", "-d", "x", "/f")
        due = int(job_of(client, got.headers["x-gearman-job-handle"])[b"due"])
        check(due == when, form, due)
    before = int(time.time())
    got = curl(t, s, "-H", "X-Gearman-When: +1000", "-H", "X-Gearman-Unique;", "-d", "x", "/f")
    due = int(job_of(client, got.headers["x-gearman-job-handle"])[b"due"])
    check(before + 1000 <= due <= time.time() + 1000, due - before)
    check(curl(t, s, "-H", "X-Gearman-When: 1000", "-H", "X-Gearman-Unique;", "-d", "x", "/now").status == 200)
    check(s.worker("now").grab()[2] == b"x")


# --- Prefer

@case("curl: respond-async is answered with the place of the job, which lives on without its client", modes=BOTH)
def _(t):
    s = http_server(t)
    got = curl(t, s, "-H", "Prefer: respond-async", "-d", "x", "/a/b%2Fc")
    check(got.status == 202 and got.body == b"" and got.headers["preference-applied"] == "respond-async", got)
    check(got.headers["location"].startswith("../_job/"), got)
    place = urllib.parse.urlsplit(urllib.parse.urljoin(s.http + "/a/b%2Fc", got.headers["location"])).path
    job = curl_json(t, s, place)
    check((job["handle"], job["function"], job["state"], job["background"]) ==
          (got.headers["x-gearman-job-handle"], "a/b/c", "ready", True), job)
    worker = s.worker("a/b/c")
    worker.complete(worker.grab()[0], "r").silent()


@case("curl: respond-async with wait is 200 when the result comes in time, and 202 when it does not", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.sleeper("f")
    c = start_curl(t, s, "-H", "Prefer: respond-async, wait=50", "-d", "x", "/f")
    worker.expect(NOOP)
    handle = worker.grab()[0]
    worker.send(WORK_DATA, handle, data="some ").send(WORK_STATUS, handle, 1, 2).complete(handle, "result").sleep()
    got = finish(c)
    check(got.status == 200 and got.body == b"some result" and got.headers["preference-applied"] == "wait=50", got)
    check(got.headers["x-gearman-command"] == "WORK_COMPLETE" and "location" not in got.headers, got)
    got = curl(t, s, "-H", "Prefer: respond-async, wait=1", "-d", "y", "/f")
    check(got.status == 202 and got.headers["preference-applied"] == "respond-async, wait=1", got)
    check(got.headers["location"] == "_job/" + got.headers["x-gearman-job-handle"], got)
    worker.expect(NOOP)
    check(worker.grab()[0] == got.headers["x-gearman-job-handle"].encode())


@case("curl: a job that fails in time is 500, and a policy that tries it again is waited for")
def _(t):
    s = http_server(t, "--policy-file=" + t.write("policies", "f attempts=2 retry-on=fail\n*\n"))
    worker = s.worker("f", "g")
    c = start_curl(t, s, "-H", "Prefer: respond-async, wait=50", "-d", "x", "/f")
    until(lambda: worker.listing("show jobs"), "the job")
    handle = worker.grab()[0]
    worker.send(WORK_DATA, handle, data="of no use ").send(WORK_FAIL, handle)
    check(worker.grab()[0] == handle)
    worker.complete(handle, "result")
    got = finish(c)
    check(got.status == 200 and got.body == b"result", got)
    c = start_curl(t, s, "-H", "Prefer: respond-async, wait=50", "-d", "x", "/g")
    until(lambda: worker.listing("show jobs"), "the job")
    worker.send(WORK_FAIL, worker.grab()[0])
    check(finish(c).status == 500)


@case("a client that goes, or ends its sending side, while it waits for a moment leaves its job behind", modes=BOTH)
def _(t):
    s = http_server(t)
    admin = s.connect()
    for n, leave in enumerate((lambda p: p.close(), lambda p: p.reset(), lambda p: p.shut_write())):
        p = http(s).request("POST", "/f", "Prefer: respond-async, wait=600\r\n", b"%d" % n)
        jobs = until(lambda: len(admin.listing("show jobs")) == n + 1 and admin.listing("show jobs"), "the job")
        handles = [line.split(b"\t")[0] for line in jobs]
        until(lambda: sum(int(job_of(admin, h)[b"clients"]) for h in handles) == 1, "somebody to wait for it")
        leave(p)
        until(lambda: sum(int(job_of(admin, h)[b"clients"]) for h in handles) == 0, "nobody to wait for it")
    worker = s.worker("f")
    check(sorted(worker.grab()[2] for _ in range(3)) == [b"0", b"1", b"2"])


@case("a connection on which a wait was in vain serves the requests behind it, and hears no more of that job", modes=BOTH)
def _(t):
    s = http_server(t)
    p = http(s)
    p.request("POST", "/f", "Prefer: respond-async, wait=1\r\n", b"x").request("GET", "/g?y")
    got = p.answer()
    check(got.status == 202, got)
    worker = s.worker("f", "g")
    until(lambda: len(worker.listing("show jobs")) == 2, "both jobs")
    check(job_of(worker, got.headers["x-gearman-job-handle"])[b"clients"] == b"0")
    for handle, function, data in sorted((worker.grab() for _ in range(2)), key=lambda job: job[1]):
        worker.complete(handle, data)
    got = p.answer()
    check(got.status == 200 and got.body == b"y", got)


@case("with a durable queue 202 means stored, and the result is not missed however fast it comes", modes=BOTH)
def _(t):
    s = http_server(t, "-q", "sqlite", "--libsqlite3-db=" + t.path("jobs.db"))
    got = curl(t, s, "-H", "Prefer: respond-async", "-d", "x", "/f")
    check(got.status == 202 and job_of(s.connect(), got.headers["x-gearman-job-handle"])[b"stored"] == b"yes")
    worker = s.worker("f")
    worker.complete(worker.grab()[0], "x")
    clients = [http(s).request("POST", "/f", "Prefer: respond-async, wait=60\r\nX-Gearman-Unique:\r\n", b"%d" % n) for n in range(50)]
    for _ in clients:
        worker.send(GRAB_JOB)
        got = worker.packet()
        while got.nr != JOB_ASSIGN:
            if got.nr == NO_JOB:
                worker.send(PRE_SLEEP).expect(NOOP)
            worker.send(GRAB_JOB)
            got = worker.packet()
        worker.complete(got.parts[0], got.parts[2] + b" done")
    for n, p in enumerate(clients):
        got = p.answer()
        check(got.status == 200 and got.body == b"%d done" % n, got)


# --- refusals

@case("curl: who accepts JSON gets refusals as problem+json; 503 says when to try again")
def _(t):
    s = http_server(t)
    s.expect_log("the maxqueue of a function is reached: ")
    s.connect().ask("maxqueue full 1")
    curl(t, s, "-H", "X-Gearman-Background: true", "-d", "1", "/full")
    for accept, kind in (("application/json", "application/problem+json"), ("*/*", "text/plain; charset=utf-8")):
        got = curl(t, s, "-H", "Accept: " + accept, "-d", "2", "/full")
        check((got.status, got.headers["content-type"], got.headers["retry-after"]) == (503, kind, "5"), got)
    got = curl(t, s, "-H", "Accept: application/problem+json", "-d", "2", "/full").json()
    check(got == {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "Job queue is full",
                  "code": "QUEUE_ERROR"}, got)
    got = curl(t, s, "-H", "Accept: application/json", "-H", "X-Gearman-Unique: " + "u" * 65, "-d", "2", "/f").json()
    check(got["status"] == 400 and got["code"] == "ARGUMENT_TOO_LARGE", got)
    worker = s.worker("f")
    c = start_curl(t, s, "-H", "Accept: application/json", "-d", "2", "/f")
    until(lambda: len(worker.listing("show jobs")) == 2, "the job")
    handle = worker.grab()[0]
    worker.send(WORK_FAIL, handle)
    got = finish(c).json()
    check(got["code"] == "WORK_FAIL" and got["handle"] == handle.decode(), got)


@case("a server that shuts down says 503 and when to try again", modes=BOTH)
def _(t):
    s = http_server(t)
    worker, p, q = s.worker("f"), http(s).request("POST", "/f", "", b"x"), http(s)
    until(lambda: worker.listing("show jobs"), "the job")
    check(q.request("GET", "/").answer().status == 200)
    handle = worker.grab()[0]
    s.signal(signal.SIGUSR1)
    s.await_log("SIGUSR1")
    got = q.request("POST", "/f", "Accept: application/json\r\n", b"y").answer()
    check((got.status, got.headers["retry-after"], got.json()["code"]) == (503, "5", "SHUTDOWN_GRACEFUL"), got)
    worker.complete(handle, "r")
    check(p.answer().body == b"r")
    s.end()


@case("a store that is unwell is 503, with its sentence and when to try again", modes=BOTH)
def _(t):
    s = fail_server(t, "--plugin-dir=" + os.environ["GEARMAND_PLUGIN_PATH"], "-r", "http", "--http-port=0", "--queue-timeout=1")
    s.http = "http://127.0.0.1:%d" % until(lambda: s.service_port("http"), "the HTTP port")
    s.expect_log(UNWELL)
    rules(t, "commit * again the disk is on fire")
    got = curl(t, s, "-H", "X-Gearman-Background: true", "-H", "Accept: application/json", "-d", "x", "/f")
    check(got.status == 503 and got.headers["retry-after"] == "5" and got.json()["code"] == "QUEUE_ERROR", got)
    check("the disk is on fire" in got.json()["detail"], got)
    no_rules(t)
    s.await_log(WELL)


main()
