#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""HTTP as browsers speak it: pages of strangers get nothing done, pages that may are let, and programs notice none of it."""
import os

from gearlive import *
from gearlive.http import *


@case("curl: a request that a page of another origin made is refused, whatever its method, and submits nothing", modes=(2,))
def _(t):
    s = http_server(t)
    w = s.worker("f")
    for words in (["-H", "Origin: http://stranger.example"], ["-H", "Sec-Fetch-Site: cross-site"], ["-H", "Sec-Fetch-Site: same-site"],
                  ["-X", "OPTIONS", "-H", "Origin: http://stranger.example", "-H", "Access-Control-Request-Method: POST"]):
        for what in (["-d", "x", "/f"], ["/f?x"]):
            got = curl(t, s, *words, *what)
            check(got.status == 403 and b"--http-allow-origin" in got.body and "access-control-allow-origin" not in got.headers, words, got)
    check(w.listing("status") == [b"f\t0\t0\t1"])


@case("curl: a name that the server does not go by is refused with 421 and the option that names it", modes=(2,))
def _(t):
    s = http_server(t)
    w = s.worker("f")
    stranger = "http://stranger.example:%d/f" % s.http_port
    way = ["--resolve", "stranger.example:%d:127.0.0.1" % s.http_port]
    got = curl(t, s, *way, "-d", "x", stranger)
    check(got.status == 421 and b"--http-host=NAME" in got.body, got)
    got = curl(t, s, *way, "-H", "Accept: application/json", stranger)
    check(got.json()["status"] == got.status == 421 and got.headers["content-type"] == "application/problem+json", got)
    check(w.listing("status") == [b"f\t0\t0\t1"])


@case("curl: a server that has a name, and a page that may use it", modes=(2,))
def _(t):
    s = http_server(t, "--http-host=queue.example", "--http-allow-origin=http://page.example")
    w = s.worker("f")
    words = ["--resolve", "queue.example:%d:127.0.0.1" % s.http_port, "-H", "Origin: http://page.example", "-H", "Sec-Fetch-Site: cross-site"]
    url = "http://queue.example:%d/f" % s.http_port
    got = curl(t, s, *words, "-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST", url)
    check(got.status == 204 and got.headers["access-control-allow-origin"] == "http://page.example", got)
    got = curl(t, s, *words, "-H", "X-Gearman-Background: true", "-d", "x", url)
    check(got.status == 200 and got.headers["access-control-allow-origin"] == "http://page.example", got)
    check(w.grab()[1:] == [b"f", b"x"])


@case("lists of names and origins that can fit nothing end the start", modes=(None,))
def _(t):
    http_server(t).stop()
    for option, sentence in (("--http-host=queue.example:8080", b"http-host: 'queue.example:8080' is no name of a host"),
                             ("--http-allow-origin=page.example", b"http-allow-origin: 'page.example' is no origin")):
        done = t.run(os.environ["GEARMAND"], "--port=0", "--http-port=0", "--log-file=stderr", "--pid-file=" + t.path("pid"), "-r", "http", option, status=1)
        check(sentence in done.err, done)


main()
