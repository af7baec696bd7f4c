# SPDX-License-Identifier: BSD-3-Clause
"""A headless Chromium, told what to do by chromedriver (WebDriver, plain HTTP).  One for all cases of a file."""
import atexit
import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from .tap import Failure, die_with_parent, patience, until

__all__ = ["Browser", "browser", "axe", "KEY"]

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--window-size=1440,1000")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEY = {"enter": "\ue007", "escape": "\ue00c", "down": "\ue015", "up": "\ue013", "end": "\ue010", "tab": "\ue004"}
_one = None


def browser(t):
    """The browser of this process, with an empty page, its own size and theme."""
    global _one
    t.need("chromium", "chromedriver")
    if _one is None:
        _one = Browser()
        atexit.register(_one.quit)
    _one.size(1440, 1000)
    _one.theme("light")
    return _one


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="gearmand-chromium-")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       text=True, preexec_fn=die_with_parent)
        for line in self.driver.stdout:
            if "successfully on port" in line:
                self.url = "http://127.0.0.1:%d/session" % int(line.strip(". \n").split()[-1])
                break
        options = {"args": list(FLAGS) + ["--user-data-dir=" + self.profile], "binary": shutil.which("chromium")}
        got = self._call("POST", "", capabilities={"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}})
        self.url += "/" + got["sessionId"]

    def _call(self, method, path, **what):
        body = json.dumps(what).encode() if method == "POST" else None
        request = urllib.request.Request(self.url + path, method=method, data=body, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=3 * patience()) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise Failure("the browser: " + json.loads(e.read())["value"]["message"][:500])

    def quit(self):
        try:
            self._call("DELETE", "")
        finally:
            self.driver.kill()
            self.driver.wait()
            shutil.rmtree(self.profile, ignore_errors=True)

    def devtools(self, command, **what):
        return self._call("POST", "/goog/cdp/execute", cmd=command, params=what)

    # --- how it looks

    def size(self, width, height, phone=False):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def theme(self, name):
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self._call("GET", "/screenshot")))

    @contextlib.contextmanager
    def other_tab(self):
        """Another tab is in front, and the page is hidden."""
        page = self._call("GET", "/window")
        self._call("POST", "/window", handle=self._call("POST", "/window/new", type="tab")["handle"])
        try:
            yield
        finally:
            self._call("DELETE", "/window")
            self._call("POST", "/window", handle=page)

    # --- what is there and what is done

    def go(self, url):
        self._call("POST", "/url", url="about:blank")
        self._call("POST", "/url", url=url)

    def run(self, script, *args):
        return self._call("POST", "/execute/sync", script=script, args=list(args))

    def wait_run(self, script, *args):
        """The script calls arguments[arguments.length - 1] with its answer."""
        return self._call("POST", "/execute/async", script=script, args=list(args))

    def text(self, selector):
        return self.run("const e = document.querySelector(arguments[0]); return e ? e.innerText : null", selector)

    def until_text(self, selector, wanted):
        """Waits until the text of the first such element has this in it."""
        last = [None]

        def there():
            last[0] = self.text(selector)
            return last[0] is not None and wanted in last[0]
        try:
            until(there, "text")
        except Failure:
            raise Failure("%s: waited for %r, there is %r" % (selector, wanted, last[0]))

    def _find(self, selector):
        return self._call("POST", "/element", using="css selector", value=selector)[ELEMENT]

    def click(self, selector):
        self._call("POST", "/element/%s/click" % self._find(selector))

    def type(self, text, selector=None):
        """Keys, to an element or to what has the focus."""
        element = self._find(selector) if selector else self._call("GET", "/element/active")[ELEMENT]
        self._call("POST", "/element/%s/value" % element, text=text)

    def press(self, *keys):
        """Keys without an element: as a hand does it."""
        actions = [{"type": kind, "value": KEY.get(k, k)} for k in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def complaints(self):
        """What it logged since it was asked last: errors of scripts, refusals by the page's policy."""
        return [entry["message"] for entry in self._call("POST", "/se/log", type="browser")]


def axe(t):
    """The text of axe-core, from npm."""
    if shutil.which("npm") is None:
        t.skip("npm is not installed")
    where = t.path("npm")
    os.mkdir(where)
    t.run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", where, "axe-core@4", limit=120,
          env={"HOME": where})
    with open(os.path.join(where, "node_modules/axe-core/axe.min.js")) as f:
        return f.read()
