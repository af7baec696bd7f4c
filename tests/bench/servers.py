# SPDX-License-Identifier: BSD-3-Clause
"""Servers that run for a while, and the load on them."""
import collections
import contextlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from works import OLD

START_SECONDS, STOP_SECONDS, CUT_OFF_SECONDS = 120, 60, 150
ECHO = struct.Struct(">4sII").pack(b"\0REQ", 16, 0)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def command(opts, server, port, folder, store, table):
    if server.kind == "floor":
        return [opts.programs + "/floor", str(port)]
    words = [opts.ours if server.kind == "ours" else opts.old, "-t", str(server.threads), "-p", str(port),
             "-L", "127.0.0.1", "-l", "none", "-P", folder + "/pid"]
    if store:
        words += ["-q", store.name if server.kind == "ours" else store.old] + store.options(table)
    return words


class Running:
    """A server that runs, in a folder of its own; ends with the block.  `table` is one of the store's, `more` are options.
    `seconds` is how long it took from its start to its first answer."""

    def __init__(self, opts, server, store=None, table=None, more=()):
        self.folder = tempfile.mkdtemp(prefix="server-", dir=opts.folder)
        self.port = free_port()
        self.started = time.monotonic()
        self.process = subprocess.Popen(command(opts, server, self.port, self.folder, store, table) + list(more),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as s:
            s.settimeout(START_SECONDS)
            s.sendall(ECHO)
            return len(s.recv(12)) == 12
        return False

    def __enter__(self):
        while self.process.poll() is None and time.monotonic() < self.started + START_SECONDS:
            if self.answers():
                self.seconds = time.monotonic() - self.started
                return self
            time.sleep(0.005)
        self.__exit__()
        sys.exit("compare: %s does not start" % " ".join(self.process.args))

    def __exit__(self, *unused):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)

    def status(self, key):
        """A number of /proc/PID/status, in bytes."""
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(re.search(key + r":\s*(\d+) kB", f.read()).group(1)) * 1024


def values(line):
    return {key: float(value) for key, value in re.findall(r"(\w+)=(-?[0-9.]+)", line)}


def name(server, old):
    return {"old": old, "floor": "floor", "ours": "`-t %s`" % server.threads}[server.kind]


def load(opts, running, server, args, jobs, seconds=CUT_OFF_SECONDS):
    """The values that load prints, or None when it failed."""
    words = [opts.programs + "/load"] + args.split() + ["-p", str(running.port), "-P", str(running.process.pid),
                                                        "-n", str(max(jobs, 100)), "-T", str(seconds)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    print("%-8s %s%s" % (name(server, "old"), done.stdout.strip(), done.stderr.strip()), file=sys.stderr)
    return values(done.stdout) if done.returncode == 0 else None


def one_run(opts, server, work, store, found):
    table = store.fresh() if store else None
    with Running(opts, server, store, table) as running:
        for step in work.steps:
            jobs = int((step.old_jobs if server == OLD else step.jobs) * opts.scale)
            for key, value in (load(opts, running, server, step.args, jobs) or {}).items():
                found[step.name, server][key].append(value)
    if store:
        store.drop(table)


def measure(opts, work, store=None):
    """{(step, server): {value: [one per run]}}"""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for run in range(opts.runs):
        for server in work.servers:
            if server != OLD or work.old_runs is None or run < work.old_runs:
                one_run(opts, server, work, store, found)
    return found
