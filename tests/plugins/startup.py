#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Command line and configuration file, as somebody at a terminal sees them: texts, exit status, order of answers."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "live"))
from gearlive import case, check, main, patience, server_sanitized  # noqa: E402

GEARMAND = os.environ.get("GEARMAND", "")


def gearmand(t, *options, status=0, conf="", env=None):
    """Runs it with an empty configuration file, or this one."""
    if conf is not None:
        options = ("--config-file=" + t.write("conf", conf),) + options
    return t.run(GEARMAND, *options, status=status, env=env)


def says(t, options, sentence, **how):
    done = gearmand(t, *options, status=1, **how)
    check(done.err.decode() == "%s: %s\n" % (GEARMAND, sentence) and done.out == b"", options, done)


INVALID = "the argument ('%s') for option '--%s' is invalid"
NO_NUMBER = INVALID + ": it must be a whole number"
NO_PORT = INVALID + ": it is no number, and no service has this name"
NO_SIZE = INVALID + ": it must be bytes, as in 8192, 64K or 2G"
NO_LEVEL = "Invalid value for --verbose supplied: it must be FATAL, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG"

# As gearmand 1.1 says it.
WRONG = [
    (["--bogus"], "unrecognised option '--bogus'"),
    (["--no-such=secret"], "unrecognised option '--no-such'"),
    (["--log", "x"], "unrecognised option '--log'"),
    (["foo"], "unrecognised option 'foo'"),
    (["-"], "unrecognised option '-'"),
    (["@file"], "unrecognised option '@file'"),
    (["--", "foo"], "unrecognised option 'foo'"),
    (["-v"], "unrecognised option '-v'"),
    (["-vv"], "unrecognised option '-vv'"),
    (["-vvv"], "unrecognised option '-vvv'"),
    (["-dv"], "unrecognised option '-dv'"),
    (["-d5"], "unrecognised option '-d5'"),
    (["-R=1"], "unrecognised option '-R'"),
    (["--PORT=1"], "unrecognised option '--PORT'"),
    (["--verbose"], "the required argument for option '--verbose' is missing"),
    (["-t"], "the required argument for option '--threads' is missing"),
    (["-dt"], "the required argument for option '--threads' is missing"),
    (["-P", "-l", "x"], "the required argument for option '--pid-file' is missing"),
    (["--log-file", "--daemon"], "the required argument for option '--log-file' is missing"),
    (["--port="], "the argument for option '--port' should follow immediately after the equal sign"),
    (["--log-file="], "the argument for option '--log-file' should follow immediately after the equal sign"),
    (["--port=1", "--port=2"], "option '--port' cannot be specified more than once"),
    (["-p1", "--port", "1"], "option '--port' cannot be specified more than once"),
    (["-d", "--daemon"], "option '--daemon' cannot be specified more than once"),
    (["--daemon=1"], "option '--daemon' does not take any arguments"),
    (["--verbose=x"], NO_LEVEL),
    (["--verbose=WARN"], NO_LEVEL),
    (["--verbose=error"], NO_LEVEL),
    (["--hashtable-buckets=0"], "hashtable-buckets has to be greater than 0"),
    (["--backlog=x"], NO_NUMBER % ("x", "backlog")),
    (["--backlog=1.5"], NO_NUMBER % ("1.5", "backlog")),
    (["--backlog= 1"], NO_NUMBER % (" 1", "backlog")),
    (["-t5x"], NO_NUMBER % ("5x", "threads")),
    (["--port=no-such-service"], NO_PORT % ("no-such-service", "port")),
]

