# SPDX-License-Identifier: BSD-3-Clause
"""Live tests: a real server on a port of loopback, real sockets, real clients.

A test file is a script of cases, each a sentence:

    from gearlive import *

    @case("an ECHO_REQ comes back byte for byte")
    def _(t):
        p = t.server().connect()
        p.send(ECHO_REQ, data=b"a\\0b")
        p.expect(ECHO_RES, b"a\\0b")

    main()

Each case runs once for every thread mode it names (`-t 0 1 2 4` unless told), each time with a server and
a directory of its own.  The output is TAP.  The server is $GEARMAND, its modules are in
$GEARMAND_PLUGIN_PATH.  By hand:  GEARMAND=... python3 -B tests/live/echo.py [-t 2] [-k word] [-v]

  tap.py     case(), main(), the object `t` of a case
  server.py  Server: start, find the port, watch the log, stop or kill, measure
  wire.py    packet numbers, packing and splitting
  peer.py    Peer: one raw connection, in packets and in text lines

For durable queues: durable.py what their tests share, killing.py the kill test, standby.py two servers on one table, proxy.py a
network that can be cut, postgres.py, mysql.py and galera.py databases of a test's own, failing.py a queue that fails when told.
sdk.py: the SDK as it is installed, and examples built with it.
"""
from .wire import *
from .peer import *
from .server import *
from .tap import *
