# SPDX-License-Identifier: BSD-3-Clause
"""What was found, as tables in markdown."""
import statistics

from servers import name
from works import FLOOR, GIVEN, OLD, TARGETS, Server, title

VALUES = {"cpu_us": "CPU per job, us", "per_s": "jobs/s", "p50_us": "p50, us", "p99_us": "p99, us",
          "bytes_per_job": "bytes per queued job", "bytes_per_conn": "bytes per idle connection"}


def median(found, step, server, value):
    values = found.get((step, server), {}).get(value)
    return statistics.median(values) if values else None


def text(number):
    if number is None:
        return "-"
    if number >= 1000 or isinstance(number, int):
        return "{:,.0f}".format(number)
    return "%.*f" % (0 if number >= 100 else 1 if number >= 10 else 2, number)


def bound_text(bound):
    return "%.*f" % (0 if bound == int(bound) else 1, bound)


def ratio_text(ratio):
    return "1/%.1f" % (1 / ratio) if ratio < 0.7 else "%.2fx" % ratio


def met(is_met):
    return "yes" if is_met else "**no**"


def row(cells):
    return "| %s |" % " | ".join(cells)


def old_value(found, step, value):
    """(what 1.1 came to, the same as a text)"""
    if (step, value) in GIVEN:
        return GIVEN[step, value], text(GIVEN[step, value]) + " (elsewhere)"
    got = median(found, step, OLD, value)
    return got, text(got)


def judge(found, target):
    """(what it came to, what it had to be, met or not), as texts."""
    server = Server("ours", target.threads)
    got = median(found, target.step, server, target.value)
    base = old_value(found, target.step, target.value)[0]
    if target.kind == "at_most":
        return text(got), "<= %s" % text(target.bound), got is not None and got <= target.bound
    if target.kind == "of_few":
        base = median(found, "few", server, target.value)
    if not got or not base:
        return "-", "", False
    if target.kind == "times_old":
        return text(got / base) + "x", ">= %sx" % bound_text(target.bound), got / base >= target.bound
    if target.kind == "of_few":
        return "%.2fx of 10,000 jobs" % (got / base), "<= %.1fx" % target.bound, got / base <= target.bound
    return ratio_text(got / base), "<= " + ("1/%.0f" % (1 / target.bound)), got / base <= target.bound


def target_table(found):
    yield "| work | measured | 1.1 | floor | ours | | ratio | target | met |"
    yield "|---|---|--:|--:|---|--:|--:|--:|---|"
    for t in TARGETS:
        server = Server("ours", t.threads)
        if (t.step, server) in found:
            came_to, had_to_be, is_met = judge(found, t)
            yield row([title(t.step), VALUES[t.value], old_value(found, t.step, t.value)[1],
                       text(median(found, t.step, FLOOR, t.value)), name(server, ""),
                       text(median(found, t.step, server, t.value)), came_to, had_to_be, met(is_met)])


def full_table(found, old):
    columns = ["per_s", "cpu_us", "p50_us", "p99_us", "bytes_per_job", "bytes_per_conn"]
    yield "| work | server | jobs | runs | %s |" % " | ".join(VALUES[c] for c in columns)
    yield "|---|---|--:|--:|" + "--:|" * len(columns)
    for (step, server), values in found.items():
        yield row([title(step), name(server, old), text(median(found, step, server, "done")), str(len(values["done"]))]
                  + [text(median(found, step, server, c)) for c in columns])
