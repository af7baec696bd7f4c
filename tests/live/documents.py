#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The examples of docs/operating.md and docs/http.md and the units of packaging/, run as they are printed, in a machine of their own: private
mounts, network and processes, so that /run, /var/lib and port 4730 are nobody else's."""
import os
import re
import shutil
import socket
import stat

from gearlive import *

TOP = os.path.dirname(os.path.dirname(SOURCE_DIR))

# `gearmand` is the one that was built.  Where an example names no log, it is on stderr.
GEARMAND_WRAPPER = """#!/bin/sh
case " $* " in *" --log-file"*|*" -l "*|*" --check-args "*) exec %(server)s "$@" ;; esac
exec %(server)s --log-file=stderr "$@"
"""

MACHINE = """set -e
for where in /run /var/lib /var/log; do mount -t tmpfs none $where; done
ip link set lo up
ip address add 192.0.2.7/32 dev lo
mount --bind passwd /etc/passwd
mount --bind group /etc/group
ready() { until (exec 3<>/dev/tcp/$1/$2 && echo version >&3 && read -r answer <&3) 2>&-; do sleep 0.02; done; }
stop() { kill $1; while kill -0 $1 2>&-; do sleep 0.02; done; }
"""


def text_of(name):
    with open(os.path.join(TOP, name)) as f:
        return f.read()


def blocks(heading):
    """The code blocks of a chapter of docs/operating.md."""
    chapter = re.search(r"^## %s\n(.*?)(?=^## |\Z)" % re.escape(heading), text_of("docs/operating.md"), re.M | re.S)
    check(chapter, "no chapter", heading)
    return re.findall(r"^```\w*\n(.*?)^```", chapter.group(1), re.M | re.S)


def block(heading, word):
    found = [b for b in blocks(heading) if word in b]
    check(len(found) == 1, len(found), "blocks with", word, "in", heading)
    return found[0]


def machine(t, script, env=None, status=0):
    """Runs a script of bash in a machine of its own; all that it started ends with it."""
    if os.geteuid() != 0:
        t.skip("needs root")
    t.need("unshare", "ip", "bash")
    if t.run("unshare", "--mount", "--net", "--pid", "--fork", "true", status=None).status != 0:
        t.skip("may not make namespaces")
    os.chmod(t.dir, 0o755)
    os.makedirs(t.path("bin"), exist_ok=True)
    t.write("bin/gearmand", GEARMAND_WRAPPER % {"server": os.environ["GEARMAND"]})
    os.chmod(t.path("bin/gearmand"), 0o755)
    for name, line in (("passwd", "gearman:x:64000:64000::/var/lib/gearmand:/bin/false"), ("group", "gearman:x:64000:")):
        with open("/etc/" + name) as f:
            lines = [old for old in f.read().splitlines() if not old.startswith("gearman:")]
        t.write(name, "\n".join(lines + [line]) + "\n")
    return t.run("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c",
                 MACHINE + script, status=status,
                 env=dict({"PATH": t.path("bin") + ":" + os.environ["PATH"]}, **(env or {})))


@case("operating.md: the first start, as anybody on loopback", modes=None)
def _(t):
    line = re.sub("(--pid-file=).*/", r"\1%s/" % t.dir, block("Start", "--log-file=stderr").strip())
    done = machine(t, "%s & server=$!\nready localhost 4730\nstop $server\nwait $server\n" % line)
    check(b"Listening on 127.0.0.1:4730 (gear)" in done.err, done)


@case("operating.md: a daemon in folders of its own, whose log is rotated", modes=None)
def _(t):
    rotate = re.search(r"postrotate\n(.*)endscript", block("Logging", "postrotate"), re.S).group(1).strip()
    done = machine(t, """%s
ready localhost 4730
stat -c '%%U' /run/gearmand/gearmand.pid /var/log/gearmand/gearmand.log
mv /var/log/gearmand/gearmand.log /var/log/gearmand/gearmand.log.1
pid=$(cat /run/gearmand/gearmand.pid)
%s
until [ -e /var/log/gearmand/gearmand.log ]; do sleep 0.02; done
stop $pid
cat /var/log/gearmand/gearmand.log
[ ! -e /run/gearmand/gearmand.pid ]
""" % (block("Start", "gearmand -d"), rotate))
    lines = done.out.decode().splitlines()
    check(lines[:2] == ["gearman", "gearman"] and "SIGTERM, shutting down" in lines[-1], done)


@case("operating.md: the configuration file", modes=None)
def _(t):
    t.need_module("queue-sqlite")
    t.write("gearmand.conf", block("Start", "# /etc/gearmand/gearmand.conf"))
    done = machine(t, """mkdir /var/lib/gearmand
gearmand --check-args --config-file=gearmand.conf
gearmand --config-file=gearmand.conf & server=$!
ready 192.0.2.7 4730
stop $server
wait $server
[ -s /var/lib/gearmand/jobs.db ]
""")
    check(b"Listening on 192.0.2.7:4730 (gear)" in done.err, done)


@case("operating.md: each durable queue's options, and those that need no other server, as user gearman", modes=None)
def _(t):
    starts = re.findall(r"^\| `(-q [^`]*)` \|", text_of("docs/operating.md"), re.M)
    check(len(starts) == 5, starts)
    for start in starts:
        name = re.match(r"-q (\w+)", start).group(1)
        if not has_module("queue-" + name):
            continue
        script = "gearmand --check-args %s\n" % start
        if "/var/lib/gearmand/" in start:
            script += """install -d -o gearman -g gearman /var/lib/gearmand
gearmand -u gearman %s & server=$!
ready localhost 4730
stop $server
wait $server
""" % start
        machine(t, script)


