#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The administrative text protocol, byte for byte as gearmand 1.1 answers, but for its defects."""
import os
import re
import socket

from gearlive import *

INCOMPLETE = b"ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+%s\r\n"


@case("getpid, version and verbose answer OK and their value, ended by LF alone")
def _(t):
    s = t.server(verbose="NOTICE")
    p = s.connect()
    check(p.ask("getpid") == b"OK %d\n" % s.pid)
    check(p.ask("verbose") == b"OK NOTICE\n")
    said = t.run(os.environ["GEARMAND"], "--version").out.decode()
    version = re.search(r"gearmand (\S+)", said).group(1).encode()
    check(p.ask("version") == b"OK " + version + b"\n")
    for extra in ("getpid now please", "version x", "verbose DEBUG"):
        check(p.ask(extra).startswith(b"OK "), extra)
    p.silent()


@case("show plugins tells each loaded module, its kind, version and file, and whether it is used", modes=(0, 2))
def _(t):
    rows = dict((line.split(b"\t")[0], line.split(b"\t")[1:]) for line in t.server("-r", "http", "--http-port=0").connect().listing("show plugins"))
    kind, version, file, used = rows[b"http"]
    check(kind == b"protocol" and version and (os.path.exists(file) or file == b"proto-http (in the server)") and used == b"yes", rows)
    check(rows[b"proxy"][0] == b"transport" and rows[b"proxy"][3] == b"no", rows)
    rows = t.server("-q", "sqlite", "--libsqlite3-db=" + t.path("db")).connect().listing("show plugins")
    check(any(row.startswith(b"sqlite\tqueue\t") and row.endswith(b"\tyes") for row in rows), rows)


@case("show options tells values and where they come from, and no password", modes=(0, 2))
def _(t):
    conf = t.write("conf", "--max-jobs=77\n")
    has_secret = b"postgres" in t.run(os.environ["GEARMAND"], "--list-plugins").out
    s = t.server("--config-file=" + conf, "--job-retries=3", *(["--libpq-conninfo=host=db password=sesame"] if has_secret else []))
    s.allow_log("--libpq-conninfo has no effect")  # its module is not asked for
    rows = [line.split(b"\t") for line in s.connect().listing("show options")]
    check([b"max-jobs", b"77", b"file"] in rows and [b"job-retries", b"3", b"line"] in rows and [b"queue-type", b"builtin", b"default"] in rows, rows)
    check(not has_secret or [b"libpq-conninfo", b"(set)", b"line"] in rows)
    check(not any(b"sesame" in row[1] for row in rows), rows)


@case("show running tells each job that a worker has, and how far it is", modes=(0, 2))
def _(t):
    s = t.server()
    client, worker = s.connect(), s.worker("f")
    client.submit("f", "", b"\x00\\", nr=SUBMIT_JOB_BG)
    check(client.listing("show running") == [])
    handle = worker.grab()[0]
    worker.send(WORK_STATUS, handle, "1", "4").sync()
    check(re.fullmatch(re.escape(handle) + rb"\tf\t\d+\t127\.0\.0\.1\t-\t\d+\t0\t1\t4", client.listing("show running")[0]))
    check(client.listing(b"peek job " + handle) == [b"handle\t" + handle, b"bytes\t2", b"data\t\\x00\\x5C"])


@case("status counts all, running and workers of each function")
def _(t):
    s = t.server()
    worker, p = s.worker("f", "g"), s.connect()
    check(sorted(p.listing("status")) == [b"f\t0\t0\t1", b"g\t0\t0\t1"])
    for f, nr in (("f", SUBMIT_JOB_BG), ("f", SUBMIT_JOB_HIGH), ("h", SUBMIT_JOB_LOW)):
        p.submit(f, nr=nr)
    worker.grab()
    check(sorted(p.listing("status")) == [b"f\t2\t1\t1", b"g\t0\t0\t1", b"h\t1\t0\t0"])
    check(sorted(p.listing("status some more words")) == sorted(p.listing("STATUS")))


@case("prioritystatus counts queued jobs by priority, and workers")
def _(t):
    s = t.server()
    worker, p = s.worker("f"), s.connect()
    for nr in (SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_BG, SUBMIT_JOB_LOW_BG, SUBMIT_JOB_LOW_BG,
               SUBMIT_JOB_LOW_BG, SUBMIT_JOB_HIGH_BG):
        p.submit("f", nr=nr)
    check(p.listing("prioritystatus") == [b"f\t3\t1\t3\t1"])
    worker.grab()
    check(p.listing("prioritystatus") == [b"f\t2\t1\t3\t1"])