# Better than 1.1, which wraps or cuts off what is out of range.
OUT_OF_RANGE = [
    (["--backlog=99999999999"], INVALID % ("99999999999", "backlog") + ": it must be from -2147483647 to 2147483647"),
    (["--threads=-1"], INVALID % ("-1", "threads") + ": it must be from 0 to 1024"),
    (["--threads=1025"], INVALID % ("1025", "threads") + ": it must be from 0 to 1024"),
    (["--threads", "-1"], INVALID % ("-1", "threads") + ": it must be from 0 to 1024"),
    (["--file-descriptors=-1"], INVALID % ("-1", "file-descriptors") + ": it must be from 0 to 2147483647"),
    (["-w-1"], INVALID % ("-1", "worker-wakeup") + ": it must be from 0 to 4294967295"),
    (["--hashtable-buckets=-1"], INVALID % ("-1", "hashtable-buckets") + ": it must be from 0 to 4294967295"),
    (["--job-retries=-2"], INVALID % ("-2", "job-retries") + ": it must be from -1 to 4294967295"),
    (["--job-retries=4294967296"], INVALID % ("4294967296", "job-retries") + ": it must be from -1 to 4294967295"),
    (["--port=65536"], INVALID % ("65536", "port") + ": it must be from 0 to 65535"),
    (["--port=-1"], INVALID % ("-1", "port") + ": it must be from 0 to 65535"),
    (["--port=99999999999999999999"], INVALID % ("99999999999999999999", "port") + ": it must be from 0 to 65535"),
    (["--keepalive-count=128"], INVALID % ("128", "keepalive-count") + ": it must be from -1 to 127"),
    (["--max-packet=4G"], INVALID % ("4G", "max-packet") + ": it must be from 1K to 4095M"),
    (["--max-packet=1023"], INVALID % ("1023", "max-packet") + ": it must be from 1K to 4095M"),
    (["--max-packet=99999999999T"], INVALID % ("99999999999T", "max-packet") + ": it must be from 1K to 4095M"),
    (["--max-packet=1KB"], NO_SIZE % ("1KB", "max-packet")),
    (["--max-storing=1K"], INVALID % ("1K", "max-storing") + ": it must be at least 64K"),
    (["--queue-timeout=0"], INVALID % ("0", "queue-timeout") + ": it must be from 1 to 86400"),
    (["--job-handle-prefix=" + 43 * "x"], "job-handle-prefix is 43 bytes, at most 42 are possible"),
    (["--job-handle-prefix=H a"], "job-handle-prefix has a blank or a control byte"),
]

# Everything that 1.1's core takes, and what is new; with --check-args nothing is started, or even looked at.
RIGHT = """
-b 10 | -b10 | --backlog=-1 | -d | --daemon | --exceptions | -f 10 | --file-descriptors=100 | -j 3 | -j -1 | --job-retries=-1
--job-retries -1 | --job-retries=257 | --job-handle-prefix=H:x | --hashtable-buckets=1000003 | --keepalive | --keepalive-idle=7
--keepalive-interval=7 | --keepalive-count=7 | -l stderr | --log-file=none | -L 127.0.0.1 | --listen=10 | -L a -L b | -P /x/y
--pid-file=/x/y | -p 0 | -p65535 | --port=10 | --port=http | -r nosuch | -r a -r b | -R | --round-robin | -q nosuch
--queue-type=nosuch | --syslog | --coredump | -t 0 | -t4 | --threads=+4 | -u nobody | --user=no-such-user | --verbose=FATAL
--verbose=ALERT | --verbose=CRITICAL | --verbose=ERROR | --verbose=WARNING | --verbose=NOTICE | --verbose=INFO | --verbose=DEBUG
-w 1 | --worker-wakeup=256 | --ssl | --ssl-ca-file=/x | --ssl-certificate=/x | --ssl-key=/x | --strict-order | --timeout-requeues
--shutdown-timeout=0 | --max-packet=1M | --max-packet=2g | --max-line=100 | --max-output=64k | --max-connections=1 | --max-jobs=0
--max-memory=1T | --max-functions=1 | --max-abilities=1 | --max-storing=1M | --queue-timeout=1 | --plugin-dir=/x | -dR | -dRt5
--job-handle-prefix=012345678901234567890123456789012345678901 | --log-file -x | -h | --help | -V | --version | --list-plugins
"""


def declare_all():
    for options, sentence in WRONG + OUT_OF_RANGE:
        @case("wrong: " + " ".join(options), modes=None)
        def wrong(t, options=options, sentence=sentence):
            says(t, options, sentence)
    for words in re.split(r"[|\n]", RIGHT.strip()):
        @case("right: " + words.strip(), modes=None)
        def right(t, options=words.split()):
            done = gearmand(t, "--check-args", *options)
            check(done.out == b"" and done.err == b"", done)


declare_all()


@case("the first thing wrong is what is said", modes=None)
def first(t):
    says(t, ["--backlog=x", "--bogus"], NO_NUMBER % ("x", "backlog"))
    says(t, ["--bogus", "--backlog=x"], "unrecognised option '--bogus'")


