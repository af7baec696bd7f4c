#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""HTTP as clients speak it: curl's ways of sending, connections that live on, and clients that are slow, rude or gone."""
import os
import random
import subprocess

from gearlive import *

BOTH = (0, 2)
ONE = (4,)


def http_server(t, *options):
    t.need("curl")
    s = t.server("-r", "http", "--http-port=0", "--http-listen=127.0.0.1", *options)
    s.http_port = until(lambda: [p for p in s.ports() if p != s.port], "the HTTP port")[0]
    s.http = "http://127.0.0.1:%d" % s.http_port
    return s


def start_curl(t, s, *words, **how):
    return t.spawn("curl", "-sS", "--max-time", "50", *[s.http + w if w.startswith("/") else w for w in words], **how)


def finish(p, status=0):
    out, _ = p.communicate(timeout=3 * patience())
    check(p.returncode == status, "curl ended with status %d: %r" % (p.returncode, out[:200]))
    return out


def curl(t, s, *words):
    return finish(start_curl(t, s, *words))


def http(s, **how):
    """A connection to the HTTP port."""
    return Peer(("127.0.0.1", s.http_port), **how)


def response(p, body=True):
    """(status, {header: value}, body)"""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += p.read(1, "the head of a response; so far: %r" % head)
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, _, v in (x.partition(": ") for x in lines[1:])}
    return int(lines[0].split()[1]), headers, p.read(int(headers["content-length"])) if body else b""


def take(worker):
    """[handle, function, data] of the next job, which may still have to come."""
    while True:
        got = worker.send(GRAB_JOB).packet()
        while got.nr == NOOP:
            got = worker.packet()
        if got.nr == JOB_ASSIGN:
            return got.parts
        check(got.nr == NO_JOB, got)
        worker.send(PRE_SLEEP).expect(NOOP)


def serve(worker, function, data, result=None):
    """The next job is this one; its result is what came, backwards unless told."""
    handle, got_function, got = take(worker)
    check((got_function, got) == (function, data), "job %r %r" % (got_function, got[:100]))
    worker.complete(handle, data[::-1] if result is None else result)
    return handle


# --- connections that live on

@case("curl: several URLs use one connection")
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    c = start_curl(t, s, "-w", " %{num_connects}\n", "/f?abc", "/f?xyz", "/", "/f?123")
    for word in (b"abc", b"xyz", b"123"):
        serve(worker, b"f", word)
    check(finish(c) == b"cba 1\nzyx 0\ngearmand is here; POST /FUNCTION submits a job\n 0\n321 0\n")


