#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""gearmand-plugin-new: what it writes builds with the installed SDK alone, passes its check, and works in a server."""
import concurrent.futures
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "live"))
from gearlive import Peer, SUBMIT_JOB_BG, WORK_COMPLETE, WORK_FAIL, case, check, main, until  # noqa: E402
from gearlive.sdk import find, installed, sdk  # noqa: E402

KINDS = {"queue": ("queue-", 30), "protocol": ("proto-", 10), "transport": ("transport-", 10)}  # and cases that pass
BUILDS = {"make": ["make"], "meson": ["meson", "ninja"], "cmake": ["cmake"], "autotools": ["autoreconf", "libtoolize"]}  # and what they need
SLOW = ("meson", "autotools")
# A configure takes as long as ten modules: two projects that have each line of the files for autotools.
FEW = {"c": ["protocol"], "c++": ["queue"]}


class Project:
    """A new project, and the installed SDK in the environment of its build, in which warnings are errors."""

    def __init__(self, t, name, kind, language="c", build="make"):
        root = installed()
        self.t, self.folder, self.module = t, t.path(name), KINDS[kind][0] + name
        self.env = dict(sdk(root), CC=os.environ.get("CC", "cc"), CFLAGS="-O0 -Wshadow -Werror", CXXFLAGS="-O0 -Wshadow -Werror",
                        WARNINGS="all,error", ACLOCAL_PATH=os.path.dirname(find(root, "gearmand.m4")), DESTDIR=t.path("to"),
                        PATH=os.path.dirname(find(root, "gearmand-plugin-new")) + ":" + os.environ["PATH"])
        t.run("gearmand-plugin-new", name, "--" + kind, "--" + build, *["--c++"] * (language == "c++"), env=self.env)
        for at, _, names in os.walk(self.folder):
            for file in names:
                left = re.findall("@[A-Za-z+]+@|new[-_]%s|SPDX" % kind, self.text(os.path.join(at, file)))
                check(not left, file, left)

    def text(self, file):
        with open(os.path.join(self.folder, file), encoding="utf-8") as f:
            return f.read()

    def follow(self, heading):
        """Does what the README says; returns what that printed."""
        part = re.search(r"(?ms)^## %s\n(.*?)^(##|\Z)" % heading, self.text("README.md")).group(1)
        commands = re.findall("(?m)^    (.*)", part)
        check(commands, heading)
        return self.t.run("sh", "-ec", "cd %s; %s" % (self.folder, "; ".join(commands)), env=self.env, limit=600).out.decode()


def one_language(t, build, language):
    for kind in FEW[language] if build == "autotools" else KINDS:
        p = Project(t, "%s-c%d" % (kind, len(language)), kind, language, build)
        p.follow("Build")
        said = p.follow("Check")
        if build == "meson":
            said = p.text("build/meson-logs/testlog.txt")
        passed = re.findall("(?m)^ok [0-9]+ - (?!.*# SKIP)", said)
        check(len(passed) >= KINDS[kind][1] and "not ok" not in said, build, language, kind, said)
        p.follow("Install")
        for end in ".so", ".8":
            find(t.path("to"), p.module + end)


def projects(build, tools):
    @case("projects with %s: what the README says builds, checks and installs them, without a warning" % build, modes=None, limit=900)
    def _(t):
        if os.environ.get("CI") and build in SLOW:
            t.skip("`make check` has it: it takes a minute or more")
        t.need("make", "pkg-config", "c++", *tools)
        installed()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(one_language, t, build, language) for language in ("c", "c++")]:
                done.result()
        check(not [name for _, _, names in os.walk(t.path("to")) for name in names if name.endswith(".la")])


for each in BUILDS.items():
    projects(*each)


