#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The container image's entry script, the recipe and the Kubernetes manifests, as far as they can be tried without an engine."""
import os
import re
import signal

from gearlive import *

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
GEARMAND = os.environ.get("GEARMAND", "")
ENTRY = os.path.join(TOP, "packaging/container/entrypoint.sh")


def text_of(name):
    with open(os.path.join(TOP, "packaging", name)) as f:
        return f.read()


def options_of(t, *arguments, status=0, **env):
    """The command line that the entry script comes to."""
    echo = t.write("echo", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    os.chmod(echo, 0o755)
    done = t.run("sh", ENTRY, *arguments, env=dict(env, GEARMAND=echo), status=status)
    return done.out.decode().splitlines() if status == 0 else done.err.decode()


@case("container: what the entry script makes of no environment, and of arguments", modes=None)
def _(t):
    got = options_of(t)
    for option in ("--listen=*", "--port=4730", "--queue-type=builtin", "--threads=4", "--log-file=stderr", "--monitor-port=4731"):
        check(option in got, option, got)
    check(options_of(t, "--max-jobs=3", "a b")[-2:] == ["--max-jobs=3", "a b"], "arguments are the last")
    check(options_of(t, "gearmand", "--max-jobs=3")[-1] == "--max-jobs=3", "the word gearmand is left out")
    check(t.run("sh", ENTRY, "echo", "x").out == b"x\n", "another command")


@case("container: every name in the table of the image is one that the entry script knows, and the other way round", modes=None)
def _(t):
    table = "\n".join(line for line in text_of("container/README.md").splitlines() if line.startswith("| `"))
    documented = set(re.findall("`([A-Z][A-Z_]+)`", "\n".join(line.split("|")[1] for line in table.splitlines())))
    script = text_of("container/entrypoint.sh")
    known = set(re.findall(r"\$\(value ([A-Z_]+) ", script)) | set(re.findall(r"\$\{(SSL_[A-Z_]+):-", script))
    check(documented == known, documented ^ known)
    judged = set(re.search("for name in ([A-Z_ \\\\\n]+); do", script).group(1).replace("\\", " ").split())
    check(judged == {name for name in known if not name.startswith("SSL_")}, judged ^ known)


@case("container: a secret comes from a file; two values, and a file that is not there, are refused", modes=None)
def _(t):
    secret = t.write("secret", "pass word'\"\n")
    got = options_of(t, QUEUE_TYPE="mysql", MYSQL_PASSWORD_FILE=secret, MYSQL_HOST="db")
    check("--mysql-password=pass word'\"" in got and "--mysql-host=db" in got, got)
    t.write("no-newline", "x")
    check("--mysql-password=x" in options_of(t, QUEUE_TYPE="mysql", MYSQL_PASSWORD_FILE=t.path("no-newline")), "no newline")
    said = options_of(t, QUEUE_TYPE="mysql", MYSQL_PASSWORD_FILE=secret, MYSQL_PASSWORD="x", status=1)
    check("MYSQL_PASSWORD and MYSQL_PASSWORD_FILE are both set" in said, said)
    said = options_of(t, QUEUE_TYPE="mysql", MYSQL_PASSWORD_FILE=t.path("none"), status=1)
    check("cannot read" in said, said)


@case("container: the server takes what the entry script says, for each queue", modes=None)
def _(t):
    for queue in ("builtin", "sqlite", "postgres", "mysql", "memcached"):
        env = {"GEARMAND": GEARMAND, "QUEUE_TYPE": queue, "ROUND_ROBIN": "1", "KEEPALIVE": "1", "JOB_RETRIES": "2", "WORKER_WAKEUP": "1",
               "HTTP_PORT": "8080", "MYSQL_PASSWORD": "secret"}
        done = t.run("sh", ENTRY, "--check-args", env=env, status=None)
        check(done.status == 0 and done.err == b"", queue, done)


@case("container: the server runs in place of the entry script, and SIGTERM ends it", modes=None)
def _(t):
    p = t.spawn("sh", ENTRY, "--check-args", "--nonsense", env={"GEARMAND": GEARMAND})
    check(p.wait(timeout=patience()) == 1, "a wrong option")
    sleeper = t.write("sleeper", "#!/bin/sh\necho started; exec sleep 1000\n")
    os.chmod(sleeper, 0o755)
    p = t.spawn("sh", ENTRY, env={"GEARMAND": sleeper})
    check(p.stdout.readline() == b"started\n", "start")
    with open("/proc/%d/cmdline" % p.pid, "rb") as f:
        until(lambda: b"sleep" in open("/proc/%d/cmdline" % p.pid, "rb").read(), "the command in the script's place")
    p.terminate()
    check(p.wait(timeout=patience()) == -signal.SIGTERM, "SIGTERM")


@case("container: shellcheck has nothing to say of the entry script", modes=None)
def _(t):
    t.need("shellcheck")
    t.run("shellcheck", "-s", "sh", ENTRY)


@case("container: the recipe: Debian slim, a user by number, a health check without a shell, labels, every module", modes=None)
def _(t):
    recipe = text_of("container/Dockerfile")
    check(re.search("^FROM debian:[a-z]+-slim$", recipe, re.M), "FROM")
    check(re.search(r"^USER (\d+):\1$", recipe, re.M).group(1) != "0", "USER")
    check('CMD ["gearmanctl", "health"]' in recipe and "STOPSIGNAL SIGTERM" in recipe, "health check")
    check(len(re.findall(r"org\.opencontainers\.image\.\w+=", recipe)) >= 4, "labels")
    modules = {p for p in re.findall("^Package: (gearmand-(?:queue|transport)-.*)$", text_of("debian/control"), re.M)}
    check(len(modules) >= 6 and all("./%s_*.deb" % m in recipe for m in modules), modules)


def manifests(t, name):
    try:
        import yaml
    except ImportError:
        t.skip("python3-yaml is not installed")
    return {d["kind"]: d for d in yaml.safe_load_all(text_of("kubernetes/" + name))}


def check_pod(kind, pod):
    c = pod["containers"][0]
    check(pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 65532, kind)
    check(c["securityContext"] == {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}, c)
    ports = {p["name"]: p["containerPort"] for p in c["ports"]}
    check(ports == {"gear": 4730, "monitor": 4731}, ports)
    paths = {k: c[k]["httpGet"] for k in ("startupProbe", "livenessProbe", "readinessProbe")}
    check(paths["livenessProbe"] == {"path": "/healthz", "port": "monitor"}, paths)
    check(paths["readinessProbe"] == {"path": "/readyz", "port": "monitor"}, paths)
    check(paths["startupProbe"]["path"] in ("/healthz", "/readyz"), paths)
    check(pod["terminationGracePeriodSeconds"] >= 12 and "lifecycle" not in c and pod["enableServiceLinks"] is False, "the end")
    check({m["name"] for m in c["volumeMounts"]} >= {"run"}, c["volumeMounts"])
    return c


def check_service(docs, workload):
    labels = workload["spec"]["template"]["metadata"]["labels"]
    check(docs["Service"]["spec"]["selector"].items() <= labels.items(), "the service finds no pod")
    check(workload["spec"]["selector"]["matchLabels"].items() <= labels.items(), "the workload finds no pod")
    check({p["targetPort"] for p in docs["Service"]["spec"]["ports"]} == {"gear", "monitor"}, docs["Service"])


@case("kubernetes: one server with SQLite on a claim of its own", modes=None)
def _(t):
    docs = manifests(t, "sqlite.yaml")
    workload = docs["StatefulSet"]
    check(workload["apiVersion"] == "apps/v1" and workload["spec"]["replicas"] == 1, workload)
    check(workload["spec"]["serviceName"] == docs["Service"]["metadata"]["name"], "serviceName")
    c = check_pod("StatefulSet", workload["spec"]["template"]["spec"])
    claims = {v["metadata"]["name"] for v in workload["spec"]["volumeClaimTemplates"]}
    check({m["name"]: m["mountPath"] for m in c["volumeMounts"]}[claims.pop()] == "/var/lib/gearmand", c)
    check_service(docs, workload)
    env = {e["name"]: e["value"] for e in c["env"]}
    check("--libsqlite3-db=/var/lib/gearmand/queue.db" in options_of(t, **env), env)


@case("kubernetes: two servers on one PostgreSQL, one of which stands by", modes=None)
def _(t):
    docs = manifests(t, "postgres.yaml")
    workload = docs["Deployment"]
    check(workload["spec"]["replicas"] == 2 and workload["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0},
          workload["spec"])
    pod = workload["spec"]["template"]["spec"]
    c = check_pod("Deployment", pod)
    check(c["args"] == ["--standby"] and c["startupProbe"]["httpGet"]["path"] == "/healthz", "a standby is never ready")
    check_service(docs, workload)
    env = {e["name"]: e["value"] for e in c["env"]}
    folder = os.path.dirname(env["POSTGRES_CONNINFO_FILE"])
    mounted = {m["mountPath"]: m["name"] for m in c["volumeMounts"]}
    check({v["name"]: v for v in pod["volumes"]}[mounted[folder]]["secret"], "the secret")
    env["POSTGRES_CONNINFO_FILE"] = t.write("conninfo", "host=db1,db2 dbname=jobs\n")
    got = options_of(t, *c["args"], **env)
    check("--libpq-conninfo=host=db1,db2 dbname=jobs" in got and got[-1] == "--standby", got)


main()
