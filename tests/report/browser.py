"""Chromium, driven by the DevTools protocol over two pipes: what a page does when it is opened for real.

One browser for many pages. Every page reports what it wrote to its console, what it asked the network for, and what its
security policy refused.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
SECONDS = 60.0  # that an answer may take; starting on a busy machine takes a dozen


def program() -> str | None:
    """Where the browser is; None where there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@dataclass
class Page:
    """One open page."""

    browser: Browser
    session: str
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: int = 0
    loaded: bool = False

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def run(self, script: str) -> Any:
        """The value of an expression in the page; not bound by the page's policy, as the protocol is outside."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def picture(self, path: Path) -> None:
        """A screenshot of what is in view."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def take(self, event: dict[str, Any]) -> None:
        """Note what happened."""
        name, given = event["method"], event["params"]
        if name == "Runtime.consoleAPICalled":
            self.console.append(f"{given['type']}: {given['args']}")
        elif name == "Runtime.exceptionThrown":
            self.console.append(str(given["exceptionDetails"]))
        elif name == "Log.entryAdded":
            self.console.append(f"{given['entry']['level']}: {given['entry']['text']}")
        elif name == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif name == "Page.javascriptDialogOpening":
            self.dialogs += 1
            self.browser.send("Page.handleJavaScriptDialog", self.session, accept=True)
        elif name == "Page.loadEventFired":
            self.loaded = True


class Browser:
    """A running browser."""

    def __init__(self, folder: Path) -> None:
        path = program()
        assert path is not None
        ours, self._out = os.pipe()
        self._in, theirs = os.pipe()
        shell = 'r=$1 w=$2; shift 2; exec "$@" 3<&$r 4>&$w'
        command = ["bash", "-c", shell, "bash", str(ours), str(theirs), path, *FLAGS, f"--user-data-dir={folder}"]
        self._process = subprocess.Popen(
            command, pass_fds=(ours, theirs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(ours)
        os.close(theirs)
        self._buffer = b""
        self._number = 0
        self._pages: dict[str, Page] = {}

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.send("Browser.close")
        self._process.wait(SECONDS)
        os.close(self._in)
        os.close(self._out)

    def send(self, method: str, session: str | None = None, **parameters: Any) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = memoryview(json.dumps(message).encode() + b"\0")
        while data:
            data = data[os.write(self._out, data) :]
        return self._number

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send, and wait for the answer; what happens meanwhile is noted."""
        number = self.send(method, session, **parameters)
        while True:
            message = self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], SECONDS)
            assert ready, "the browser is silent"
            data = os.read(self._in, 1 << 20)
            assert data, "the browser is gone"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(line)
        page = self._pages.get(message.get("sessionId", ""))
        if page is not None and "method" in message:
            page.take(message)
        return message

    @contextlib.contextmanager
    def page(self, url: str, *, width: int = 1280, dark: bool = False) -> Iterator[Page]:
        """Open a page, and wait until it is loaded; `width` in pixels, a telephone's below 600."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        page.call("Emulation.setEmulatedMedia", features=scheme)
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 600
        )
        page.loaded = False
        page.requests.clear()
        page.call("Page.navigate", url=url)
        ends = time.monotonic() + SECONDS
        while not page.loaded:
            assert time.monotonic() < ends, "the page does not load"
            self._next()
        yield page
        self.call("Target.closeTarget", targetId=target)
        del self._pages[session]
