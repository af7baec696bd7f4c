#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Questions about a job by its handle, over HTTP."""
import os

from gearlive import *
from gearlive.http import *

BOTH = (0, 2)
JSON = ("-H", "Accept: application/json")


def submit(s, function="f", unique="", data="x"):
    return s.connect().submit(function, unique, data, nr=SUBMIT_JOB_BG).decode()


@case("curl: a job is told as JSON, whatever state it is in", modes=BOTH)
def _(t):
    s = http_server(t)
    handle = submit(s, "f \"\u00e4\"", "u\\")
    job = curl_json(t, s, "/_job/" + handle)
    check(job["handle"] == handle and job["function"] == "f \"\u00e4\"" and job["unique"] == "u\\", job)
    check(job["state"] == "ready" and job["running"] is False and job["background"] is True, job)
    check(job["attempts"] == 0 and job["priority"] == "normal" and job["error"] is None, job)
    worker = s.worker("f \"\u00e4\"".encode())
    worker.grab()
    worker.send(WORK_STATUS, handle, 3, 4).sync()
    job = curl_json(t, s, "/_job/" + handle)
    check((job["state"], job["running"], job["numerator"], job["denominator"]) == ("running", True, 3, 4), job)
    check(job["worker_address"] == "127.0.0.1", job)
    check(curl_json(t, s, "/_job/" + handle.replace(":", "%3A"))["handle"] == handle)
    got = curl(t, s, "-I", "/_job/" + handle)
    check(got.status == 200 and int(got.headers["content-length"]) > 100, got)
    worker.close()
    until(lambda: curl_json(t, s, "/_job/" + handle)["attempts"] == 1, "the attempt to be lost")
    check(curl_json(t, s, "/_job/" + handle)["state"] == "ready")


@case("curl: a job that is not known, and what is no handle, is 404")
def _(t):
    s = http_server(t)
    for path in ("/_job/H:x:1", "/_job/H:x:1?wait=60", "/_job/H:x:1/result", "/_job/nothing", "/_job/", "/_job/a%20b",
                 "/_job/a/b", "/_job/" + "x" * 64):
        got = curl(t, s, *JSON, path)
        check(got.status == 404 and got.json()["status"] == 404, path, got)
        check(curl(t, s, "-H", "Accept: text/event-stream", path).status == 404, path)
    check(curl(t, s, "-X", "DELETE", "/_job/H:x:1").status == 404)
    check(curl(t, s, "-X", "PUT", "-d", "", "/_job/H:x:1").headers["allow"] == "GET, HEAD, DELETE")
    s.alive()


@case("a function whose name begins with _job/ is called with %5F", modes=(0,))
def _(t):
    s = http_server(t)
    worker = s.worker("_job/x")
    c = start_curl(t, s, "/%5Fjob/x?y")
    until(lambda: worker.listing("show jobs"), "the job")
    worker.complete(worker.grab()[0], "z")
    check(finish(c).body == b"z")


# --- wait

@case("a wait for a job ends with its progress, with its end, or with the time, and the connection lives on", modes=BOTH)
def _(t):
    s = http_server(t)
    handle, worker, p = submit(s), s.worker("f"), http(s)

    def wait(seconds=600):
        p.request("GET", "/_job/%s?wait=%d" % (handle, seconds))
        until(lambda: job_of(worker, handle)[b"clients"] == b"1", "somebody to wait for it")
    worker.grab()
    for n in (1, 2):
        wait()
        worker.send(WORK_DATA, handle, data="no change").send(WORK_STATUS, handle, n, 3)
        got = p.answer().json()
        check((got["state"], got["numerator"], got["denominator"]) == ("running", n, 3), got)
        until(lambda: job_of(worker, handle)[b"clients"] == b"0", "nobody to wait for it")
    p.request("GET", "/_job/%s?wait=1" % handle)
    check(p.answer().json()["numerator"] == 2)
    wait()
    worker.complete(handle, "r").silent()
    got = p.answer().json()
    check((got["state"], got["running"], got["handle"]) == ("completed", False, handle), got)
    handle = submit(s)
    wait()
    check(s.connect().ask("cancel job " + handle) == b"OK\r\n")
    check(p.answer().json()["state"] == "failed")
    check(p.request("GET", "/_job/%s?wait=600" % handle).answer().status == 404)


@case("a wait sees that a job dies, and a dead job is not waited for", modes=BOTH)
def _(t):
    s = http_server(t, "--policy-file=" + t.write("policies", "f attempts=2 retry-on=exception delay=0\n"))
    handle, worker, p = submit(s), s.worker("f"), http(s)
    p.request("GET", "/_job/%s?wait=600" % handle)
    until(lambda: job_of(worker, handle)[b"clients"] == b"1", "somebody to wait for it")
    worker.grab()
    worker.send(WORK_EXCEPTION, handle, data="division by zero")
    got = p.answer().json()
    check((got["state"], got["attempts"], got["error"]) == ("ready", 1, "division by zero"), got)
    p.request("GET", "/_job/%s?wait=600" % handle)
    until(lambda: job_of(worker, handle)[b"clients"] == b"1", "somebody to wait for it")
    worker.grab()
    worker.send(WORK_EXCEPTION, handle, data="again")
    for _ in range(2):
        got = p.answer().json()
        check((got["state"], got["attempts"], got["error"]) == ("dead", 2, "again"), got)
        p.request("GET", "/_job/%s?wait=600" % handle)
    check(curl(t, s, "/_job/%s/result" % handle).status == 500)


