#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The page, as Chromium shows it: what it tells, keys and clicks, ten thousand functions, what axe-core says of it."""
import base64
import hashlib
import json
import re
import time

from gearlive import *
from gearlive.browser import *
from gearlive.monitor import *
from gearlive.standin import *

PAGE_BYTES = 120 << 10
NASTY = "<img src=x onerror=alert(1)>"
VIEWS = ("functions", "function/mail", "function/resize?jobs=running", "workers", "dead", "store", "server")


def real_page(t):
    status, headers, body = ask(monitor_server(t), "GET", "/")
    check(status == 200 and headers["content-type"] == "text/html; charset=utf-8")
    return body, headers["content-security-policy"]


def stand_in(t, *rows, **how):
    got = StandIn(real_page(t), rows, **how)
    t.stand_in = got
    return got


def busy_rows():
    return [row("mail", 1, ready_normal=812, oldest_waiting=840, dead=3), row("mail.digest", 2, workers=2, sleeping=2),
            row("resize", 3, ready_normal=4, workers=7, running=7, oldest_waiting=1.5, ended_completed=100),
            row("geo", 4, ready_normal=2, workers=4, sleeping=4, oldest_waiting=150), row(NASTY, 5, delayed=14)]


def names_of(b, table):
    return b.run("return [...document.querySelectorAll('.' + arguments[0] + ' tbody th')].map(e => e.innerText)", table)


def names(b):
    return names_of(b, "functions")


def show(b, s, where=""):
    b.complaints()  # those of the case before
    b.go(s.url + where)
    b.until_text("#live", "live")


def clean(b):
    """Nothing failed, and nothing was asked for elsewhere."""
    check(b.complaints() == [], "the browser complains")
    alien = b.run("return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin) && !n.startsWith('data:'))")
    check(alien == [], alien)


@case("the page is one small answer, and its policy lets nothing in but what is inside", modes=None)
def _(t):
    body, policy = real_page(t)
    check(len(body) <= PAGE_BYTES, "the page has %d bytes" % len(body))
    text = body.decode()
    for tag in ("script", "style"):
        inside = re.findall("<%s>(.*?)</%s>" % (tag, tag), text, re.S)
        check(len(inside) == 1)
        sha = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        check("%s-src 'sha256-%s';" % (tag, sha) in policy, policy)
    check(policy.startswith("default-src 'none';") and "unsafe" not in policy and "frame-ancestors 'none'" in policy)
    check(not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text), "text is put in as HTML")
    check(not re.search(r"""(src|href)=["']?(/|https?:)""", text), "an address is not relative")


@case("the first line says what needs somebody, each reason leads there, and names are text", modes=None)
def _(t):
    s, b = stand_in(t, *busy_rows(), status={"store": "unwell", "store_error": "disk full"}), browser(t)
    show(b, s)
    b.until_text("#verdict-line", "3 things need you")
    reasons = b.text("#reasons")
    for one in ("store: unwell for 2 h 30 min: disk full", "mail: 812 jobs wait, no worker can do it, oldest 14 min",
                "geo: no worker took a job for 2 min though 4 sleep"):
        check(one in reasons, reasons)
    check(b.run("return document.title").startswith("(3) 3 things need you"))
    check(names(b)[:2] == ["mail", "geo"] and NASTY in names(b), names(b))
    b.click("#reasons li:nth-child(2) a")
    b.until_text("main h2", "mail")
    b.until_text("main .policy", "line 3 mail.*")
    s.status = {}
    s.change("mail", ready_normal=0, waiting=0, oldest_waiting=0)
    s.change("geo", ready_normal=0, waiting=0, oldest_waiting=0)
    b.until_text("#verdict-line", "All well")
    clean(b)


