# SPDX-License-Identifier: BSD-3-Clause
"""Stands in for a server: the real page, in front of numbers that a case makes up.

For what a real server is slow to come to: an hour of waiting, a full disk, ten thousand functions.  It speaks the monitor's JSON
interface, as far as the page uses it."""
import json
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["StandIn", "row"]

SERIES = ("submitted", "completed", "failed", "wait_p50", "wait_p95", "oldest_waiting", "waiting", "running", "delayed", "dead",
          "commit_p99", "batch", "lag_p99")
COLUMNS = ("running ready_high ready_normal ready_low delayed retrying dead workers sleeping paused oldest_waiting oldest_running submitted_foreground "
           "submitted_background joined assigned ended_completed ended_failed ended_exception ended_timeout ended_cancelled ended_abandoned "
           "ended_expired ended_dead ended_dropped lost_connection lost_ability lost_timeout lost_fail lost_exception wait_seconds run_seconds").split()


def row(name, number=1, **numbers):
    got = {"name": name, "number": number, "gate": "open"}
    got.update((c, 0) for c in COLUMNS)
    got.update(numbers)
    got.setdefault("waiting", got["ready_high"] + got["ready_normal"] + got["ready_low"])
    got["jobs"] = got["waiting"] + got["running"] + got["delayed"]
    return got


class StandIn:
    """page: (body, policy) of the real one.  rows: functions; change them with `change`.  Each POST is kept in `posts`."""

    def __init__(self, page, rows, status=None, history=None):
        self.page, self.rows, self.posts = page, {r["name"]: r for r in rows}, []
        self.status, self.history = status or {}, history
        self.jobs, self.dead, self.workers, self.running, self.data = [], [], [], [], {}
        self.modules, self.options = [], []
        self.news = threading.Condition()
        self.generation, self.ended, self.changed = 0, False, {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer._get(self)

            def do_POST(self):
                outer._post(self)

            def log_message(self, *_):
                pass
        self.handler = Handler
        self.port = 0
        self.start()

    def start(self):
        """Also again after stop(), on the same port."""
        self.ended = False
        self.http = ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.http.daemon_threads = True
        self.port = self.http.server_port
        self.url = "http://127.0.0.1:%d/" % self.port
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        with self.news:
            self.ended = True
            self.news.notify_all()
        self.http.shutdown()
        self.http.server_close()

    def change(self, name=None, **numbers):
        with self.news:
            if name is not None:
                self.rows[name] = row(**{**self.rows.get(name, {"name": name}), **numbers})
            self.generation += 1
            self.changed[name] = self.generation
            self.news.notify_all()

    # --- answers

    def _status(self):
        now = time.time()
        got = {"state": "serving", "version": "1.0.0-rc1", "queue": "sqlite", "store": "well", "store_error": "", "store_since": int(now) - 9000, "now": now,
               "started": int(now) - 90000, "rights": "manage", "values": {"job_bytes_now": 1 << 20, "connections_now": 9},
               "histograms": {"store_commit": {"sum": 1, "bounds": [0.001, 0.01], "counts": [5, 1, 0]}},
               "process": {"cpu_seconds": 20, "resident_bytes": 9 << 20, "open_fds": 30, "max_fds": 1024}, "threads": {"main": 1.5, "proc": 12.25}}
        got.update(self.status)
        return got

    def _history(self, span):
        step = {600: 1, 10800: 10, 604800: 300}[span]
        series = self.history(span, step) if self.history else {name: [0.01] * (span // step) for name in SERIES}
        return {"step": step, "end": time.time(), "series": series}

    def _send(self, h, body, kind="application/json", status=200, **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        h.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(body), **headers}.items():
            h.send_header(name.replace("_", "-"), str(value))
        h.end_headers()
        h.wfile.write(body)

    def _get(self, h):
        url = urllib.parse.urlparse(h.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        name = re.fullmatch(r"/api/functions/([^/]+)(/jobs)?", url.path)
        if url.path == "/":
            self._send(h, self.page[0], "text/html; charset=utf-8", Content_Security_Policy=self.page[1])
        elif url.path == "/api/events":
            self._stream(h)
        elif url.path == "/api/history":
            self._send(h, self._history(int(query["span"])))
        elif name:
            r = self.rows[urllib.parse.unquote(name[1])]
            self._send(h, {"jobs": self.jobs} if name[2] else dict(r, policy="line 3 mail.* attempts=10 delay=15s"))
        elif url.path.endswith("/data"):
            data = self.data.get(urllib.parse.unquote(url.path[10:-5]))
            if data is None:
                self._send(h, {"detail": "UNKNOWN_JOB"}, status=404)
            else:
                self._send(h, {"handle": "", "bytes": len(data), "hex": data[:1024].hex()})
        elif url.path.startswith("/api/jobs/"):
            self._send(h, {"handle": urllib.parse.unquote(url.path[10:]), "state": "dead", "function": "mail", "error": "timed out"})
        else:
            known = {"/api/status": self._status, "/api/functions": lambda: {"functions": list(self.rows.values())},
                     "/api/workers": lambda: {"workers": self.workers}, "/api/running": lambda: {"running": self.running},
                     "/api/dead": lambda: {"dead": self.dead}, "/api/modules": lambda: {"modules": self.modules}, "/api/options": lambda: {"options": self.options}}
            self._send(h, known[url.path]()) if url.path in known else self._send(h, {"detail": "there is nothing here"}, status=404)

    def _stream(self, h):
        h.send_response(200)
        h.send_header("Content-Type", "text/event-stream")
        h.end_headers()
        h.close_connection = True
        seen, full = 0, True
        try:
            while not self.ended:
                with self.news:
                    self.news.wait_for(lambda: self.generation != seen or self.ended, timeout=1)
                    rows = [r for r in self.rows.values() if full or self.changed.get(r["name"], 0) > seen]
                    seen, status = self.generation, self._status()
                parts = [{"full": full and at == 0, "functions": rows[at:at + 1000]} for at in range(0, len(rows) or 1, 1000)]
                for event, data in [("status", status)] + [("functions", part) for part in parts]:
                    h.wfile.write(("event: %s\ndata: %s\n\n" % (event, json.dumps(data))).encode())
                full = False
        except OSError:
            pass

    def _post(self, h):
        self.posts.append(h.path)
        self._send(h, {"count": 7})
