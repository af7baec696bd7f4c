#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Packets that no correct peer sends: each is answered, none is met with silence, none hurts anybody."""
import random

from gearlive import *

PEER = r"127\.0\.0\.1"  # a log line about a malformed packet names its sender


def replies_only():
    return [UNUSED, NOOP, JOB_CREATED, NO_JOB, JOB_ASSIGN, ECHO_RES, ERROR, STATUS_RES, ALL_YOURS, OPTION_RES,
            JOB_ASSIGN_UNIQ, JOB_ASSIGN_ALL, STATUS_RES_UNIQUE]


UNUSED = 5


@case("a type that no packet has, 0x80000000 and above included, ends that connection alone")
def _(t):
    s = t.server()
    s.expect_log(PEER + r".*unknown type")
    other = s.connect()
    for nr in (0, 43, 0x7fffffff, 0x80000000, 0x80000007, 0xfffffff8, 0xffffffff):
        for rest in (raw_head(nr, 0), raw_head(nr, 5) + b"a\0b\0c", raw_head(nr, 0xffffffff)):
            p = s.connect()
            p.send(ECHO_REQ, data="before")
            p.raw(rest)
            p.expect(ECHO_RES, "before")
            p.expect_closed()
    other.silent()


@case("bytes that are no magic end that connection alone; what was asked before is answered first")
def _(t):
    s = t.server()
    s.expect_log(PEER + r".*magic")
    other = s.connect()
    for magic in (b"\0ABC", b"\0REX", b"\0\0\0\0", b"\0req"):
        p = s.connect()
        p.send(ECHO_REQ, data="before")
        p.raw(raw_head(ECHO_REQ, 0, magic))
        p.expect(ECHO_RES, "before")
        p.expect_closed()
    other.silent()


@case("a request under the magic of replies gets INVALID_MAGIC and the connection goes on")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    p = s.connect()
    p.raw(pack(ECHO_REQ, data="x", magic=b"\0RES"))
    p.expect_error("INVALID_MAGIC", "Request magic expected")
    p.raw(pack(WORK_COMPLETE, "H:x:1", data="x", magic=b"\0RES"))
    p.expect_error("INVALID_MAGIC", "Request magic expected")
    p.silent()


@case("packets that only a server sends, or that nobody may send, get INVALID_COMMAND")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    p = s.connect()
    for nr in replies_only():
        p.raw(pack(nr, "a", "b", "c", "d", "e", "f"))
        p.expect_error("INVALID_COMMAND", "Command not expected")
    p.silent()


@case("too few arguments get ERROR at once, and the packets behind are whole")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    p = s.connect()
    short = {SUBMIT_JOB: 2, SUBMIT_JOB_BG: 2, SUBMIT_JOB_HIGH: 2, SUBMIT_JOB_HIGH_BG: 2, SUBMIT_JOB_LOW: 2,
             SUBMIT_JOB_LOW_BG: 2, SUBMIT_JOB_EPOCH: 3, SUBMIT_REDUCE_JOB: 3, SUBMIT_REDUCE_JOB_BACKGROUND: 3,
             SUBMIT_JOB_SCHED: 7}
    for nr, nuls in short.items():
        for have in range(nuls):
            p.raw(pack(nr, *["x"] * (have + 1)) + pack(ECHO_REQ, data="behind\0\0\0\0\0\0\0\0"))
            check(p.expect_error(ANY)[0] != b"", "ERROR without a code for", type_name(nr))
            p.expect(ECHO_RES, "behind\0\0\0\0\0\0\0\0")
        p.raw(raw_head(nr, 0))
        p.expect(ERROR)
    for nr in (WORK_COMPLETE, WORK_DATA, WORK_WARNING, WORK_EXCEPTION):
        p.raw(pack(nr, "H:none:1") + pack(ECHO_REQ, data="behind\0"))
        p.expect(ERROR)
        p.expect(ECHO_RES, "behind\0")
    for args in ([], ["H:none:1"], ["H:none:1", "1"]):
        p.send(WORK_STATUS, *args)
        p.expect(ERROR)
    p.send(CAN_DO_TIMEOUT, "f")
    p.expect(ERROR)
    p.silent()
    check(p.listing("status") == [], "a malformed submit left something behind")


@case("a worker whose WORK_COMPLETE lacks its NUL is told, and can still finish the job")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    client, worker = s.connect(), s.worker("f")
    handle = client.submit("f")
    worker.grab()
    worker.raw(raw_head(WORK_COMPLETE, len(handle)) + handle)
    worker.expect(ERROR)
    worker.complete(handle, "done").silent()
    client.expect(WORK_COMPLETE, handle, "done")


