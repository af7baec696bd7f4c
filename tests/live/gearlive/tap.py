# SPDX-License-Identifier: BSD-3-Clause
"""Cases, their runner, and the object `t` that each case gets."""
import argparse
import functools
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

__all__ = ["case", "main", "Failure", "Skip", "Done", "check", "patience", "until", "has_module", "SOURCE_DIR"]

SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # tests/live
SLOW = float(os.environ.get("GEARMAND_TEST_SLOW", "1"))  # more for valgrind and the like

# Cases run in folders of their own.
for _name in ("GEARMAND", "GEARMAND_PLUGIN_PATH"):
    if os.environ.get(_name):
        os.environ[_name] = os.path.abspath(os.environ[_name])

ALL_MODES = (0, 1, 2, 4)
ONLY_MODES = [int(m) for m in os.environ.get("GEARMAND_TEST_MODES", "").split()]  # none: all
_cases = []


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def patience():
    """Seconds after which what is awaited will not come.  Only failing tests wait so long."""
    return 20 * SLOW


def check(truth, *what):
    if not truth:
        raise Failure(" ".join(str(w) for w in what) or "check failed")


@functools.lru_cache(maxsize=None)
def modules():
    """As the server's help has them: they may be files, or a part of it."""
    done = subprocess.run([os.environ["GEARMAND"], "--help"], stdout=subprocess.PIPE, text=True, check=True)
    return set(re.findall(r"^Module (\S+) \((\w+)\)", done.stdout, re.M))


def has_module(name):
    kind, name = name.split("-", 1)
    return (name, {"proto": "protocol"}.get(kind, kind)) in modules()


def until(condition, what, limit=None):
    """Waits for something that has no event of its own; returns what it was."""
    deadline = time.monotonic() + (limit or patience())
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > deadline:
            raise Failure("waited in vain for " + what)
        time.sleep(0.003)


def chosen_modes(modes):
    """Those that $GEARMAND_TEST_MODES names; a case that has none of them runs once all the same."""
    if modes is None:
        return [None]
    return [m for m in modes if not ONLY_MODES or m in ONLY_MODES] or modes[:1]


def case(sentence, modes=ALL_MODES, limit=60):
    """Declares a case.  `modes`: the server's `-t`, one run each; None for a case without.  `limit`: seconds
    for a run."""
    def keep(function):
        for mode in chosen_modes(modes):
            _cases.append((sentence, mode, limit, function))
        return function
    return keep


