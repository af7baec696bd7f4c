# SPDX-License-Identifier: BSD-3-Clause
"""A start with many stored jobs: how fast they come back, and what memory that takes beside jobs that clients have just
queued."""
import contextlib
import statistics
import sys
import threading

from servers import Running, load
from tables import met, row, text
from works import Server

JOBS, PER_S, TOLERANCE = 1000000, 200000, 1.1
JUDGED = ("SQLite", "PostgreSQL")  # for the others there is no target
SERVER = Server("ours", 0)
HEAD = ["| store | jobs | runs | start to serving, s | jobs/s | target | met | bytes per job | at the peak | queued by clients | flat |",
        "|---|--:|--:|--:|--:|--:|---|--:|--:|--:|---|"]


class Peak(threading.Thread):
    """The most memory that a process has, looked at a hundred times a second.  Pages of mapped files are not counted:
    they are the system's to take back."""

    def __init__(self, running):
        super().__init__()
        self.running, self.bytes, self.ended = running, 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.01):
            with contextlib.suppress(OSError, AttributeError):
                self.bytes = max(self.bytes, self.running.status("RssAnon"))

    def end(self):
        self.ended.set()
        self.join()
        return self.bytes


def start(opts, jobs, store, table, empty):
    """One start: {value: number}"""
    running = Running(opts, SERVER, store, table)
    peak = Peak(running)
    peak.start()
    try:
        with running:
            after = running.status("RssAnon")
            found = {"seconds": running.seconds, "bytes": (after - empty) / jobs,
                     "peak": (max(peak.end(), after) - empty) / jobs}
    finally:
        peak.end()
    print("replay   %s" % " ".join("%s=%.2f" % value for value in found.items()), file=sys.stderr)
    return found


def measure(opts, store):
    jobs, table = int(JOBS * opts.scale), store.fresh()
    fill = "bg -c 4 -d 1024 -u"
    with Running(opts, SERVER) as running:
        queued = load(opts, running, SERVER, fill, jobs)["bytes_per_job"]
    with Running(opts, SERVER, store, table) as running:
        empty = running.status("RssAnon")
        load(opts, running, SERVER, fill, jobs)
    starts = [start(opts, jobs, store, table, empty) for _ in range(opts.runs)]
    store.drop(table)
    return dict({key: statistics.median(s[key] for s in starts) for key in starts[0]},
                jobs=jobs, runs=len(starts), queued=queued)


def table(found):
    """`found` is {title of the store: what measure() gave}."""
    yield from HEAD
    for title, f in found.items():
        per_s, judged = f["jobs"] / f["seconds"], title in JUDGED
        yield row([title, text(f["jobs"]), str(f["runs"]), text(f["seconds"]), text(per_s),
                   ">= " + text(PER_S) if judged else "", met(per_s >= PER_S) if judged else "", text(f["bytes"]), text(f["peak"]), text(f["queued"]),
                   met(f["peak"] <= TOLERANCE * f["queued"]) if judged else ""])
