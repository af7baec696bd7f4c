#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""What is shipped for Prometheus, Grafana and KEDA: the rules hold, each alert fires, what they name is there, and a real Prometheus
takes both formats from a real server and raises an alert about it."""
import json
import os
import re
import urllib.error
import urllib.request

from gearlive import *
from gearlive.monitor import *

PACKAGING = os.path.join(SOURCE_DIR, os.pardir, os.pardir, "packaging")
RULES = os.path.join(PACKAGING, "prometheus", "gearmand.rules.yml")
CONFIG = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs:
  - {job_name: gearmand, static_configs: [{targets: ["127.0.0.1:%d"]}]}
  - {job_name: functions, metrics_path: /metrics/functions, static_configs: [{targets: ["127.0.0.1:%d"]}]}
"""


def text_of(*path):
    with open(os.path.join(PACKAGING, *path)) as f:
        return f.read()


def names_in(text):
    return set(re.findall(r"\b(?:gearman|process)_[a-z_]+", text)) - {"gearman_store_state"}


def ask_prometheus(port, path):
    with urllib.request.urlopen("http://127.0.0.1:%d/api/v1/%s" % (port, path), timeout=patience()) as answer:
        return json.load(answer)["data"]


@case("the rules are well formed, each alert fires once, and none does while all is well", modes=(None,))
def _(t):
    t.need("promtool")
    t.run("promtool", "check", "rules", RULES)
    t.run("promtool", "test", "rules", RULES.replace(".yml", ".test.yml"))
    alerts = re.findall(r"alert: (\w+)", text_of("prometheus", "gearmand.rules.yml"))
    documented = open(os.path.join(PACKAGING, os.pardir, "docs", "monitoring.md")).read()
    check(len(alerts) == 15 and all("`%s`" % a in documented for a in alerts), "docs/monitoring.md lacks an alert")


@case("every metric that rules and dashboard name is one of the server's; the number that KEDA reads is there", modes=(2,))
def _(t):
    s = monitor_server(t)
    s.connect().submit("resize", "", "x", SUBMIT_JOB_BG)
    text = get(s, "/metrics")
    there = set(re.findall(r"(?m)^# TYPE (\S+)", text)) | {m for m in re.findall(r"(?m)^([a-z_]+)[{ ]", text)}
    for path in (("prometheus", "gearmand.rules.yml"), ("grafana", "gearmand.json")):
        named = names_in(text_of(*path))
        check(named and named <= there, "%s: not there: %s" % (path[1], named - there))
    keda = text_of("keda", "gearmand-worker.yaml")
    path = re.search(r'url: "http://gearmand:4731(\S+)"', keda)[1]
    check(get_json(s, path)[re.search(r'valueLocation: "(\w+)"', keda)[1]] == 1)


@case("a real Prometheus scrapes a server without an error and raises the alert that no worker is there", modes=(2,), limit=120)
def _(t):
    t.need("prometheus")
    s = monitor_server(t)
    s.connect().submit("nobody", "", "x", SUBMIT_JOB_BG)
    soon = t.write("rules.yml", re.sub(r"for: \w+", "for: 1s", text_of("prometheus", "gearmand.rules.yml")))
    config = t.write("prometheus.yml", CONFIG % (soon, s.monitor_port, s.monitor_port))
    p = t.spawn("prometheus", "--config.file=" + config, "--storage.tsdb.path=" + t.path("data"),
                "--web.listen-address=127.0.0.1:0", "--log.format=json", stderr=open(t.path("said"), "wb"))
    port = int(until(lambda: re.search(r'"address":"127\.0\.0\.1:([1-9]\d*)"', open(t.path("said")).read()), "its port", limit=60)[1])

    def healthy():
        try:
            targets = ask_prometheus(port, "targets")["activeTargets"]
        except urllib.error.HTTPError as not_yet:
            check(not_yet.code == 503, not_yet)
            return False
        return len(targets) == 2 and all(x["health"] == "up" and x["lastError"] == "" for x in targets)
    until(healthy, "both targets to be up", limit=60)
    fired = until(lambda: [a for a in ask_prometheus(port, "alerts")["alerts"]
                           if a["labels"]["alertname"] == "GearmanNoWorkers" and a["state"] == "firing"], "the alert", limit=60)
    check(fired[0]["labels"]["function"] == "nobody" and "no worker" in fired[0]["annotations"]["summary"], fired)
    p.terminate()
    check(p.wait(timeout=patience()) == 0)


main()