@case("keys: filter, walk, open, back, other views, freeze; the filter is in the address", modes=None)
def _(t):
    s, b = stand_in(t, *busy_rows()), browser(t)
    show(b, s)
    b.press("/")
    b.press(*"mail")
    check(b.run("return location.hash") == "#/functions?filter=mail")
    check(names(b) == ["mail", "mail.digest"], names(b))
    b.press("down", "down", "up", "down", "enter")
    b.until_text("main h2", "mail.digest")
    b.press("escape")
    b.until_text("main h2", "Functions")
    for key, title in (("w", "Workers"), ("d", "Dead"), ("s", "Store"), ("v", "Server"), ("f", "Functions")):
        b.press("g", key)
        b.until_text("main h2", title)
    b.press("?")
    b.until_text("#dialog[open] h2", "Keys and help")
    b.press("escape")
    b.press("p")
    b.until_text("#live", "frozen")
    s.change("mail.new", workers=1)
    b.press("p")
    b.until_text("#live", "live")
    until(lambda: "mail.new" in names(b), "the function that came meanwhile")
    show(b, s, "#/functions?filter=*digest&sort=name-up")
    check(names(b) == ["mail.digest"], names(b))
    clean(b)


@case("an action asks first, with function and count, and says what was done; without the right it is not offered", modes=None)
def _(t):
    s, b = stand_in(t, *busy_rows()), browser(t)
    show(b, s, "#/function/mail")
    b.until_text("main h2", "mail")
    b.run("[...document.querySelectorAll('.actions button')].find(e => e.innerText.startsWith('Purge ready')).click()")
    b.until_text("#dialog-title", "Purge 812 ready jobs of “mail”?")
    check(b.run("return document.activeElement.innerText") == "Keep as it is")
    b.press("enter")
    check(b.run("return document.getElementById('dialog').open") is False and s.posts == [])
    b.run("[...document.querySelectorAll('.actions button')].find(e => e.innerText.startsWith('Pause')).click()")
    b.until_text("#dialog-title", "Pause “mail”?")
    s.change("mail", ready_normal=900, waiting=900)
    b.until_text(".numbers dd", "900")
    check("812 jobs" in b.text("#dialog"), "the dialog changed under the hand")
    b.click("#dialog-go")
    b.until_text("#told", "mail is paused for 15 min")
    check(s.posts == ["/api/functions/mail/pause?seconds=900"], s.posts)
    s.status = {"rights": "see"}
    s.change("mail", ready_normal=901, waiting=901)
    b.until_text(".actions .why", "need the right “manage”")
    check(b.run("return [...document.querySelectorAll('.actions button')].every(e => e.disabled)"))
    clean(b)


@case("the data of a job: text as text, else bytes, and never as anything else", modes=None)
def _(t):
    s, b = stand_in(t, *busy_rows()), browser(t)
    s.data = {"H:x:0": NASTY.encode() + b"\n\xc3\xa4", "H:x:1": b"\x00\x01\xff" + b"A" * 14, "H:x:2": b"a" * 1023 + b"\xc3\xa4", "H:x:3": b"\xc3", "H:x:4": b""}
    s.jobs = [{"handle": "H:x:%d" % i, "unique": "", "priority": "high", "age": 4, "attempts": 0, "bytes": 1, "data": "?"} for i in range(6)]
    show(b, s, "#/function/mail")
    for n, text, told in ((0, NASTY + "\n\u00e4", "%d bytes." % (len(NASTY) + 3)),
                          (1, "0000  00 01 ff 41 41 41 41 41 41 41 41 41 41 41 41 41  ...AAAAAAAAAAAAA\n0010  41", "17 bytes. It is not text."),
                          (2, "a" * 1023, "1,025 bytes, of which these are the first 1,024."), (3, "0000  c3", "1 byte. It is not text."), (4, "", "It has none.")):
        until(lambda: b.run("const e = document.querySelector(arguments[0]); if (e) e.click(); return e !== null", "button[aria-label='Show the data of job H:x:%d']" % n), "the button")
        b.until_text("#dialog[open] p", told)
        check((b.text("#dialog .data") or "").startswith(text), b.text("#dialog .data"))
        check(b.run("return document.querySelector('#dialog .data').childElementCount") == 0)
        if n == 0:
            b.click("#dialog .buttons button")
            b.until_text("#dialog .data", "0000  3c 69 6d 67")
        b.press("escape")
    b.run("document.querySelector(\"button[aria-label='Show the data of job H:x:5']\").click()")
    b.until_text("#told", "it has ended, and its data are no longer here")
    check(len(b.complaints()) == 1, "nothing but the answer 404")