@case("an option of a module that is not asked for brings a warning, one of a module that is asked for, or that 1.1 had, does not", modes=None)
def without_module(t):
    modules = {os.path.basename(p) for p in os.listdir(os.environ["GEARMAND_PLUGIN_PATH"])}
    for module, options, way in (("proto-http", ["--http-listen=localhost", "--http-port=1"], ["-r", "http"]),
                                 ("queue-sqlite", ["--libsqlite3-db=x"], ["-q", "libsqlite3"]),
                                 ("transport-tls", ["--ssl-listen=localhost:1"], ["--transport=tls"])):
        if module + ".so" not in modules:
            continue
        done = gearmand(t, "--check-args", *options)
        check(done.err.count(b"has no effect: it belongs to the module " + module.split("-")[1].encode()) == 1, done)
        check(gearmand(t, "--check-args", *options, *way).err == b"")
    if "transport-tls.so" in modules:
        check(gearmand(t, "--check-args", "--ssl", "--ssl-listen=localhost:1").err == b"")


@case("-V prints an empty line, name, version and where bugs go", modes=None)
def version(t):
    for option in ("-V", "--version"):
        out = gearmand(t, option).out.decode()
        check(re.fullmatch(r"\ngearmand \d+\.\d+\.\d+\S* - \S.*\n", out), out)


@case("--check-args goes before --help, --help before --version, that before --list-plugins", modes=None)
def order(t):
    check(gearmand(t, "--help", "--check-args", "--version").out == b"")
    check(gearmand(t, "--version", "--help").out.startswith(b"Usage: "))
    check(gearmand(t, "--list-plugins", "--version").out.startswith(b"\ngearmand "))
    says(t, ["--help", "--bogus"], "unrecognised option '--bogus'")


@case("--help is aligned, at most 100 columns wide, in one manner, and hides --check-args", modes=None)
def help_shape(t):
    text = gearmand(t, "--help").out.decode()
    wide = [x for x in text.splitlines() if len(x) > 100 and len(x.split()) > 1]  # a path has no place to break
    check(not wide, wide)
    check("check-args" not in text)
    check("\n  -b, --backlog=NUMBER            connections" in text, text)
    check("\n      --syslog                    write" in text, text)
    check("(default 256M)" in text and "(default 4730)" in text, text)
    for line in text.splitlines():
        check(re.match(r" $|\S|  -\w, --\S+ | {6}--\S+ {2,}\S| {6}--\S+ \S| {6}--\S{26,} $| {34}\S", line + " "), "odd line", line)
    capital = re.findall(r"^ {2,6}(?:-\w, )?(--\S+\s+[A-Z][a-z].*)", text, re.M)
    check(not capital, "the server's sentences and the modules' begin with a small letter", capital)


@case("an unknown queue names what is there, where was looked, and the package that has it", modes=None)
def unknown_queue(t):
    os.mkdir(t.path("a"), 0o755), os.mkdir(t.path("b"), 0o755)
    dirs = ["--plugin-dir=" + t.path("a"), "--plugin-dir=" + t.path("b")]
    tail = "; installed: builtin; searched: %s, %s" % (t.path("a"), t.path("b"))
    says(t, dirs + ["-q", "nosuch"], "Unknown queue nosuch" + tail)
    for names, package in (("sqlite libsqlite3 LibSQLite3", "sqlite"), ("postgres Postgres", "postgres"),
                           ("mysql MySQL libdrizzle", "mysql"), ("memcached libmemcached", "memcached"),
                           ("tokyo libtokyocabinet", "tokyo")):
        for name in names.split():
            says(t, dirs + ["-q", name], "Unknown queue %s%s; package gearmand-queue-%s has it" % (name, tail, package))


@case("an unknown protocol names what is there, where was looked, and the package that has it", modes=None)
def unknown_protocol(t):
    os.mkdir(t.path("a"), 0o755)
    tail = "; installed: none; searched: " + t.path("a")
    says(t, ["--plugin-dir=" + t.path("a"), "-r", "nosuch"], "Unknown protocol module : nosuch" + tail)
    says(t, ["--plugin-dir=" + t.path("a"), "-r", "http"],
         "Unknown protocol module : http%s; package gearmand has it" % tail)


@case("--ssl without the module does not start in the clear", modes=None)
def ssl(t):
    for option in "--ssl", "--transport=tls":
        says(t, [option, "--plugin-dir=" + t.dir], "Unknown transport module : tls; installed: none; searched: %s; "
             "package gearmand-transport-tls has it" % t.dir)


