#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""docs/openapi.json says what the server answers: each status, header and body below stands in it, and each status in it is below."""
import json
import os
import re

from gearlive import *
from gearlive.failing import UNWELL, WELL, fail_server, no_rules, rules
from gearlive.http import *

DOC = os.path.join(os.path.dirname(os.path.dirname(SOURCE_DIR)), "docs/openapi.json")
OF_ANY = {"content-length", "content-type", "connection", "server", "transfer-encoding"}  # headers that need no word
JSON = "Accept: application/json\r\n"


class Description:
    def __init__(self):
        with open(DOC) as f:
            self.doc = json.load(f)
        self.seen = set()

    def at(self, thing):
        """Where a reference leads."""
        while "$ref" in thing:
            check(thing["$ref"].startswith("#/"), thing)
            found = self.doc
            for step in thing["$ref"][2:].split("/"):
                check(step in found, thing["$ref"], "leads nowhere")
                found = found[step]
            thing = found
        return thing

    def refers(self, thing):
        """Follows each reference in it."""
        if isinstance(thing, dict):
            if "$ref" in thing:
                self.at(thing)
            thing = list(thing.values())
        if isinstance(thing, list):
            for part in thing:
                self.refers(part)

    def path_of(self, target):
        path = target.partition("?")[0]
        for pattern in sorted(self.doc["paths"], key=len, reverse=True):
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(pattern)), path):
                return pattern
        check(False, "no path for", target)

    def holds(self, method, target, got):
        """Is this answer one that is described?"""
        path = self.path_of(target)
        responses = self.doc["paths"][path].get(method.lower(), self.doc["paths"][path]["get"])["responses"]
        check(str(got.status) in responses, method, target, "may not be answered with", got)
        self.seen.add((path, str(got.status)))
        said = self.at(responses[str(got.status)])
        headers = {name.lower(): self.at(value) for name, value in said.get("headers", {}).items()}
        for name, value in got.headers.items():
            check(name in headers or name in OF_ANY, method, target, got.status, "has an unknown header:", name)
            if name in headers:
                self.fits(headers[name]["schema"], value, name)
        kind = got.headers.get("content-type", "*/*").partition(";")[0]
        if got.body:
            check(kind in said.get("content", {}), method, target, got.status, "has a body of type", kind)
        if got.body and kind.endswith("json"):
            self.fits(said["content"][kind]["schema"], got.json(), kind)
        return got

    def fits(self, schema, value, where):
        """The part of JSON Schema that the document uses.  Headers are text."""
        schema = self.at(schema)
        unknown = set(schema) - {"type", "enum", "const", "minimum", "maximum", "maxLength", "pattern", "properties", "required",
                                 "additionalProperties", "description", "format"}
        check(not unknown, "this test does not know", unknown)
        kinds = {"string": str, "integer": int, "boolean": bool, "object": dict, "null": type(None)}
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if types == ["integer"] and isinstance(value, str):
            value = int(value)
        check(any(type(value) is kinds[t] for t in types), where, "is", repr(value))
        check("enum" not in schema or value in schema["enum"], where, "is", repr(value))
        check("const" not in schema or value == schema["const"], where, "is", repr(value))
        if isinstance(value, str):
            check(re.search(schema.get("pattern", ""), value), where, "is", repr(value))
        if type(value) is int:
            check(schema.get("minimum", value) <= value <= schema.get("maximum", value), where, "is", value)
        if isinstance(value, dict):
            properties = schema["properties"]
            check(set(schema["required"]) <= set(value) <= set(properties), where, "has", sorted(value))
            for name in value:
                self.fits(properties[name], value[name], where + "." + name)


@case("docs/openapi.json: it is what it says, and each reference in it leads somewhere", modes=None)
def _(t):
    d = Description()
    d.refers(d.doc)
    try:
        from openapi_spec_validator import validate
    except ImportError:
        return
    validate(d.doc)