@case("how far a job is: a bar, and words, where it is listed and where its worker is", modes=None)
def _(t):
    s, b = stand_in(t, *busy_rows()), browser(t)
    job = {"handle": "H:x:1", "unique": "u", "priority": "high", "age": 4, "attempts": 1, "bytes": 3, "data": "abc", "numerator": 3, "denominator": 8, "worker": "w1", "error": ""}
    s.jobs = [job, dict(job, handle="H:x:2", numerator=0, denominator=0)]
    s.workers = [{"fd": n, "id": "w%d" % n, "address": "127.0.0.1", "functions": ["resize"] * (n < 3)} for n in (1, 2, 3)]
    s.running = [{"handle": "H:x:1", "function": "resize", "fd": 1, "address": "127.0.0.1", "worker": "w1", "age": 4, "attempts": 0, "numerator": 3, "denominator": 8}]
    bars = "return [...document.querySelectorAll('main progress')].filter(e => !e.hidden).map(e => [e.value, e.max, e.getAttribute('aria-label')])"
    show(b, s, "#/function/resize?jobs=running")
    b.until_text(".jobs", "37 % (3 of 8)")
    check(b.run(bars) == [[3, 8, "Job H:x:1"]], b.run(bars))
    s.jobs[0]["numerator"] = 8  # it is asked again by itself
    b.until_text(".jobs", "100 % (8 of 8)")
    b.click("button[data-jobs=ready]")
    until(lambda: not b.run("return document.querySelector('.c-progress').checkVisibility()"), "the column to go")
    b.run("location.hash = '#/workers'")
    b.until_text(".workers", "37 % (3 of 8)")
    check(b.run(bars) == [[3, 8, "Job H:x:1"]], b.run(bars))
    check(names_of(b, "workers") == ["w1", "w2"], "who does nothing is no worker")
    clean(b)


@case("the server: its modules, and its options without what is secret", modes=None)
def _(t):
    s, b = stand_in(t, *busy_rows(), status={"values": {"tls_expiry.certificate": time.time() + 86400 * 3.5}}), browser(t)
    s.modules = [{"name": "sqlite", "kind": "queue", "version": "1.0", "file": "/x", "used": "yes"}, {"name": "http", "kind": "protocol", "version": "1.0", "file": "/y", "used": "no"}]
    s.options = [{"name": "max-jobs", "value": "77", "source": "file"}, {"name": "mysql-password", "value": "(set)", "source": "line"}, {"name": "port", "value": "4730", "source": "default"}]
    show(b, s, "#/server")
    for text in ("queue 1.0, in use", "protocol 1.0, not used", "77 (file)", "set, and not shown (command line)", "4730"):
        b.until_text("main", text)
    b.until_text("#reasons", "certificate: ends in 3 days")
    clean(b)


