#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""MariaDB in trouble, and behind TLS: a sentence, nothing acknowledged that is not stored, and recovery without a restart."""
import os
import subprocess

from gearlive import *
from gearlive.durable import acknowledged, drain_jobs, submit_many
from gearlive.mysql import *

UNWELL = "queue mysql: changes are not stored; the server tries again until they are: "
WELL = "queue mysql: well again"


def refuses(t, sentence, *options, **how):
    """The server does not start: status 1 and the sentence on stderr."""
    s = t.server("-q", "mysql", *options, wait=False, **how)
    s.expect_log(sentence)
    s.end(1)


# --- TLS and options

def openssl(t, *words):
    t.run("openssl", *words)


def certificates(t, name):
    """An authority and a server's key and certificate by it: (CA, certificate, key)."""
    ca, ca_key, cert, key, csr = (t.path(name + end) for end in (".ca", ".ca-key", ".cert", ".key", ".csr"))
    new = ("-newkey", "rsa:2048", "-nodes", "-subj")
    openssl(t, "req", "-x509", "-days", "2", *new, "/CN=%s authority" % name, "-keyout", ca_key, "-out", ca)
    openssl(t, "req", *new, "/CN=localhost", "-keyout", key, "-out", csr)
    names = t.write(name + ".names", "subjectAltName = DNS:localhost, IP:127.0.0.1\n")
    openssl(t, "x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", names,
            "-out", cert)
    return ca, cert, key


@case("TLS: a server that shows the right certificate, others are refused; required where there is none", modes=(0,))
def _(t):
    t.need("openssl")
    ca, cert, key = certificates(t, "good")
    other_ca, other_cert, other_key = certificates(t, "other")
    os.chmod(t.dir, 0o755)
    for path in (key, other_key):
        os.chmod(path, 0o644)
    store = new_store("--ssl-ca=" + ca, "--ssl-cert=" + cert, "--ssl-key=" + key)
    store.sql("ALTER USER gearman@'%' REQUIRE SSL; CREATE USER picky@'%' REQUIRE X509; GRANT ALL ON jobs.* TO picky@'%'")
    db = Database(t, store)
    tcp = db.options_through(store.port)
    env = {"MYSQL_PWD": "secret"}

    refuses(t, "connecting: Access denied", *tcp, env=env)
    db.server("--mysql-ssl", base=tcp).stop()
    s = db.server("--mysql-ssl-ca=" + ca, base=tcp)
    handle = s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s.stop()
    picky = [o.replace("gearman", "picky") if o.startswith("--mysql-user") else o for o in tcp] + ["--mysql-ssl-ca=" + ca]
    refuses(t, "connecting: Access denied", *picky)
    s = db.server("--mysql-ssl-cert=" + cert, "--mysql-ssl-key=" + key, base=picky, env={})
    check([j[0] for j in drain_jobs(s)] == [handle])
    s.stop()

    refuses(t, "connecting: .*certificate", "--mysql-ssl-ca=" + other_ca, *tcp, env=env)
    refuses(t, "this file for TLS cannot be read: /nowhere", "--mysql-ssl-ca=/nowhere", *tcp, env=env)
    refuses(t, "--mysql-ssl-cert and --mysql-ssl-key go together", "--mysql-ssl-cert=" + cert, *tcp, env=env)
    store.kill()

    plain = new_store("--skip-ssl")
    tcp = Database(t, plain).options_through(plain.port)
    refuses(t, "connecting: .*(SSL|TLS)", "--mysql-ssl", *tcp, env=env)
    refuses(t, "connecting: .*(SSL|TLS)", "--mysql-ssl-ca=" + ca, *tcp, env=env)
    plain.kill()


@case("options by their old names, and from MySQL's option file", modes=(0,))
def _(t):
    db = Database(t)
    s = t.server("-q", "libdrizzle", "--libdrizzle-mysql", "--libdrizzle-host=127.0.0.1", "--libdrizzle-port=%d" % db.store.port,
                 "--libdrizzle-user=gearman", "--libdrizzle-password=secret", "--libdrizzle-db=jobs", "--libdrizzle-table=" + db.table)
    handle = s.connect().submit("f", "u", "x", SUBMIT_JOB_BG)
    s.stop()
    s = t.server("-q", "drizzle", "--libdrizzle-uds=" + db.store.socket, "--mysql-table=" + db.table, "--mysql-defaults-file=" +
                 t.write("my.cnf", "[gearmand]\nuser=gearman\npassword=secret\ndatabase=jobs\n"))
    check([j[0] for j in drain_jobs(s)] == [handle])


