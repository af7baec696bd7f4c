#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the pictures of the page in docs/:  GEARMAND_PICTURES=../docs ../scripts/test page_pictures"""
import math
import os
import time

from gearlive import *
from gearlive.browser import *
from gearlive.monitor import *
from gearlive.standin import *

FUNCTIONS = (("resize", 84, 12), ("thumb", 60, 8), ("webhook.out", 41, 16), ("index.search", 22, 4), ("mail.digest", 9, 3), ("invoice.pdf", 5, 4),
             ("report.daily", 0.4, 2), ("geo", 18, 6), ("sms", 2, 2), ("video.transcode", 0.2, 6), ("backup.nightly", 0, 1), ("cache.warm", 0, 2))


def history(span, step):
    """A day's ups and downs; for fourteen minutes nobody has done mail, and 3 in 10 of resize fail for four."""
    n, got, now = span // step, {}, time.time()
    for i in range(n):
        ago = (n - 1 - i) * step
        wave = math.sin(ago / 97) + 0.4 * math.sin(ago / 23) + 0.25 * math.sin(ago * 7.3) + 0.2 * math.sin(ago * 12.9)
        submitted, failed = 240 + 28 * wave, 24 + 3 * wave if ago < 240 else 1.2
        point = {"submitted": submitted, "completed": submitted - failed, "failed": failed, "wait_p50": 0.004 + 0.0005 * wave, "wait_p95": 0.06 + 0.02 * wave,
                 "oldest_waiting": max(0.4 + 0.2 * wave, 840 - ago), "waiting": 45 + 9 * wave + max(0, 812 - ago), "running": 41 + 4 * wave,
                 "delayed": 14, "dead": 3, "commit_p99": 0.0042 + 0.0006 * wave, "batch": 6 + 1.6 * wave, "lag_p99": 0.0002}
        for name, value in point.items():
            got.setdefault(name, []).append(value)
    return got


@case("a picture for each theme", modes=None, limit=120)
def _(t):
    _status, headers, body = ask(monitor_server(t), "GET", "/")
    rows = [row(name, i + 2, workers=w, sleeping=w // 2, running=w - w // 2 if per_s else 0, ready_normal=int(per_s / 9), oldest_waiting=per_s / 70)
            for i, (name, per_s, w) in enumerate(FUNCTIONS)]
    rows += [row("mail", 1, ready_normal=812, oldest_waiting=840), row("report.weekly", 20, gate="paused", workers=2, sleeping=2, ready_normal=12, oldest_waiting=41),
             row("invoice.send", 21, workers=3, sleeping=3, delayed=14, retrying=9, dead=3)]
    s, b = StandIn((body, headers["content-security-policy"]), rows, history=history), browser(t)
    b.size(1280, 860)
    began = time.time() - 600
    s.status = {"now": began}
    b.go(s.url)
    b.until_text("#live", "live")
    for i in range(1, 61):  # ten minutes by the server's clock
        s.status = {"now": began + 10 * i}
        for j, (name, per_s, _w) in enumerate(FUNCTIONS):
            done, r = 10 * per_s * (1 + 0.25 * math.sin(i / 5 + j) + 0.1 * math.sin(i * 2.1 + j)), s.rows[name]
            bad = done * 0.31 if name == "resize" and i > 36 else 0
            s.change(name, ended_completed=r["ended_completed"] + done - bad, ended_failed=r["ended_failed"] + bad)
        until(lambda: b.run("return Math.abs(model.at - arguments[0]) < 5 && model.functions.get('cache.warm').ageAt === model.at", began + 10 * i), "the step")
    s.change("mail", oldest_waiting=840)
    s.change("report.weekly", oldest_waiting=41)
    b.until_text("#verdict-line", "2 things need you")
    for theme in ("light", "dark"):
        b.theme(theme)
        b.run("return new Promise(done => requestAnimationFrame(() => setTimeout(done, 600)))")
        b.picture(os.path.join(os.environ.get("GEARMAND_PICTURES") or t.dir, "page-%s.png" % theme))


main()
