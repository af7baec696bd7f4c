#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The guides for authors of modules: the code in each is a module that builds and passes its check by the commands printed there, and
does in a server what the guide says.  The reference knows every name of the headers."""
import os
import re
import shutil
import subprocess
import sys

TOP = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "live"))
from gearlive import *  # noqa: E402

GUIDES = os.path.join(TOP, "sdk/doc")
KIT = os.path.join(os.environ.get("top_builddir", ""), "sdk/check")


def blocks(guide, language):
    with open(os.path.join(GUIDES, guide + ".md")) as f:
        return re.findall(r"(?ms)^```%s\n(.*?)^```$" % language, f.read())


def write_source(t, guide, name):
    t.write(name, "\n".join(blocks(guide, "c")))


def build_and_check(t, guide, name):
    """Runs the guide's first commands as they are printed."""
    write_source(t, guide, name)
    t.write("gearmand-plugin.pc", "Name: gearmand-plugin\nDescription: -\nVersion: 1\nCflags: -I%s\n" % os.path.join(TOP, "sdk/include"))
    commands = blocks(guide, "sh")[0]
    check("gearmand-plugin-check" in commands, commands)
    env = {"PATH": KIT + ":" + os.environ["PATH"], "PKG_CONFIG_PATH": t.dir, "TMPDIR": t.dir}
    done = t.run("sh", "-e", "-c", commands, env=env, limit=270)
    check(b"\nnot ok" not in done.out and b" passed, 0 failed" in done.out and done.err == b"", done)


def build(t, guide, name):
    write_source(t, guide, name)
    t.run(*os.environ.get("CC", "cc").split(), "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden",
          "-I" + os.path.join(TOP, "sdk/include"), "-shared", "-o", t.path(name.replace("_", "-")[:-2] + ".so"), t.path(name),
          *(["-lsqlite3"] if guide == "queue" else []))
    return "--plugin-dir=" + t.dir


@case("the queue module of the guide passes its check", modes=None, limit=280)
def queue(t):
    t.need("cc", "pkg-config")
    build_and_check(t, "queue", "queue_shelf.c")


@case("the protocol module of the guide passes its check", modes=None, limit=100)
def protocol(t):
    t.need("cc", "pkg-config")
    build_and_check(t, "protocol", "proto_ask.c")


@case("the transport module of the guide passes its check", modes=None, limit=100)
def transport(t):
    t.need("cc", "pkg-config")
    build_and_check(t, "transport", "transport_word.c")


@case("the guide's queue keeps a job over kill -9", modes=(2,))
def queue_serves(t):
    t.need_module_files()
    s = t.server(build(t, "queue", "queue_shelf.c"), "-q", "shelf", "--shelf-file=" + t.path("jobs"))
    s.alive()
    with s.connect() as client:
        client.submit("keep", "one", b"first", SUBMIT_JOB_BG)
    s.kill()
    s.start()
    s.alive()
    with s.worker("keep") as worker:
        check(worker.grab()[2] == b"first", "the job is back")


@case("the guide's protocol answers lines in order, and refuses a line without an end", modes=(0, 2))
def protocol_serves(t):
    t.need_module_files()
    s = t.server(build(t, "protocol", "proto_ask.c"), "-r", "ask", "--ask-listen=127.0.0.1:0")
    port = until(lambda: [p for p in s.ports() if p != s.port], "the module's port")[0]
    with s.sleeper("shout") as worker, Peer(("127.0.0.1", port)) as client:
        client.raw(b"shout one\nshout two\n")
        worker.expect(NOOP)
        job = worker.grab()
        check(job[2] == b"one", job)
        worker.no_job()
        worker.sleep()
        worker.complete(job[0], b"O\nNE")
        check(client.read(10) == b"OK 4\nO\nNE\n", "the first result")
        worker.expect(NOOP)
        job = worker.grab()
        check(job[2] == b"two", job)
        worker.send(WORK_FAIL, job[0])
        check(client.read(7) == b"FAILED\n", "the second line failed")
        client.raw(b"x" * 70000)
        check(client.read(25) == b"ERR the line is too long\n", "refused")
        client.expect_closed()


@case("the guide's transport lets in who says the word, and nobody else", modes=(0, 2))
def transport_serves(t):
    t.need_module_files()
    s = t.server(build(t, "transport", "transport_word.c"), "--transport=word", "--word-listen=127.0.0.1:0", "--word=open")
    port = until(lambda: [p for p in s.ports() if p != s.port], "the module's port")[0]
    with Peer(("127.0.0.1", port)) as peer:
        for byte in b"open\nversion\n":
            peer.raw(bytes([byte]))
        check(peer.read(3) == b"OK ", "the word opens")
    for word in (b"opem\nversion\n", b"openversion\n", b"\n", b"x" * 500):
        with Peer(("127.0.0.1", port)) as peer:
            peer.raw(word)
            peer.expect_closed()
    s.allow_log("it did not say the word")


@case("the reference is made without a warning: each name of the headers is documented", modes=None, limit=100)
def reference(t):
    t.need("doxygen")
    shutil.copytree(GUIDES, t.path("sdk/doc"))
    shutil.copytree(os.path.join(TOP, "sdk/include"), t.path("sdk/include"))
    with open(t.path("sdk/doc/Doxyfile")) as f:
        settings = f.read() + "OUTPUT_DIRECTORY = " + t.path("out") + "\n"
    done = subprocess.run(["doxygen", "-"], input=settings.encode(), cwd=t.path("sdk/doc"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=90)
    check(done.returncode == 0 and done.stdout == b"", done)
    with open(t.path("out/html/structgearmand__queue__ops.html")) as f:
        check("replay" in f.read(), "the operations of a queue are in it")


if __name__ == "__main__":
    main()
