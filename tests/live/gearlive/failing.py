# SPDX-License-Identifier: BSD-3-Clause
"""A server whose queue fails when told; tests/queue-fail/queue_fail.h has the rules."""
import os
import re

from .tap import check

__all__ = ["fail_server", "fail_module_dir", "rules", "no_rules", "commits", "UNWELL", "WELL"]

UNWELL = "queue fail: changes are not stored; the server tries again until they are: "
WELL = "queue fail: well again"


def fail_module_dir():
    where = os.environ.get("QUEUE_FAIL_DIR") or \
        os.path.join(os.environ.get("top_builddir") or os.getcwd(), "tests/queue-fail/.libs")
    check(os.path.exists(os.path.join(where, "queue-fail.so")), where + " has no queue-fail.so")
    return where


def fail_server(t, *options, **how):
    """Rules that are there from the start: "--fail-rules=commit 2 broken connection reset"."""
    t.need_module_files()
    return t.server("--plugin-dir=" + fail_module_dir(), "-q", "fail", "--journal-file=" + t.path("jobs"),
                    "--fail-control=" + t.path("control"), *options, **how)


def rules(t, text):
    """From the next call on these rules hold, besides those from the start."""
    os.rename(t.write("control.new", text), t.path("control"))


def no_rules(t):
    os.unlink(t.path("control"))


def commits(s):
    """How many commits have begun since the log began."""
    return len(re.findall(r"fail: commit \d+ begins", s.log()))
