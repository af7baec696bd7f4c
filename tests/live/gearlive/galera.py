# SPDX-License-Identifier: BSD-3-Clause
"""A Galera cluster of two MariaDB servers on this machine.  Each can be written to."""
import os
import shutil
import socket

from . import mysql
from .tap import Failure, Skip, until

__all__ = ["new_cluster"]

PROVIDERS = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/libgalera_smm.so")


def _ports(count):
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def _options(provider, of, own, weight):
    group, ist, sst = own
    return ["--wsrep-on=ON", "--wsrep-provider=" + provider, "--wsrep-cluster-name=test", "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2", "--wsrep-cluster-address=gcomm://" + of, "--wsrep-node-address=127.0.0.1:%d" % group,
            "--wsrep-sst-method=rsync", "--wsrep-sst-receive-address=127.0.0.1:%d" % sst,
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d;gcache.size=8M;"
            "pc.weight=%d;evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.2S;evs.suspect_timeout=PT1S;"
            "evs.inactive_timeout=PT3S" % (group, ist, weight)]


def new_cluster():
    """Two nodes: the second goes on without the first, but not the other way round."""
    provider = next(filter(os.path.exists, PROVIDERS), None)
    if provider is None or not shutil.which("rsync"):
        raise (Failure if os.environ.get("CI") else Skip)("no Galera is installed (Debian: galera-4, rsync)")
    ports = _ports(6)
    first = mysql.new_store(*_options(provider, "", ports[:3], 1))
    second = mysql.new_store(*_options(provider, "127.0.0.1:%d" % ports[0], ports[3:], 3), create=False)
    until(lambda: "Synced" in second.sql("SHOW STATUS LIKE 'wsrep_local_state_comment'"), "the second node")
    return first, second
