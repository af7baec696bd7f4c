# SPDX-License-Identifier: BSD-3-Clause
"""A store that answers nobody for ten seconds: what becomes of everybody else.

Four clients with one foreground job each under way, and beside them an even flow of durable jobs, which one worker
does.  In turn: no durable jobs; durable jobs; the same with the store stalled; and again."""
import collections
import statistics
import subprocess
import sys
import time

from servers import Running, name, values
from tables import met, row, text
from works import OLD, ours

PHASES = ["alone", "stored", "stalled", "after"]
SECONDS = {"alone": 5, "stored": 10, "stalled": 10, "after": 5}
BOUND = 2  # times the p99 of normal: the slower of the two phases before it, with and without durable jobs


def run_phases(mixed, store, table):
    def phase(word):
        print(word, file=mixed.stdin, flush=True)

    for word in ("alone", "stored"):
        phase(word)
        time.sleep(SECONDS[word])
    with store.stalled(table):
        phase("stalled")
        time.sleep(SECONDS["stalled"])
        phase("after")
    time.sleep(SECONDS["after"])
    mixed.stdin.close()


def one_run(opts, server, store, found):
    table = store.fresh()
    with Running(opts, server, store, table) as running:
        mixed = subprocess.Popen([opts.programs + "/mixed", "-p", str(running.port)], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        run_phases(mixed, store, table)
        for line in mixed.stdout:
            word = line.split()[0].partition("=")[2]
            print("%-8s %s" % (name(server, "old"), line.strip()), file=sys.stderr)
            for key, value in values(line).items():
                found[store.title, server][word, key].append(value)
        if mixed.wait() != 0:
            sys.exit("compare: mixed failed")
    store.drop(table)


def measure(opts, store):
    """{(title of the store, server): {(phase, value): [one per run]}}"""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for run in range(opts.runs):
        for server in ([OLD] if store.old and run == 0 else []) + ours(0, 2):
            one_run(opts, server, store, found)
    return found


def table(found, old):
    yield "| store | server | phase | foreground jobs/s | p50, us | p99, us | longest, us | stored jobs/s | p99 beside normal | met |"
    yield "|---|---|---|--:|--:|--:|--:|--:|--:|---|"
    for (title, server), f in found.items():
        mid = {key: statistics.median(numbers) for key, numbers in f.items()}
        ratio = mid["stalled", "p99_us"] / max(mid["alone", "p99_us"], mid["stored", "p99_us"])
        for phase in PHASES:
            judged = phase == "stalled"
            yield row([title, name(server, old), phase, text(mid[phase, "per_s"]), text(mid[phase, "p50_us"]),
                       text(mid[phase, "p99_us"]), text(mid[phase, "max_us"]), text(mid[phase, "stored_per_s"]),
                       "%.2fx" % ratio if judged else "",
                       met(ratio <= BOUND) if judged and server.kind == "ours" else ""])
