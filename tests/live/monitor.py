#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The monitor: metrics as Prometheus and its tools read them, health, and what browsers must not do."""
import re
import subprocess
import time

from gearlive import *
from gearlive.monitor import *

BOTH = (0, 2)
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
STRICT = ("import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse;"
          "print(len(list(parse(sys.stdin.read()))))")


def promtool(t, text):
    t.need("promtool")
    p = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(p.returncode == 0 and p.stdout == b"", "promtool: %r" % p.stdout[:500])


def strict_parser(t, text):
    python = "/usr/bin/python3"  # Debian's, which has the package
    if subprocess.run([python, "-c", "import prometheus_client"], stderr=subprocess.DEVNULL).returncode:
        t.skip("python3-prometheus-client is not installed")
    p = subprocess.run([python, "-c", STRICT], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(p.returncode == 0, p.stdout.decode())


def busy(s):
    """Some of everything: a waiting, a running, a failed and an ended job, and names of any bytes."""
    worker = s.worker("done", "bad")
    client = s.connect()
    for function in ("done", "bad", "left"):
        client.send(SUBMIT_JOB_BG, function, "", data=b"x").expect(JOB_CREATED)
    client.send(SUBMIT_JOB_BG, b'n"\\\xff\n\xc3\xa4', "", data=b"x").expect(JOB_CREATED)
    for _ in range(2):
        got = worker.send(GRAB_JOB).expect(JOB_ASSIGN)
        if got[1] == b"done":
            worker.complete(got[0], b"")
        else:
            worker.send(WORK_FAIL, got[0])
    worker.sync()
    return worker


@case("both formats are what the tools of Prometheus take, also with a name of any bytes", modes=BOTH)
def _(t):
    s = monitor_server(t)
    busy(s)
    text = get(s, "/metrics")
    promtool(t, text)
    promtool(t, get(s, "/metrics/functions?function=*"))
    strict_parser(t, get(s, "/metrics", Accept=OPENMETRICS))
    strict_parser(t, get(s, "/metrics/functions", Accept=OPENMETRICS))
    got = samples(text)
    check(got['gearman_jobs_waiting{function="left"}'] == 1)
    check(got['gearman_jobs_submitted_total{function="done",kind="background"}'] == 1)
    check(got['gearman_jobs_assigned_total{function="bad"}'] == 1)
    check(got['gearman_jobs{function="n\\"\\\\\\\\xFF\\\\x0A\xe4"}'] == 1, text)
    check(got['gearman_store_state{gearman_store_state="none"}'] == 1)


@case("every family has a sample from the start, but for what only TLS has; connections, bytes, errors and refusals are told by kind", modes=BOTH)
def _(t):
    s = monitor_server(t, "--max-jobs=1")
    s.expect_log("--max-jobs is reached")
    s.allow_log("QUEUE_ERROR")
    text = get(s, "/metrics")
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    empty = [f for f in families if not re.search("^%s(_bucket)?[{ ]" % f, text, re.M) and not re.search("^%s_(sum|count)" % f, text, re.M)]
    check(empty == ["gearman_tls_certificate_expiry_timestamp_seconds"] and len(families) > 60, empty)
    client = s.connect()
    client.submit("f")
    client.send(SUBMIT_JOB_BG, "f", "", data=b"x").expect_error("QUEUE_ERROR")
    client.send(WORK_COMPLETE, "H:none:1", data=b"").expect_error("JOB_NOT_FOUND")
    before = samples(text)
    got = samples(get(s, "/metrics"))
    check(got['gearman_connections{service="gear",tls="0"}'] == before['gearman_connections{service="gear",tls="0"}'] + 1, got)
    check(got['gearman_refused_total{reason="max_jobs"}'] == 1 and got['gearman_refused_total{reason="memory"}'] == 0)
    check(got['gearman_errors_sent_total{code="QUEUE_ERROR"}'] == 1 and got['gearman_errors_sent_total{code="JOB_NOT_FOUND"}'] == 1)
    check(got['gearman_received_bytes_total{thread="io-1"}'] > before['gearman_received_bytes_total{thread="io-1"}'])
    check(abs(got["process_start_time_seconds"] - time.time()) < 600)
    client.close()
    until(lambda: samples(get(s, "/metrics"))['gearman_connections{service="gear",tls="0"}'] ==
          before['gearman_connections{service="gear",tls="0"}'], "the connection to be gone")


@case("each kind of thread has its processor time", modes=(3,))
def _(t):
    got = samples(get(monitor_server(t), "/metrics"))
    for name in ("main", "proc", "io-1", "io-2"):
        check('gearman_thread_cpu_seconds_total{thread="%s"}' % name in got, name, sorted(got))
    check(got["process_resident_memory_bytes"] > 1 << 20 and got["process_open_fds"] > 5)


@case("the format follows Accept, and says what it is", modes=BOTH)
def _(t):
    s = monitor_server(t)
    for accept, kind in ((OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
                         ("*/*", "text/plain; version=0.0.4; charset=utf-8")):
        status, headers, body = ask(s, "GET", "/metrics", Accept=accept)
        check(status == 200 and headers["content-type"] == kind, headers.items())
        check(body.endswith(b"# EOF\n") == (accept == OPENMETRICS))
        check(headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff")
    status, headers, body = ask(s, "HEAD", "/metrics")
    check(status == 200 and body == b"" and int(headers["content-length"]) > 1000)


@case("10,000 functions: the oldest have numbers of their own, the others are added up, and sums stay", modes=BOTH)
def _(t):
    s = monitor_server(t, "--monitor-max-functions=100")
    client = s.connect()
    for n in range(10000):
        client.send(SUBMIT_JOB_BG, "f%d" % n, "", data=b"")
    for n in range(10000):
        client.expect(JOB_CREATED)
    got = samples(get(s, "/metrics"))
    mine = {k: v for k, v in got.items() if k.startswith("gearman_jobs_waiting{")}
    check(len(mine) == 101 and sum(mine.values()) == 10000, len(mine), sum(mine.values()))
    check(got["gearman_functions_folded"] == 9900)
    check(all('gearman_jobs_waiting{function="f%d"}' % n in mine for n in range(100)))
    text = get(s, "/metrics/functions?function=f77*")
    check(sum(1 for x in samples(text) if x.startswith('gearman_function_jobs_waiting{function="f77')) == 111)
    strict_parser(t, get(s, "/metrics/functions?function=f77*", Accept=OPENMETRICS))
    check(get(s, "/metrics/functions").count("\ngearman_function_run_seconds_bucket{") == 10001 * 12)


@case("of each function there are histograms of its own, with the bounds of the server's, and they say the same", modes=BOTH)
def _(t):
    s = monitor_server(t)
    busy(s)
    got = samples(get(s, "/metrics/functions"))
    server = samples(get(s, "/metrics"))
    text = get(s, "/metrics/functions", Accept=OPENMETRICS)
    check(samples(text).keys() == got.keys(), "both formats have the same samples")
    for what in ("wait", "run"):
        check("\n# TYPE gearman_function_%s_seconds histogram\n" % what in text)
        for key, number in server.items():
            m = re.match(r"gearman_job_%s_seconds_(\w+)(?:\{(le=.*)\})?" % what, key)
            if m:
                of = {f: got['gearman_function_%s_seconds_%s{function="%s"%s}' % (what, m[1], f, "," + m[2] if m[2] else "")]
                      for f in ("done", "bad", "left", "(other)")}
                check(abs(sum(of.values()) - number) < 1e-6, key, number, of)
                if m[1] == "count":
                    check(of == {"done": 1, "bad": 1, "left": 0, "(other)": 0}, of)


@case("two scrapes at a time, one read slowly, hold up neither each other nor jobs", modes=BOTH)
def _(t):
    s = monitor_server(t, "--monitor-max-functions=10000")
    client = s.connect()
    for n in range(2000):
        client.send(SUBMIT_JOB_BG, "f%d" % n, "", data=b"")
    for n in range(2000):
        client.expect(JOB_CREATED)
    request = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    slow = Peer(("127.0.0.1", s.monitor_port), rcvbuf=4096).raw(request * 3)
    other = Peer(("127.0.0.1", s.monitor_port)).raw(request)
    text = get(s, "/metrics")
    s.alive()
    for p in (other, slow):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += p.read(1)
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        body = p.read(length).decode()
        check(body.count("# HELP") == text.count("# HELP") and 'function="f1999"' in body)
        p.expect_closed()


@case("health is asked of the processing thread", modes=BOTH)
def _(t):
    s = monitor_server(t)
    check(get(s, "/healthz") == "ok\n")


@case("a connection lives on, and requests that come together are answered in order", modes=BOTH)
def _(t):
    s = monitor_server(t)
    p = Peer(("127.0.0.1", s.monitor_port))
    one = b"GET /%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nxyz"
    p.raw(one % b"healthz" + one % b"nothing" + one % b"healthz")
    for status in (b"200", b"404", b"200"):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += p.read(1)
        check(head.split()[1] == status, head)
        p.read(int(head.lower().partition(b"content-length: ")[2].split()[0]))


@case("pages of strangers: an unknown Host reads nothing, a foreign origin does nothing", modes=(0,))
def _(t):
    s = monitor_server(t, "--monitor-host=monitor.example.org")
    get(s, "/metrics", 421, Host="evil.example")
    get(s, "/metrics", 200, Host="monitor.example.org:4731")
    check(ask(s, "POST", "/metrics", Origin="http://evil.example")[0] == 403)
    check(ask(s, "POST", "/metrics")[0] == 405)
    check(ask(s, "DELETE", "/metrics")[0] == 405)


@case("what is not HTTP, or too long, is told so and closed", modes=(0,))
def _(t):
    s = monitor_server(t)
    for raw, status in ((b"\x16\x03\x01\x02\x00", b"400"), (b"GET / HTTP/1.1\r\nX: " + b"y" * 9000, b"431"),
                        (b"\0REQ\0\0\0\x10\0\0\0\0", b"400")):
        p = Peer(("127.0.0.1", s.monitor_port)).raw(raw)
        check(p.read(12).split()[1] == status)


main()