@case("those who wait for a job by its handle are bounded, and those behind the bound are answered at once")
def _(t):
    s = http_server(t)
    s.expect_log("the number of clients that may wait for a job is reached: ")
    handle, p = submit(s), s.connect()
    p.raw(b"follow job %s\n" % handle.encode() * 10000)
    for _ in range(10000):
        check(p.line() == b"OK\r\n")
    check(curl_json(t, s, "/_job/%s?wait=600" % handle)["clients"] == 10000)
    got = curl(t, s, *JSON, "-H", "Accept: text/event-stream", "/_job/" + handle)
    check(got.status == 503 and got.headers["retry-after"] == "5" and got.json()["code"] == "QUEUE_ERROR", got)
    check(got.json()["detail"] == "As many clients as may wait for this job already", got)


# --- result, events, end

@case("curl: the result of a job that has not ended is 202, of one that is forgotten 404", modes=BOTH)
def _(t):
    s = http_server(t)
    handle, worker = submit(s), s.worker("f")
    for _ in range(2):
        got = curl(t, s, "/_job/%s/result" % handle)
        check(got.status == 202 and got.headers["retry-after"] == "1", got)
        worker.send(GRAB_JOB).packet()
    worker.complete(handle, "r").silent()
    check(curl(t, s, "/_job/%s/result" % handle).status == 404)


@case("curl: a result that the policy keeps can be fetched, and its events, as long as the job is known", modes=BOTH)
def _(t):
    s = http_server(t, "--policy-file=" + t.write("policies", "f keep-state=1h keep-result=1M\n"))
    worker = s.worker("f")
    for pieces, end in (([], b"result"), ([b"some ", b"more "], b"\0\xff"), ([os.urandom(300000)], b"")):
        handle = submit(s)
        worker.grab()
        for piece in pieces:
            worker.send(WORK_DATA, handle, data=piece)
        worker.complete(handle, end).sync()
        got = curl(t, s, "/_job/%s/result" % handle)
        check(got.status == 200 and got.body == b"".join(pieces) + end, got)
        check(got.headers["x-gearman-command"] == "WORK_COMPLETE" and got.headers["x-gearman-job-handle"] == handle, got)
        check(curl_json(t, s, "/_job/%s?wait=600" % handle)["state"] == "completed")
        p = http(s).request("GET", "/_job/" + handle, "Accept: text/event-stream\r\n")
        p.head()
        names = []
        while not names or names[-1] is not None:
            event = p.event()
            names.append(event and event[0])
        check(names[-2] == "complete", names)
    handle = submit(s)
    worker.grab()
    worker.complete(handle, b"x" * 1100000).sync()
    job = curl_json(t, s, "/_job/" + handle)
    check(job["state"] == "completed" and job["result_is_cut"] is True and job["ended"] >= job["started"], job)
    got = curl(t, s, *JSON, "/_job/%s/result" % handle)
    check(got.status == 404 and got.json()["code"] == "NOT_KEPT", got)
    handle = submit(s)
    worker.grab()
    worker.send(WORK_EXCEPTION, handle, data="division by zero").sync()
    got = curl(t, s, "/_job/%s/result" % handle)
    check(got.status == 500 and got.body == b"division by zero\n", got)
    check(curl(t, s, "-X", "DELETE", "/_job/" + handle).status == 404)


@case("events of a background job come to who asks by its handle, through its retries", modes=BOTH)
def _(t):
    s = http_server(t, "--policy-file=" + t.write("policies", "f attempts=3 retry-on=fail\n"))
    handle, worker = submit(s), s.worker("f")
    p = http(s).request("GET", "/_job/" + handle, "Accept: text/event-stream\r\n")
    check(p.head().headers["x-gearman-job-handle"] == handle)
    worker.grab()
    worker.send(WORK_STATUS, handle, 1, 2)
    check(p.event()[0] == "status")
    late = http(s).request("GET", "/_job/" + handle, "Accept: text/event-stream\r\n")
    late.head()
    check(late.event() == ("status", b'{"numerator":1,"denominator":2}'))
    worker.send(WORK_FAIL, handle)
    check(p.event() == late.event() == ("again", b""))
    worker.grab()
    worker.complete(handle, "r")
    check(p.event() == late.event() == ("complete", b"r"))
    check(p.event() is None and p.request("GET", "/").answer().status == 200)


@case("curl: a job is ended with DELETE: one that waits, one that runs, one that is dead", modes=BOTH)
def _(t):
    s = http_server(t)
    worker, admin = s.worker("f"), s.connect()
    for state in ("ready", "running", "dead"):
        handle = submit(s)
        if state == "running":
            worker.grab()
        if state == "dead":
            check(admin.ask("bury job " + handle) == b"OK\r\n")
        check(curl_json(t, s, "/_job/" + handle)["state"] == state)
        got = curl(t, s, "-X", "DELETE", "/_job/" + handle)
        check(got.status == 204 and got.body == b"" and "content-length" not in got.headers, got)
        check(curl(t, s, "-X", "DELETE", "/_job/" + handle).status == 404)
    check(admin.listing("show jobs") == [])
    client = s.connect()
    handle = client.submit("f", data="x").decode()
    check(curl(t, s, "-X", "DELETE", "/_job/" + handle).status == 204)
    client.expect(WORK_FAIL, handle)


@case("DELETE of a stored job is answered when the store has removed it", modes=BOTH)
def _(t):
    s = http_server(t, "-q", "sqlite", "--libsqlite3-db=" + t.path("jobs.db"))
    handle = submit(s)
    check(curl(t, s, "-X", "DELETE", "/_job/" + handle).status == 204)
    s.kill()
    s.start()
    check(s.connect().listing("show jobs") == [])


main()
