#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""People manage functions and their jobs while the server runs."""
import re

from gearlive import *
from gearlive.durable import *

FEW = (0, 2)


@case("a paused function gives no job away and wakes nobody until it is resumed", modes=FEW)
def _(t):
    s = t.server()
    client, worker = s.connect(), s.sleeper("f")
    check(client.ask("pause f") == b"OK\r\n")
    handle = client.submit("f", nr=SUBMIT_JOB_BG)
    worker.silent()
    worker.send(GRAB_JOB)
    worker.expect(NO_JOB)
    check(client.listing("show functions") == [b"f\t0\t1\t0\t0\t0\t0\t1\t0\t0\t0\tpaused"])
    worker.sleep()
    check(client.ask("resume f") == b"OK\r\n")
    worker.expect(NOOP)
    check(worker.grab()[0] == handle)


@case("a pause of one second ends by itself, with no other traffic at all", modes=FEW)
def _(t):
    s = t.server()
    client, worker = s.connect(), s.sleeper("f")
    check(client.ask("pause f 1") == b"OK\r\n")
    client.submit("f", nr=SUBMIT_JOB_BG)
    worker.expect(NOOP)
    worker.grab()


@case("stored jobs that were purged do not come back", modes=FEW)
def _(t):
    s = sqlite_server(t)
    uniques = ["u%d" % i for i in range(3000)]
    client = submit_many(s.connect(), uniques)
    acknowledged(client, uniques, len(uniques))
    client.submit("g", "kept", "x", SUBMIT_JOB_BG)
    waiting = s.connect()
    mine = waiting.submit("f", "u7", nr=SUBMIT_JOB)
    check(client.ask("purge f") == b"OK 3000\n")
    waiting.expect(WORK_FAIL, mine)
    check(sql(t, "SELECT unique_key FROM gearman_queue") == [("kept",)])
    s.kill()
    s.start()
    check(drain_jobs(s) == [])
    check(s.connect().listing("peek g") != [])


@case("cancel unique ends the job of that function, in the store, too", modes=FEW)
def _(t):
    s = sqlite_server(t)
    client = s.connect()
    client.submit("f", "u", "x", SUBMIT_JOB_BG)
    check(client.ask("cancel unique g u").startswith(b"ERR UNKNOWN_FUNCTION "))
    check(client.ask("cancel unique f u") == b"OK\r\n")
    await_rows(t, 0)
    check(client.ask("cancel unique f u") == b"ERR UNKNOWN_JOB\r\n")


@case("peek shows the jobs that workers would get first, and a thousand at most", modes=FEW)
def _(t):
    client = t.server().connect()
    handles = [client.submit("f", "u%d" % i, "data %d\n" % i, SUBMIT_JOB_BG) for i in range(1001)]
    for i, line in enumerate(client.listing("peek f 2")):
        before, age, behind = re.split(rb"normal\t(\d+)\t", line)
        check(before == handles[i] + b"\tu%d\t" % i and behind == b"0\t7\tdata %d\\x0A\t0\t0\t\t" % i, line)
    check(len(client.listing("peek f")) == 10)
    check(len(client.listing("peek f 1000")) == 1000)
    check(client.ask("peek f 1001").startswith(b"ERR INVALID_ARGUMENTS "))
    worker = client
    worker.can("f").grab()
    check([line.split(b"\t")[0] for line in client.listing("peek f running")] == [handles[0]])
    check(client.listing("peek f delayed") == [])


main()
