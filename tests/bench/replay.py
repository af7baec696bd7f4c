# SPDX-License-Identifier: BSD-3-Clause
"""A start with many stored jobs: how fast they come back, and what memory that takes beside jobs that clients have just
queued."""
import statistics
import sys

from servers import Running, load
from tables import met, row, text
from works import Server

JOBS, PER_S, TOLERANCE = 1000000, 200000, 1.1
SERVER = Server("ours", 0)
HEAD = ["| store | jobs | runs | start to serving, s | jobs/s | target | met | bytes per job | at the peak | queued by clients | flat |",
        "|---|--:|--:|--:|--:|--:|---|--:|--:|--:|---|"]


def start(opts, jobs, store, table, empty):
    """One start: {value: number}"""
    with Running(opts, SERVER, store, table) as running:
        found = {"seconds": running.seconds, "bytes": (running.status("VmRSS") - empty) / jobs,
                 "peak": (running.status("VmHWM") - empty) / jobs}
    print("replay   %s" % " ".join("%s=%.2f" % value for value in found.items()), file=sys.stderr)
    return found


def measure(opts, store):
    jobs, table = int(JOBS * opts.scale), store.fresh()
    fill = "bg -c 4 -d 1024 -u"
    with Running(opts, SERVER) as running:
        queued = load(opts, running, SERVER, fill, jobs)["bytes_per_job"]
    with Running(opts, SERVER, store, table) as running:
        empty = running.status("VmRSS")
        load(opts, running, SERVER, fill, jobs)
    starts = [start(opts, jobs, store, table, empty) for _ in range(opts.runs)]
    store.drop(table)
    return dict({key: statistics.median(s[key] for s in starts) for key in starts[0]},
                jobs=jobs, runs=len(starts), queued=queued)


def table(found):
    """`found` is {title of the store: what measure() gave}."""
    yield from HEAD
    for title, f in found.items():
        per_s = f["jobs"] / f["seconds"]
        yield row([title, text(f["jobs"]), str(f["runs"]), text(f["seconds"]), text(per_s), ">= " + text(PER_S),
                   met(per_s >= PER_S), text(f["bytes"]), text(f["peak"]), text(f["queued"]),
                   met(f["peak"] <= TOLERANCE * max(f["bytes"], f["queued"]))])
