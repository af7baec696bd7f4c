# SPDX-License-Identifier: BSD-3-Clause
"""Running gearmand-plugin-check on a module, as the module's check.conf says.

check.conf is in the module's folder, and so is check-KIND.conf for each further kind of store.  A line is a word and what belongs to it:

    option TEXT      an argument for gearmand-plugin-check: the module's option, or one of its own (--store-in-part)
    start COMMAND    starts a store of its own, before the module is checked.  It ends when the store is ready, and may
                     print lines NAME=VALUE.  Status 77: what it needs is not installed
    stop COMMAND     ends that store, after the check
    kill COMMAND     ends the store's process at once, as kill -9 does; --store-kill
    again COMMAND    starts it again, on the data that it had; --store-start

Commands are for sh, and run in a folder of their own.  In all of these {dir} is that folder, {here} the one of
check.conf, {src} the top of the source, and {NAME} what `start` printed.  # begins a comment line."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile

BUILD = os.environ.get("top_builddir") or os.getcwd()
SOURCE = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KIT = os.environ.get("PLUGIN_CHECK") or os.path.join(BUILD, "sdk/check/gearmand-plugin-check")
WORDS = ("option", "start", "stop", "kill", "again")
LINE = re.compile(r"^(ok|not ok) (\d+) - (\w+): ([^#]*?)(?: # SKIP (.*))?$")


class Missing(Exception):
    """What the store needs is not installed."""


class Result:
    """Of one case: verdict is "ok", "not ok" or "skip"."""

    def __init__(self, verdict, name, sentence, why=""):
        self.verdict, self.name, self.sentence, self.why, self.notes = verdict, name, sentence, why, []


def read_conf(path):
    """[(word, rest)]"""
    found = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            word, _, rest = line.strip().partition(" ")
            if word and not word.startswith("#"):
                if word not in WORDS or not rest.strip():
                    raise ValueError("%s:%d: expected one of %s, and what belongs to it" % (path, number, ", ".join(WORDS)))
                found.append((word, rest.strip()))
    return found


class Stage:
    """A folder, and the store that a check.conf starts in it."""

    def __init__(self, conf, folder):
        self.lines = read_conf(conf)
        self.names = {"dir": folder, "here": os.path.dirname(os.path.abspath(conf)), "src": SOURCE}
        self.folder = folder

    def fill(self, text):
        return re.sub(r"\{(\w+)\}", lambda m: self.names.get(m.group(1), m.group(0)), text)

    def words(self, word):
        return [self.fill(rest) for w, rest in self.lines if w == word]

    def shell(self, command):
        """Its output goes to a file: what it starts may keep it open."""
        with tempfile.TemporaryFile() as said:
            status = subprocess.call(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                     cwd=self.folder, timeout=300)
            said.seek(0)
            text = said.read().decode(errors="replace")
        if status == 77:
            raise Missing(text.strip() or command)
        if status != 0:
            raise RuntimeError("%s: status %d\n%s" % (command, status, text))
        return text

    def start(self):
        for command in self.words("start"):
            for line in self.shell(command).splitlines():
                name, equals, value = line.partition("=")
                if equals and re.fullmatch(r"\w+", name):
                    self.names[name] = value

    def arguments(self):
        return (self.words("option") + ["--store-kill=" + c for c in self.words("kill")] +
                ["--store-start=" + c for c in self.words("again")])


@contextlib.contextmanager
def stage(conf):
    """The store is up, and gone in the end."""
    folder = tempfile.mkdtemp(prefix="gearmand-kit-")
    os.chmod(folder, 0o755)  # a store's own user may have to get through
    s = Stage(conf, folder)
    try:
        try:
            s.start()
            yield s
        finally:
            for command in s.words("stop"):
                s.shell(command)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(module, arguments):
    """Runs the kit; yields a Result per case as they come, and at last how the whole ended if that is not told by one."""
    p = subprocess.Popen([KIT] + list(arguments) + [module], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace")
    result, failed, planned, count, strange = None, 0, None, 0, []
    try:
        for line in p.stdout:
            line = line.rstrip("\n")
            match = LINE.match(line)
            if match:
                if result:
                    yield result
                verdict, _, name, sentence, why = match.groups()
                result = Result("skip" if why is not None else verdict, name, sentence, why or "")
                failed += verdict == "not ok"
                count += 1
            elif line.startswith("1.."):
                planned = int(line[3:])
            elif line.startswith("#"):
                if result and not re.match(r"# \d+ passed, \d+ failed$", line):
                    result.notes.append(line[2:])
            else:
                strange.append(line)
    finally:
        p.stdout.close()
        status = p.wait()
    if result:
        yield result
    if strange or count != planned or status != (1 if failed else 0):
        end = Result("not ok", "the_kit_itself", "gearmand-plugin-check runs to its end")
        end.notes = strange + ["status %d, %d of %s cases" % (status, count, planned)]
        yield end
