#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Two servers and one table of PostgreSQL or MariaDB: a standby takes over, whatever became of the first, and what the
first had acknowledged is there; who lost the table acknowledges nothing any more, and stops."""
import re
import signal

from gearlive import *
from gearlive import mysql, postgres
from gearlive.durable import acknowledged, drain_jobs, submit_many
from gearlive.killing import *
from gearlive.proxy import *
from gearlive.standby import *


def on_both(sentence, databases=(postgres, mysql), **how):
    """A case for each of the databases."""
    def declare(function):
        for module in databases:
            name = "PostgreSQL" if module is postgres else "MariaDB"
            case("%s: %s" % (name, sentence), **how)(lambda t, module=module: function(t, module))
    return declare


@on_both("kill -9 of the first under load: the standby has all that was acknowledged, handles and times unchanged", modes=(2,),
         limit=KILL_LIMIT)
def _(t, module):
    db = module.Database(t)
    load = Load(db.times)
    first = db.server(FOREVER, verbose="NOTICE")
    for _ in range(max(1, KILL_ROUNDS // 3)):
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
        proxy.close()  # so that it does not come back at once
        db.end_sessions()
    lost_and_found(t, module, lose, lambda proxy, first: proxy.heal())


@on_both("the network of the first is cut under load: the standby takes over after --...-session-timeout, the first stops when "
         "it is back", databases=[mysql], modes=(0,))
def _(t, module):
    lost_and_found(t, module, lambda db, proxy, first: proxy.cut(), lambda proxy, first: proxy.heal(), SOON[module], HASTY[module])


@on_both("the first is frozen under load: the standby takes over after --...-session-timeout, the first stops when it thaws",
         databases=[postgres], modes=(2,))
def _(t, module):
    lost_and_found(t, module, lambda db, proxy, first: first.signal(signal.SIGSTOP),
                   lambda proxy, first: first.signal(signal.SIGCONT), SOON[module])


@on_both("the standby took over, left jobs and ended: the first, when it is back, does not go on without them", modes=(2,))
def _(t, module):
    db = module.Database(t)
    proxy = Proxy(db.store.port)
    first = db.server(FOREVER, base=db.options_through(proxy.port))
    old = first.connect().submit("f", "old", "1", SUBMIT_JOB_BG)
    second = standby(db)
    proxy.close()
    db.end_sessions()
    new = serves(second).connect().submit("f", "new", "2", SUBMIT_JOB_BG)
    second.stop()
    proxy.heal()
    loses(first)
    check(re.search("meanwhile, .*left jobs in it", first.log()), first.log())
    first.start()
    check([j[0] for j in drain_jobs(first)] == [old, new])


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