class Done:
    """What a command came to."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return "status %d, stdout %r, stderr %r" % (self.status, self.out, self.err)


class Case:
    """`t`: a directory, a thread mode, and all that a case starts, which ends with it."""

    def __init__(self, mode):
        self.mode = mode
        self.dir = tempfile.mkdtemp(prefix="gearmand-live-")
        self.servers, self.children = [], []

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def server(self, *options, **how):
        """Starts a server, see Server."""
        from .server import Server
        if self.mode is not None:
            how.setdefault("threads", self.mode)
        s = Server(self, options, **how)
        self.servers.append(s)
        s.start()
        return s

    def skip(self, why):
        raise Skip(why)

    def need_module(self, name):
        """queue-sqlite, say."""
        if not has_module(name):
            raise Skip(name + " is not built")

    def need_module_files(self):
        """Not there where modules are part of the server: nothing else can be loaded then."""
        if not glob.glob(os.path.join(os.environ.get("GEARMAND_PLUGIN_PATH", ""), "*.so")):
            raise Skip("modules are part of this server")

    def need_libsystemd(self):
        with open(os.environ["GEARMAND"], "rb") as f:
            if b"sd_listen_fds_with_names" not in f.read():
                raise Skip("built without libsystemd")

    def need(self, *programs):
        for p in programs:
            if not shutil.which(p):
                if os.environ.get("CI"):
                    raise Failure("%s is not installed" % p)
                raise Skip("%s is not installed" % p)

    def run(self, *command, input=b"", status=0, limit=None, env=None):
        """Runs a command to its end; its status must be `status` (None: any)."""
        try:
            p = subprocess.run(command, input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               timeout=limit or 2 * patience(), cwd=self.dir, env=clean_env(env))
        except subprocess.TimeoutExpired as e:
            raise Failure("%s did not end; stdout %r, stderr %r" % (" ".join(command), e.stdout, e.stderr))
        done = Done(p.returncode, p.stdout, p.stderr)
        if status is not None and p.returncode != status:
            raise Failure("%s: %r" % (" ".join(command), done))
        return done

    def spawn(self, *command, env=None, **how):
        """Starts a command; it is killed with the case unless it has ended."""
        how.setdefault("stdin", subprocess.DEVNULL)
        how.setdefault("stdout", subprocess.PIPE)
        how.setdefault("stderr", open(self.path("stderr.%d" % len(self.children)), "wb"))
        how.setdefault("preexec_fn", die_with_parent)
        p = subprocess.Popen(command, cwd=self.dir, env=clean_env(env), **how)
        self.children.append(p)
        return p

    def end(self, failed):
        try:
            for p in self.children:
                if p.poll() is None:
                    p.kill()
                p.wait(timeout=patience())
            for s in self.servers:
                if failed:
                    s.abandon()
                elif s.running():
                    s.stop()
            if not failed:
                for s in self.servers:
                    s.check_log()
        finally:
            for s in self.servers:
                s.abandon()

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def clean_env(more=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("GEARMAN") or k == "GEARMAND_PLUGIN_PATH"}
    env.update({"LC_ALL": "C", "TZ": "UTC"})
    env.update(more or {})
    return env


def die_with_parent():
    """In a child before exec: goes when the test goes, however that goes."""
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _too_late(_signal, _frame):
    raise Failure("the case took too long")


def _run(sentence, mode, limit, function, keep):
    """None, or the text of what went wrong, or Skip."""
    t = Case(mode)
    failed = None
    signal.alarm(int(limit * SLOW))
    try:
        function(t)
    except Skip as s:
        failed = s
    except Exception as e:  # noqa: any of them is a failed case
        failed = _story(e, t)
    try:
        t.end(failed is not None)
    except Exception as e:  # noqa
        failed = failed or _story(e, t)
    finally:
        signal.alarm(0)
    if keep and failed and not isinstance(failed, Skip):
        failed += "\nkept: " + t.dir
    else:
        t.remove()
    return failed


def _story(e, t):
    here = [f for f in traceback.extract_tb(e.__traceback__) if "gearlive" not in f.filename]
    where = "".join("\n  at %s:%d: %s" % (os.path.basename(f.filename), f.lineno, f.line) for f in here)
    text = str(e) if isinstance(e, Failure) else "%s: %s" % (type(e).__name__, e)
    return text + where + "".join(s.story() for s in t.servers)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("-t", type=int, action="append", help="only this thread mode")
    ap.add_argument("-k", help="only cases whose sentence has this")
    ap.add_argument("-v", action="store_true", help="keep the directories of failed cases")
    args = ap.parse_args()
    if not os.environ.get("GEARMAND"):
        sys.exit("set GEARMAND to the server to test")
    signal.signal(signal.SIGALRM, _too_late)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [c for c in _cases if (not args.k or args.k in c[0]) and (not args.t or c[1] in args.t)]
    print("1..%d" % len(chosen), flush=True)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for n, (sentence, mode, limit, function) in enumerate(chosen, 1):
        name = "%d - %s" % (n, sentence) + ("" if mode is None else " (-t %d)" % mode)
        story = _run(sentence, mode, limit, function, args.v)
        if story is None:
            counts["passed"] += 1
            print("ok " + name, flush=True)
        elif isinstance(story, Skip):
            counts["skipped"] += 1
            print("ok %s # SKIP %s" % (name, story), flush=True)
        else:
            counts["failed"] += 1
            print("not ok " + name)
            print("".join("# %s\n" % line for line in story.splitlines()), end="", flush=True)
    print("# %(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts, flush=True)
    sys.exit(1 if counts["failed"] else 0)
