#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""A store that stalls, breaks, refuses and lies about outcomes: nothing acknowledged is lost, and everybody else goes on."""
import re

from gearlive import *
from gearlive.durable import acknowledged, drain_jobs, submit_many
from gearlive.failing import *

FEW = (0, 2)


def foreground_job_runs(s, name="quick"):
    """Submitted, given out and done, on connections of their own."""
    with s.worker(name) as w, s.connect() as p:
        handle = p.submit(name, "", "x")
        check(w.grab()[0] == handle)
        w.complete(handle, "done")
        p.expect(WORK_COMPLETE, handle, "done")


def uniques(count, prefix=b""):
    return [prefix + b"%d" % n for n in range(count)]


def told(s, line):
    return len(re.findall(line, s.log()))


# --- stalls

@case("while a commit stalls: jobs of others go on, requests behind it are worked on, and replies keep their order")
def _(t):
    s = fail_server(t)
    rules(t, "commit * hold")
    p = submit_many(s.connect(), [b"a"])
    s.await_log("fail: commit 1 begins")
    p.send(ECHO_REQ, data="behind a")
    submit_many(p, uniques(500))
    p.send(ECHO_REQ, data="behind all")
    for n in range(3):
        foreground_job_runs(s)
    with s.connect() as q:
        check(q.ask("version").startswith(b"OK "))
    check(not p.buf and commits(s) == 1, "answered before its commit was over")
    no_rules(t)
    p.expect(JOB_CREATED)
    p.expect(ECHO_RES, "behind a")
    acked = acknowledged(p, uniques(500), 500)
    p.expect(ECHO_RES, "behind all")
    check(commits(s) < 20, "500 jobs took %d commits" % commits(s))
    s.kill()
    s.start()
    check([j[2] for j in drain_jobs(s)] == [b"a"] + list(acked))


@case("a job is given out when its commit is over, and not before")
def _(t):
    s = fail_server(t)
    w = s.sleeper("f")
    rules(t, "commit * hold")
    p = submit_many(s.connect(), [b"a"])
    s.await_log("fail: commit 1 begins")
    w.no_job().sleep()
    no_rules(t)
    w.expect(NOOP)
    check(w.grab()[0] == p.expect(JOB_CREATED)[0])


@case("a submission whose commit stalls longer than --queue-timeout gets an error, and its job does not come back")
def _(t):
    s = fail_server(t, "--queue-timeout=1")
    s.allow_log("QUEUE_ERROR")
    rules(t, "commit * hold")
    p = submit_many(s.connect(), [b"a", b"b"])
    p.expect_error("QUEUE_ERROR")
    p.expect_error("QUEUE_ERROR")
    foreground_job_runs(s)
    no_rules(t)
    stored = p.submit("f", "c", "x", SUBMIT_JOB_BG)
    s.stop()
    s.start()
    check([j[0] for j in drain_jobs(s)] == [stored])