@case("dead jobs: by function and error, chosen by a filter, sent again one by one", modes=None)
def _(t):
    s, b = stand_in(t, *busy_rows()), browser(t)
    s.dead = [{"handle": "H:x:%d" % i, "function": ("mail", "resize")[i % 2], "unique": "", "attempts": 3, "since": 1700000000 + i, "bytes": 9,
               "error": NASTY} for i in range(9)]
    show(b, s, "#/dead")
    b.until_text(".groups", "5 × mail " + NASTY)
    b.press("/")
    b.press(*"resize")
    b.until_text(".actions", "Choose all 4 that match")
    b.click(".actions button")
    b.until_text(".actions", "Send 4 again")
    b.click(".actions button:nth-child(2)")
    b.until_text("#dialog-title", "Send again: 4 jobs of “resize”?")
    b.click("#dialog-go")
    b.until_text("#told", "4 jobs done")
    check(sorted(s.posts) == ["/api/jobs/H%%3Ax%%3A%d/kick" % i for i in (1, 3, 5, 7)], s.posts)
    clean(b)


@case("a lost connection is told with the age of what is seen, and ends by itself", modes=None)
def _(t):
    s, b = stand_in(t, *busy_rows()), browser(t)
    show(b, s)
    b.run("model.functions.get('mail').seen = true")
    s.stop()
    del s.rows["geo"]
    b.until_text("#lost", "The connection is lost. What you see is")
    check(b.text("#verdict-line").startswith("Not known:") and b.run("return document.title").startswith("?"))
    s.start()
    b.until_text("#live", "live")
    until(lambda: b.run("return document.getElementById('lost').hidden"), "the banner to go")
    until(lambda: "geo" not in names(b), "the function to go that went meanwhile")
    check(b.run("return model.functions.get('mail').seen"), "what was known of the others is forgotten")


@case("an empty server says what to do first, and one without a store how to get one", modes=None)
def _(t):
    s, b = stand_in(t, status={"store": "none", "queue": "builtin"}), browser(t)
    show(b, s)
    for where, text in (("functions", "gearman -b -f wc"), ("workers", "gearman -w -f wc"), ("dead", "Nothing has died."), ("store", "-q sqlite")):
        b.run("location.hash = '#/' + arguments[0]", where)
        b.until_text("main", text)
    b.run("location.hash = '#/functions'")
    b.until_text("#plot-store", "memory only")
    clean(b)


@case("ten thousand functions: few rows in the page, and all within reach of scrolling, sorting and filtering", modes=None)
def _(t):
    s = stand_in(t, *[row("task.%05d" % i, i + 1, ready_normal=i, workers=1, running=1) for i in range(10000)])
    b = browser(t)
    show(b, s, "#/functions?sort=name-up")
    b.until_text("main .told", "10,000 functions")
    check(names(b)[0] == "task.00000")
    b.run("scrollTo(0, document.body.scrollHeight)")
    until(lambda: names(b)[-1] == "task.09999", "the last row")
    rows = b.run("return document.querySelectorAll('.functions tbody tr').length")
    check(rows < 100, "%d rows are in the page" % rows)
    b.run("[...document.querySelectorAll('.functions thead button')].find(e => e.innerText === 'Waiting').click(); scrollTo(0, 0)")
    until(lambda: names(b)[0] == "task.09999", "the greatest first")
    b.type("*99", "#filter")
    b.until_text("main .told", "100 of 10,000 functions")
    check(b.run("return document.querySelector('.functions').getAttribute('aria-rowcount')") == "101")
    clean(b)


@case("on a phone nothing is wider than the screen", modes=None)
def _(t):
    s, b = stand_in(t, *busy_rows()), browser(t)
    s.dead = [{"handle": "H:x:1", "function": "mail", "unique": "", "attempts": 3, "since": 1700000000, "bytes": 9, "error": "e" * 300}]
    b.size(390, 844, phone=True)
    show(b, s)
    for view in VIEWS:
        b.run("location.hash = '#/' + arguments[0]", view)
        b.until_text("main h2", "")
        wide = b.run("return document.documentElement.scrollWidth")
        check(wide <= 390, "%s is %d wide" % (view, wide))
    clean(b)


