#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Under a service manager: watchdog, restart without a refused connection, the units and the files beside them."""
import ctypes
import errno
import os
import re
import select
import signal
import socket

from gearlive import *
from gearlive.durable import *

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
GEARMAND = os.environ.get("GEARMAND", "")
ONE = (2,)
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def packaged(name):
    with open(os.path.join(TOP, "packaging", name)) as f:
        return f.read()


# ---- Watchdog --------------------------------------------------------------------------------


def manager_of(t):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(t.path("notify"))
    manager.settimeout(patience())
    return manager


def await_told(manager, what):
    """Reads what the server tells until that comes."""
    while what not in manager.recv(4096).decode().split("\n"):
        pass


def told(manager):
    """What has been told and not yet read."""
    all_of_it = []
    while select.select([manager], [], [], 0)[0]:
        all_of_it += manager.recv(4096).decode().split("\n")
    return all_of_it


def ptrace(request, tid):
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(request, tid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def stop_thread(t, server, name):
    """Stops this one thread; returns its number, for start_thread()."""
    for tid in os.listdir("/proc/%d/task" % server.pid):
        with open("/proc/%d/task/%s/comm" % (server.pid, tid)) as f:
            if f.read().strip() == name:
                try:
                    ptrace(PTRACE_SEIZE, int(tid))
                except OSError as e:
                    if e.errno == errno.EPERM:
                        t.skip("tracing is not allowed here")
                    raise
                ptrace(PTRACE_INTERRUPT, int(tid))
                os.waitpid(int(tid), WALL)
                return int(tid)
    raise Failure("there is no thread " + name)


@case("the watchdog is kicked again and again, in standby and while serving", modes=(0, 2, 4))
def _(t):
    t.need_libsystemd()
    with manager_of(t) as manager:
        s = t.server("-q", "sqlite", "--libsqlite3-db=" + t.path("no/queue.db"), "--queue-wait", wait=False,
                     env={"NOTIFY_SOCKET": t.path("notify"), "WATCHDOG_USEC": "300000"})
        await_told(manager, "READY=1")
        for _ in range(3):
            await_told(manager, "WATCHDOG=1")
        os.mkdir(t.path("no"))
        await_told(manager, "STATUS=Serving")
        for _ in range(3):
            await_told(manager, "WATCHDOG=1")
        s.expect_log("waiting until it can be opened")
        s.allow_log("the processing thread (has not answered|answers again)")  # on a machine that is very busy
        s.stop()


@case("the watchdog is not kicked while the processing thread stands still, though all others are well", modes=ONE)
def _(t):
    t.need_libsystemd()
    with manager_of(t) as manager:
        s = t.server(env={"NOTIFY_SOCKET": t.path("notify"), "WATCHDOG_USEC": "300000"})
        await_told(manager, "WATCHDOG=1")
        core = stop_thread(t, s, "gm-proc")
        s.await_log("the processing thread has not answered for")
        # It answered its last question before it was stopped, or not at all; this line comes a whole interval behind.
        told(manager)
        s.signal(signal.SIGHUP)
        s.await_log("SIGHUP, reopening log file")
        check("WATCHDOG=1" not in told(manager), "kicked without an answer")
        ptrace(PTRACE_DETACH, core)
        await_told(manager, "WATCHDOG=1")
        s.expect_log("the processing thread has not answered for", "the processing thread answers again")
        s.alive()


@case("a watchdog that is meant for another process is nobody's", modes=(0,))
def _(t):
    t.need_libsystemd()
    with manager_of(t) as manager:
        s = t.server(env={"NOTIFY_SOCKET": t.path("notify"), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
        await_told(manager, "READY=1")
        s.alive()
        s.stop()
        check("WATCHDOG=1" not in told(manager), "kicked")


@case("--daemon is ignored under a service manager, with a line in the log, and of several --log-file the last counts",
      modes=(0,))
def _(t):
    with manager_of(t):
        s = t.server("--daemon", "--log-file=" + t.path("last"), env={"NOTIFY_SOCKET": t.path("notify")})
        s.alive()
        check(s.process.poll() is None, "it went to the background")
        s.stop()
        with open(t.path("last")) as f:
            check("NOTICE" in f.read().split("--daemon is ignored: a service manager waits for this process")[0], "no notice")
        check(not os.path.exists(s.log_path), "the first --log-file was used")


# ---- Restarts under socket activation -------------------------------------------------------------

CLIENTS, JOBS_EACH, RESTARTS = 200, 20, 3


class Submitter:
    """One client: submits its jobs one after the other, each until it is acknowledged, over as many connections as it
    takes."""
    refused = lost_connections = 0

    def __init__(self, number, port):
        self.port, self.sock = port, None
        self.todo = ["%d-%d" % (number, i) for i in range(JOBS_EACH)]
        self.acknowledged = []

    def connect(self):
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.got = b""
        self.asked = False
        self.sock.connect_ex(("127.0.0.1", self.port))

    def give_up(self):
        Submitter.lost_connections += 1
        self.sock.close()
        self.connect()

    def ask(self):
        """Called when the connection is there, or has failed."""
        error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error == errno.ECONNREFUSED:
            Submitter.refused += 1
        try:
            if error != 0 or self.sock.send(pack(SUBMIT_JOB_BG, "f", self.todo[0], data="x" * 100)) == 0:
                raise OSError(error, "connect")
            self.asked = True
        except OSError:
            self.give_up()

    def hear(self):
        try:
            more = self.sock.recv(65536)
        except OSError:
            more = b""
        self.got += more
        if more == b"":
            self.give_up()
        elif len(self.got) >= 12 and len(self.got) >= 12 + int.from_bytes(self.got[8:12], "big"):
            check(int.from_bytes(self.got[4:8], "big") in (JOB_CREATED, ERROR), self.got)
            if int.from_bytes(self.got[4:8], "big") == JOB_CREATED:
                self.acknowledged.append(self.todo.pop(0))
            self.got = b""
            if self.todo:
                self.asked = False
            else:
                self.sock.close()
                self.sock = None


def turn(clients):
    """Serves all clients that can go on."""
    poll = select.poll()
    by_fd = {}
    for c in clients:
        if c.sock is not None:
            poll.register(c.sock, select.POLLIN if c.asked else select.POLLOUT)
            by_fd[c.sock.fileno()] = c
    for fd, _ in poll.poll(1000):
        if by_fd[fd].asked:
            by_fd[fd].hear()
        else:
            by_fd[fd].ask()


# What systemd does: it holds the socket, and starts the server again when that has ended.
SUPERVISOR = """
trap 'kill $server; wait $server; exit' TERM
while :; do
  ( LISTEN_PID=$BASHPID; export LISTEN_PID; exec "$@" ) &
  server=$!
  echo $server >pid.new && mv pid.new pid
  while kill -0 $server 2>/dev/null; do wait $server; done
done
"""


def pid_of_server(t, old=None):
    def is_there():
        try:
            with open(t.path("pid")) as f:
                return int(f.read()) != old
        except FileNotFoundError:
            return False
    until(is_there, "a server")
    with open(t.path("pid")) as f:
        return int(f.read())


@case("a restart under socket activation: 200 clients at work, no connection refused, no job lost", modes=ONE, limit=120)
def _(t):
    t.need_libsystemd()
    t.need("systemd-socket-activate")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    supervisor = t.spawn("systemd-socket-activate", "--listen=127.0.0.1:%d" % port, "--fdname=gear",
                         "--setenv=GEARMAND_PLUGIN_PATH=" + os.environ["GEARMAND_PLUGIN_PATH"], "bash", "-c", SUPERVISOR, "sh",
                         GEARMAND, "--threads=%d" % t.mode, "-q", "sqlite", "--libsqlite3-db=" + t.path("queue.db"),
                         "--log-file=" + t.path("log"), "--pid-file=" + t.path("server.pid"))

    def listens():
        with open("/proc/net/tcp") as f:
            return re.search(":%04X 00000000:0000 0A" % port, f.read())
    until(listens, "the socket")
    clients = [Submitter(i, port) for i in range(CLIENTS)]
    for c in clients:
        c.connect()
    restarts, old = 0, None
    while any(c.todo for c in clients):
        turn(clients)
        if restarts < RESTARTS and sum(len(c.acknowledged) for c in clients) > (restarts + 1) * CLIENTS * JOBS_EACH // (RESTARTS + 2):
            old = pid_of_server(t, old)
            os.kill(old, signal.SIGTERM)
            restarts += 1
    check(restarts == RESTARTS, restarts)
    check(Submitter.refused == 0, "%d connections refused" % Submitter.refused)
    check(Submitter.lost_connections > 0, "no restart met a client")
    pid_of_server(t, old)
    done = set()
    with Peer(("127.0.0.1", port)) as worker:
        worker.can("f")
        for _ in range(CLIENTS * JOBS_EACH):
            worker.send(GRAB_JOB_UNIQ)
            handle, _function, unique, _data = worker.expect(JOB_ASSIGN_UNIQ)
            done.add(unique.decode())
            worker.complete(handle)
        worker.no_job()
    check(done == {u for c in clients for u in c.acknowledged} and len(done) == CLIENTS * JOBS_EACH, len(done))
    supervisor.terminate()
    supervisor.wait(timeout=patience())
    with open(t.path("log")) as f:
        check(f.read().count(" starts, process ") == RESTARTS + 1, "starts")


# ---- Units and files -------------------------------------------------------------------------------


def unit(t, name="gearmand.service"):
    return t.write(name, packaged("systemd/" + name).replace("/usr/sbin/gearmand", GEARMAND))


@case("the unit's exposure is under 2.0 in systemd-analyze security", modes=None)
def _(t):
    t.need("systemd-analyze")
    done = t.run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", unit(t))
    score = float(re.search(rb"Overall exposure level for gearmand.service: ([\d.]+)", done.out).group(1))
    check(score < 2.0, score)


def filter_sets(t):
    """{"@name": {system calls and sets}}, as systemd has them."""
    sets, name = {}, None
    for line in t.run("systemd-analyze", "--no-pager", "syscall-filter").out.decode().splitlines():
        line = re.sub("\x1b\\[[0-9;]*m", "", line)
        if line.startswith("@"):
            name = line.strip()
            sets[name] = set()
        elif line.strip() and not line.strip().startswith("#") and name:
            sets[name].add(line.strip())
    return sets


def members(sets, names):
    found = set()
    for n in names:
        found |= members(sets, sets[n]) if n in sets else {n}
    return found


@case("the unit allows every system call that a server with SQLite, HTTP and a unix socket makes", modes=(4,))
def _(t):
    t.need_libsystemd()
    t.need("systemd-analyze", "strace")
    from gearlive.server import server_sanitized
    if server_sanitized():
        t.skip("a sanitizer makes system calls of its own")
    sets = filter_sets(t)
    allowed = set()
    for words in re.findall("^SystemCallFilter=(.*)$", packaged("systemd/gearmand.service"), re.M):
        named = members(sets, words.lstrip("~").split())
        allowed = allowed - named if words.startswith("~") else allowed | named
    check("openat" in allowed and "reboot" not in allowed, sorted(allowed))
    s = t.server("-q", "sqlite", "--libsqlite3-db=" + t.path("queue.db"), "-r", "http", "--http-port=0", "-r", "monitor",
                 "--monitor-port=0", "-L", "unix:" + t.path("socket"), "--unix-owner=%d" % os.getuid(), "--listen=127.0.0.1",
                 "--port=0", listen=False, under=("strace", "-D", "-f", "-qq", "-o", t.path("trace")))
    check(s.connect().submit("f", "u", b"x" * 500000, SUBMIT_JOB_BG))
    check(len(drain_jobs(s, "f")) == 1, "the job")
    s.signal(signal.SIGHUP)
    s.await_log("SIGHUP, reopening log file")
    s.stop()
    with open(t.path("trace")) as f:
        calls = set(re.findall(r"^\d+ +(\w+)\(", f.read(), re.M))
    check("openat" in calls and calls - allowed - {"execve"} == set(), calls - allowed)


@case("sysusers.d and tmpfiles.d: the user and the folders that the unit names", modes=None)
def _(t):
    t.need("systemd-sysusers", "systemd-tmpfiles")
    root = t.path("root")
    for folder in ("etc", "run", "var/lib"):
        os.makedirs(os.path.join(root, folder))
    where = os.path.join(TOP, "packaging/systemd/gearmand")
    t.run("systemd-sysusers", "--root=" + root, where + ".sysusers")
    with open(root + "/etc/passwd") as f:
        entry = re.search("^gearman:x:(\\d+):(\\d+):Gearman job server:/var/lib/gearmand:", f.read(), re.M)
    check(entry, "no user gearman")
    if os.getuid() != 0:
        t.skip("only root can make folders of others")
    done = t.run("systemd-tmpfiles", "--root=" + root, "--create", where + ".tmpfiles", status=None)
    for folder in ("run/gearmand", "var/lib/gearmand"):
        st = os.stat(os.path.join(root, folder))
        check((st.st_uid, st.st_gid, st.st_mode & 0o777) == (int(entry.group(1)), int(entry.group(2)), 0o755), folder, done)


@case("the configuration file of packages is right as it is, and so is every option that it shows", modes=None)
def _(t):
    text = packaged("etc/gearmand.conf")
    os.mkdir(t.path("conf.d"))
    text = text.replace("/etc/gearmand/conf.d", t.path("conf.d"))
    t.write("as-it-is", text)
    done = t.run(GEARMAND, "--check-args", "--config-file=" + t.path("as-it-is"))
    check(done.out + done.err == b"", done)
    t.write("policies", "* attempts=3\n")
    t.write("access", "allow all everything\n")
    shown = re.findall("^#(--.*)$", text, re.M)
    check(len(shown) > 15, shown)
    for words in shown:
        if "-file=/etc" in words and "mysql" not in words:  # it would have to be there
            continue
        queue = "--queue-type=sqlite" if words == "--standby" else ""
        done = t.run(GEARMAND, "--check-args", "--config-file=" + t.write("one", words + "\n" + queue), status=None)
        check(done.status == 0 and done.err == b"", words, done)


# ---- The folder of configuration files ---------------------------------------------------------------


def conf_folder(t, **files):
    os.makedirs(t.path("conf.d"), exist_ok=True)
    for name, text in files.items():
        t.write("conf.d/" + name, text)
    return t.path("conf.d")


@case("--config-dir: later files count, options that may be repeated add up, other files are left out", modes=(0,))
def _(t):
    folder = conf_folder(t)
    for name, text in (("20-b.conf", "--job-handle-prefix=H:b"), ("10-a.conf", "--job-handle-prefix=H:a --listen=127.0.0.2"),
                       ("30-c.conf~", "--job-handle-prefix=H:c"), (".40-d.conf", "--nonsense"), ("50.conf.dpkg-old", "--nonsense")):
        t.write("conf.d/" + name, text + "\n")
    main_file = t.write("main", "--job-handle-prefix=H:main --listen=127.0.0.1 --port=0\n--config-dir=%s\n" % folder)
    s = t.server("--config-file=" + main_file, listen=False)
    check(s.connect().submit("f", "", "x", SUBMIT_JOB_BG).startswith(b"H:b:"), "the prefix")
    check("Listening on 127.0.0.1:" in s.log() and "Listening on 127.0.0.2:" in s.log(), s.log())
    s.stop()
    s = t.server("--config-file=" + main_file, "--job-handle-prefix=H:line", listen=False)
    check(s.connect().submit("f", "", "x", SUBMIT_JOB_BG).startswith(b"H:line:"), "the command line goes before all files")


@case("--config-dir: a mistake in any file ends the start with a sentence that names it", modes=None)
def _(t):
    def says(sentence, status=1, options=()):
        done = t.run(GEARMAND, "--check-args", "--config-file=" + main_file, *options, status=status)
        check(sentence.encode() in done.err and done.err.count(b"\n") == 1, sentence, done)

    folder = conf_folder(t)
    main_file = t.write("main", "--config-dir=%s\n" % folder)
    t.run(GEARMAND, "--check-args", "--config-file=" + main_file)
    t.write("conf.d/10.conf", "--threads=2\n")
    t.write("conf.d/20.conf", "--threads=two\n")
    says("%s/20.conf: " % folder)
    t.write("conf.d/20.conf", "--threads=2 --threads=3\n")
    says("%s/20.conf: option '--threads' cannot be specified more than once" % folder)
    t.write("conf.d/20.conf", "--config-dir=/nowhere\n")
    says("warning: --config-dir is ignored in a file of a configuration folder", status=0)
    os.unlink(t.path("conf.d/20.conf"))
    os.mkdir(t.path("conf.d/20.conf"))
    says("Could not open configuration file. (%s/20.conf: Is a directory)" % folder)
    says("Could not open configuration folder. (%s: No such file or directory)" % t.path("none"),
         options=["--config-dir=" + t.path("none")])


main()