class Client:
    """Asks, and holds each answer against the description."""

    def __init__(self, t, d, s):
        self.d, self.s, self.worker = d, s, s.worker("f")

    def ask(self, method, target, headers="", body=None):
        with http(self.s) as p:
            p.request(method, target, headers, body)
            return self.d.holds(method, target, p.answer(method != "HEAD"))

    def ask_raw(self, method, target, data):
        with http(self.s) as p:
            return self.d.holds(method, target, p.raw(data).answer())

    def serve(self, method, headers, *ends, data=b"data"):
        """A job whose worker sends these packets."""
        with http(self.s) as p:
            p.request(method, "/f", headers, b"x" if method in ("POST", "PUT") else None)
            until(lambda: any(line.startswith(b"f\t1\t") for line in self.worker.listing("status")), "the job")
            handle = self.worker.grab()[0]
            for end in ends:
                self.worker.send(end, handle, data=None if end == WORK_FAIL else data)
            self.worker.sync()
            got = p.head()
            if method != "HEAD":
                got.body = p.read(int(got.headers.get("content-length", 0)))
            return self.d.holds(method, "/f", got)


def submissions(t, d):
    s = http_server(t, "--max-packet=5000", "--http-idle-timeout=1")
    s.expect_log("the maxqueue of a function is reached: ")
    c = Client(t, d, s)
    c.worker.ask("maxqueue full 1")
    c.ask("GET", "/")
    for method in ("POST", "PUT", "GET", "HEAD"):
        check(c.serve(method, "", WORK_COMPLETE).status == 200)
    for headers in ("X-Gearman-Stream: true\r\n", "Accept: text/event-stream\r\n", "Prefer: respond-async, wait=60\r\n"):
        check(c.serve("POST", headers, WORK_DATA, WORK_COMPLETE).status == 200)
    for n, accept in enumerate(("", JSON)):
        check(c.serve("POST", accept, WORK_FAIL).status == 500)
        check(c.serve("POST", accept, WORK_EXCEPTION).status == 500)
        for status, method, target, headers, body in (
                (200, "POST", "/bg", "X-Gearman-Background: true\r\n", b"x"), (200, "POST", "/bg", "X-Gearman-When: +100\r\n", b"x"),
                (202, "POST", "/bg", "Prefer: respond-async\r\n", b"x"), (202, "POST", "/bg", "Prefer: respond-async, wait=1\r\n", b"x"),
                (400, "POST", "/f", "X-Gearman-Priority: urgent\r\n", b"x"), (400, "GET", "/%zz", "", None),
                (400, "POST", "/f", "X-Gearman-Unique: %s\r\n" % ("u" * 65), b"x"), (404, "POST", "/", "", b"x"),
                (405, "DELETE", "/f", "", None), (411, "POST", "/f", "", None), (417, "POST", "/f", "Expect: more\r\n", b"x"),
                (413, "POST", "/f", "Content-Length: 6000\r\n", None),
                (200 if n == 0 else 503, "POST", "/full", "X-Gearman-Background: true\r\n", b"%d" % n)):
            got = c.ask(method, target, accept + headers, body)
            check(got.status == status, method, target, headers, got)
    for status, data in ((505, b"GET /f HTTP/2.0\r\n\r\n"), (501, b"POST /f HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n"),
                         (431, b"GET /f HTTP/1.1\r\nX: " + b"x" * 9000), (408, b"POST /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")):
        check(c.ask_raw("POST", "/f", data).status == status)
    check(c.serve("POST", "", *[WORK_DATA] * 6, data=b"x" * 1000).status == 502)


