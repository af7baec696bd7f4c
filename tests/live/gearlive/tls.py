# SPDX-License-Identifier: BSD-3-Clause
"""TLS: authorities and certificates made with the openssl command, once for a test's process, and a peer that sees its records.

    pki().ca                        an authority's certificate
    pki().pair("name", **how)       (certificate, key); see Authority.pair
    tls_server(t)                   a server with --ssl; s.port speaks TLS
    TlsPeer(address, context(...))  a Peer above OpenSSL's memory BIOs: what it sends can be cut, and what it gets be held back"""
import atexit
import functools
import os
import shutil
import ssl
import subprocess
import tempfile
import time

from .peer import Peer, ready
from .tap import Failure, check, patience, until
from .wire import *

__all__ = ["Authority", "TlsPeer", "context", "pki", "tls_files", "tls_server", "tls_connect", "refused"]

CONFIG = """
[ca]
default_ca = all
[all]
dir = .
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
copy_extensions = none
unique_subject = no
[any]
commonName = optional
[req]
distinguished_name = none
prompt = no
[none]
"""
EXTENSIONS = {
    "server": "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\n",
    "client": "extendedKeyUsage=clientAuth\n",
    "ca": "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n",
}


@functools.lru_cache(None)
def _folder():
    folder = tempfile.mkdtemp(prefix="gearmand-tls-")
    os.chmod(folder, 0o755)
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    return folder


class Authority:
    """Its files are in a folder of its own; `ca` is its certificate, and those above it."""

    def __init__(self, name, above=None):
        self.dir, self.name = os.path.join(_folder(), name), name
        os.mkdir(self.dir)
        for file, text in (("ca.cnf", CONFIG), ("index.txt", ""), ("serial", "1000\n")):
            with open(os.path.join(self.dir, file), "w") as f:
                f.write(text)
        self.made = {}
        if above:
            self.cert, self.key = above.pair(name, kind="ca")
        else:
            self.cert, self.key = self.path("ca.pem"), self.path("ca.key")
            self._openssl("req", "-x509", "-days", "3650", *self._new_key(self.key), "-subj", "/CN=" + name, "-out", self.cert)
        self.ca = self.cert

    def path(self, name):
        return os.path.join(self.dir, name)

    def _openssl(self, *words):
        p = subprocess.run(["openssl", *words], cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=3 * patience())
        check(p.returncode == 0, "openssl %s: %s" % (" ".join(words), p.stdout.decode(errors="replace")))

    @staticmethod
    def _new_key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]

    def pair(self, name, kind="server", subject=None, more="", begins=None, ends=None):
        """(certificate, key).  `more`: lines of extensions; `begins` and `ends`: seconds from now."""
        wanted = (name, kind, subject, more, begins, ends)
        if wanted not in self.made:
            base = "%s.%d" % (name, len(self.made))
            cert, key, csr, ext = (self.path(base + s) for s in (".pem", ".key", ".csr", ".ext"))
            with open(ext, "w") as f:
                f.write(EXTENSIONS[kind] + more)
            self._openssl("req", "-new", *self._new_key(key), "-subj", subject or "/CN=" + name, "-out", csr)

            def date(seconds, otherwise):
                return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + (otherwise if seconds is None else seconds)))
            self._openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", self.cert, "-keyfile", self.key, "-in", csr,
                          "-out", cert, "-extfile", ext, "-startdate", date(begins, -86400), "-enddate", date(ends, 30 * 86400))
            self.made[wanted] = cert, key
        return self.made[wanted]

    def revoke(self, cert):
        self._openssl("ca", "-config", "ca.cnf", "-cert", self.cert, "-keyfile", self.key, "-revoke", cert)

    def crl(self, name, seconds=86400):
        """A list of what is revoked by now, that is valid until so many seconds from now."""
        until = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))
        last = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 86400))
        self._openssl("ca", "-gencrl", "-config", "ca.cnf", "-cert", self.cert, "-keyfile", self.key, "-crl_lastupdate", last,
                      "-crl_nextupdate", until, "-out", name)
        return self.path(name)


@functools.lru_cache(None)
def pki(name="authority", above=None):
    return Authority(name, above)


def context(ca=True, pair=None, least=None, most=None):
    """A client's: `ca` True = the usual authority, None = takes any server.  `pair`: its own certificate and key."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    else:
        c.load_verify_locations(pki().ca if ca is True else ca)
    if pair:
        c.load_cert_chain(*pair)
    if least:
        c.minimum_version = least
    if most:
        c.maximum_version = most
    return c


class TlsPeer(Peer):
    def __init__(self, address, context, name="localhost", shake=True, **how):
        super().__init__(address, **how)
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inward, self.outward, server_hostname=name)
        if shake:
            self.shake()

    def flush(self):
        self.sock.settimeout(patience())
        self.sock.sendall(self.outward.read())
        return self

    def hear(self, deadline, what):
        """More of what the server sent goes to OpenSSL; False at its end."""
        left = deadline - time.monotonic()
        if left <= 0 or not ready([self], left):
            raise Failure("nothing came while waiting for %s; unread: %r" % (what, bytes(self.buf[:200])))
        try:
            got = self.sock.recv(1 << 20)
        except ConnectionError:
            got = b""
        self.inward.write(got)
        return len(got) > 0

    def shake(self):
        deadline = time.monotonic() + patience()
        while True:
            try:
                self.tls.do_handshake()
                return self.flush()
            except ssl.SSLWantReadError:
                self.flush()
                if not self.hear(deadline, "the handshake"):
                    raise Failure("connection closed in the handshake")
            except ssl.SSLError:
                self.flush()
                raise

    def sealed(self, data):
        """The records of these bytes, for raw_wire()."""
        self.tls.write(data)
        return self.outward.read()

    def raw_wire(self, data):
        return super().raw(data)

    def raw(self, data):
        at = memoryview(data)
        while at:
            at = at[self.tls.write(at[:1 << 20]):]
            self.flush()
        return self

    def goodbye(self):
        """close_notify, and no end of file."""
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            pass
        return self.flush()

    def _plain(self):
        while True:
            try:
                got = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                return True
            except ssl.SSLZeroReturnError:
                return False
            if not got:
                return False
            self.buf += got

    def _more(self, deadline, what):
        before = len(self.buf)
        while len(self.buf) == before:
            if not self._plain():
                return len(self.buf) > before
            if len(self.buf) == before and not self.hear(deadline, what):
                return False
        self.flush()
        return True


def tls_files(pair=None, ca=None, crl=None):
    cert, key = pair or pki().pair("server")
    return ["--ssl-certificate=" + cert, "--ssl-key=" + key, "--ssl-ca-file=" + (ca or pki().ca)] + \
        (["--ssl-crl-file=" + crl] if crl else [])


def tls_server(t, *options, pair=None, ca=None, crl=None, ssl="--ssl", **how):
    t.need_module("transport-tls")
    t.need("openssl")
    s = t.server(*([ssl] if ssl else []), *tls_files(pair, ca, crl), *options, **how)
    s.port = s.service_port("gear, tls") or s.port
    return s


def tls_connect(s, c=None, **how):
    return TlsPeer(("127.0.0.1", s.port), c or context(), **how)


def refused(s, c, why=None, **how):
    """A client with this context is refused; the log says why.  Returns what the client is told."""
    if why:
        s.expect_log(why)
    try:
        p = tls_connect(s, c, **how)
        p.send(ECHO_REQ, data=b"in?")
        p.expect_closed()
        raise Failure("closed without a word of TLS")
    except ssl.SSLError as e:
        return e.reason or str(e)
