#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The monitor is there before the server serves and after it does not any more, and says in a word why it is not ready."""
import contextlib
import ctypes
import errno
import os
import re
import signal

from gearlive import *
from gearlive.durable import *
from gearlive.failing import *
from gearlive.monitor import *

BOTH = (0, 2)
MODULES = "--plugin-dir=" + os.environ["GEARMAND_PLUGIN_PATH"]  # beside the one that fails
MONITOR = ("-r", "monitor", "--monitor-port=0", "--monitor-listen=127.0.0.1")


def readiness(s):
    """(status, the word)"""
    status, _, body = ask(s, "GET", "/readyz")
    return status, body.decode().strip()


def early(s):
    """The monitor of a server that does not serve yet: it answers, and nothing else listens."""
    s.monitor_port = until(lambda: s.service_port("monitor"), "the monitor's port")
    check(s.ports() == [s.monitor_port], "only the monitor listens", s.ports())
    check(get(s, "/healthz") == "ok\n")
    return s


def standby(t):
    s = t.server("-q", "sqlite", "--libsqlite3-db=" + t.path("queue.db"), "--standby", *MONITOR, wait=False)
    s.allow_log("standing by", "this server is active now")
    return s


def becomes(s, status, word):
    until(lambda: readiness(s) == (status, word), "readiness %d %s" % (status, word))


PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, ANY_THREAD = 17, 0x4206, 0x4207, 0x40000000


@contextlib.contextmanager
def stopped(t, s, name):
    """One thread of the server stands still, and the others go on: it is traced, as by a debugger, and not let run."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ptrace(request):
        return libc.ptrace(request, ctypes.c_long(tid), None, None)
    tid = until(lambda: s.threads().get(name), "the thread")
    until(lambda: open("/proc/%d/task/%d/stat" % (s.pid, tid)).read().rpartition(") ")[2][0] == "S", "the thread to sleep")
    if ptrace(PTRACE_SEIZE) != 0:
        check(ctypes.get_errno() == errno.EPERM, os.strerror(ctypes.get_errno()))
        t.skip("processes may not be traced here")
    check(ptrace(PTRACE_INTERRUPT) == 0)
    os.waitpid(tid, ANY_THREAD)
    try:
        yield
    finally:
        ptrace(PTRACE_DETACH)


@case("a processing thread that does not answer within a second: health is 503 and says for how long; it is well when it goes on", modes=(2,))
def _(t):
    s = monitor_server(t)
    client = s.connect()
    check(get(s, "/healthz") == "ok\n")
    with stopped(t, s, "gm-proc"):
        # While it sleeps others do its work; what is too much for them is left to it.
        client.raw(b"".join(pack(SUBMIT_JOB_BG, "f", "", data="x") for _ in range(1000)))
        status, headers, body = until(lambda: (lambda a: a[0] != 200 and a)(ask(s, "GET", "/healthz")), "health to be bad")
        lag = re.fullmatch(r"the processing thread has not answered for (\d+\.\d) seconds\n", body.decode())
        check(status == 503 and lag and float(lag[1]) >= 1.0 and headers["connection"] == "close", status, body)
        check(readiness(s)[0] == 503, "who is not well is not ready")
        check(ask(s, "GET", "/api/openapi.json")[0] == 200, "what needs no answer of it goes on")
    check(get(s, "/healthz") == "ok\n")
    for _ in range(1000):
        client.expect(JOB_CREATED)


@case("a server that serves is ready; one whose store is unwell or full is not", modes=BOTH)
def _(t):
    s = fail_server(t, MODULES, *MONITOR)
    s.monitor_port = s.service_port("monitor")
    check(readiness(s) == (200, "ready"))
    s.allow_log(UNWELL)
    rules(t, "commit * broken the disk is gone\n")
    client = s.connect().send(SUBMIT_JOB_BG, "f", "", data=b"x")
    becomes(s, 503, "store")
    got = samples(get(s, "/metrics"))
    check(got["gearman_store_up"] == 0 and got['gearman_store_state{gearman_store_state="unwell"}'] == 1)
    no_rules(t)
    client.expect(JOB_CREATED)
    becomes(s, 200, "ready")


@case("a standby answers health and metrics, and is not ready until it takes over", modes=BOTH)
def _(t):
    active = sqlite_server(t)
    client = active.connect()
    handle = client.submit("f", "u", "x", SUBMIT_JOB_BG)
    s = early(standby(t))
    becomes(s, 503, "standby")
    got = samples(get(s, "/metrics"))
    check(got['gearman_store_state{gearman_store_state="standby"}'] == 1 and got["gearman_up"] == 1)
    active.kill()
    becomes(s, 200, "ready")
    s.port = s.service_port("gear")
    check(samples(get(s, "/metrics"))['gearman_jobs_waiting{function="f"}'] == 1)
    check(s.connect().can("f").send(GRAB_JOB).expect(JOB_ASSIGN)[0] == handle)


@case("a server that waits for its store says so, and ends at once when it is told to", modes=BOTH)
def _(t):
    s = early(t.server("-q", "sqlite", "--libsqlite3-db=" + t.path("none/queue.db"), "--queue-wait", *MONITOR, wait=False))
    s.expect_log("waiting until it can be opened: .*No such file")
    becomes(s, 503, "store")
    s.stop()


@case("while jobs are taken over from the store the server is not ready", modes=BOTH)
def _(t):
    s = fail_server(t)
    s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s.stop()
    t.write("control", "replay 1 late 3000\n")
    s = fail_server(t, MODULES, *MONITOR, "--queue-wait", wait=False)
    s.monitor_port = until(lambda: s.service_port("monitor"), "the monitor's port")
    becomes(s, 503, "replaying")
    check(samples(get(s, "/metrics"))['gearman_store_state{gearman_store_state="replaying"}'] == 1)
    becomes(s, 200, "ready")


@case("while the last jobs end the server says draining, and lets nobody else in", modes=BOTH)
def _(t):
    s = monitor_server(t)
    client = s.connect().send(SUBMIT_JOB, "f", "", data=b"x")
    client.expect(JOB_CREATED)
    worker = s.worker("f")
    handle = worker.send(GRAB_JOB).expect(JOB_ASSIGN)[0]
    s.signal(signal.SIGUSR1)
    becomes(s, 503, "draining")
    check(s.ports() == [s.monitor_port])
    check(get(s, "/healthz") == "ok\n")
    worker.complete(handle, b"")
    client.expect(WORK_COMPLETE)
    s.end()


main()
