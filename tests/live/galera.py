#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Two servers and one table of a Galera cluster, each at a node of its own: a named lock is no use there, the row in
gearmand_lock is."""
import signal

from gearlive import *
from gearlive import galera, mysql
from gearlive.killing import *
from gearlive.standby import *


@case("Galera: a node without the others is waited for; a server at each node: the first is frozen, and cannot store when it "
      "thaws; the first node is killed", modes=(2,), limit=120)
def _(t):
    nodes = galera.new_cluster()
    here, there = (mysql.Database(t, node) for node in nodes)
    there.table = here.table
    load = Load(there.times)
    first = here.server(FOREVER, SOON[mysql], verbose="NOTICE")
    here.sql("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")
    load.start(first)
    first.await_log("WSREP has not yet prepared node|Not connected to Primary Component")
    here.sql("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'", check=False)
    load.await_some()

    second = standby(there, SOON[mysql])
    first.signal(signal.SIGSTOP)
    serves(second)
    first.signal(signal.SIGCONT)
    loses(first)
    load.join()
    load.compare(second)

    second.stop()
    first.start()  # at once: the second has let go of it
    second = standby(there, SOON[mysql])
    load.start(first)
    load.await_some()
    nodes[0].kill()
    serves(second)
    first.kill()
    load.join()
    load.compare(second)


main()
