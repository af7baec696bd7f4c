#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Modules that must be refused: each with its sentence, none in the way of a server that does not want it."""
import os
import shutil
import struct
import sys

SOURCE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(SOURCE), "live"))
from gearlive import case, check, main  # noqa: E402

SDK = os.path.join(os.path.dirname(os.path.dirname(SOURCE)), "sdk", "include")
POINTER = struct.calcsize("P")
DESCRIPTOR_BYTES = 24 + 9 * POINTER  # six numbers of 32 bits, and nine pointers
QUEUE_OPS_BYTES = 9 * POINTER + 1  # size, eight functions, and a bool
OFFER = "this server offers 1.0"


def compile_module(t, source, target, *flags):
    t.run(*os.environ.get("CC", "cc").split(), "-shared", "-fPIC", "-w", "-I" + SDK, "-I" + SOURCE, "-o", target,
          os.path.join(SOURCE, source), *flags)
    os.chmod(target, 0o755)


def modules(t, source=None, *flags, file="queue-bad.so"):
    """A directory with the good module and a bad one, and the bad one's path."""
    where = t.path("modules")
    os.mkdir(where, 0o755)
    os.chmod(where, 0o755)
    compile_module(t, "good.c", os.path.join(where, "queue-good.so"))
    if source:
        compile_module(t, source, os.path.join(where, file), *flags)
    return where, os.path.join(where, file)


def gearmand(t, where, *options, status=0):
    return t.run(os.environ["GEARMAND"], "--plugin-dir=" + where, "--config-file=" + t.write("conf", ""), *options,
                 status=status)


def said(sentence, warning=False):
    return "%s: %s%s\n" % (os.environ["GEARMAND"], "warning: " if warning else "", sentence)


def left_out(t, where, sentence):
    """What is promised about something that is left out and not asked for."""
    done = gearmand(t, where, "--list-plugins")
    check(done.err == b"" and "\n" + sentence + "\n" in done.out.decode(), "--list-plugins", done)
    done = gearmand(t, where, "--help")
    check(done.err.decode() == said(sentence, warning=True) and b"Usage: " in done.out, "--help", done)
    done = gearmand(t, where, "--check-args")
    check(done.err == b"" and done.out == b"", "--check-args is silent", done)
    server = t.server("--plugin-dir=" + where)
    server.alive()
    server.expect_log("warning: plugin .*(refused|left out): ")
    check(said(sentence, warning=True) in server.err(), "the server starts with a warning", server.err())


def refused(t, where, path, reason, asked=("bad",)):
    """The same for a module; and who asks for it, by any of its names, gets the sentence and no server."""
    sentence = "plugin %s refused: %s" % (path, reason)
    for name in asked:
        done = gearmand(t, where, "-q", name, status=1)
        check(done.err.decode() == said(sentence) and done.out == b"", "asked for as", name, done)
    left_out(t, where, sentence)
    check(b"\ngood " in gearmand(t, where, "--list-plugins").out, "the good module is still there")


BAD = [
    ("no-symbol", "exports no gearmand_plugin; make its descriptor with GEARMAND_QUEUE_PLUGIN or the macro of its kind"),
    ("no-descriptor", "its gearmand_plugin is 4 bytes, too short for a descriptor; make it with GEARMAND_QUEUE_PLUGIN or "
                      "the macro of its kind"),
    ("wrong-magic", "its descriptor begins with 0x12345678, expected 0x474d504c; rebuild it with this server's SDK"),
    ("newer-major", "built for plugin ABI 3.2, %s; rebuild it" % OFFER),
    ("older-major", "built for plugin ABI 0.9, %s; rebuild it" % OFFER),
    ("newer-minor", "built for plugin ABI 1.7, %s; upgrade the server or rebuild it" % OFFER),
    ("short-size", "its descriptor is 32 bytes, plugin ABI 1.0 has %d; rebuild it" % DESCRIPTOR_BYTES),
    ("unknown-kind", "its kind is 9, expected 1 (queue), 2 (protocol) or 3 (transport); correct it"),
    ("wrong-kind", "it says that it is a protocol module, but has no protocol operations; correct its kind or add them"),
    ("bad-name", "its name is 'bad name', expected are 1 to 32 letters, digits and '-'; correct it"),
    ("own-name", "its name 'builtin' is the server's own; rename it"),
    ("missing-op", "its operation commit is NULL, expected a function; every queue module must have one"),
    ("short-ops", "its queue operations are 16 bytes, plugin ABI 1.0 has %d; rebuild it" % QUEUE_OPS_BYTES),
    ("undefined-symbol", "undefined symbol: gearmand_function_of_nobody; rebuild it, or install the version of its "
                         "library that it was built for"),
]

