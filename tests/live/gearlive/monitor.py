# SPDX-License-Identifier: BSD-3-Clause
"""A server with the monitor, and requests to it."""
import http.client
import json
import re

from .tap import check, patience, until

__all__ = ["monitor_server", "ask", "get", "get_json", "post", "samples"]


def monitor_server(t, *options, **how):
    s = t.server("-r", "monitor", "--monitor-port=0", "--monitor-listen=127.0.0.1", *options, **how)
    s.monitor_port = until(lambda: s.service_port("monitor"), "the monitor's port")
    return s


def ask(s, method, path, **headers):
    """(status, headers, body)"""
    c = http.client.HTTPConnection("127.0.0.1", s.monitor_port, timeout=patience())
    try:
        c.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        r = c.getresponse()
        return r.status, r.headers, r.read()
    finally:
        c.close()


def get(s, path, status=200, **headers):
    """The body."""
    got, _, body = ask(s, "GET", path, **headers)
    check(got == status, "GET %s: %d, expected %d: %r" % (path, got, status, body[:300]))
    return body.decode()


def get_json(s, path, status=200):
    return json.loads(get(s, path, status))


def post(s, path, status=200, **headers):
    got, _, body = ask(s, "POST", path, **headers)
    check(got == status, "POST %s: %d, expected %d: %r" % (path, got, status, body[:300]))
    return json.loads(body)


def samples(text):
    """{"name{labels}": number}"""
    return {m[1]: float(m[2]) for m in re.finditer(r"(?m)^([a-z_]+(?:\{.*\})?) (\S+)$", text)}
