#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The monitor is there before the server serves and after it does not any more, and says in a word why it is not ready."""
import os
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