@case("workers lists every connection with address, id and abilities; the id is - until it is set")
def _(t):
    s = t.server()
    p = s.connect()
    check(re.fullmatch(rb"\d+ 127\.0\.0\.1 - :", p.listing("workers")[0]))
    worker = s.worker("f", "g")
    worker.send(SET_CLIENT_ID, "host_1").sync()
    rows = sorted(p.listing("workers"), key=len)
    check(len(rows) == 2 and re.fullmatch(rb"\d+ 127\.0\.0\.1 host_1 : (f g|g f)", rows[1]), rows)
    worker.send(SET_CLIENT_ID, "i" * 300).sync()
    rows = sorted(p.listing("workers"), key=len)
    check(b" " + b"i" * 127 + b" : " in rows[1], rows)
    worker.close()
    until(lambda: len(p.listing("workers")) == 1, "the worker to be gone")


@case("workers shows IPv6 addresses as they are", modes=(0, 2))
def _(t):
    s = t.server("--listen=::1", "--port=0", listen=False)
    p = Peer(("::1", s.port))
    check(re.fullmatch(rb"\d+ ::1 - :", p.listing("workers")[0]), p.listing("workers"))


@case("control bytes in ids, functions and uniques cannot break a listing, nor the log")
def _(t):
    s = t.server(verbose="DEBUG")
    p = s.worker("f\n.\nevil\t1", "g\r\x1b[2J")
    p.send(SET_CLIENT_ID, "id\n.\n99 192.0.2.1 forged :\x1b").sync()
    p.submit("f\n.\nevil\t1", "u\n.\nforged", "x", nr=SUBMIT_JOB_BG)
    rows = p.listing("workers")
    check(len(rows) == 1 and rows[0].startswith(b"%s" % rows[0].split()[0]), rows)
    rows += p.listing("status") + p.listing("prioritystatus") + p.listing("show unique jobs")
    check(len(rows) == 6 and not any(re.search(rb"[\0-\x08\x0a-\x1f\x7f]", r) for r in rows), rows)
    check([r.count(b"\t") for r in rows] == [0, 3, 3, 4, 4, 0], rows)
    p.raw(b"no such\x1bcommand\x07\n")
    check(p.line().startswith(b"ERR UNKNOWN_COMMAND"))
    p.silent()
    check("\x1b" not in s.log())


@case("show jobs tells handle, losses, dropped and background; show unique jobs tells uniques")
def _(t):
    s = t.server()
    p = s.connect()
    one, two = p.submit("f", "u1", nr=SUBMIT_JOB_BG), p.submit("f", "u2")
    check(sorted(p.listing("show jobs")) == sorted([one + b"\t0\t0\t1", two + b"\t0\t0\t0"]))
    check(sorted(p.listing("show unique jobs")) == [b"u1", b"u2"])
    check(sorted(p.listing("SHOW Unique JOBS")) == [b"u1", b"u2"])
    with s.worker("f") as w:
        check(w.grab()[0] == one)
    until(lambda: one + b"\t1\t0\t1" in p.listing("show jobs"), "the loss to be counted")


@case("show with other words is ERR UNKNOWN_SHOW_ARGUMENTS, alone it is an unknown command")
def _(t):
    p = t.server().connect()
    for line in ("show xyz", "show jobs x", "show unique", "show unique jobs x", "show unique x"):
        check(p.ask(line) == b"ERR UNKNOWN_SHOW_ARGUMENTS\r\n", line)
    check(p.ask("show") == b"ERR UNKNOWN_COMMAND Unknown+server+commandshow\r\n")
    p.silent()


@case("what is no command is ERR UNKNOWN_COMMAND with its first word glued on")
def _(t):
    p = t.server().connect()
    for line, word in (("foo", b"foo"), ("FooBar baz", b"FooBar"), ("", b""), (" status", b""), ("cancel", b"cancel"),
                       ("cancel job", b"cancel"), ("shutdown", b"shutdown"), ("shutdown graceful", b"shutdown"),
                       ("status\tx", b"status\tx")):
        check(p.ask(line) == b"ERR UNKNOWN_COMMAND Unknown+server+command" + word.replace(b"\t", b"\\x09") + b"\r\n" or
              b"\t" in word and p.silent() is not None, line)
    p.silent()


@case("lines of more than five words, with tabs or leading spaces get an ERR line, never a close")
def _(t):
    p = t.server().connect()
    for line in ("a b c d e f", "maxqueue f 1 2 3 4", "status a b c d e f g h", "\tstatus", " version", "  ", "\t",
                 "x" * 4000, "create function a b c d"):
        got = p.ask(line)
        check(got.startswith(b"ERR ") and got.endswith(b"\r\n"), line[:20], got)
        p.silent()