@case("a real server under load: its jobs are on the page, are listed, and a purge from the page purges them", modes=(2,), limit=120)
def _(t):
    s, b = monitor_server(t), browser(t)
    s.url = "http://127.0.0.1:%d/" % s.monitor_port
    worker, client = s.worker("done"), s.connect()
    for i in range(30):
        client.submit("nobody.does", "u%d" % i, b"<b>%d" % i, nr=SUBMIT_JOB_BG)
    show(b, s)

    def jobs_are_done():
        for _ in range(20):
            client.submit("done", "", b"", nr=SUBMIT_JOB_BG)
            worker.complete(worker.grab()[0])
        return float(b.run("const f = model.functions.get('done'); return f ? perSecond(f) : 0")) > 1
    until(jobs_are_done, "a rate")
    until(lambda: b.run("return model.history !== null && model.history.series.submitted.slice(-5).some(n => n > 0)"), "a point of the plots")
    b.run("location.hash = '#/function/nobody.does'")
    until(lambda: b.run("return document.querySelectorAll('.jobs tbody th').length") == 30, "the jobs")
    check("<b>" in b.text(".jobs"))
    b.click("button[aria-label^='Show the data']")
    b.until_text("#dialog .data", "<b>")
    b.press("escape")
    b.click(".jobs tbody th button")
    b.until_text("#dialog dl", "nobody.does")
    b.press("escape")
    b.run("[...document.querySelectorAll('.actions button')].find(e => e.innerText.startsWith('Purge ready')).click()")
    b.until_text("#dialog-title", "Purge 30 ready jobs")
    b.click("#dialog-go")
    b.until_text("#told", "Purged 30 jobs of nobody.does")
    b.until_text(".numbers dd", "0")
    client.submit("done", "", b"", nr=SUBMIT_JOB_BG)
    worker.send(WORK_STATUS, worker.grab()[0], "3", "8").sync()
    for view, text in (("workers", "37 % (3 of 8)"), ("function/done?jobs=running", "37 % (3 of 8)"), ("store", "memory only"), ("server", "protocol 1.0, in use"),
                       ("server", "127.0.0.1 (command line)")):
        b.run("location.hash = '#/' + arguments[0]", view)
        b.until_text("main", text)
    clean(b)


@case("axe-core finds nothing in any view, in either theme", modes=None, limit=180)
def _(t):
    script = axe(t)
    s, b = stand_in(t, *busy_rows(), status={"store": "unwell", "store_error": "disk full"}), browser(t)
    s.jobs = [{"handle": "H:x:1", "unique": "u", "priority": "high", "age": 4, "attempts": 1, "bytes": 3, "data": "abc", "numerator": 1, "denominator": 3, "worker": "w"}]
    s.data = {"H:x:1": b"abc"}
    s.running = [{"handle": "H:x:1", "function": "mail", "fd": 9, "age": 4, "numerator": 1, "denominator": 3}]
    s.options = [{"name": "port", "value": "4730", "source": "default"}]
    s.workers = [{"fd": 9, "id": "w", "address": "127.0.0.1", "functions": ["mail"]}]
    s.dead = [{"handle": "H:x:2", "function": "mail", "unique": "", "attempts": 3, "since": 1700000000, "bytes": 9, "error": "e"}]
    show(b, s)
    b.run(script + "; window.axe = axe")
    for theme in ("light", "dark"):
        b.theme(theme)
        for view in VIEWS:
            b.run("location.hash = '#/' + arguments[0]; document.getElementById('dialog').close()", view)
            if view == "server":
                b.press("?")
            if view.endswith("running"):
                until(lambda: b.run("const e = document.querySelector('.jobs .c-show button'); if (e) e.click(); return document.querySelector('#dialog[open] .data') !== null"), "the data")
            found = b.wait_run("const done = arguments[0]; setTimeout(() => axe.run().then(r => done(r.violations.map(v => [v.id, v.nodes.slice(0, 3).map(n => n.html + n.failureSummary)]))), 400)")
            check(found == [], theme, view, json.dumps(found))


main()