# --- while running

@case("a full disk: what does not fit gets an error at once, what is stored stays, and there is room again", modes=(2,))
def _(t):
    disk = t.path("disk")
    os.mkdir(disk)
    os.chmod(t.dir, 0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m,mode=0777", "none", disk]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
        t.skip("may not mount a small disk (not root)")
    try:
        db = Database(t)
        db.server().stop()  # makes the table
        made = db.sql("SHOW CREATE TABLE " + db.table)[0][1].replace("\\n", " ")
        db.sql("DROP TABLE " + db.table)
        db.sql("%s DATA DIRECTORY='%s'" % (made, disk))
        s = db.server()
        s.expect_log("queue mysql: full: new jobs are refused until there is room, removals go on: ")
        s.allow_log("QUEUE_ERROR")
        with open(t.path("disk/ballast"), "wb") as f:
            f.write(b"x" * (38 << 20))
        data, p, acked, full = os.urandom(10000), s.connect(), {}, False
        while not full:
            u = b"%d" % len(acked)
            p.send(SUBMIT_JOB_BG, "f", u, data=data)
            answer = p.packet("an answer")
            full = answer.nr == ERROR
            if not full:
                acked[u] = answer.parts[0]
        os.unlink(t.path("disk/ballast"))
        until(lambda: p.send(SUBMIT_JOB_BG, "f", b"again", data=data) or p.packet("an answer").nr == JOB_CREATED, "room")
        s.await_log("queue mysql: has room again")
        s.kill()
        s.start()
        done = drain_jobs(s)
        check([(u, h) for h, _, u, _ in done][:-1] == list(acked.items()) and done[-1][2] == b"again")
        check(all(d == data for _, _, _, d in done))
        s.stop()
        db.sql("DROP TABLE " + db.table)
    finally:
        subprocess.run(["umount", "-l", disk])


@case("max_allowed_packet is lowered: what does not fit any more is refused by itself, and does not hold up others", modes=(2,))
def _(t):
    store = new_store()
    db = Database(t, store)
    s = db.server("--queue-timeout=60")
    s.expect_log(UNWELL)
    large, p = os.urandom(3 << 20), s.connect()
    first = p.submit("f", "first", large, SUBMIT_JOB_BG)
    store.sql("SET GLOBAL max_allowed_packet = 1048576")
    db.end_sessions()
    p.raw(pack(SUBMIT_JOB_BG, "f", "a", data="1") + pack(SUBMIT_JOB_BG, "f", "large", data=large) +
          pack(SUBMIT_JOB_BG, "f", "b", data="2"))
    a = p.expect(JOB_CREATED)[0]
    code, text = p.expect(ERROR)
    check(code == b"QUEUE_ERROR" and b"too large for the MySQL queue: its server's max_allowed_packet" in text, text)
    b = p.expect(JOB_CREATED)[0]
    s.kill()
    s.start()
    check([(j[0], j[3]) for j in drain_jobs(s)] == [(first, large), (a, b"1"), (b, b"2")])
    s.stop()
    store.kill()


@case("the database becomes a replica that cannot be written to, and back: submissions wait", modes=(0,))
def _(t):
    store = new_store()
    db = Database(t, store)
    s = db.server("--queue-timeout=60")
    s.expect_log(UNWELL + ".*read-only")
    p = s.connect()
    before = p.submit("f", "before", "x", SUBMIT_JOB_BG)
    store.sql("SET GLOBAL read_only = 1")
    submit_many(p, [b"u"])
    s.await_log(UNWELL)
    with s.connect() as other:
        other.silent()
    store.sql("SET GLOBAL read_only = 0")
    acked = acknowledged(p, [b"u"], 1)
    s.await_log(WELL)
    check([j[0] for j in drain_jobs(s)] == [before, acked[b"u"]])
    db.await_rows(0)
    s.stop()
    store.kill()


main()
