# SPDX-License-Identifier: BSD-3-Clause
"""What is measured, and what is to be reached."""
import collections

import stores

# The server `kind` is "old", "floor" or "ours"; `threads` is for -t.
Server = collections.namedtuple("Server", "kind threads")
OLD, FLOOR = Server("old", 4), Server("floor", None)


def ours(*threads):
    return [Server("ours", t) for t in threads]


# One run of load: what it is called, its arguments, and how many jobs this server and the floor, and how many 1.1 get.
Step = collections.namedtuple("Step", "name args jobs old_jobs")
# A work: steps on one server, the servers, the store if any, and how many runs 1.1 gets (None = as many as the others).
Work = collections.namedtuple("Work", "steps servers store old_runs", defaults=(None, None))

WORKS = {
    "fg": Work([Step("fg", "fg -c 4 -w 4 -d 16", 100000, 50000)], [OLD, FLOOR] + ours(0, 2)),
    "queue": Work([Step("bg", "bg -c 4 -d 32", 300000, 300000), Step("drain", "drain -w 4", 300000, 300000)],
                  [OLD, FLOOR] + ours(0, 2)),
    "herd": Work([Step("herd", "fg -c 1 -w 1000 -d 1", 20000, 150)], [OLD, FLOOR] + ours(0, 2)),
    "uniques": Work([Step("uniques", "bg -u", 1000000, 1000000)], [OLD] + ours(0, 2), old_runs=1),
    "few": Work([Step("few", "bg -u", 10000, 10000)], [OLD] + ours(0, 2)),
    "idle": Work([Step("idle", "idle -w 2000", 0, 0)], [OLD] + ours(0, 2)),
    "lone": Work([Step("lone", "fg -c 1 -w 1 -d 1", 20000, 20000)], [OLD, FLOOR] + ours(0, 1, 2, 4)),
}

# The same two steps on each store: how many jobs 1.1 gets, and how many times its jobs a second are to be reached.
Durable = collections.namedtuple("Durable", "old_jobs submit drain")
DURABLE = {
    "sqlite": Durable(1000, 80, 30),
    "postgres": Durable(5000, 15, 10),
    "mysql": Durable(5000, 12, 10),
    "memcached": Durable(30000, 6, 2),
    "tokyo": Durable(5000, 15, 1.2),
}
# Where no 1.1 with that module can be had: what one built from its source did elsewhere.
GIVEN = {("stored-tokyo", "per_s"): 2100, ("unstored-tokyo", "per_s"): 19000}


def durable_work(store):
    d = DURABLE[store]
    return Work([Step("stored-" + store, "bg -c 4 -d 32 -u", 100000, d.old_jobs),
                 Step("unstored-" + store, "drain -w 4", 100000, d.old_jobs)],
                ([OLD] if stores.STORES[store].old else []) + ours(0, 2), store)


# What is to be reached: step, value, servers of ours, kind of bound, bound.
#   of_old    at most this part of what 1.1 needs       times_old  at least this many times what 1.1 does
#   at_most   in itself                                 of_few     at most this much of the same with 10,000 jobs
Target = collections.namedtuple("Target", "step value threads kind bound")
TARGETS = [
    Target("fg", "cpu_us", 0, "of_old", 1 / 4),
    Target("fg", "cpu_us", 2, "of_old", 1 / 3),
    Target("drain", "cpu_us", 0, "of_old", 1 / 5),
    Target("drain", "cpu_us", 2, "of_old", 1 / 4),
    Target("bg", "cpu_us", 0, "of_old", 1 / 3),
    Target("bg", "cpu_us", 2, "of_old", 1 / 2),
    Target("herd", "cpu_us", 0, "of_old", 1 / 200),
    Target("herd", "cpu_us", 2, "of_old", 1 / 200),
    Target("uniques", "cpu_us", 0, "of_old", 1 / 20),
    Target("uniques", "cpu_us", 0, "of_few", 1.5),
    Target("bg", "bytes_per_job", 0, "at_most", 176),
    Target("uniques", "bytes_per_job", 0, "at_most", 240),
    Target("idle", "bytes_per_conn", 0, "at_most", 1500),
    Target("lone", "p50_us", 0, "of_old", 1),
    Target("lone", "p50_us", 1, "of_old", 1),
    Target("lone", "p50_us", 2, "of_old", 1),
    Target("lone", "p50_us", 4, "of_old", 1),
] + [Target(step + store, "per_s", threads, "times_old", bound)
     for store, d in DURABLE.items()
     for step, bound in (("stored-", d.submit), ("unstored-", d.drain))
     for threads in (0, 2)]


def step_named(name):
    """(its work, the step)"""
    works = list(WORKS.values()) + [durable_work(s) for s in stores.STORES]
    return next((w, s) for w in works for s in w.steps if s.name == name)


def title(name):
    work, step = step_named(name)
    return "`%s`%s" % (step.args, ", " + stores.STORES[work.store].title if work.store else "")