@case("GEARMAND_PLUGIN_INIT takes the interface of the headers and older ones, and tells why it takes no other", modes=None, limit=280)
def interface(t):
    t.need("autoreconf", "pkg-config")
    p = Project(t, "ring", "queue", build="autotools")
    wanted = "".join("GEARMAND_PLUGIN_INIT([%s], [echo %s is taken], [echo %s is not])\n" % (w, w, w) for w in ("1.0", "1.99", "0.0", "2.0", "11.0"))
    t.write("ring/configure.ac", "AC_INIT([x], [1])\n%sGEARMAND_PLUGIN_INIT([1.7])\nAC_OUTPUT\n" % wanted)
    done = t.run("sh", "-ec", "cd ring; aclocal; autoconf", env=p.env, limit=300)
    done = t.run("sh", "-ec", "cd ring; ./configure", env=p.env, status=1)
    check(re.findall(b"(?m)^.* is (?:taken|not)$", done.out) == [b"1.0 is taken", b"1.99 is not", b"0.0 is not", b"2.0 is not", b"11.0 is not"], done)
    check(b"error: the module is for interface 1.7 of gearmand, the headers have 1.0\n" in done.err, done)
    with open(find(installed(), "gearmand-plugin.pc")) as f:
        t.write("gearmand-plugin.pc", re.sub("(?m)^abi_minor=.*", "abi_minor=", f.read()))
    done = t.run("sh", "-ec", "cd ring; ./configure", env=dict(p.env, PKG_CONFIG_LIBDIR=t.dir), status=1)
    check(b"1.0 is not\n" in done.out and b"is taken" not in done.out, done)


@case("the modules as they are written work in a server", modes=(0, 2), limit=120)
def in_server(t):
    t.need("make", "pkg-config")
    folders = []
    for kind in KINDS:
        p = Project(t, "my-" + kind, kind)
        p.follow("Build")
        os.chmod(p.folder, 0o755)
        folders.append("--plugin-dir=" + p.folder)
    s = t.server(*folders, "-q", "my-queue", "-r", "my-protocol", "--my-protocol-listen=127.0.0.1:0",
                 "--transport=my-transport", "--my-transport-listen=127.0.0.1:0")
    lines, below = (Peer(("127.0.0.1", s.service_port(name))) for name in ("my-protocol", "gear, my-transport"))
    below.submit("kept", nr=SUBMIT_JOB_BG, data=b"x")
    check(below.listing("status") == [b"kept\t1\t0\t0"])
    worker = s.worker("turn")
    lines.raw(b"turn hel lo\nturn\n")
    for result, answer in (WORK_COMPLETE, b"OK ol leh\n"), (WORK_FAIL, b"FAILED\n"):
        until(lambda: b"turn\t1\t0\t1" in below.listing("status"), "the line's job")
        handle, _, data = worker.grab()
        worker.send(result, handle, data=data[::-1] if result == WORK_COMPLETE else None)
        check(lines.line() == answer)


@case("a call that is wrong is told in one sentence, and writes nothing", modes=None, limit=280)
def wrong(t):
    p = Project(t, "ring", "queue")
    t.write("file", "as it was")
    os.symlink("nowhere", t.path("link"))
    before = sorted(os.listdir(t.dir))
    for words, sentence in (
            ([], "the name of the module is missing"), (["x"], "the kind is missing: --queue, --protocol or --transport"),
            (["x", "--store"], "there is no option --store; see --help"), (["x", "--queue", "--protocol"], "--queue and --protocol do not go together"),
            (["x", "--queue", "--meson", "--make"], "--meson and --make do not go together"), (["x", "y", "--queue"], "the names x and y do not go together"),
            (["ring", "--queue"], "ring is there already, and nothing is written over it"), (["file", "--queue"], "file is there already"),
            (["link", "--queue"], "link is there already")):
        done = t.run("gearmand-plugin-new", *words, env=p.env, status=2)
        check(done.out == b"" and done.err.startswith(b"gearmand-plugin-new: " + sentence.encode()) and done.err.count(b"\n") == 1, words, done)
    for name in ("1st", "a_b", "a b", "../a", "/a", "a-", "a--b", "a.b", "\u00e4", "a" * 33, "a;b", "$(id)", "a\nb"):
        done = t.run("gearmand-plugin-new", name, "--queue", env=p.env, status=2)
        check(b"this is none: " in done.err, name, done)
    check(sorted(os.listdir(t.dir)) == before and open(t.path("file")).read() == "as it was")
    for word, text in (("--help", b"Usage: "), ("--version", b"gearmand-plugin-new ")):
        check(t.run("gearmand-plugin-new", word, env=p.env).out.startswith(text))


if __name__ == "__main__":
    main()