def about_jobs(t, d):
    s = http_server(t, "--policy-file=" + t.write("policies", "f attempts=1 retry-on=exception keep-state=1h keep-result=1K\n*\n"))
    s.expect_log("the number of clients that may wait for a job is reached: ")
    c = Client(t, d, s)

    def submit(**how):
        return s.connect().submit("f", data="x", nr=SUBMIT_JOB_BG, **how).decode()

    def job(handle, accept="", status=200):
        for method in ("GET", "HEAD"):
            got = c.ask(method, "/_job/" + handle, accept)
            check(got.status == status, got)
            if status != 200 and method == "GET" and accept:
                check(got.json()["handle"] == handle, got)

    def result(handle, status):
        check(c.ask("GET", "/_job/%s/result" % handle, JSON).status == status)

    handle = submit()
    job(handle)
    c.worker.grab()
    c.worker.send(WORK_STATUS, handle, 1, 2).sync()
    job(handle)
    result(handle, 202)
    with http(s) as p:
        p.request("GET", "/_job/" + handle, "Accept: text/event-stream\r\n")
        d.holds("GET", "/_job/" + handle, p.head())
    c.worker.send(WORK_DATA, handle, data="some ").complete(handle, "result").sync()
    job(handle)
    result(handle, 200)
    handle = submit()
    c.worker.grab()
    c.worker.complete(handle, b"x" * 2000).sync()  # more than is kept
    job(handle)
    result(handle, 404)
    handle = submit()
    c.worker.grab()
    c.worker.send(WORK_EXCEPTION, handle, data="why").sync()  # dead
    job(handle)
    result(handle, 500)
    check(c.ask("DELETE", "/_job/" + handle).status == 204)
    job(handle)
    for accept in ("", JSON):
        job("H:x:1", accept, 404)
        check(c.ask("DELETE", "/_job/H:x:1", accept).status == 404)
        for method, target in (("GET", "/_job/x"), ("DELETE", "/_job/x"), ("GET", "/_job/x/result")):
            check(c.ask(method, target, accept, b"a body").status == 400)
        check(c.ask("PUT", "/_job/x", accept, b"").status == 405 and c.ask("DELETE", "/_job/x/result", accept).status == 405)
    handle = submit()
    p = s.connect().raw(b"follow job %s\n" % handle.encode() * 10000)
    for _ in range(10000):
        check(p.line() == b"OK\r\n")
    check(c.ask("GET", "/_job/" + handle, JSON + "Accept: text/event-stream\r\n").status == 503)


def stuck_store(t, d):
    s = fail_server(t, "--plugin-dir=" + os.environ["GEARMAND_PLUGIN_PATH"], "-r", "http", "--http-port=0", "--queue-timeout=1")
    s.http_port = until(lambda: s.service_port("http"), "the HTTP port")
    c = Client(t, d, s)
    handle = s.connect().submit("g", data="x", nr=SUBMIT_JOB_BG).decode()
    s.expect_log(UNWELL)
    rules(t, "commit * again the disk is on fire")
    check(c.ask("POST", "/f", JSON + "X-Gearman-Background: true\r\n", b"x").status == 503)
    check(c.ask("DELETE", "/_job/" + handle, JSON).status == 503)
    no_rules(t)
    s.await_log(WELL)


def refused(t, d):
    s = http_server(t, "--access-file=" + t.write("access", "on:gear all\non:http submit=f\nany none\n"))
    s.allow_log("not allowed: ")
    c = Client(t, d, s)
    handle = s.connect().submit("g", data="x", nr=SUBMIT_JOB_BG).decode()
    for method, target, body in (("POST", "/g", b"x"), ("GET", "/_job/" + handle, None), ("DELETE", "/_job/" + handle, None),
                                 ("GET", "/_job/%s/result" % handle, None)):
        got = c.ask(method, target, JSON, body)
        check(got.status == 403 and got.json()["code"] == "NOT_ALLOWED", got)
    handle = s.connect().submit("f", data="x", nr=SUBMIT_JOB_BG).decode()
    check(c.ask("GET", "/_job/" + handle).status == 200)


def strangers(t, d):
    c = Client(t, d, http_server(t))
    for target in ("/", "/f", "/_job/H:x:1", "/_job/H:x:1/result"):
        for accept in ("", JSON):
            check(c.ask("GET", target, accept + "Origin: http://stranger.example\r\n").status == 403)
            check(c.ask_raw("GET", target, ("GET %s HTTP/1.1\r\nHost: stranger.example\r\n%s\r\n" % (target, accept)).encode()).status == 421)


@case("docs/openapi.json: answers are as it says, and it says no more", modes=(2,), limit=120)
def _(t):
    d = Description()
    submissions(t, d)
    about_jobs(t, d)
    stuck_store(t, d)
    refused(t, d)
    strangers(t, d)
    said = {(path, status) for path, item in d.doc["paths"].items() for name, operation in item.items() if name != "parameters"
            for status in operation["responses"]}
    check(said == d.seen, "nothing was answered with", sorted(said - d.seen))


main()