@case("GEARMAND_PLUGIN_PATH is searched, unless --plugin-dir is given", modes=None)
def plugin_path(t):
    env = {"GEARMAND_PLUGIN_PATH": "%s:%s" % (t.path("a"), t.path("b"))}
    os.mkdir(t.path("a"), 0o755), os.mkdir(t.path("b"), 0o755), os.mkdir(t.path("c"), 0o755)
    out = gearmand(t, "--list-plugins", env=env).out.decode()
    check(out.endswith("\nSearched: %s, %s\n" % (t.path("a"), t.path("b"))), out)
    out = gearmand(t, "--list-plugins", "--plugin-dir=" + t.path("c"), env=env).out.decode()
    check(out.endswith("\nSearched: %s\n" % t.path("c")), out)
    out = gearmand(t, "--list-plugins", conf="--plugin-dir " + t.path("c"), env=env).out.decode()
    check(out.endswith("\nSearched: %s\n" % t.path("c")), out)


@case("GEARMAND_PLUGIN_PATH is ignored in a set-uid program, and files of its caller are not loaded", modes=None)
def set_uid(t):
    if os.geteuid() != 0:
        t.skip("only root can make such a program")
    if server_sanitized():
        t.skip("the leak checker cannot look into such a program")
    t.need("setpriv")
    program = t.path("gearmand")
    shutil.copy(GEARMAND, program)
    os.mkdir(t.path("mine"), 0o755)
    os.chown(t.path("mine"), 65534, 65534)
    os.chown(program, 1, 1)
    for path, mode in ((t.dir, 0o755), (t.path("mine"), 0o777), (program, 0o4755)):
        os.chmod(path, mode)
    caller = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "--list-plugins"]
    out = t.run(*caller, env={"GEARMAND_PLUGIN_PATH": t.path("mine")}).out.decode()
    if os.statvfs(t.dir).f_flag & os.ST_NOSUID:
        t.skip("set-uid programs are off in %s" % t.dir)
    check("\nSearched: " in out and t.path("mine") not in out, out)
    out = t.run(*caller, "--plugin-dir=" + t.path("mine")).out.decode()
    check("mine left out: everybody may write to it (mode 0777)" in out, out)


@case("an option of a module that is not there names the module and its package", modes=None)
def module_of_option(t):
    for option, module in (("--libsqlite3-db=/x", "queue-sqlite"), ("--store-queue-on-shutdown", "queue-sqlite"),
                           ("--libpq-conninfo=dbname=x", "queue-postgres"), ("--mysql-host=x", "queue-mysql"),
                           ("--libmemcached-servers=x", "queue-memcached"), ("--libtokyocabinet-file=x", "queue-tokyo"),
                           ("--http-port=80", "proto-http")):
        says(t, ["--plugin-dir=" + t.dir, option], "unrecognised option '%s': it belongs to the module %s, which is not there; "
             "package gearmand-%s has it" % (option.split("=")[0], module, module))
    says(t, ["--plugin-dir=" + t.dir], "%s: unrecognised option '--redis-server': it belongs to the module queue-redis, "
         "which the SDK has as an example to be built" % t.path("conf"), conf="--redis-server=x")


@case("a queue that may be in a folder which is left out: the reason is said", modes=None)
def left_out_folder(t):
    if os.geteuid() != 0:
        t.skip("only root refuses folders")
    os.mkdir(t.path("open")), os.chmod(t.path("open"), 0o777)
    done = gearmand(t, "--plugin-dir=" + t.path("open"), "-q", "lmdb", status=1)
    check(b"open left out: everybody may write to it (mode 0777)" in done.err and b"Unknown queue lmdb" in done.err, done)


@case("a service's address in GEARMAND_PORT is passed over with a warning, an overridden one without a word", modes=None)
def kubernetes(t):
    env = {"GEARMAND_PORT": "tcp://192.0.2.12:4730"}
    done = gearmand(t, "--check-args", env=env)
    check(done.err.decode() == "%s: warning: GEARMAND_PORT: 'tcp://192.0.2.12:4730' is the address of a service, as Kubernetes "
          "sets it, and is ignored\n" % GEARMAND, done)
    check(gearmand(t, "--check-args", "-p", "4799", env=env).err == b"")


@case("the configuration file may be a pipe: it is read once", modes=None)
def conf_pipe(t):
    for text, said in (("--threads=2\nstray\n", "warning: /dev/stdin: 'stray' is not an option and is ignored"),
                       ("--bogus\n", "/dev/stdin: unrecognised option '--bogus'"),
                       ("--plugin-dir=%s -q nosuch" % t.dir, "Unknown queue nosuch; installed: builtin; searched: " + t.dir)):
        done = subprocess.run([GEARMAND, "--config-file=/dev/stdin"] + (["--check-args"] if "-q" not in text else []),
                              input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=patience())
        check(done.stderr.decode() == "%s: %s\n" % (GEARMAND, said), done)


