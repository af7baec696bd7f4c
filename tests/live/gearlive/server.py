# SPDX-License-Identifier: BSD-3-Clause
"""A server under test: it gets a free port of loopback, its log is watched, it is stopped by its pid.

When a case ends its server must end on SIGTERM with status 0, and its log must hold nothing worse than
NOTICE that the case did not announce with allow_log() or expect_log()."""
import glob
import os
import re
import signal
import subprocess

from .peer import Peer
from .tap import Failure, check, clean_env, die_with_parent, patience, until

__all__ = ["Server", "LOG_LINE", "server_sanitized"]

LOG_LINE = re.compile(r"^ *(FATAL|ALERT|CRITICAL|ERROR|WARNING|NOTICE|INFO|DEBUG) "
                      r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \[ *\w+ *\] ")
SLOW = r"queue \w+: slow: a commit has been running"  # a matter of time, on a busy machine, too
BAD_LEVELS = ("FATAL", "ALERT", "CRITICAL", "ERROR", "WARNING")
# Linux: state of a listening TCP socket in /proc/net/tcp
LISTENING = "0A"


def server_sanitized():
    """Is the server built with a sanitizer?  Then its memory says nothing and tracing it is no use."""
    with open(os.environ["GEARMAND"], "rb") as f:
        content = f.read()
    return any(word in content for word in (b"__asan_init", b"__tsan_init", b"__msan_init"))


class Server:
    """threads: `-t`; None leaves it out.  listen: False leaves `--listen` and `--port` to the options.
    wait: False does not wait for the port.  env: more environment.  fds: soft limit of descriptors.
    under: words of a command to run it under, which must exec it or be its child (strace -D)."""

    def __init__(self, t, options, threads=0, verbose="INFO", listen=True, wait=True, env=None, fds=None,
                 under=()):
        self.t, self.env, self.fds, self.wait = t, env, fds, wait
        n = len(t.servers)
        self.log_path, self.err_path = t.path("log.%d" % n), t.path("err.%d" % n)
        self.command = list(under) + [os.environ["GEARMAND"], "--log-file=" + self.log_path, "--verbose=" + verbose,
                                      "--pid-file=" + t.path("pid.%d" % n)]
        if listen:
            self.command += ["--listen=127.0.0.1", "--port=0"]
        if threads is not None:
            self.command += ["--threads=%d" % threads]
        self.command += [str(o) for o in options]
        self.process, self.port, self.pid = None, None, None
        self.expected, self.allowed = [], []

    # --- life

    def start(self, *more):
        """Also starts it again, after stop() or kill()."""
        def before():
            die_with_parent()
            if self.fds:
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.fds, self.fds))
        with open(self.err_path, "ab") as err:
            self.process = subprocess.Popen(self.command + list(more), stdin=subprocess.DEVNULL, stdout=err,
                                            stderr=err, cwd=self.t.dir, env=clean_env(self.env), preexec_fn=before)
        self.pid, self.port = self.process.pid, None
        if self.wait:
            until(lambda: self._alive() and self.ports(), "the server to listen")
            self.port = self.service_port("gear") or self.ports()[0]
        return self

    def _alive(self):
        if self.process.poll() is not None:
            raise Failure("the server ended at once, with status %d" % self.process.returncode)
        return True

    def running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, status=0, limit=None):
        """Waits until it has ended by itself."""
        try:
            got = self.process.wait(timeout=limit or patience())
        except subprocess.TimeoutExpired:
            raise Failure("the server did not end")
        check(got == status, "the server ended with status %d, expected %d" % (got, status))
        check(not os.path.exists("/proc/%d" % self.pid), "the server's pid is still there")

    def stop(self, sig=signal.SIGTERM, status=0, limit=None):
        """SIGTERM; it must end, with status 0."""
        check(self.running(), "the server is not running any more: status %s" % self.process.poll())
        self.signal(sig)
        self.end(status, limit)

    def signal(self, sig):
        os.kill(self.process.pid, sig)

    def kill(self):
        """kill -9"""
        self.stop(signal.SIGKILL, -signal.SIGKILL)

    def abandon(self):
        if self.running():
            self.process.kill()
        if self.process is not None:
            self.process.wait(timeout=patience())

    # --- what it listens on

    def _inodes(self):
        """Its sockets' inodes, by descriptor."""
        found = {}
        for fd in glob.glob("/proc/%d/fd/*" % self.pid):
            try:
                link = os.readlink(fd)
            except OSError:
                continue
            if link.startswith("socket:["):
                found[link[8:-1]] = int(os.path.basename(fd))
        return found

    def ports(self):
        """Ports it listens on, in the order of their descriptors."""
        found, inodes = [], self._inodes()
        for name in ("tcp", "tcp6"):
            try:
                with open("/proc/%d/net/%s" % (self.pid, name)) as f:
                    rows = [r.split() for r in f][1:]
            except OSError:
                continue
            found += [(inodes[r[9]], int(r[1].rpartition(":")[2], 16))
                      for r in rows if r[3] == LISTENING and r[9] in inodes]
        return [port for _, port in sorted(found)]

    def service_port(self, name):
        """The port on which it last said to serve this protocol; None when it did not (or logs no INFO)."""
        said = re.findall(r"Listening on 127\.0\.0\.1:(\d+) \(%s\)" % name, self.log())
        # The log may be behind, and tell of a former start.
        return int(said[-1]) if said and int(said[-1]) in self.ports() else None

    # --- talking to it

    def connect(self, **how):
        return Peer(("127.0.0.1", self.port), **how)

    def worker(self, *functions):
        """A connection with abilities, not asleep."""
        return self.connect().can(*functions)

    def sleeper(self, *functions):
        """A worker that has said PRE_SLEEP and had nothing to do."""
        return self.worker(*functions).sleep()

    def alive(self):
        """It answers on a new connection."""
        with self.connect() as p:
            p.sync()

    # --- its log

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def err(self):
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def await_log(self, pattern):
        until(lambda: re.search(pattern, self.log(), re.M), "a log line like " + pattern)

    def allow_log(self, *patterns):
        """Such lines of level WARNING or worse may be in the log, or on stderr."""
        self.allowed += patterns

    def expect_log(self, *patterns):
        """There must be such lines, when the case ends."""
        self.expected += patterns

    def check_log(self):
        text = self.log()
        for e in self.expected:
            check(re.search(e, text + self.err(), re.M), "no log line like", e)
        fine = [re.compile(p) for p in self.expected + self.allowed + [SLOW]]
        for line in text.split("\n")[:-1]:
            m = LOG_LINE.match(line)
            if (m is None or m.group(1) in BAD_LEVELS) and not any(p.search(line) for p in fine):
                raise Failure("unexpected log line: " + line)
        for line in self.err().splitlines():
            if not any(p.search(line) for p in fine):
                raise Failure("unexpected on stderr: " + line)

    def story(self):
        """Its last words, for the report of a failure."""
        state = "never started" if self.process is None else \
            "running" if self.running() else "ended with status %s" % self.process.returncode
        tail = self.log().splitlines()[-15:] + (self.err().splitlines()[-40:] if os.path.exists(self.err_path) else [])
        return "\nserver %s: %s" % (" ".join(self.command[1:]), state) + "".join("\n  | " + x for x in tail)

    # --- measures

    def rss(self):
        """Resident bytes."""
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"VmRSS:\s*(\d+)", f.read()).group(1)) * 1024

    def cpu(self):
        """Seconds of processor time so far."""
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def threads(self):
        """{name: tid}"""
        found = {}
        for task in glob.glob("/proc/%d/task/*" % self.pid):
            with open(task + "/comm") as f:
                found[f.read().strip()] = int(os.path.basename(task))
        return found
