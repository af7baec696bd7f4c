# SPDX-License-Identifier: BSD-3-Clause
"""A server that speaks HTTP, and clients of it: raw ones, and curl."""
import json

from .peer import Peer
from .tap import check, patience, until

__all__ = ["http_server", "http", "Answer", "start_curl", "finish", "curl", "curl_json", "job_of"]


def http_server(t, *options, **how):
    t.need("curl")
    s = t.server("-r", "http", "--http-port=0", "--http-listen=127.0.0.1", *options, **how)
    s.http_port = until(lambda: s.service_port("http"), "the HTTP port")
    s.http = "http://127.0.0.1:%d" % s.http_port
    return s


class Answer:
    """headers: by their names in small letters."""

    def __init__(self, head, body=b""):
        lines = head.decode().split("\r\n")
        self.line, self.status, self.body = lines[0], int(lines[0].split()[1]), body
        self.headers = {k.lower(): v for k, _, v in (x.partition(": ") for x in lines[1:] if x)}

    def __repr__(self):
        return "%s %r %r" % (self.line, self.headers, self.body[:300])

    def json(self):
        return json.loads(self.body)


class Http(Peer):
    """A connection to the HTTP port."""

    text = b""  # of events, not told yet

    def request(self, method, target, headers="", body=None):
        length = "" if body is None else "Content-Length: %d\r\n" % len(body)
        return self.raw(("%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n" % (method, target, length, headers)).encode() + (body or b""))

    def head(self):
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            got += self.read(1, "the head of a response; so far: %r" % got)
        return Answer(got[:-4])

    def answer(self, body=True):
        got = self.head()
        if body:
            got.body = self.read(int(got.headers.get("content-length", 0)))
        return got

    def until(self, end, what):
        """Bytes up to and with `end`."""
        got = b""
        while not got.endswith(end):
            got += self.read(1, "%s; so far: %r" % (what, got[-300:]))
        return got

    def chunk(self):
        """The next chunk; b"" is the last one, and its trailers follow."""
        size = int(self.until(b"\r\n", "the head of a chunk"), 16)
        got = self.read(size)
        if size > 0:
            check(self.read(2) == b"\r\n")
        return got

    def event(self):
        """(name, data) of the next server-sent event; comments are passed over.  None: there are no more."""
        while True:
            while b"\n\n" not in self.text:
                got = self.chunk()
                if got == b"":
                    check(self.text == b"" and self.read(2) == b"\r\n")
                    return None
                self.text += got
            text, _, self.text = self.text.partition(b"\n\n")
            if text.startswith(b"event: "):
                name, _, fields = text[7:].partition(b"\n")
                check(all(x.startswith(b"data: ") for x in fields.split(b"\n")), text)
                return name.decode(), b"\n".join(x[6:] for x in fields.split(b"\n"))


def http(s, **how):
    return Http(("127.0.0.1", s.http_port), **how)


def start_curl(t, s, *words):
    """Words that begin with '/' are paths of the server."""
    return t.spawn("curl", "-sS", "-i", "--max-time", "60", *[s.http + w if w.startswith("/") else w for w in words])


def finish(p, status=0):
    out, _ = p.communicate(timeout=3 * patience())
    check(p.returncode == status, "curl ended with status %d: %r" % (p.returncode, out[:300]))
    while True:
        head, _, out = out.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 100"):
            return Answer(head, out)


def curl(t, s, *words, status=0):
    return finish(start_curl(t, s, *words), status)


def curl_json(t, s, *words):
    """The object, of an answer with status 200."""
    got = curl(t, s, *words)
    check(got.status == 200 and got.headers["content-type"] == "application/json", got)
    return got.json()


def job_of(p, handle):
    """What `show job` says, by name; p speaks Gearman."""
    return dict(line.split(b"\t", 1) for line in p.listing(b"show job " + (handle if isinstance(handle, bytes) else handle.encode())))
