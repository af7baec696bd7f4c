#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Two servers and one table of PostgreSQL or MariaDB: a standby takes over, whatever became of the first, and what the
first had acknowledged is there; who lost the table acknowledges nothing any more, and stops."""
import signal

from gearlive import *
from gearlive import mysql, postgres
from gearlive.durable import acknowledged, submit_many
from gearlive.killing import *
from gearlive.proxy import *

FOREVER = "--queue-timeout=3600"
SOON = {postgres: "--libpq-session-timeout=6", mysql: "--mysql-session-timeout=6"}
HASTY = {postgres: "--libpq-timeout=1", mysql: "--mysql-timeout=1"}
UNWELL = "cannot store, tries again until it can"


def standby(db, *options, **how):
    s = db.server("--standby", FOREVER, *options, wait=False, verbose="NOTICE", **how)
    s.expect_log("standing by: .*in use by another gearmand|standing by: .*another gearmand is using it",
                 "this server is active now: it has taken the queue over")
    s.await_log("standing by")
    return s


def serves(s):
    until(lambda: s._alive() and s.ports(), "the standby to serve")
    s.port = s.ports()[0]
    return s


def loses(s):
    """The table is another's: it stops, and says so."""
    s.expect_log(UNWELL, "FATAL.*another server has taken it over; this one stops")
    s.end(1)


def on_both(sentence, **how):
    """A case for each of the databases."""
    def declare(function):
        for module, name in ((postgres, "PostgreSQL"), (mysql, "MariaDB")):
            case("%s: %s" % (name, sentence), **how)(lambda t, module=module: function(t, module))
    return declare


@on_both("kill -9 of the first under load: the standby has all that was acknowledged, handles and times unchanged", modes=(2,),
         limit=KILL_LIMIT)
def _(t, module):
    db = module.Database(t)
    load = Load(db.times)
    first = db.server(FOREVER, verbose="NOTICE")
    for _ in range(KILL_ROUNDS):
        second = standby(db)
        load.start(first)
        load.await_some()
        first.kill()
        load.join()
        load.compare(serves(second))
        first = second


def lost_and_found(t, module, lose, find, *options):
    """Under load, the standby takes the table from a server that lives; returns when that one has stopped."""
    db = module.Database(t)
    proxy = Proxy(db.store.port)
    load = Load(db.times)
    first = db.server(FOREVER, *options, base=db.options_through(proxy.port), verbose="NOTICE")
    second = standby(db, *options)
    load.start(first)
    load.await_some()
    lose(db, proxy, first)
    serves(second)
    find(proxy, first)
    loses(first)
    load.join()
    load.compare(second)


@on_both("the first one's session is ended under load, and a standby is quicker: the first stops, and no job is lost", modes=(2,))
def _(t, module):
    def lose(db, proxy, first):
        proxy.cut()  # so that it does not come back at once
        db.end_sessions()
    lost_and_found(t, module, lose, lambda proxy, first: proxy.heal())


@on_both("the network of the first is cut under load: the standby takes over after --...-session-timeout, the first stops when "
         "it is back", modes=(0,))
def _(t, module):
    lost_and_found(t, module, lambda db, proxy, first: proxy.cut(), lambda proxy, first: proxy.heal(), SOON[module], HASTY[module])


@on_both("the first is frozen under load: the standby takes over after --...-session-timeout, the first stops when it thaws",
         modes=(2,))
def _(t, module):
    lost_and_found(t, module, lambda db, proxy, first: first.signal(signal.SIGSTOP),
                   lambda proxy, first: first.signal(signal.SIGCONT), SOON[module])


@on_both("a connection that went silent, and no standby: the server ends its own former session, and goes on", modes=(2,))
def _(t, module):
    db = module.Database(t)
    proxy = Proxy(db.store.port)
    s = db.server(FOREVER, HASTY[module], base=db.options_through(proxy.port))
    s.expect_log(UNWELL)
    p, uniques = s.connect(), [b"%d" % n for n in range(20)]
    acknowledged(submit_many(p, uniques[:10]), uniques, 10)
    proxy.cut_for_a_moment()
    acknowledged(submit_many(p, uniques[10:]), uniques[10:], 10)
    s.await_log("well again")
    check(db.count() == 20)


main()