@case("a line longer than lines may be ends that connection alone, with a log line")
def _(t):
    s = t.server()
    s.expect_log(r"127\.0\.0\.1.*line")
    other, p = s.connect(), s.connect()
    p.raw(b"x" * 8191 + b"\n")
    check(p.line().startswith(b"ERR "))
    p.silent()
    p.raw(b"y" * 8193)
    p.expect_closed()
    other.silent()


@case("spaces between words collapse, command words may have any case, CR before LF is dropped")
def _(t):
    p = t.server().worker("f")
    for line in (b"create   function    g\r\n", b"CREATE Function h\n"):
        p.raw(line)
        check(p.line() == b"OK\r\n")
    check(sorted(p.listing("status")) == [b"f\t0\t0\t1", b"g\t0\t0\t0", b"h\t0\t0\t0"])
    p.raw(b"sta")
    p.raw(b"tus\r")
    p.raw(b"\nversion\n")
    check(len([p.line() for _ in range(4)]) == 4 and p.line().startswith(b"OK "))
    p.silent()


@case("create function makes the whole name, with bare LF too; creating it again is OK")
def _(t):
    p = t.server().connect()
    for line in (b"create function bar1\n", b"create function bar1\r\n", b"create function x\n"):
        p.raw(line)
        check(p.line() == b"OK\r\n")
    check(sorted(p.listing("status")) == [b"bar1\t0\t0\t0", b"x\t0\t0\t0"])
    for line in ("create", "create function", "create function a b", "create foo bar baz"):
        check(p.ask(line) == INCOMPLETE % b"create", line)
    p.silent()


@case("drop function answers OK, not found, or that somebody is there")
def _(t):
    s = t.server()
    p = s.connect()
    check(p.ask("create function f") == b"OK\r\n")
    check(p.ask("drop function f") == b"OK\r\n")
    check(p.ask("drop function f") == b"ERR function not found\r\n")
    check(p.listing("status") == [])
    worker = s.worker("g")
    check(p.ask("drop function g") == b"ERR there are still connected workers or executing clients\r\n")
    worker.close()
    until(lambda: p.ask("drop function g") == b"OK\r\n" or not p.listing("status"), "the worker to be gone")
    for line in ("drop", "drop function", "drop function a b", "drop foo bar baz"):
        check(p.ask(line) == INCOMPLETE % b"drop", line)
    p.silent()


@case("drop function with queued jobs is refused; the jobs stay whole and their uniques usable")
def _(t):
    s = t.server()
    p = s.connect()
    handle = p.submit("f", "u", "x", nr=SUBMIT_JOB_BG)
    got = p.ask("drop function f")
    check(got.startswith(b"ERR ") and got.endswith(b"\r\n"), got)
    check(p.listing("show unique jobs") == [b"u"])
    check(p.submit("f", "u", "y", nr=SUBMIT_JOB_BG) == handle)
    with s.worker("f") as worker:
        check(worker.grab() == [handle, b"f", b"x"])
        check(p.ask("drop function f").startswith(b"ERR "))
        worker.complete(handle).silent()
        again = p.submit("f", "u", "z", nr=SUBMIT_JOB_BG)
        check(again != handle)
        check(worker.grab()[0] == again)
        worker.complete(again).silent()
    until(lambda: p.ask("drop function f") == b"OK\r\n", "the worker to be gone")


@case("maxqueue bounds the jobs of a function, known yet or not, for one priority or all")
def _(t):
    s = t.server()
    s.expect_log("the maxqueue of a function is reached: submissions are refused until there is room")
    p = s.connect()
    check(p.ask("maxqueue f 2") == b"OK\r\n")
    for _ in range(2):
        p.submit("f", nr=SUBMIT_JOB_BG)
    for nr in (SUBMIT_JOB, SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_LOW):
        p.send(nr, "f", "", data="x")
        p.expect_error("QUEUE_ERROR", "Job queue is full")
    check(p.ask("maxqueue f 0 5 0") == b"OK\r\n")
    for _ in range(3):
        p.submit("f", nr=SUBMIT_JOB_BG)
    p.send(SUBMIT_JOB_BG, "f", "", data="x")
    p.expect_error("QUEUE_ERROR", "Job queue is full")
    p.submit("f", nr=SUBMIT_JOB_HIGH_BG)
    check(p.ask("maxqueue f") == b"OK\r\n")
    for _ in range(10):
        p.submit("f", nr=SUBMIT_JOB_BG)
    for numbers in ("-1", "abc", "3 4", "0 0 0"):
        check(p.ask("maxqueue g " + numbers) == b"OK\r\n", numbers)
    check(p.ask("maxqueue") == INCOMPLETE % b"maxqueue")
    p.silent()