@case("GEARMAND_PORT that is no port is said to be wrong by name", modes=None)
def bad_environment(t):
    says(t, [], "GEARMAND_PORT: " + NO_PORT % ("x", "port"), env={"GEARMAND_PORT": "x"})
    gearmand(t, "--check-args", env={"GEARMAND_PORT": ""})


# --- the configuration file

def wrong_file(t, text, sentence, *options):
    says(t, ["--check-args"] + list(options), sentence, conf=text)


@case("what is wrong in the configuration file is said with its name", modes=None)
def conf_wrong(t):
    name = t.path("conf")
    for text, sentence in (
            ("--bogus", "unrecognised option '--bogus'"),
            ("--threads=2 -t 2", "option '--threads' cannot be specified more than once"),
            ("--backlog=x", NO_NUMBER % ("x", "backlog")),
            ("--port=\n", "the argument for option '--port' should follow immediately after the equal sign"),
            ("-t", "the required argument for option '--threads' is missing"),
            ("--verbose=BAD", NO_LEVEL),
            ("--check-args", "unrecognised option '--check-args'"),
            ("--help", "unrecognised option '--help'")):
        wrong_file(t, text, name + ": " + sentence)
    wrong_file(t, "\n--log-file='x", name + ":2: a quote is not closed on its line")
    wrong_file(t, "--hashtable-buckets=0", "hashtable-buckets has to be greater than 0")
    wrong_file(t, "-t 2\n\n--log-file='x'y", name + ":3: text stands right behind a closing quote; put quotes around the whole value")
    wrong_file(t, "-t\0", name + ":1: this is not a text file: it has a byte of value 0")
    wrong_file(t, "\n# \x1b[0m", name + ":2: this is not a text file: it has a byte of value 27")
    check(gearmand(t, "--check-args", "--backlog=5", conf="--backlog=x").err == b"", "what is overridden is not judged")


@case("a configuration file that names another is told that only one is read", modes=None)
def conf_in_conf(t):
    done = gearmand(t, "--check-args", conf="--config-file=%s --threads=2\n" % t.path("other"))
    check(done.err.decode() == "%s: warning: --config-file is ignored in a configuration file: only one is read\n" % GEARMAND, done)


@case("words of the configuration file that are no options are ignored with a warning", modes=None)
def conf_strangers(t):
    done = gearmand(t, "--check-args", conf="verbose=DEBUG --threads 2 stray\n")
    check(done.err.decode() == "".join("%s: warning: %s: '%s' is not an option and is ignored\n" % (GEARMAND, t.path("conf"), w)
                                       for w in ("verbose=DEBUG", "stray")), done)


@case("comments, quotes, tabs and carriage returns in the configuration file", modes=None)
def conf_shape(t):
    done = gearmand(t, "--check-args", conf="# text --bogus 'unbalanced\r\n\t--threads\r\n2 # --bogus\r\n\r\n"
                    "--log-file='a # b' -P\"x y\" --job-handle-prefix=a#b -R \\\n")
    check(done.err == b"", done)


@case("a configuration file that is given must be there", modes=None)
def conf_missing(t):
    says(t, ["--config-file=" + t.path("none"), "--check-args"], "Could not open configuration file. (%s: No such file or "
         "directory)" % t.path("none"), conf=None)
    says(t, ["--config-file=" + t.dir, "--check-args"], "Could not open configuration file. (%s: Is a directory)" % t.dir,
         conf=None)


@case("a broken configuration file keeps nobody from the help", modes=None)
def conf_help(t):
    for option in ("--help", "--version", "--list-plugins"):
        done = gearmand(t, option, conf="--bogus")
        check(done.out and done.err.decode() == "%s: warning: %s: unrecognised option '--bogus'\n" % (GEARMAND, t.path("conf")),
              done)


# --- what comes of it

@case("the port: command line before environment before configuration file", modes=(0,))
def precedence(t):
    conf = t.write("conf", "--port=1\n")
    server = t.server("--config-file=" + conf, "--port=0", "-L", "127.0.0.1", listen=False, env={"GEARMAND_PORT": "1"})
    server.alive()
    server = t.server("--config-file=" + conf, "-L", "127.0.0.1", listen=False, env={"GEARMAND_PORT": "0"})
    server.alive()


if __name__ == "__main__":
    main()
