#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Jobs of curl, and what any worker may send for them: streams, progress, nothing at all, failures."""
import os

from gearlive import *


def http_server(t, *options):
    t.need("curl")
    s = t.server("-r", "http", "--http-port=0", *options)
    s.http = "http://127.0.0.1:%d" % s.service_port("http")
    return s


def curl(t, s, path, *options, status=0):
    """(status line, {header: value}, body)"""
    out = t.run("curl", "-sS", "-i", "--max-time", "60", *options, s.http + path, status=status).out
    head, _, body = out.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return lines[0], {k.lower(): v for k, _, v in (x.partition(": ") for x in lines[1:])}, body


def start_curl(t, s, path, *options):
    return t.spawn("curl", "-sS", "-i", "--max-time", "60", *options, s.http + path)


def answer(p):
    out, _ = p.communicate(timeout=3 * patience())
    head, _, body = out.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


@case("curl: a job's result is the body, with handle, command and length in the head")
def _(t):
    s = http_server(t)
    t.need("gearman")
    t.spawn("gearman", "-h", "127.0.0.1", "-p", str(s.port), "-w", "-f", "up", "--", "tr", "a-z", "A-Z")
    line, head, body = curl(t, s, "/up", "-d", "hello")
    check(line == "HTTP/1.1 200 OK" and body == b"HELLO", line, body)
    check(head["x-gearman-job-handle"].startswith("H:") and head["x-gearman-command"] == "WORK_COMPLETE" and
          head["content-length"] == "5" and head["server"].startswith("Gearman/"), head)


@case("curl: whatever data a worker sends before its result is the body, empty pieces and more than 8 KB too")
def _(t):
    s = http_server(t)
    worker = s.sleeper("f")
    for pieces in ([b"", b""], [b"a", b"", b"b\0c"], [os.urandom(9000)], [os.urandom(200000) for _ in range(10)]):
        c = start_curl(t, s, "/f", "-d", "x")
        worker.expect(NOOP)
        handle = worker.grab()[0]
        for piece in pieces:
            worker.send(WORK_DATA, handle, data=piece)
        worker.complete(handle, "end").sleep()
        head, body = answer(c)
        check(head[0] == "HTTP/1.1 200 OK" and body == b"".join(pieces) + b"end", head, len(body))


@case("curl: status and warnings of a worker do not end the answer")
def _(t):
    s = http_server(t)
    worker = s.sleeper("f")
    c = start_curl(t, s, "/f", "-d", "x")
    worker.expect(NOOP)
    handle = worker.grab()[0]
    worker.send(WORK_STATUS, handle, 1, 2).send(WORK_WARNING, handle, data="w").send(WORK_STATUS, handle, 2, 2)
    worker.complete(handle, "result").silent()
    head, body = answer(c)
    check(head[0] == "HTTP/1.1 200 OK" and body.endswith(b"result"), head, body)


@case("curl: a failed job is 5xx, an exception carries its text")
def _(t):
    s = http_server(t)
    worker = s.sleeper("f")
    for end, data in ((WORK_FAIL, None), (WORK_EXCEPTION, "the reason")):
        c = start_curl(t, s, "/f", "-d", "x")
        worker.expect(NOOP)
        handle = worker.grab()[0]
        worker.send(end, handle, data=data).sleep()
        head, body = answer(c)
        check(head[0].startswith("HTTP/1.1 5"), head)
        check(data is None or data.encode() in body, body)


@case("curl: a unique that is too long is refused, and nothing of the server dies")
def _(t):
    s = http_server(t)
    line, _, _ = curl(t, s, "/f", "-d", "x", "-H", "X-Gearman-Unique: " + "u" * 100)
    check(line.split()[1][0] in "45", line)
    s.alive()


@case("curl and gearman with one unique share a job and both get its result", modes=(0, 2))
def _(t):
    s = http_server(t)
    client, worker = s.connect(), s.connect()
    handle = client.submit("f", "same", "x")
    c = start_curl(t, s, "/f", "-d", "x", "-H", "X-Gearman-Unique: same")

    def both():
        client.send(GET_STATUS_UNIQUE, "same")
        return client.expect(STATUS_RES_UNIQUE)[5] == b"2"
    until(both, "curl to wait for the job")
    worker.can("f")
    worker.complete(worker.grab()[0], "for both")
    client.expect(WORK_COMPLETE, handle, "for both")
    check(answer(c)[1] == b"for both")


main()