@case("extra arguments are part of the last one")
def _(t):
    s = t.server()
    p = s.worker("f")
    handle = p.submit("f", "u", "a\0b\0c", nr=SUBMIT_JOB_BG)
    check(p.grab() == [handle, b"f", b"a\0b\0c"])


@case("a NUL at the end of an ability's name, an option or a handle is no part of it")
def _(t):
    s = t.server()
    p = s.connect()
    p.raw(pack(CAN_DO, "f\0"))
    handle = p.submit("f", nr=SUBMIT_JOB_BG)
    check(p.grab()[0] == handle)
    p.raw(pack(OPTION_REQ, "exceptions\0"))
    check(p.packet().body == b"exceptions\0", "OPTION_RES echoes the bytes that were sent")
    p.raw(pack(GET_STATUS, handle + b"\0"))
    check(p.expect(STATUS_RES)[1:] == [b"1", b"1", b"0", b"0"])


@case("packets without arguments may have a body, which is ignored")
def _(t):
    p = t.server().worker("f")
    p.raw(pack(PRE_SLEEP, "x", "y")).silent()
    p.raw(pack(RESET_ABILITIES, "x")).silent()
    for nr in (GRAB_JOB, GRAB_JOB_UNIQ, GRAB_JOB_ALL):
        p.raw(pack(nr, "some", "thing"))
        p.expect(NO_JOB)
    p.silent()


@case("twenty announcements of 4 GB get ERROR and cost no memory")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    s.alive()
    before = vm_size(s)
    peers = [s.connect() for _ in range(20)]
    for n, p in enumerate(peers):
        p.raw(raw_head((ECHO_REQ, SUBMIT_JOB, CAN_DO, WORK_COMPLETE)[n % 4], 0xffffffff - n) + b"some\0of\0it")
    for p in peers:
        p.expect_error("ARGUMENT_TOO_LARGE")
    if not server_sanitized():
        check(vm_size(s) - before < 1 << 30, "the server grew by", vm_size(s) - before)
    for p in peers:
        p.close()
    s.alive()


@case("announcements of a size that is allowed cost no memory until the bytes arrive")
def _(t):
    s = t.server("--max-packet=1G")
    s.alive()
    before = s.rss()
    peers = [s.connect() for _ in range(50)]
    for p in peers:
        p.raw(raw_head(ECHO_REQ, 1 << 30) + b"x" * 100)
    s.alive()
    if not server_sanitized():
        check(s.rss() - before < 32 << 20, "the server grew by", s.rss() - before)


def vm_size(s):
    with open("/proc/%d/statm" % s.pid) as f:
        return int(f.read().split()[0]) * 4096


@case("a name that is as long as arguments may be works, one byte more gets ERROR and the connection goes on")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    p = s.connect()
    name = b"n" * 8192
    p.send(CAN_DO, name).silent()
    p.send(CAN_DO, name + b"n")
    p.expect_error("ARGUMENT_TOO_LARGE")
    p.send(SUBMIT_JOB, "n" * 8300, "u", data="x")
    p.expect_error("ARGUMENT_TOO_LARGE")
    check(p.listing("status") == [name + b"\t0\t0\t1"])


@case("values that are too long or out of range get ERROR in every thread mode, never silence")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    p = s.worker("f")
    long = "H:" + "x" * 70
    far = "9" * 30
    for nr, args in ((GET_STATUS, [long]), (GET_STATUS_UNIQUE, ["u" * 70]), (WORK_FAIL, [long]),
                     (OPTION_REQ, ["o" * 64]), (CAN_DO_TIMEOUT, ["f", "18446744073709551616"]),
                     (CAN_DO_TIMEOUT, ["f", "12345678901234567890"]), (CAN_DO_TIMEOUT, ["f", far])):
        p.send(nr, *args)
        check(p.packet().nr == ERROR, "no ERROR for", type_name(nr), args)
    p.send(SUBMIT_JOB_EPOCH, "f", "", far, data="x")
    p.expect(ERROR)
    handle = p.submit("f", nr=SUBMIT_JOB_BG)
    p.grab()
    p.send(WORK_STATUS, handle, "1", far)
    p.expect(ERROR)
    p.silent()
    check(p.status(handle) == (1, 1, 0, 0))