@case("past --max-storing the connections that submit are not read; others are, and all goes through in the end")
def _(t):
    s = fail_server(t, "--max-storing=256K", "--queue-timeout=60")
    rules(t, "commit * hold")
    data, sent = bytes(1000), 0
    p = s.connect()
    packets = [pack(SUBMIT_JOB_BG, "f", u, data=data) for u in uniques(60000)]
    stream = memoryview(b"".join(packets))
    p.sock.settimeout(1)
    try:
        while sent < len(stream):
            sent += p.sock.send(stream[sent:sent + 65536])
    except TimeoutError:
        pass
    check(sent < len(stream) // 2, "%d of %d bytes were read while nothing can be stored" % (sent, len(stream)))
    before = s.rss()
    foreground_job_runs(s)
    whole = sent // len(packets[0])  # at least; packets do not get shorter
    no_rules(t)
    rest = stream[sent:sent + 65536 * 4]
    p.raw(rest)
    count, size = 0, 0
    while size + len(packets[count]) <= sent + len(rest):
        size += len(packets[count])
        count += 1
    acked = acknowledged(p, uniques(60000), count)
    check(count >= whole and len(acked) == count)
    check(server_sanitized() or s.rss() < before + (64 << 20))


# --- breaks

@case("a broken connection, twice: one line in the log for each change of state, nothing lost, nothing twice")
def _(t):
    s = fail_server(t, "--fail-rules=commit 2-4 broken connection reset; open 2-3 passing it is starting; "
                       "commit 7-8 again the disk is full")
    s.expect_log(UNWELL + "connection reset", UNWELL + "the disk is full")
    p = s.connect()
    handles = [p.submit("f", "u%d" % n, "x", SUBMIT_JOB_BG) for n in range(8)]
    until(lambda: told(s, WELL) == 2, "the last line, which may come behind the answer")
    check(told(s, UNWELL) == 2, "%d lines" % told(s, UNWELL))
    s.kill()
    s.start()
    p = s.connect()
    check([h for h, _, _, _ in drain_jobs(s)] == handles)


@case("jobs done while the store is down are taken out of it when it is well again")
def _(t):
    s = fail_server(t)
    s.expect_log(UNWELL + "it is down")
    p = s.connect()
    handles = [p.submit("f", "u%d" % n, "x", SUBMIT_JOB_BG) for n in range(20)]
    rules(t, "commit * broken it is down\nopen * passing it is down")
    check([j[0] for j in drain_jobs(s)] == handles)
    s.await_log(UNWELL)
    no_rules(t)
    s.await_log(WELL)
    s.stop()
    s.start()
    check(drain_jobs(s) == [])


@case("an outcome that nobody learns: the batch is repeated, and nothing comes twice", modes=FEW)
def _(t):
    for what in ("unknown", "half"):
        s = fail_server(t, "--fail-rules=commit 2 %s connection reset; commit 5 %s connection reset" % (what, what))
        s.expect_log(UNWELL + "connection reset")
        p = s.connect()
        rules(t, "commit 1 hold")
        submit_many(p, uniques(1))
        s.await_log("fail: commit 1 begins")
        submit_many(p, uniques(300)[1:])  # gather for the second
        s.await_log("accepted,f,299,0")
        no_rules(t)
        acked = acknowledged(p, uniques(300), 300)
        more = p.submit("f", "more", "x", SUBMIT_JOB_BG)
        last = p.submit("f", "last", "x", SUBMIT_JOB_BG)
        s.kill()
        s.start()
        got = [j[0] for j in drain_jobs(s)]
        check(sorted(got) == sorted(list(acked.values()) + [more, last]), "%s: %d jobs" % (what, len(got)))
        s.stop()


@case("the server dies at its n-th commit: what was acknowledged is there", modes=FEW)
def _(t):
    acked = {}
    for n in range(1, 7):
        s = fail_server(t, "--fail-rules=commit %d crash" % n)
        p = s.connect()
        for u in uniques(10, b"%d-" % n):
            p.send(SUBMIT_JOB_BG, "f", u, data=u)
            if not (got := acknowledged(p, [u])):
                break
            acked.update(got)
        s.end(-9)
    check(len(acked) == 0 + 1 + 2 + 3 + 4 + 5)
    s = fail_server(t)
    got = {u: h for h, _, u, _ in drain_jobs(s)}
    check({u: h for u, h in got.items() if u in acked} == acked)
    check(len(got) <= len(acked) + 6)


# --- full

FULL = "queue fail: full: new jobs are refused until there is room, removals go on: no room"


@case("a batch for which there is no room is stored in pieces, and what does not fit alone gets the store's words")
def _(t):
    s = fail_server(t, "--fail-rules=commit 2 full no room")
    p = s.connect()
    rules(t, "commit 1 hold")
    submit_many(p, [b"first"])
    s.await_log("fail: commit 1 begins")
    submit_many(p, uniques(100))
    s.await_log("accepted,f,99,0")
    no_rules(t)
    acked = acknowledged(p, [b"first"] + uniques(100), 101)
    s.expect_log(FULL)
    s.allow_log("QUEUE_ERROR")
    rules(t, "commit * full no room")
    submit_many(p, [b"too much"])
    check(b"no room" in p.expect_error("QUEUE_ERROR")[1])
    check(dict(line.decode().split("\t") for line in s.connect().listing("queue"))["state"] == "full")
    no_rules(t)
    acked.update(acknowledged(submit_many(p, [b"too much"]), [b"too much"], 1))
    s.await_log("queue fail: has room again")
    s.kill()
    s.start()
    check({j[2]: j[0] for j in drain_jobs(s)} == acked)


@case("a dead job for which there is no room stays alive in the store until there is")
def _(t):
    s = fail_server(t, "--policy-file=" + t.write("policies", "f attempts=1 retry-on=fail\n"))
    p, w = s.connect(), s.worker("f")
    rules(t, "bury * full no room")
    handles = {p.submit("f", "%d" % n, "x", nr=SUBMIT_JOB_BG) for n in range(3)}
    for _ in range(3):
        w.send(WORK_FAIL, w.grab()[0])
    s.expect_log(FULL)
    s.await_log("queue fail: full")
    check(len(p.listing("show dead")) == 3)
    with s.connect() as q:  # others go on
        q.submit("g", "other", "x", nr=SUBMIT_JOB_BG)
    s.kill()
    s.start()
    check(not s.connect().listing("show dead"))
    with s.worker("f") as w:
        for _ in range(3):
            w.send(WORK_FAIL, w.grab()[0])
        until(lambda: len(s.connect().listing("show dead")) == 3, "all to be dead again")
    until(lambda: told(s, FULL) == 2, "the store to be full again")
    no_rules(t)
    check(s.connect().ask("cancel job %s" % handles.pop().decode()) == b"OK\r\n")  # makes room
    s.await_log("queue fail: has room again")
    s.stop()  # the others are moved before its end
    s.start()
    check({line.split(b"\t")[0] for line in s.connect().listing("show dead")} == handles)
    check([j[2] for j in drain_jobs(s, "g")] == [b"other"])


@case("clients that connect anew for each submission do not fill the memory while the store hangs", modes=(0, 2))
def _(t):
    s = fail_server(t, "--max-storing=4M", "--queue-timeout=60")
    s.expect_log("--max-storing is reached: submissions are refused until there is room")
    s.allow_log("QUEUE_ERROR")
    s.alive()
    before, refused = s.rss(), 0
    rules(t, "commit * hold")
    for n in range(60):
        p = s.connect()
        p.send(SUBMIT_JOB_BG, "f", "u%d" % n, data=bytes(4 << 20))
        p.send(ECHO_REQ, data="end")
        s.alive()
        if n > 20:
            refused += p.packet("an answer").nr == ERROR
        p.sock.close()
    check(refused == 39, refused)
    check(server_sanitized() or s.rss() < before + (100 << 20), "grew by %d MiB" % ((s.rss() - before) >> 20))
    no_rules(t)


@case("clients that end while they are not read, or have their error and end, leave their places to others", modes=FEW,
      limit=120)
def _(t):
    s = fail_server(t, "--max-connections=50", "--max-storing=256K", "--queue-timeout=1")
    s.allow_log("QUEUE_ERROR", "--max-storing is reached")
    rules(t, "commit * hold")
    open_now, ended = s.descriptors(), 0
    for wave in range(6):
        peers = [s.connect() for _ in range(20)]
        for n, p in enumerate(peers):
            p.send(SUBMIT_JOB_BG, "f", "u%d-%d" % (wave, n), data=bytes(70 << 10))
        for n, p in enumerate(peers):
            if n % 2 == 0:
                p.expect(ERROR)
                ended += 1
            if n % 4 == 3:
                p.reset()
            else:
                p.close()
        until(lambda: s.descriptors() <= open_now, "the server to see the end of its peers")
    check(ended == 60)
    foreground_job_runs(s)
    no_rules(t)


# --- refusals

@case("what the store refuses gets an error with its words, for everyone who wants that job; the rest is stored")
def _(t):
    s = fail_server(t, "--fail-rules=add =evil refuse no evil here")
    s.allow_log("QUEUE_ERROR")
    p, q = s.connect(), s.connect()
    rules(t, "commit 1 hold")
    submit_many(p, [b"first"])
    s.await_log("fail: commit 1 begins")
    submit_many(p, [b"a", b"evil", b"b"])
    submit_many(q, [b"evil"])
    p.send(ECHO_REQ, data="end")
    foreground_job_runs(s)
    no_rules(t)
    for u in ("first", "a", None, "b"):
        if u:
            p.expect(JOB_CREATED)
            continue
        code, text = p.expect(ERROR)
        check(code == b"QUEUE_ERROR" and text.endswith(b"no evil here"), code, text)
    p.expect(ECHO_RES, "end")
    check(b"no evil here" in q.expect(ERROR)[1])
    s.kill()
    s.start()
    check([j[2] for j in drain_jobs(s)] == [b"first", b"a", b"b"])


@case("a removal that the store refuses costs nothing but that job's coming back", modes=FEW)
def _(t):
    s = fail_server(t, "--fail-rules=remove =a refuse read-only")
    s.allow_log("read-only")
    p = s.connect()
    handles = [p.submit("f", u, "x", SUBMIT_JOB_BG) for u in ("a", "b")]
    check([j[0] for j in drain_jobs(s)] == handles)
    s.stop()
    s.start()
    check([j[0] for j in drain_jobs(s)] == handles[:1])


# --- the start

def refuses_to_start(t, sentence, rule):
    s = fail_server(t, "--fail-rules=" + rule, wait=False)
    s.expect_log(sentence)
    s.end(1)


@case("a store that does not open, or does not replay, ends the start with its sentence and loses nothing")
def _(t):
    s = fail_server(t)
    acked = acknowledged(submit_many(s.connect(), uniques(1000)), uniques(1000), 1000)
    s.stop()
    refuses_to_start(t, "no such table: gearman_queue", "open 1 lasting no such table: gearman_queue")
    refuses_to_start(t, "nobody answers", "open 1 passing nobody answers")
    refuses_to_start(t, "another server has it", "open 1 in-use another server has it")
    refuses_to_start(t, "block 7 is bad", "replay 1 fail block 7 is bad")
    refuses_to_start(t, "block 7 is bad", "replay 1 partly block 7 is bad")
    s = fail_server(t)
    check([(j[2], j[0]) for j in drain_jobs(s)] == list(acked.items()))


@case("nobody is served before the replay is over", modes=FEW)
def _(t):
    s = fail_server(t)
    handle = s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s.stop()
    rules(t, "replay * hold")
    s.start()
    s.await_log(r"fail: replay 1 begins(.|\n)*fail: replay 1 begins")
    p = s.connect()
    p.send(ECHO_REQ, data="early")
    p.send(GET_STATUS, handle)
    no_rules(t)
    p.expect(ECHO_RES, "early")
    check(p.expect(STATUS_RES)[1] == b"1", "the stored job is not known to the first who asks")


# --- the end

@case("SIGTERM while a commit stalls: it ends when that is over, with everything stored and answered")
def _(t):
    s = fail_server(t)
    rules(t, "commit * hold")
    p = submit_many(s.connect(), [b"a"])
    s.await_log("fail: commit 1 begins")
    s.signal(15)
    s.await_log("SIGTERM")
    check(s.running())
    no_rules(t)
    handle = p.expect(JOB_CREATED)[0]
    s.end(0)
    s.start()
    check([j[0] for j in drain_jobs(s)] == [handle])


HANGS = "the store hangs, ending without it: what waits for it is not saved"


@case("SIGTERM while a commit hangs for good: it ends without it in the end, with status 1", modes=(0, 2))
def _(t):
    s = fail_server(t)
    s.expect_log(HANGS)
    p = s.connect()
    stored = p.submit("f", "a", "x", SUBMIT_JOB_BG)
    rules(t, "commit * hold")
    submit_many(p, [b"b"])
    s.await_log("fail: commit 2 begins")
    s.stop(status=1, limit=60)
    no_rules(t)
    s = fail_server(t)
    check([j[0] for j in drain_jobs(s)] == [stored])


@case("SIGTERM while the replay hangs for good: it ends in the end, and nothing is lost", modes=(2,))
def _(t):
    s = fail_server(t)
    stored = s.connect().submit("f", "a", "x", SUBMIT_JOB_BG)
    s.stop()
    rules(t, "replay * hold")
    s.start()
    s.expect_log(HANGS)
    s.await_log(r"fail: replay 1 begins(.|\n)*fail: replay 1 begins")
    s.stop(status=1, limit=60)
    no_rules(t)
    s = fail_server(t)
    check([j[0] for j in drain_jobs(s)] == [stored])


@case("a store that stays broken is given up at the end: status 1, and a line that says how much", modes=(2,))
def _(t):
    s = fail_server(t, "--fail-rules=commit 2- broken it is gone", "--queue-timeout=60")
    s.expect_log(UNWELL + "it is gone", "queue fail: given up at shutdown, 2 changes are not saved: it is gone",
                 "the store did not take everything before the end; see the log")
    p = s.connect()
    stored = p.submit("f", "a", "x", SUBMIT_JOB_BG)
    rules(t, "commit 2 hold")
    submit_many(p, [b"b"])
    s.await_log("fail: commit 2 begins")
    submit_many(s.connect(), [b"c"])
    s.await_log("accepted,f,c,0")
    foreground_job_runs(s)
    no_rules(t)
    s.await_log(UNWELL)
    s.stop(status=1, limit=40)
    check(acknowledged(p, [b"b"]) == {})
    s = fail_server(t)
    check([j[0] for j in drain_jobs(s)] == [stored])


main()