@case("operating.md: jobs over HTTP", modes=None)
def _(t):
    t.need_module("proto-http")
    t.need("curl", "gearman", "rev")
    server, first, second = block("HTTP", "curl").strip().split("\n")
    done = machine(t, """%s & server=$!
ready localhost 8080
gearman -h localhost -w -f reverse -- rev & worker=$!
%s
echo
%s -i
kill $worker
stop $server
""" % (server, first, second.partition("#")[0]))
    check(b"txet emos" in done.out and b"X-Gearman-Job-Handle: H:" in done.out, done)


def examples(name):
    """[(commands, what they print or None)] of a document: blocks of sh, each perhaps with one of text behind it."""
    found = []
    for kind, block_ in re.findall(r"^```(\w+)\n(.*?)^```", text_of(name), re.M | re.S):
        if kind == "sh":
            found.append((block_, None))
        elif kind == "text":
            check(found and found[-1][1] is None, "what prints", block_)
            found[-1] = (found[-1][0], block_)
    return found


def is_printed(got, want):
    """Numbers of handles and of the release do not count, nor what stands where the document has "..."; several like answers stand there once."""
    def without_release(text):
        return re.sub(r"(?m)^Server: Gearman/\S+$", "Server: Gearman/0", text)
    plain = without_release(re.sub(r"(H:\w+):\d+", r"\1:1", got.replace("\r", ""))).strip()
    pattern = re.escape(without_release(want).strip()).replace(re.escape("..."), ".*")
    return re.fullmatch("(%s\\s*)+" % pattern, plain)


@case("http.md: each example prints what is printed there", modes=None, limit=120)
def _(t):
    t.need_module("proto-http")
    t.need("curl", "gearman", "rev", "seq")
    (start, _), *others = examples("docs/http.md")
    check(len(others) >= 10, len(others), "examples")
    script = start.replace("gearmand -r http", "gearmand -r http --job-handle-prefix=H:web1") + "ready localhost 8080\n"
    for n, (commands, _) in enumerate(others):
        script += "echo '==== %d'\n%s\n" % (n, commands)
    got = machine(t, script + "echo ====\n").out.decode().split("====")
    check(len(got) == len(others) + 2, "examples that were run:", len(got) - 2)
    for n, (commands, want) in enumerate(others):
        check(want is None or is_printed(got[n + 1].partition("\n")[2], want), commands, "printed", got[n + 1])


@case("operating.md: behind a proxy", modes=None)
def _(t):
    t.need_module("transport-proxy")
    line = block("Proxies", "gearmand").partition("#")[0].strip()
    done = machine(t, "%s & server=$!\nready localhost 4730\nstop $server\nwait $server\n" % line)
    check(b"Listening on 0.0.0.0:4731 (gear, proxy)" in done.err, done)


@case("operating.md: watching the server", modes=None)
def _(t):
    t.need("gearadmin")
    lines = block("Watching", "gearadmin").strip().split("\n")
    done = machine(t, "gearmand & server=$!\nready localhost 4730\n%s\nstop $server\n" %
                   "\n".join(line for line in lines if "nc -N" not in line or shutil.which("nc")))
    check(b" - :\n" in done.out, done)  # a line of --workers


@case("packaging: the unit, with the options of Debian's gearman-job-server and a unix socket", modes=None)
def _(t):
    t.need("setpriv")
    t.need_libsystemd()
    unit = text_of("packaging/systemd/gearmand.service")
    folders = re.findall(r"^(State|Runtime)Directory=(.*)$", unit, re.M)
    check(folders == [("State", "gearmand"), ("Runtime", "gearmand")], folders)
    start = re.search(r"^ExecStart=/usr/sbin/(gearmand .*)$", unit, re.M).group(1)
    os.chmod(t.dir, 0o755)
    path = os.environ["GEARMAND"]
    while path != "/":
        if not os.stat(path).st_mode & stat.S_IXOTH:
            t.skip("user gearman may not run the server that was built here")
        path = os.path.dirname(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(t.path("notify"))
        os.chmod(t.path("notify"), 0o777)
        done = machine(t, """install -d -o gearman -g gearman /run/gearmand /var/lib/gearmand /var/log/gearman-job-server
cd /var/lib/gearmand
PARAMS="--listen=localhost \\
 --listen=unix:/run/gearmand/socket --pid-file=/run/gearmand/gearmand.pid \\
 --daemon \\
 --log-file=/var/log/gearman-job-server/gearmand.log"
setpriv --reuid=gearman --regid=gearman --init-groups %s & server=$!
ready localhost 4730
[ $(cat /run/gearmand/gearmand.pid) = $server ]
stat -c '%%U %%a' /run/gearmand/socket
stop $server
wait $server
cat /var/log/gearman-job-server/gearmand.log
""" % start, env={"NOTIFY_SOCKET": t.path("notify")})
        check(done.out.startswith(b"gearman 660\n") and b"Listening on 127.0.0.1:4730 (gear)" in done.out, done)
        manager.settimeout(patience())
        check(any("READY=1" in manager.recv(4096).decode() for _ in range(2)), "READY=1")


@case("packaging: systemd knows everything in the units", modes=None)
def _(t):
    t.need("systemd-analyze")
    for name in ("gearmand.service", "gearmand.socket"):
        text = text_of("packaging/systemd/" + name).replace("/usr/sbin/gearmand", os.environ["GEARMAND"])
        t.write(name, text)
    done = t.run("systemd-analyze", "verify", "--man=no", t.path("gearmand.service"), t.path("gearmand.socket"), status=None)
    said = [line for line in done.err.splitlines() if t.path("gearmand").encode() in line or b"gearmand." in line]
    check(not said, said)


main()
