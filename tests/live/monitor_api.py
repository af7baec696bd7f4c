#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The monitor's JSON API: each answer is held against openapi.json; actions; events; history."""
import json
import re
import urllib.parse

from gearlive import *
from gearlive.durable import *
from gearlive.monitor import *

BOTH = (0, 2)
TYPES = {"string": str, "integer": int, "number": (int, float), "array": list, "object": dict, "null": type(None)}


class Api:
    """The description that the server gives of itself."""

    def __init__(self, s):
        self.doc = get_json(s, "/api/openapi.json")

    def schema(self, method, path):
        for pattern, operations in self.doc["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method in operations:
                return operations[method]["responses"]["200"]["content"]["application/json"]["schema"]
        raise Failure("openapi.json has no %s %s" % (method, path))

    def hold(self, value, schema, at="answer"):
        while "$ref" in schema:
            schema = self.doc["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        check(not kinds or any(isinstance(value, TYPES[k]) and not isinstance(value, bool) for k in kinds), at, value, kinds)
        check("enum" not in schema or value in schema["enum"], at, value)
        if isinstance(value, dict) and "object" in kinds:
            properties, more = schema.get("properties", {}), schema.get("additionalProperties")
            for name in schema.get("required", []):
                check(name in value, at, "has no", name)
            for name, inner in value.items():
                check(name in properties or more is not None, at, "has", name, "which is not described")
                self.hold(inner, properties.get(name, more), at + "." + name)
        if isinstance(value, list):
            for n, inner in enumerate(value):
                self.hold(inner, schema["items"], "%s[%d]" % (at, n))

    def get(self, s, path):
        value = get_json(s, path)
        self.hold(value, self.schema("get", path.partition("?")[0]), path)
        return value

    def post(self, s, path):
        value = post(s, path)
        self.hold(value, self.schema("post", path.partition("?")[0]), path)
        return value["count"]


def states(t, *options, **how):
    """A server with jobs in all states."""
    policy = t.write("policy", "* attempts=1 dead=keep retry-on=fail\n")
    s = monitor_server(t, "--policy-file=" + policy, *options, **how)
    client, worker = s.connect(), s.worker("f", "dies")
    client.submit("dies", "u1", "x", SUBMIT_JOB_BG)
    handle = worker.send(GRAB_JOB).expect(JOB_ASSIGN)[0]
    worker.send(WORK_FAIL, handle).sync()
    client.submit("f", "u2", "running", SUBMIT_JOB_BG)
    worker.send(WORK_STATUS, worker.send(GRAB_JOB).expect(JOB_ASSIGN)[0], "3", "8").sync()
    client.submit("f", "u3", "ready", SUBMIT_JOB_BG)
    client.send(SUBMIT_JOB_EPOCH, "f", "u4", "4000000000", data=b"delayed").expect(JOB_CREATED)
    s.kept = worker
    return s


def stream(s):
    """Events as they come: (name, data)"""
    p = Peer(("127.0.0.1", s.monitor_port)).raw(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += p.read(1)
    check(b"text/event-stream" in head, head)
    while True:
        name, data, end = p.line(), p.line(), p.line()
        check(end == b"\n", end)
        yield name.decode().rstrip("\n").partition(": ")[2], json.loads(data.decode().partition(": ")[2])


@case("each answer is as openapi.json says", modes=BOTH)
def _(t):
    s = states(t)
    api = Api(s)
    status = api.get(s, "/api/status")
    check(status["state"] == "serving" and status["rights"] == "admin" and status["values"]["jobs_now"] == 3)
    rows = {r["name"]: r for r in api.get(s, "/api/functions")["functions"]}
    check(sorted(rows) == ["dies", "f"] and rows["dies"]["dead"] == 1, rows)
    one = api.get(s, "/api/functions/f")
    check((one["jobs"], one["waiting"], one["running"], one["delayed"], one["workers"]) == (3, 1, 1, 1, 1), one)
    check("attempts=1" in one["policy"])
    for state in ("ready", "delayed", "running"):
        jobs = api.get(s, "/api/functions/f/jobs?state=%s&limit=5" % state)["jobs"]
        check([j["data"] for j in jobs] == [state], jobs)
        check(api.get(s, "/api/jobs/" + urllib.parse.quote(jobs[0]["handle"]))["state"] == state)
    check(api.get(s, "/api/functions/dies/jobs?state=dead")["jobs"][0]["unique"] == "u1")
    check(len(api.get(s, "/api/dead")["dead"]) == len(api.get(s, "/api/dead?function=dies")["dead"]) == 1)
    running, = api.get(s, "/api/running")["running"]
    check((running["function"], running["numerator"], running["denominator"]) == ("f", 3, 8), running)
    check(running["fd"] in [w["fd"] for w in api.get(s, "/api/workers")["workers"]])
    check("monitor" in [m["name"] for m in api.get(s, "/api/modules")["modules"]])
    check({"name": "policy-file", "value": t.path("policy"), "source": "line"} in api.get(s, "/api/options")["options"])
    check(["f", "dies"] in [sorted(w["functions"], reverse=True) for w in api.get(s, "/api/workers")["workers"]])
    api.get(s, "/api/store")
    for span in (600, 10800, 604800):
        api.get(s, "/api/history?span=%d" % span)


@case("of a job's data a kilobyte is shown, whatever it is, to those who may manage", modes=BOTH)
def _(t):
    rules = t.write("rules", "on:monitor see\nany all\n")
    s = monitor_server(t)
    api, client = Api(s), s.connect()
    for data in (b"", b"\x00\xff\\x41\n\t'\"", bytes(range(256)) * 5):
        handle = client.submit("f", "", data, SUBMIT_JOB_BG)
        path = "/api/jobs/%s/data" % urllib.parse.quote(handle)
        check(api.get(s, path) == {"handle": handle.decode(), "bytes": len(data), "hex": data[:1024].hex()})
    get(s, "/api/jobs/none/data", 404)
    s = monitor_server(t, "--access-file=" + rules)
    s.allow_log("not allowed: ")
    handle = urllib.parse.quote(s.connect().submit("f", "", "x", SUBMIT_JOB_BG))
    for path in ("/api/jobs/%s/data" % handle, "/api/functions/f/jobs", "/api/options"):
        get(s, path, 403)
    get_json(s, "/api/jobs/" + handle)
    get_json(s, "/api/running")


@case("what is not there, or not possible, is a problem in JSON", modes=BOTH)
def _(t):
    s = states(t)
    for method, path, status in (("GET", "/api/functions/none", 404), ("GET", "/api/jobs/none", 404), ("GET", "/api/none", 404),
                                 ("GET", "/api/history?span=7", 400), ("POST", "/api/status", 405),
                                 ("GET", "/api/functions/f/pause", 405), ("POST", "/api/functions/none/purge", 404),
                                 ("GET", "/api/functions/f/jobs?state=odd", 400), ("GET", "/api/functions/f%/jobs", 400),
                                 ("POST", "/api/functions/a%20b/pause", 400), ("POST", "/api/functions/a%0Apurge%20f/pause", 400),
                                 ("POST", "/api/jobs/none/cancel", 404)):
        got, headers, body = ask(s, method, path)
        check(got == status and headers["content-type"] == "application/problem+json", method, path, got, body)
        check(json.loads(body)["status"] == status)


@case("pause, resume, purge, kick, cancel and bury do what they say, and the log has it", modes=BOTH)
def _(t):
    s = states(t)
    api = Api(s)
    check(api.post(s, "/api/functions/f/pause?seconds=900") == 1)
    check(api.get(s, "/api/functions/f")["paused"] == 1)
    check(s.worker("f").send(GRAB_JOB).packet().nr == NO_JOB)
    check(api.post(s, "/api/functions/f/resume") == 1 and api.get(s, "/api/functions/f")["paused"] == 0)
    check(api.post(s, "/api/functions/dies/kick") == 1 and api.get(s, "/api/functions/dies")["waiting"] == 1)
    handle = urllib.parse.quote(api.get(s, "/api/functions/dies/jobs")["jobs"][0]["handle"])
    check(api.post(s, "/api/jobs/%s/bury" % handle) == 1)
    check(api.post(s, "/api/jobs/%s/kick" % handle) == 1)
    check(api.post(s, "/api/jobs/%s/cancel" % handle) == 1)
    check(api.post(s, "/api/functions/f/purge?state=delayed") == 1)
    check(api.post(s, "/api/functions/f/purge") == 1)
    check(api.get(s, "/api/functions/f")["jobs"] == 1)
    s.await_log(r"NOTICE .*monitor: 127\.0\.0\.1:\d+: /api/functions/f/purge")


@case("functions are matched, sorted and cut as asked", modes=(0,))
def _(t):
    s = monitor_server(t)
    client = s.connect()
    for name, jobs in (("b", 3), ("a", 1), ("c", 2), ("ab", 0), ("a b", 1)):
        client.ask("create function " + name) if " " not in name else None
        for _ in range(jobs):
            client.submit(name, "", "x", SUBMIT_JOB_BG)

    def names(query):
        return [r["name"] for r in get_json(s, "/api/functions?" + query)["functions"]]
    check(names("") == ["a", "a b", "ab", "b", "c"], names(""))
    check(names("sort=waiting&limit=2") == ["b", "c"] and names("sort=waiting&limit=2&after=c") == ["a", "a b"])
    check(names("match=a*") == ["a", "a b", "ab"] and names("match=a%20b") == ["a b"])
    check(get_json(s, "/api/functions?limit=1")["total"] == 5)
    check(get_json(s, "/api/functions/a%20b")["waiting"] == 1)


@case("a name of any bytes has an id that leads to it", modes=(0,))
def _(t):
    s = monitor_server(t)
    odd = b'n"\\\xff\n<script>\xc3\xa4'
    s.connect().submit(odd, "", "x", SUBMIT_JOB_BG)
    row, = get_json(s, "/api/functions")["functions"]
    check(row["name"] == 'n"\\\\xFF\\x0A<script>\u00e4' and row["id"] == urllib.parse.quote_from_bytes(odd, safe="").replace("n", "%6E", 1)
          or urllib.parse.unquote_to_bytes(row["id"]) == odd, row)
    check(get_json(s, "/api/functions/" + row["id"])["waiting"] == 1)


@case("events tell everything first, and then what changed", modes=BOTH)
def _(t):
    s = states(t)
    api = Api(s)
    events = stream(s)
    seen = {}
    while len(seen) < 3:
        name, data = next(events)
        seen.setdefault(name, data)
    api.hold(seen["status"], {"$ref": "#/components/schemas/Status"}, "status")
    check(seen["functions"]["full"] and sorted(r["name"] for r in seen["functions"]["functions"]) == ["dies", "f"])
    api.hold(seen["functions"]["functions"], {"type": "array", "items": {"$ref": "#/components/schemas/Function"}})
    s.connect().submit("f", "", "x", SUBMIT_JOB_BG)
    s.connect().submit("new", "", "x", SUBMIT_JOB_BG)
    found = set()
    while found != {"f", "new"}:
        name, data = next(events)
        if name == "functions":
            check(not data["full"] and not data["gone"])
            found |= {r["name"] for r in data["functions"]}
            check("dies" not in found)
    s.connect().ask("cancel job " + get_json(s, "/api/functions/new/jobs")["jobs"][0]["handle"])
    s.connect().ask("drop function new")
    while not any(name == "functions" and data["gone"] == ["new"] for name, data in [next(events)]):
        pass


@case("many functions come in several events, of which the first says that all are told anew", modes=BOTH)
def _(t):
    s = monitor_server(t)
    with s.connect() as p:
        for i in range(2500):
            p.ask("create function f%04d" % i)
    events, told = stream(s), []
    while sum(len(data["functions"]) for data in told) < 2500:
        name, data = next(events)
        if name == "functions":
            told.append(data)
    check([(data["full"], len(data["functions"])) for data in told] == [(True, 1000), (False, 1000), (False, 500)])
    check(sorted(r["name"] for data in told for r in data["functions"]) == ["f%04d" % i for i in range(2500)])


@case("streams are bounded, and one that ends makes room", modes=(2,))
def _(t):
    s = monitor_server(t)
    request = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    open_ones = [Peer(("127.0.0.1", s.monitor_port)).raw(request) for _ in range(16)]
    for p in open_ones:
        check(p.read(12).split()[1] == b"200")
    get(s, "/api/events", 503)
    open_ones.pop().close()

    def room():
        with Peer(("127.0.0.1", s.monitor_port)).raw(request) as p:
            return p.read(12).split()[1] == b"200"
    until(room, "room for a stream")


@case("history is kept though nobody looks", modes=BOTH)
def _(t):
    s = states(t)

    def points():
        series = get_json(s, "/api/history?span=600")["series"]
        return series if len(series["waiting"]) > 1 and series["dead"][-1] == 1 else None
    series = until(points, "some seconds of history")
    check(len({len(x) for x in series.values()}) == 1, "all series are of one length")


@case("in standby nothing can be done to jobs, but much is told", modes=(0,))
def _(t):
    active = sqlite_server(t)
    active.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s = t.server("-q", "sqlite", "--libsqlite3-db=" + t.path("queue.db"), "--standby", "-r", "monitor", "--monitor-port=0",
                 "--monitor-listen=127.0.0.1", wait=False)
    s.allow_log("standing by")
    s.monitor_port = until(lambda: s.service_port("monitor"), "the monitor's port")
    until(lambda: get_json(s, "/api/status")["state"] == "standby", "standby")
    check(post(s, "/api/functions/f/purge", 503)["detail"] == "standby")
    check(get_json(s, "/api/functions") == {"total": 0, "functions": []})


main()
