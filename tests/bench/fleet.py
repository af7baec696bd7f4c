# SPDX-License-Identifier: BSD-3-Clause
"""One server, then three, each with a table of its own in the same PostgreSQL: durable jobs that are
acknowledged, and done, in a second."""
import concurrent.futures
import contextlib
import statistics
import sys
import time

from servers import Running, load
from tables import row, text
from works import Server

STORE = "postgres"
JOBS = 60000  # in all, of each run
STEPS = (("submitted", "bg -c 4 -d 32 -u"), ("done", "drain -w 4"))
SERVER = Server("ours", 2)
HEAD = ["| servers | submitted, jobs/s | done, jobs/s | CPU of the servers per job, us |", "|--:|--:|--:|--:|"]


def run(opts, store, count):
    """{step: {value: number}} of so many servers at once."""
    tables, found = [store.fresh() for _ in range(count)], {}
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(count) as pool:
        running = [stack.enter_context(Running(opts, SERVER, store, table)) for table in tables]
        jobs = int(JOBS * opts.scale) // count
        for step, args in STEPS:
            begun = time.monotonic()
            each = list(pool.map(lambda r: load(opts, r, SERVER, args, jobs), running))
            found[step] = {"per_s": jobs * count / (time.monotonic() - begun), "cpu_us": statistics.mean(e["cpu_us"] for e in each)}
    for table in tables:
        store.drop(table)
    return found


def measure(opts, store):
    """{number of servers: [what run() gave]}"""
    found = {1: [], 3: []}
    for _ in range(opts.runs):
        for count in found:
            found[count].append(run(opts, store, count))
            print("fleet    %d servers: %s" % (count, found[count][-1]), file=sys.stderr)
    return found


def table(found):
    def median(count, step, value):
        return statistics.median(r[step][value] for r in found[count])
    yield from HEAD
    for count in found:
        yield row([str(count)] + [text(median(count, step, "per_s")) for step, _ in STEPS]
                  + [text(sum(median(count, step, "cpu_us") for step, _ in STEPS))])
