# SPDX-License-Identifier: BSD-3-Clause
"""Each module beside a bare program that writes the same rows into the same store (bench_STORE, see bare.h)."""
import collections
import os
import re
import statistics
import subprocess
import sys

from servers import values
from tables import met, row, text

BOUND, BATCH = 0.6, 128  # what is to be reached at which size of batch; the others are for information
ROWS = 50000


def program(opts, store):
    """None when it was not built."""
    path = "%s/bench_%s" % (opts.programs, store.name)
    return path if os.access(path, os.X_OK) else None


def measure(opts, store):
    """{(title of the store, keys, batch): {value: [one per run]}}"""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    words = [program(opts, store), os.path.join(opts.modules, "queue-%s.so" % store.name)] + store.bare()
    for _ in range(opts.runs):
        done = subprocess.run(words + [str(int(ROWS * opts.scale))], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit("compare: %s failed" % words[0])
        for line in done.stdout.splitlines():
            print("bare     %s" % line, file=sys.stderr)
            keys = re.match(r"keys=(\w+)", line).group(1)
            for key, value in values(line).items():
                found[store.title, keys, int(values(line)["batch"])][key].append(value)
    return found


def table(found):
    yield "| store | keys | batch | bare adds/s | module | ratio | bare removes/s | module | ratio | target | met |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"
    for (title, keys, batch), f in found.items():
        mid = {key: statistics.median(numbers) for key, numbers in f.items()}
        judged = batch == BATCH
        yield row([title, keys, text(batch), text(mid["bare_add"]), text(mid["add"]), "%.2f" % mid["add_ratio"],
                   text(mid["bare_remove"]), text(mid["remove"]), "%.2f" % mid["remove_ratio"],
                   ">= %.2f" % BOUND if judged else "",
                   met(min(mid["add_ratio"], mid["remove_ratio"]) >= BOUND) if judged else ""])
