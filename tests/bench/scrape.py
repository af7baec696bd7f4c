#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""What a scrape of metrics costs: jobs a second while somebody scrapes, and the processing thread's time for one scrape.

  scrape.py [--only lost,cost] [--rounds N] [--window SECONDS] [--nobody] [--scrapes N]

lost: `load fg` on a server with 1,000 functions, in rounds of four windows: without a scrape each second, with, with, without, so that a machine that
becomes slower or faster by and by favours neither.  --nobody: nobody scrapes in the others either, which tells what the noise comes to.
cost: 10,000 functions, and 10,000 workers that sleep; a scrape each second."""
import argparse
import contextlib
import glob
import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "live"))
from gearlive import CAN_DO, PRE_SLEEP, Peer
from servers import Running, free_port, load
from tables import met, row, text
from works import Server

SERVER, LOAD = Server("ours", 2), "fg -c 4 -w 4 -d 16"
JOBS_PER_S = 300000  # that no machine does
COMMANDS = {"/metrics": "metrics", "/metrics/functions": "metrics * buckets"}
MANY, COST_MS = 10000, 20


def options():
    build = os.environ.get("top_builddir", ".")
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="lost,cost")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--window", type=int, default=10, help="seconds")
    parser.add_argument("--nobody", action="store_true")
    parser.add_argument("--scrapes", type=int, default=20)
    parser.add_argument("--ours", default=os.environ.get("GEARMAND", build + "/server/gearmand"))
    parser.add_argument("--programs", default=build + "/tests/bench")
    return parser.parse_args()


@contextlib.contextmanager
def server(opts, functions):
    port = free_port()
    with tempfile.TemporaryDirectory() as opts.folder, \
            Running(opts, SERVER, more=["-r", "monitor", "--monitor-listen=127.0.0.1", "--monitor-port=%d" % port]) as running:
        running.monitor = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with Peer(("127.0.0.1", running.port)) as p:
            for n in range(functions):
                p.ask("create function task.%05d" % n)
        yield running


def scrape(running, path):
    """How many bytes it has."""
    running.monitor.request("GET", path)
    return len(running.monitor.getresponse().read())


@contextlib.contextmanager
def scraped(running, spent):
    """Somebody scrapes each second; `spent` gets what that somebody needs of a processor for each."""
    ended = threading.Event()

    def work():
        while not ended.wait(1):
            before = time.thread_time()
            scrape(running, "/metrics")
            spent.append(time.thread_time() - before)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def rounds(opts, running, spent):
    """Of each: {value: (without, with)}, a mean of two windows each."""
    for _ in range(opts.rounds):
        found = ([], [])
        for which in (0, 1, 1, 0):
            with scraped(running, spent) if which and not opts.nobody else contextlib.nullcontext():
                found[which].append(load(opts, running, SERVER, LOAD, JOBS_PER_S * opts.window, opts.window))
        yield {value: [statistics.mean(f[value] for f in both) for both in found] for value in ("per_s", "cpu_us")}


def lost(opts):
    spent = []
    with server(opts, 1000) as running:
        found = list(rounds(opts, running, spent))
    yield "| `%s` `-t 2`, 1,000 functions | without | scraped | change, %% | quarters of the rounds, %% | error, %% |" % LOAD
    yield "|---|--:|--:|--:|--:|--:|"
    for value, title in (("per_s", "jobs/s"), ("cpu_us", "CPU of the server per job, us")):
        changes = sorted(100 * (r[value][1] / r[value][0] - 1) for r in found)
        low, _, high = statistics.quantiles(changes, n=4) if len(changes) > 1 else changes * 3
        yield row([title] + [text(statistics.median(r[value][which] for r in found)) for which in (0, 1)] +
                  ["%+.2f" % statistics.median(changes), "%+.2f to %+.2f" % (low, high), "%.2f" % (0.93 * (high - low) / len(changes) ** 0.5)])
    yield "\nMedians of %d rounds; the error is that of a median of so many." % len(found)
    if spent:
        yield "Whoever scrapes needs %.1f ms of a processor for each, which the load lacks, too." % (1e3 * statistics.median(spent))


def threads_ms(running):
    """{name: processor time so far}"""
    found = {}
    for task in glob.glob("/proc/%d/task/*" % running.process.pid):
        with open(task + "/comm") as name, open(task + "/schedstat") as times:
            found[name.read().strip()] = int(times.read().split()[0]) / 1e6
    return found


def cost_of(opts, running, path):
    """Medians: {name of a thread: ms}, ms until the answer was there, its bytes."""
    spent, took = [], []
    for _ in range(opts.scrapes):
        time.sleep(1)  # who asks more often waits until it has paid for it
        before, at = threads_ms(running), time.monotonic()
        size = scrape(running, path)
        took.append(1e3 * (time.monotonic() - at))
        spent.append({name: ms - before[name] for name, ms in threads_ms(running).items()})
    return {name: statistics.median(s[name] for s in spent) for name in before}, statistics.median(took), size


def longest_turns(opts):
    """{command: ms}, of the core by itself in the same state."""
    done = subprocess.run([opts.programs + "/turns", str(MANY), "0", "0", str(MANY)], stdout=subprocess.PIPE, text=True, check=True)
    found = re.findall(r"(?m)^\| `(.*)` \| .* \| .* \| (.*) \| .* \|$", done.stdout)
    return {command: float(ms) for command, ms in reversed(found)}  # the first of each counts


def cost(opts):
    with server(opts, MANY) as running, contextlib.ExitStack() as stack:
        for n in range(MANY):
            worker = stack.enter_context(Peer(("127.0.0.1", running.port)))
            worker.send(CAN_DO, "task.%05d" % n).send(PRE_SLEEP)
        worker.sync()
        found = {path: cost_of(opts, running, path) for path in COMMANDS}
    turns = longest_turns(opts)
    yield "| 10,000 functions and workers | processing thread, ms | all threads, ms | until the answer, ms | answer, MB | longest turn, ms | target | met |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|"
    for path, (spent, took, size) in found.items():
        judged = path == "/metrics"
        yield row(["`%s`" % path, text(spent["gm-proc"]), text(sum(spent.values())), text(took), text(size / 1e6), text(turns[COMMANDS[path]]),
                   "<= %d" % COST_MS if judged else "", met(spent["gm-proc"] <= COST_MS) if judged else ""])


def main():
    opts = options()
    for name in opts.only.split(","):
        print("\n".join({"lost": lost, "cost": cost}[name](opts)) + "\n", flush=True)
    print("Load of the machine at the end: %.1f" % os.getloadavg()[0])


if __name__ == "__main__":
    main()
