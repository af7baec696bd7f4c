#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# proc-symbols.py - the core, with all that it calls, uses nothing from outside but what proc-allowed.txt lists.
#
# That is how "the core makes no system call" is held: what cannot be called cannot be made.

import fnmatch
import os

import lintlib
import lintlib_symbols as symbols

ALLOWED = os.path.join(lintlib.TOP, "tests/lint/proc-allowed.txt")


def allowed():
    rules = []
    for line in lintlib.lines("/", ALLOWED):
        line = line.split("#")[0].strip()
        if line:
            pattern, _, where = line.partition(" in ")
            rules.append((pattern, where))
    return rules


def lint(begin, objects, rules):
    """begin: object names to begin with; what they use of `objects` is looked into as well."""
    todo, seen = sorted(begin), set(begin)
    while todo:
        member = todo.pop()
        for name in sorted(objects.wanted[member]):
            home = objects.home.get(name)
            if home is not None and home not in seen:
                seen.add(home)
                todo.append(home)
            elif home is None and not any(fnmatch.fnmatchcase(name, pattern) and where in ("", member) for pattern, where in rules):
                yield "%s uses %s, which proc-allowed.txt does not have" % (member, name)



def core():
    """The objects of server/proc, and all that they may reach."""
    objects = symbols.Objects().add_archive(os.path.join(lintlib.BUILD, "libproc.a"))
    begin = set(objects.wanted)
    for layer in ("base", "wire"):
        objects.add_archive(os.path.join(lintlib.BUILD, "lib%s.a" % layer))
    objects.add_archive(os.path.join(lintlib.BUILD, "libcross.a"), ("msg.o", "blob.o", "stats.o"))
    return begin, objects


def planted(shop, number, tree):
    objects = symbols.Objects().add_archive(shop.archive("lib%d.a" % number, tree))
    return {"job.o", "proc_run.o"} & set(objects.wanted), objects


def main():
    tap, rules = lintlib.Tap(), allowed()
    begin, objects = core()
    complaints = list(lint(begin, objects, rules))
    tap.case("proc.o" in begin and not complaints, "the core uses what it may", complaints)
    with symbols.Workshop() as shop:
        for good, name, tree in (
                (True, "its own function of another file", {"job.o": "void b(void); void a(void) { b(); }", "b.o": "void b(void) { }"}),
                (True, "a layer below that the core does not use", {"job.o": "int a;", "sched.o": "long time(long *); void b(void) { time(0); }"}),
                (True, "the mailbox in proc_run", {"proc_run.o": "void mbox_take(void); void a(void) { mbox_take(); }"}),
                (False, "the mailbox elsewhere", {"job.o": "void mbox_take(void); void a(void) { mbox_take(); }"}),
                (False, "a system call", {"job.o": "long write(int, void *, long); void a(void) { write(1, 0, 0); }"}),
                (False, "a system call by way of a layer below", {
                    "job.o": "void b(void); void a(void) { b(); }",
                    "b.o": "long write(int, void *, long); void b(void) { write(1, 0, 0); }"}),
                (False, "the clock", {"job.o": "int clock_gettime(int, void *); void a(void) { clock_gettime(0, 0); }"}),
                (False, "the log", {"job.o": "void log_write(int); void a(void) { log_write(1); }"}),
                (False, "a function of io", {"job.o": "void conn_close(void *); void a(void) { conn_close(0); }"})):
            found = list(lint(*planted(shop, tap.count, tree), rules))
            tap.case(bool(found) != good, ("allows: " if good else "refuses: ") + name, found)
    tap.end()


if __name__ == "__main__":
    main()
