#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The SDK as a stranger has it: `make install DESTDIR=...`, and a module built with what is there and nothing else."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "live"))
from gearlive import case, check, main, until  # noqa: E402
from gearlive.sdk import build_example, find, installed, sdk  # noqa: E402


def gearman(t, server, *words, input=b""):
    return t.run("gearman", "-h", "127.0.0.1", "-p", str(server.port), *words, input=input).out


@case("a queue module built with the installed SDK keeps a job over kill -9", modes=(0, 2), limit=280)
def out_of_tree(t):
    t.need("gearman", "make", "pkg-config")
    root = installed()
    number = t.run("pkg-config", "--variable=abi_major", "gearmand-plugin", env=sdk(root)).out
    check(number == b"1\n", number)
    folder = build_example(t, root, "queue_journal.c")
    os.environ["GEARMAND"] = find(root, "gearmand")
    server = t.server("--plugin-dir=" + folder, "-q", "journal", "--journal-file=" + t.path("jobs"))
    gearman(t, server, "-b", "-f", "keep", "-u", "one", "first job")
    gearman(t, server, "-b", "-f", "keep", "-u", "two", input=b"second\0job")
    server.kill()
    server.start()
    result = gearman(t, server, "-w", "-c", "2", "-f", "keep", "--", "tee", "-a", t.path("done"))
    check(result == b"", result)
    with open(t.path("done"), "rb") as f:
        check(f.read() == b"first jobsecond\0job", "both jobs, in order, whole")
    until(lambda: os.path.getsize(t.path("jobs")) == 8, "the journal to be empty")
    server.kill()
    server.start()
    with server.connect() as admin:
        check("keep" not in str(admin.listing("status")), "nothing is left")


@case("the example's options, refusals and mistakes", modes=None, limit=280)
def example(t):
    t.need("make", "pkg-config")
    root = installed()
    folder = build_example(t, root, "queue_journal.c")
    gearmand = [find(root, "gearmand"), "--config-file=" + t.write("conf", ""), "--plugin-dir=" + folder]
    done = t.run(*gearmand, "--list-plugins")
    check([w for w in done.out.splitlines() if w.split()[:4] == [b"journal", b"queue", b"1.0", b"1.0"]] and done.err == b"", done)
    done = t.run(*gearmand, "--help")
    check(b"Module journal (queue): keeps jobs in a journal file\n      --journal-file=FILE " in done.out, done)
    check(b"--journal-max=SIZE          size of the file past which jobs are refused (default 1G)" in done.out, done)
    done = t.run(*gearmand, "--journal-max=1K", "--check-args", status=1)
    check(b"'--journal-max' is invalid: it must be at least 4K\n" in done.err, done)
    with open(t.path("other"), "w") as f:
        f.write("something else\n")
    start = gearmand + ["-q", "journal", "-L", "127.0.0.1", "-p0", "-l", "stderr", "-P", t.path("pid")]
    for more, sentence in (([], b"--journal-file is needed"),
                           (["--journal-file=" + t.path("other")], b"other is no journal of this module"),
                           (["--journal-file=" + t.path("none/x")], b"none/x: No such file or directory")):
        done = t.run(*start, *more, status=1)
        check(sentence in done.err, done)


@case("gearmand-plugin-check as a stranger has it: the example passes, and what is wrong in it is told", modes=None, limit=280)
def check_kit(t):
    t.need("make", "pkg-config")
    root = installed()
    module = os.path.join(build_example(t, root, "queue_journal.c"), "queue-journal.so")
    kit = find(root, "gearmand-plugin-check")
    done = t.run(kit, "--list")
    check(b"\norder_is_kept: jobs are replayed in the order" in done.out, done)
    count = done.out.split(b"\ncuts_do_not_matter", 1)[0].count(b"\n") + 1
    done = t.run(kit, "--journal-file=" + t.path("jobs"), module, limit=200)
    check(b"\nnot ok" not in done.out and b"\nok %d - " % count in done.out and done.err == b"", done)
    done = t.run(kit, "--help", module)
    check(b"--only=CASE" in done.out and b"--journal-file=..." in done.out, done)
    for words, sentence in ((["--journal-file=x", "--journal-file"], b"must come last"),
                            (["--journal-max=1K", module], b"'--journal-max' is invalid: it must be at least 4K"),
                            (["--nosuch=1", module], b"the module has no option '--nosuch=1'"),
                            (["--journal-file", module], b"option '--journal-file' is missing"),
                            (["--only=nosuch", module], b"no such case, see --list: nosuch"),
                            (["--store-kill=true", module], b"go together")):
        done = t.run(kit, *words, status=2)
        check(sentence in done.err and done.out == b"", words, done)
    done = t.run(kit, module, status=1)
    check(b"\nBail out!  open: --journal-file is needed\n" in done.out, done)
    done = t.run(kit, t.write("no.so", "no module"), status=1)
    check(b"not ok 1 - server_takes_the_module" in done.out and b"refused: it is not a shared object" in done.out, done)


if __name__ == "__main__":
    main()