@case("uniques and reducers of 65 bytes get ERROR in every submit, 64 bytes are accepted")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    p = s.worker("f")
    for nr in (SUBMIT_JOB, SUBMIT_JOB_BG, SUBMIT_JOB_HIGH, SUBMIT_JOB_HIGH_BG, SUBMIT_JOB_LOW, SUBMIT_JOB_LOW_BG):
        p.send(nr, "f", "u" * 65, data="x")
        p.expect_error("ARGUMENT_TOO_LARGE", "Unique value too large")
    p.send(SUBMIT_JOB_EPOCH, "f", "u" * 65, "0", data="x")
    p.expect_error("ARGUMENT_TOO_LARGE", "Unique value too large")
    for nr in (SUBMIT_REDUCE_JOB, SUBMIT_REDUCE_JOB_BACKGROUND):
        p.send(nr, "f", "u" * 65, "r", "", data="x")
        p.expect_error("ARGUMENT_TOO_LARGE", "Unique value too large")
        p.send(nr, "f", "u" * 100, "r", data="x")
        p.expect_error("ARGUMENT_TOO_LARGE", "Unique value too large")
        p.send(nr, "f", "u", "r" * 65, "", data="x")
        p.expect_error("ARGUMENT_TOO_LARGE")
    p.no_job()
    handle = p.submit("f", "u" * 64, "x", nr=SUBMIT_JOB_BG)
    check(p.grab(GRAB_JOB_UNIQ) == [handle, b"f", b"u" * 64, b"x"])
    p.send(SUBMIT_REDUCE_JOB_BACKGROUND, "f", "v" * 64, "r" * 64, "", data="y")
    handle = p.expect(JOB_CREATED)[0]
    check(p.grab(GRAB_JOB_ALL) == [handle, b"f", b"v" * 64, b"r" * 64, b"y"])


@case("unknown options get ERROR; exceptions is known in any case of letters")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    p = s.connect()
    for name in ("", "exception", "exceptions2", "no\nsuch"):
        p.send(OPTION_REQ, name)
        p.expect_error("UNKNOWN_OPTION", "Server does not recognize given option")
    for name in ("exceptions", "EXCEPTIONS", "ExcEptions"):
        p.send(OPTION_REQ, name)
        p.expect(OPTION_RES, name)


@case("results for jobs that are unknown or another's get ERROR with the code and text of gearmand 1.1")
def _(t):
    s = t.server()
    s.allow_log(PEER)
    owner, other, client = s.worker("f"), s.worker("f"), s.connect()
    handle = client.submit("f")
    owner.grab()
    for h in (handle, b"H:none:1", b""):
        for nr in (WORK_DATA, WORK_WARNING):
            other.send(nr, h, data="x")
            other.expect_error("JOB_NOT_FOUND", "Job does not exist on server")
        other.send(WORK_STATUS, h, 1, 2)
        other.expect_error("JOB_NOT_FOUND", "Job given in work result not found")
        other.send(WORK_COMPLETE, h, data="forged")
        other.expect_error("JOB_NOT_FOUND", "Job given in work result not found")
        other.send(WORK_FAIL, h)
        other.expect_error("JOB_NOT_FOUND", "Job given in work result not found")
        other.send(WORK_EXCEPTION, h, data="x")
        other.expect_error("JOB_NOT_FOUND", "An exception was received for a job that does not exist")
    client.silent()
    owner.complete(handle, "right")
    client.expect(WORK_COMPLETE, handle, "right")


@case("floods of garbage on many connections leave the others served and the server whole", limit=120)
def _(t):
    s = t.server()
    s.allow_log(PEER)
    rng = random.Random(20)
    good, worker = s.connect(), s.worker("f")
    for n in range(60):
        p = s.connect()
        try:
            p.raw(garbage(rng, n))
        except ConnectionError:
            pass  # closed on us in the middle of it
        if n % 3:
            p.reset()
        else:
            p.close()
        if n % 10 == 0:
            handle = good.submit("f", "", "x")
            check(worker.grab()[0] == handle)
            worker.complete(handle, "y").silent()
            good.expect(WORK_COMPLETE, handle, "y")
    s.alive()


def garbage(rng, n):
    kind = n % 4
    if kind == 0:
        return rng.randbytes(20000)
    if kind == 1:
        return b"\0" + rng.randbytes(20000)
    if kind == 2:  # true heads, random types and bodies
        return b"".join(raw_head(rng.choice([rng.randrange(0, 50), rng.getrandbits(32)]), len(b)) + b
                        for b in (rng.randbytes(rng.randrange(0, 80)) for _ in range(300)))
    return b"".join(pack(rng.randrange(1, 43), *[rng.randbytes(rng.randrange(0, 6)) for _ in range(rng.randrange(0, 9))])
                    for _ in range(500))


@case("each packet cut off at each of its bytes, then closed, leaves nothing behind", modes=(0, 2))
def _(t):
    s = t.server()
    s.allow_log(PEER)
    whole = pack(SUBMIT_JOB, "f", "u", data="data")
    for cut in range(1, len(whole)):
        p = s.connect()
        p.raw(whole[:cut])
        if cut % 2:
            p.reset()
        else:
            p.close()
    p = s.connect()
    check(p.listing("status") == [])
    until(lambda: len(p.listing("workers")) == 1, "the cut connections to go")


main()