@case("a submission that coalesces is accepted in a full queue", modes=(0, 2))
def _(t):
    p = t.server().connect()
    check(p.ask("maxqueue f 1") == b"OK\r\n")
    handle = p.submit("f", "u", nr=SUBMIT_JOB_BG)
    check(p.submit("f", "u") == handle)


@case("cancel job ends a queued job at once: clients hear WORK_FAIL, every table forgets it, its unique is free")
def _(t):
    s = t.server()
    client, p = s.connect(), s.connect()
    handle = client.submit("f", "u", "x")
    check(p.ask(b"cancel job " + handle) == b"OK\r\n")
    got = client.packet()
    check(got.nr == WORK_FAIL and got.body == handle, got)
    check(p.ask(b"cancel job " + handle) == b"ERR UNKNOWN_JOB\r\n")
    check(p.listing("show jobs") == [] and p.listing("show unique jobs") == [])
    check(p.status(handle) == (0, 0, 0, 0))
    new = client.submit("f", "u", "y")
    check(new != handle)
    worker = s.worker("f")
    check(worker.grab() == [new, b"f", b"y"])
    worker.no_job()
    client.silent()


@case("cancel job on a running job: one end for the clients, JOB_NOT_FOUND for the late result")
def _(t):
    s = t.server()
    s.allow_log("JOB_NOT_FOUND")
    client, worker, p = s.connect(), s.worker("f"), s.connect()
    handle = client.submit("f", "u", "x")
    worker.grab()
    check(p.ask(b"cancel job " + handle) == b"OK\r\n")
    client.expect(WORK_FAIL, handle)
    worker.complete(handle, "late")
    worker.expect_error("JOB_NOT_FOUND", "Job given in work result not found")
    client.silent()
    worker.no_job()
    check(p.listing("status") == [b"f\t0\t0\t1"])


@case("cancel with other words, or for a job that is not there, is an ERR line", modes=(0, 2))
def _(t):
    p = t.server().connect()
    check(p.ask("cancel job H:none:1") == b"ERR UNKNOWN_JOB\r\n")
    for line in ("cancel foo bar", "cancel job a b"):
        check(p.ask(line) == b"ERR UNKNOWN_ERROR\r\n", line)
    check(p.ask("cancel job " + "x" * 500).startswith(b"ERR "))
    p.silent()


@case("a listing of 20,000 jobs is whole, and others are served while its reader is slow", limit=120)
def _(t):
    s = t.server()
    p = s.connect()
    p.raw(b"".join(pack(SUBMIT_JOB_BG, "f", "u%d" % n, data="x") for n in range(20000)))
    for _ in range(20000):
        p.expect(JOB_CREATED)
    slow = s.connect(rcvbuf=4096)
    slow.raw(b"show jobs\nshow unique jobs\n")
    s.alive()
    rows = []
    while len(rows) < 20000:
        rows.append(slow.line())
    check(slow.line() == b".\n" and len(set(rows)) == 20000)
    uniques = {slow.line() for _ in range(20000)}
    check(slow.line() == b".\n" and uniques == {b"u%d\n" % n for n in range(20000)})
    slow.silent()


@case("many listings that nobody reads take little memory, and are whole when they are read", modes=(0, 2))
def _(t):
    s = t.server(verbose="ERROR")
    p = s.connect()
    p.raw(b"".join(pack(SUBMIT_JOB_BG, "f", "u%055d" % n, data="x") for n in range(10000)))
    p.sync()
    before = s.rss()
    readers = [s.connect(rcvbuf=4096) for _ in range(60)]
    for n, reader in enumerate(readers):
        reader.raw(b"show unique jobs\n")
        if n % 2:
            reader.sock.shutdown(socket.SHUT_WR)
    for reader in readers:
        reader.sock.recv(1, socket.MSG_PEEK)
    check(p.ask("version").startswith(b"OK "))
    check(server_sanitized() or s.rss() - before < 32 << 20, "%d KB more" % ((s.rss() - before) >> 10))
    for reader in readers:
        got = b""
        while not got.endswith(b"\n.\n"):
            more = reader.sock.recv(1 << 20)
            check(more, "the connection ended after %d bytes" % len(got))
            got += more
        check(got.count(b"\n") == 10001, got.count(b"\n"))


main()


@case("text lines that came together are answered together, in one piece", modes=(0, 2, 4))
def _(t):
    s = t.server()
    s.sleeper("f")
    for n in range(100):
        with s.connect() as p:
            p.raw(b"status\nversion\n" if n % 2 else b"status\r\nworkers\r\nversion\r\n")
            got = p.sock.recv(1 << 16)
            check(got.startswith(b"f\t0\t0\t1\n.\n") and re.search(rb"OK [^\n]*\n$", got), got)