DEPTH = '{ "bad-depth", GEARMAND_OPT_INT, .help = "h" }'
# What is wrong, the table's rows, the sentence.
BAD_OPTIONS = [
    ("a name in capitals", '{ "Depth", GEARMAND_OPT_INT, .help = "h" }',
     "an option of it is called 'Depth', expected are small letters, digits and '-'; rename it"),
    ("the server's own name", '{ "port", GEARMAND_OPT_INT, .help = "h" }',
     "its option --port is the server's own; rename it"),
    ("the name of one before", DEPTH + ", " + DEPTH, "it has the option --bad-depth twice; remove one"),
    ("an alias that is another's name",
     DEPTH + ', { "bad-size", GEARMAND_OPT_INT, .help = "h", .aliases = same }',
     "it has the option --bad-depth twice; remove one"),
    ("a type from the future", '{ "bad-depth", 7, .help = "h" }',
     "its option --bad-depth is of type 7, expected 1 to 6; upgrade the server or correct it"),
    ("no help", '{ "bad-depth", GEARMAND_OPT_INT }', "its option --bad-depth has no help sentence; add one"),
    ("a default out of range", '{ "bad-depth", GEARMAND_OPT_INT, .dflt = "9", .min = "1", .max = "8", .help = "h" }',
     "the default of its option --bad-depth is not possible: the argument ('9') for option '--bad-depth' is invalid: it "
     "must be from 1 to 8; correct it"),
    ("a bound that is no number", '{ "bad-depth", GEARMAND_OPT_SIZE, .max = "1Q", .help = "h" }',
     "a bound of its option --bad-depth is not possible: the argument ('1Q') for option '--bad-depth' is invalid: it "
     "must be bytes, as in 8192, 64K or 2G; correct it"),
    ("a default, being a switch", '{ "bad-depth", GEARMAND_OPT_SWITCH, .dflt = "1", .help = "h" }',
     "its option --bad-depth is a switch with a default, and switches have none; remove it"),
]


def declare_all():
    for name, reason in BAD:
        @case("refused: " + name, modes=(0,))
        def bad_module(t, name=name, reason=reason):
            refused(t, *modules(t, name + ".c"), reason)
    for what, rows, reason in BAD_OPTIONS:
        @case("refused: an option with " + what, modes=(0,))
        def bad_option(t, rows=rows, reason=reason):
            refused(t, *modules(t, "bad-option.c", "-DROWS=" + rows), reason, asked=("bad", "bad-option", "BAD-option"))


declare_all()


@case("a good module is listed, helped and accepted", modes=(0,))
def good(t):
    where, _ = modules(t)
    done = gearmand(t, where, "--list-plugins")
    check(done.err == b"" and [w for w in done.out.splitlines() if w.split()[:4] == [b"good", b"queue", b"1.0", b"1.0"]], done)
    check(b"\nModule good (queue): forgets everything\n" in gearmand(t, where, "--help").out)
    t.server("--plugin-dir=" + where, "-q", "GOOD").alive()


@case("refused: a name that another module has", modes=(0,))
def duplicate_name(t):
    where, path = modules(t, "duplicate-name.c", file="queue-z.so")
    refused(t, where, path, "its name 'GOOD' is taken by %s/queue-good.so; remove one of the two" % where,
            asked=("good", "z"))


@case("refused: an option that another module has", modes=(0,))
def duplicate_option(t):
    where, path = modules(t, "bad-option.c", "-DROWS=" + DEPTH)
    other = os.path.join(where, "queue-z.so")
    with open(os.path.join(SOURCE, "bad-option.c")) as f:
        source = t.write("z.c", f.read().replace('"bad-option"', '"z"'))
    compile_module(t, source, other, "-DROWS=" + DEPTH)
    refused(t, where, other, "its option --bad-depth is taken by %s; remove one of the two" % path, asked=("z",))


@case("refused: a library that it needs is missing", modes=(0,))
def missing_library(t):
    lib = t.path("libgone.so")
    compile_module(t, "libgone.c", lib)
    where, path = modules(t, "missing-library.c", "-L" + t.dir, "-lgone")
    os.unlink(lib)
    refused(t, where, path, "a library that it needs is missing: libgone.so: cannot open shared object file: No such "
            "file or directory; install that library")


