#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The page of proto-monitor in Chromium, in numbers: how soon it is there, its long tasks, and what it costs at rest.

  page_figures.py [--runs N] [--only view,tasks,rest] [--act SECONDS] [--rest SECONDS] [--functions N,N,...]

One server for each number of functions, which one worker can do all; each second a few of them get a job.  What is printed are medians of the runs."""
import argparse
import contextlib
import glob
import os
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "live"))
from gearlive import *  # noqa
from gearlive.browser import browser  # noqa
from gearlive.monitor import monitor_server  # noqa
from gearlive.tap import Case  # noqa
from tables import met, row, text  # noqa

VIEW_MS, TASK_MS, REST_PART = 300, 100, 0.05  # what is to be reached
CHANGES = 20  # functions that have a job in a second

# Runs before the page does.  What is looked for is looked for behind each frame, so what is found is on the screen.
PROBE = """
const probe = window.probe = { seen: {}, tasks: [] };
const wanted = {
  table: () => document.querySelector('.functions tbody th') !== null,
  plots: () => ![null, '–'].includes(document.querySelector('#plot-rate .legend b')?.textContent ?? null),
  all: () => parseInt((document.querySelector('main .told')?.textContent || '0').replaceAll(',', '')) >= %d,
};
new PerformanceObserver(list => probe.tasks.push(...list.getEntries().map(e => e.duration))).observe({ type: 'longtask', buffered: true });
(function look() {
  for (const name in wanted) if (!(name in probe.seen) && wanted[name]()) probe.seen[name] = performance.now();
  if (Object.keys(probe.seen).length < 3) requestAnimationFrame(() => setTimeout(look));
})();
"""
# Scrolls with each frame; ten times a second it jumps, sorts by another column or changes the filter.
ACT = """
const [seconds, done] = arguments, until = performance.now() + seconds * 1000;
const texts = ['task.0', '', '*9', '', '12', ''];
let n = 0, next = 0;
probe.tasks = [];
(function act() {
  const now = performance.now();
  if (now > until) { setTimeout(() => done(probe.tasks), 500); return; }
  scrollBy(0, 700);
  if (now > next) {
    const buttons = document.querySelectorAll('.functions thead button'), box = document.getElementById('filter'), turn = Math.floor(n / 3);
    if (n % 3 === 0) scrollTo(0, document.body.scrollHeight * (turn * 0.37 % 1));
    if (n % 3 === 1) buttons[turn % buttons.length].click();
    if (n % 3 === 2) { box.value = texts[turn % texts.length]; box.dispatchEvent(new Event('input')); }
    n++;
    next = now + 100;
  }
  requestAnimationFrame(act);
})();
"""


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="view,tasks,rest")
    parser.add_argument("--act", type=float, default=10, help="seconds of scrolling, filtering and sorting")
    parser.add_argument("--rest", type=float, default=30, help="seconds at rest")
    parser.add_argument("--functions", default="10,1000,10000", help="for the first view")
    return parser.parse_args()


def live(s, names, ended):
    """A little work, until it has ended."""
    client, worker = s.connect(), s.worker(*names)
    n = 0
    while not ended.wait(1):
        for _ in range(CHANGES):
            client.submit(names[n % len(names)], nr=SUBMIT_JOB_BG)
            worker.complete(worker.grab()[0])
            n += 7


@contextlib.contextmanager
def page(count):
    """The browser, before a server that has so many functions."""
    t, ended = Case(2), threading.Event()
    s = monitor_server(t)
    life = threading.Thread(target=live, args=(s, ["task.%05d" % n for n in range(count)], ended))
    life.start()
    try:
        b = browser(t)
        b.devtools("Page.enable")
        b.url_of_page = "http://127.0.0.1:%d/" % s.monitor_port
        probe = b.devtools("Page.addScriptToEvaluateOnNewDocument", source=PROBE % count)
        open_page(b)  # the server has its functions by then, and the browser what it makes once
        yield b
        b.devtools("Page.removeScriptToEvaluateOnNewDocument", **probe)
    finally:
        ended.set()
        life.join()
        t.end(True)
        t.remove()


def open_page(b):
    """{what: ms from the start of the navigation until it was on the screen}"""
    b.go(b.url_of_page)
    until(lambda: b.run("return Object.keys(probe.seen).length") == 3, "the page to be complete")
    return b.run("return probe.seen")


def views(opts):
    yield "| functions | table, ms | plots, ms | all functions, ms | target | met |"
    yield "|--:|--:|--:|--:|--:|---|"
    for count in map(int, opts.functions.split(",")):
        with page(count) as b:
            runs = [open_page(b) for _ in range(opts.runs)]
        table, plots, everything = (statistics.median(r[what] for r in runs) for what in ("table", "plots", "all"))
        yield row([text(count), text(table), text(plots), text(everything), "< %d" % VIEW_MS, met(max(table, plots) < VIEW_MS)])


def tasks_row(what, runs):
    def median(of):
        return statistics.median(of(tasks) for tasks in runs)
    longest = median(lambda tasks: max(tasks, default=0))
    over = [median(lambda tasks: sum(ms > limit for ms in tasks)) for limit in (50, TASK_MS)]
    return row([what, "%g" % over[0], "%g" % over[1], text(longest), "<= %d" % TASK_MS, met(longest <= TASK_MS)])


def long_tasks(opts):
    loads, acts = [], []
    with page(10000) as b:
        for _ in range(opts.runs):
            open_page(b)
            loads.append(b.wait_run("const done = arguments[0]; setTimeout(() => done(probe.tasks), 3000)"))
            acts.append(b.wait_run(ACT, opts.act))
    yield "| 10,000 functions | over 50 ms | over 100 ms | longest, ms | target | met |"
    yield "|---|--:|--:|--:|--:|---|"
    yield tasks_row("loaded, and 3 s", loads)
    yield tasks_row("scrolled, filtered, sorted for %g s" % opts.act, acts)


def renderers_cpu(b):
    """Seconds of processor time that all tabs of the browser have had.  An empty one has next to none."""
    parents, ticks = {}, {}
    for path in glob.glob("/proc/[0-9]*"):
        with contextlib.suppress(OSError), open(path + "/stat") as stat, open(path + "/cmdline") as command:
            pid, fields = int(path[6:]), stat.read().rpartition(")")[2].split()
            parents[pid] = int(fields[1])
            if "--type=renderer" in command.read():
                ticks[pid] = int(fields[11]) + int(fields[12])

    def is_ours(pid):
        return pid == b.driver.pid or (pid in parents and is_ours(parents[pid]))
    return sum(n for pid, n in ticks.items() if is_ours(pid)) / os.sysconf("SC_CLK_TCK")


def share(b, seconds):
    """Of a core, that the tab takes."""
    time.sleep(2)  # what a look at it costs is over then
    cpu, at = renderers_cpu(b), time.monotonic()
    time.sleep(seconds)
    return (renderers_cpu(b) - cpu) / (time.monotonic() - at)


def rest_row(what, shares):
    mid = statistics.median(shares)
    return row([what] + ["%.1f %%" % (100 * n) for n in (mid, min(shares), max(shares))] + ["< %.0f %%" % (100 * REST_PART), met(mid < REST_PART)])


def rest(opts):
    shown, hidden = [], []
    with page(1000) as b:
        for _ in range(opts.runs):
            open_page(b)
            shown.append(share(b, opts.rest))
            with b.other_tab():
                hidden.append(share(b, opts.rest))
    yield "| 1,000 functions, %g s | CPU of a core | least | most | target | met |" % opts.rest
    yield "|---|--:|--:|--:|--:|---|"
    yield rest_row("in sight", shown)
    yield rest_row("hidden", hidden)


def main():
    opts = options()
    parts = {"view": views, "tasks": long_tasks, "rest": rest}
    for name in opts.only.split(","):
        print("\n".join(parts[name](opts)) + "\n", flush=True)
    print("Medians of %d runs; load of the machine at the end: %.1f" % (opts.runs, os.getloadavg()[0]))


if __name__ == "__main__":
    main()