@case("HTTP/1.0 is answered in 1.0 and closed, unless it asks for keep-alive")
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    c = start_curl(t, s, "-i", "-0", "/f?abc")
    serve(worker, b"f", b"abc")
    out = finish(c)
    check(out.startswith(b"HTTP/1.0 200 OK\r\n") and b"Connection: close\r\n" in out and out.endswith(b"\r\n\r\ncba"), out)
    with http(s) as p:
        p.raw(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        check(response(p)[1]["connection"] == "keep-alive")
        p.raw(b"GET / HTTP/1.0\r\n\r\n")
        check(response(p)[0] == 200)
        p.expect_closed()


@case("pipelined requests are answered one after the other, refusals and background jobs among them")
def _(t):
    s = http_server(t)
    p = http(s)
    p.raw(b"".join(b"POST /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%d"
                   b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
                   b"GET /g HTTP/1.1\r\nHost: localhost\r\nX-Gearman-Background: true\r\nX-Gearman-Unique:\r\n\r\n"
                   % (len(str(n)), n) for n in range(200)))
    worker = s.worker("f")
    for n in range(200):
        serve(worker, b"f", b"%d" % n)
        check(response(p)[2] == (b"%d" % n)[::-1])
        check(response(p)[0] == 200)
        check(response(p)[1]["x-gearman-command"] == "JOB_CREATED")
    check(sorted(s.connect().listing("status")) == [b"f\t0\t0\t1", b"g\t200\t0\t0"])


@case("a request that arrives byte by byte is one request")
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    p = http(s)
    for byte in b"POST /f HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n":
        p.raw(bytes([byte]))
    serve(worker, b"f", b"abcde")
    check(response(p)[2] == b"edcba")


# --- ways of sending

@case("curl: a body with a length, one in chunks, and one after 100 Continue, of 1 MB and of 20 MB", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    for size in (1 << 20, 20 << 20):
        data = os.urandom(size)
        with open(t.path("body"), "wb") as f:
            f.write(data)
        for words in (["-H", "Expect:", "--data-binary", "@body"], ["-H", "Expect: 100-continue", "-T", "body"],
                      ["-H", "Expect:", "-H", "Transfer-Encoding: chunked", "-T", "body"]):
            c = start_curl(t, s, "-o", "result", *words, "/f")
            serve(worker, b"f", data, data)
            finish(c)
            with open(t.path("result"), "rb") as f:
                check(f.read() == data, "the result is another one", *words)


@case("a client that waits for 100 Continue gets it before it sends, and no such thing when it is refused", modes=BOTH)
def _(t):
    s = http_server(t, "--max-packet=2000")
    worker = s.worker("f")
    p = http(s)
    p.raw(b"PUT /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    check(p.read(25) == b"HTTP/1.1 100 Continue\r\n\r\n")
    p.raw(b"abc")
    serve(worker, b"f", b"abc")
    check(response(p)[2] == b"cba")
    p.raw(b"PUT /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000\r\nExpect: 100-continue\r\n\r\n")
    check(response(p)[0] == 413)
    p.expect_closed()


@case("curl: HEAD runs the job and gets the length of its result, not the result")
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    c = start_curl(t, s, "-I", "/f?abc")
    serve(worker, b"f", b"abc", b"0123456789")
    out = finish(c)
    check(b"\r\nContent-Length: 10\r\n" in out and out.endswith(b"\r\n\r\n"), out)


@case("curl: paths are percent-decoded, and a function may have any name", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker(b"a b/\xc3\xa4?")
    c = start_curl(t, s, "/a%20b/%c3%a4%3f?x%20y")
    serve(worker, b"a b/\xc3\xa4?", b"x%20y")
    check(finish(c) == b"y02%x")


# --- priority, unique, background

@case("curl: priorities are those of the core, and a background job is known by its handle")
def _(t):
    s = http_server(t)
    handles = {}
    for priority in ("low", "normal", "high"):
        out = curl(t, s, "-i", "-H", "X-Gearman-Priority: " + priority, "-H", "X-Gearman-Background: true",
                   "-d", priority, "/f").decode()
        check("\r\nX-Gearman-Command: JOB_CREATED\r\n" in out and "\r\nContent-Length: 0\r\n" in out, out)
        handles[priority] = out.partition("X-Gearman-Job-Handle: ")[2].partition("\r\n")[0]
    worker = s.worker("f")
    for priority in ("high", "normal", "low"):
        check(worker.status(handles[priority])[:2] == (1, 0), "the handle is not known")
        check(serve(worker, b"f", priority.encode()) == handles[priority].encode())
    worker.no_job()


@case("requests with equal bodies, or one unique, share a job; with an empty unique they do not")
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    taken = 0

    def submissions():
        counters = dict(line.split(b"\t") for line in worker.listing("counters"))
        return int(counters[b"jobs_submitted"]) + int(counters[b"jobs_coalesced"])

    for headers, jobs in ((b"", 1), (b"X-Gearman-Unique: u\r\n", 1), (b"X-Gearman-Unique:\r\n", 3)):
        clients = [http(s).raw(b"POST /f HTTP/1.1\r\nHost: localhost\r\n" + headers + b"Content-Length: 3\r\n\r\nabc") for _ in range(3)]
        taken += 3
        until(lambda: submissions() == taken, "all three requests")
        check(worker.listing("status") == [b"f\t%d\t0\t1" % jobs], worker.listing("status"))
        for _ in range(jobs):
            serve(worker, b"f", b"abc")
        check([response(c)[2] for c in clients] == [b"cba"] * 3)


# --- what is refused

@case("curl: refusals have their status, a sentence, and do no harm to the server")
def _(t):
    s = http_server(t, "--max-packet=5000")
    s.expect_log("the maxqueue of a function is reached: ")
    s.connect().ask("maxqueue full 1")
    curl(t, s, "-H", "X-Gearman-Background: true", "-d", "1", "/full")
    with open(t.path("large"), "wb") as f:
        f.write(b"x" * 6000)
    for status, words in ((404, ["-d", "x", "/"]), (405, ["-X", "DELETE", "/f"]), (411, ["-X", "POST", "/f"]),
                          (413, ["-T", "large", "/f"]), (413, ["-H", "Transfer-Encoding: chunked", "-T", "large", "/f"]),
                          (417, ["-H", "Expect: more", "-d", "x", "/f"]), (431, ["-H", "X: " + "x" * 9000, "/f"]),
                          (400, ["/%zz"]), (400, ["-H", "X-Gearman-Unique: " + "u" * 65, "/f"]),
                          (400, ["-H", "X-Gearman-Priority: urgent", "/f"]), (503, ["-d", "2", "/full"])):
        out = curl(t, s, "-w", "%{http_code}", *words)
        check(out.endswith(b"%d" % status), "expected %d:" % status, *words, out)
        check(status == 404 or out.count(b"\n") == 1, "a sentence:", out)
    s.alive()


@case("a job's result that is larger than a packet is 502", modes=ONE)
def _(t):
    s = http_server(t, "--max-packet=5000")
    worker = s.worker("f")
    p = http(s).raw(b"GET /f HTTP/1.1\r\nHost: localhost\r\n\r\n")
    handle = take(worker)[0]
    for _ in range(6):
        worker.send(WORK_DATA, handle, data=b"x" * 1000)
    check(response(p)[0] == 502)
    p.expect_closed()
    s.alive()


@case("garbage on the HTTP port is refused or closed, and nothing else", modes=BOTH)
def _(t):
    s = http_server(t)
    rng = random.Random(1)
    for n in range(200):
        with http(s) as p:
            p.raw(rng.choice([b"", b"GET ", b"POST /f HTTP/1.1\r\nHost: localhost\r\n", b"GET /f HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"])
                  + rng.randbytes(rng.randrange(1, 300)))
            p.shut_write()
            out = p.drain()
            check(out == b"" or out.startswith(b"HTTP/1."), out)
    s.alive()


@case("a client that sends a Gearman packet, or TLS, to the HTTP port is told", modes=ONE)
def _(t):
    s = http_server(t)
    for data in (pack(ECHO_REQ, data="x"), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        with http(s) as p:
            p.raw(data)
            check(response(p)[0] == 400)
            p.expect_closed()


# --- clients that are slow or gone

@case("a client that goes takes its job with it, and the next one is served")
def _(t):
    s = http_server(t)
    admin = s.connect()
    p = http(s).raw(b"GET /f?x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    until(lambda: admin.listing("status") == [b"f\t1\t0\t0"], "the job")
    p.close()
    until(lambda: admin.listing("status") == [b"f\t0\t0\t0"], "its end")
    worker = s.worker("f")
    c = start_curl(t, s, "/f?y")
    serve(worker, b"f", b"y")
    check(finish(c) == b"y")


@case("clients that go in the middle of a request or of an answer leave nothing behind", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    before = s.descriptors()
    for n in range(50):
        with http(s) as p:
            p.raw(b"POST /f HTTP/1.1\r\nHost: localhost\r\nX-Gearman-Unique: %d\r\nContent-Length: 100000\r\n\r\n" % n + b"x" * 50000)
        p = http(s).raw(b"GET /f HTTP/1.1\r\nHost: localhost\r\nX-Gearman-Unique: %d\r\n\r\n" % n)
        handle = take(worker)[0]
        worker.send(WORK_DATA, handle, data=b"x" * 100000).sync()
        p.reset()
        worker.complete(handle, b"x" * 100000).sync()
    until(lambda: s.descriptors() == before, "all connections to be closed")


@case("a slow reader of 20 MB gets them all, and holds nobody up", modes=BOTH)
def _(t):
    s = http_server(t)
    worker = s.worker("f")
    data = os.urandom(20 << 20)
    slow = http(s, rcvbuf=4096).raw(b"GET /f?slow HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    serve(worker, b"f", b"slow", data)
    for n in range(20):
        p = http(s).raw(b"GET /f?%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n)
        serve(worker, b"f", b"%d" % n)
        check(response(p)[2] == (b"%d" % n)[::-1])
    check(response(slow)[2] == data)
    check(response(slow)[0] == 200)


@case("a silent connection is closed after the time set, and one in the middle of a request is told", modes=BOTH)
def _(t):
    s = http_server(t, "--http-idle-timeout=1")
    idle, head, body = (http(s) for _ in range(3))
    worker = s.worker("f")
    waiting = http(s).raw(b"GET /f?x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    handle = take(worker)[0]
    head.raw(b"GET /f HTTP/1.1\r\nHost: localhost\r\nX: ")
    body.raw(b"POST /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
    for p in (head, body):
        check(response(p)[0] == 408)
        p.expect_closed()
    idle.expect_closed()
    worker.complete(handle, b"done")
    check(response(waiting)[2] == b"done")
    waiting.expect_closed()


# --- workers of others

@case("curl: an exception of a Perl worker is 500 with its text", modes=BOTH)
def _(t):
    t.need("perl")
    if subprocess.run(["perl", "-MGearman::Worker", "-e", "1"], stderr=subprocess.DEVNULL).returncode:
        check(not os.environ.get("CI"), "Gearman::Worker is not installed")
        t.skip("Gearman::Worker is not installed")
    s = http_server(t)
    t.spawn("perl", "-MGearman::Worker", "-e",
            "my $w = Gearman::Worker->new(job_servers => ['127.0.0.1:%d']);"
            "$w->register_function(die => sub { die 'died of ' . $_[0]->arg . \"\\n\" });"
            "$w->register_function(rev => sub { scalar reverse $_[0]->arg });"
            "$w->work while 1;" % s.port)
    for n in range(3):
        out = curl(t, s, "-i", "-d", "boredom", "/die")
        check(out.startswith(b"HTTP/1.1 500 ") and b"\r\nX-Gearman-Command: WORK_EXCEPTION\r\n" in out and
              b"died of boredom" in out.partition(b"\r\n\r\n")[2], out)
        check(curl(t, s, "-d", "abc", "/rev") == b"cba")


@case("curl: a command behind `gearman -w` that fails is 500", modes=BOTH)
def _(t):
    t.need("gearman")
    s = http_server(t)
    for function, command in (("bad", ["false"]), ("count", ["wc", "-c"])):
        t.spawn("gearman", "-h", "127.0.0.1", "-p", str(s.port), "-w", "-f", function, "--", *command)
    out = curl(t, s, "-i", "-d", "x", "/bad")
    check(out.startswith(b"HTTP/1.1 500 ") and b"\r\nX-Gearman-Command: WORK_FAIL\r\n" in out, out)
    with open(t.path("body"), "wb") as f:
        f.write(b"x" * 1000000)
    check(curl(t, s, "-T", "body", "/count").strip() == b"1000000")


main()