@case("refused: a file that was cut off", modes=(0,))
def truncated(t):
    where, path = modules(t, "good.c")
    size = os.path.getsize(path)
    os.truncate(path, size // 4)
    done = gearmand(t, where, "-q", "bad", status=1).err.decode()
    check("the file is cut off: it has %d bytes and needs at least " % (size // 4) in done, done)
    refused(t, where, path, done.partition(" refused: ")[2].rstrip("\n"))
    for left in (700, 100, 64):
        os.truncate(path, left)
        check(b"refused: the file is cut off: " in gearmand(t, where, "-q", "bad", status=1).err, left)


@case("refused: an empty file", modes=(0,))
def empty_file(t):
    where, path = modules(t)
    open(path, "w").close()
    refused(t, where, path, "the file is empty; install it again")


@case("refused: a file that is no shared object", modes=(0,))
def text_file(t):
    where, path = modules(t)
    with open(path, "w") as f:
        f.write("#!/bin/sh\necho this is no module, though it is long enough to hold the head of one\n")
    refused(t, where, path, "it is not a shared object of this machine; install it again or remove it")


@case("refused: a directory, a pipe and a dangling link", modes=(0,))
def no_file(t):
    where, path = modules(t)
    os.mkdir(path, 0o755)
    refused(t, where, path, "it is not a file; remove it from the plugin directory")
    os.rmdir(path)
    os.mkfifo(path, 0o644)
    check(b"it is not a file; remove it" in gearmand(t, where, "-q", "bad", status=1).err)
    os.unlink(path)
    os.symlink("nothing", path)
    check(b"refused: No such file or directory\n" in gearmand(t, where, "-q", "bad", status=1).err)


def need_root(t):
    if os.geteuid() != 0:
        t.skip("only root has rights to protect")


@case("refused as root: a file that others can write to", modes=(0,))
def world_writable(t):
    need_root(t)
    where, path = modules(t, "good.c")
    os.chmod(path, 0o777)
    refused(t, where, path, "everybody may write to it (mode 0777), and this server has rights to protect; chmod go-w it")


@case("refused as root: a file that a group can write to, or that is another user's", modes=(0,))
def other_users(t):
    need_root(t)
    where, path = modules(t, "good.c")
    os.chmod(path, 0o775)
    os.chown(path, 0, 1)
    check(b"its group may write to it (mode 0775), and" in gearmand(t, where, "-q", "bad", status=1).err)
    os.chmod(path, 0o755)
    os.chown(path, 1, 0)
    refused(t, where, path, "it belongs to user 1, expected root; chown it to root")


@case("left out as root: a directory that others can write to", modes=(0,))
def world_writable_directory(t):
    need_root(t)
    where, _ = modules(t, "good.c")
    os.chmod(where, 0o1777)
    left_out(t, where, "plugin directory %s left out: everybody may write to it (mode 1777), and this server has rights "
             "to protect; chmod go-w it" % where)
    check(b"Unknown queue good; " in gearmand(t, where, "-q", "good", status=1).err)


@case("left out: a directory that does not exist", modes=(0,))
def no_directory(t):
    where = t.path("nothing")
    left_out(t, where, "plugin directory %s left out: No such file or directory" % where)


@case("the option of a refused module is unknown, and the refusal says why", modes=(0,))
def option_of_refused(t):
    where, path = modules(t, "newer-major.c")
    done = gearmand(t, where, "--bad-depth=1", "--check-args", status=1)
    check(done.err.decode() == said("plugin %s refused: built for plugin ABI 3.2, %s; rebuild it" % (path, OFFER), True) +
          said("unrecognised option '--bad-depth'"), done)


@case("files of other kinds and hidden ones are passed over", modes=(0,))
def passed_over(t):
    where, _ = modules(t)
    for name in ("README", "queue-x.la", ".hidden.so", "queue-x.so.bak"):
        open(os.path.join(where, name), "w").close()
    done = gearmand(t, where, "--list-plugins")
    check(b"refused" not in done.out and done.err == b"", done)


@case("a directory given twice is searched once", modes=(0,))
def twice(t):
    where, _ = modules(t)
    shutil.copytree(where, t.path("copy"))
    done = gearmand(t, where, "--plugin-dir=" + where + "/", "--list-plugins")
    check(b"refused" not in done.out and done.out.count(b"queue-good.so") == 1, done)
    done = gearmand(t, where, "--plugin-dir=" + t.path("copy"), "--list-plugins")
    check(b"copy/queue-good.so refused: its name 'good' is taken by " in done.out, done)


if __name__ == "__main__":
    main()
