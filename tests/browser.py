"""A headless Chromium, driven through its DevTools pipe: pages are opened, asked, clicked and typed at."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Chromium reads commands from descriptor 3 and answers on 4; in between nothing may lie in their way.
_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3]]
for end, place in zip(ends, (3, 4)):
    os.dup2(end, place)
os.execv(sys.argv[3], sys.argv[3:])
"""
_WORDS = (
    *("--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--hide-scrollbars", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--force-color-profile=srgb", "--font-render-hinting=none", "--lang=en"),
)
_PATIENCE_S = 60.0
_KEYS = {"Tab": 9, "Enter": 13, "ArrowDown": 40, "End": 35}


def chromium() -> str:
    """The program; skips the test where there is none."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    if not found:
        pytest.skip("no Chromium: `sudo apt-get install -y --no-install-recommends chromium`, then run make test again")
    return found


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """One that has been started, with a profile of its own in `profile`."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [sys.executable, "-c", _LAUNCH, str(theirs_in), str(theirs_out), chromium()]
    process = subprocess.Popen(
        [*command, *_WORDS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(ours_out, ours_in)
    finally:
        os.close(ours_out)
        os.close(ours_in)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


class Browser:
    """One tab.

    Attributes
    ----------
    events
        What it has told unasked since the page was opened: (method, parameters).
    """

    def __init__(self, out: int, back: int) -> None:
        self._out, self._in, self._buffer, self._n = out, back, b"", 0
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._session: str | None = None
        tab = self.does("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.does("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.does(f"{domain}.enable")

    def does(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; returns its result."""
        self._n += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._n, "method": method, "params": parameters, **session}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (told := self._next()).get("id") != self._n:
            self.events.append((told["method"], told["params"]))
        assert "error" not in told, f"{method}: {told['error']}"
        result: dict[str, Any] = told["result"]
        return result

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium doesn't answer"
            read = os.read(self._in, 1 << 20)
            assert read, "Chromium has ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told

    def open(self, page: Path, fragment: str = "", *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open a file in a window of this size and wait until it is loaded."""
        self.does("Page.navigate", url="about:blank")
        self.does("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.does("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.does("Page.navigate", url=page.resolve().as_uri() + (f"#{fragment}" if fragment else ""))
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")

    def wait_for(self, condition: str) -> None:
        """Until an expression holds."""
        end = time.monotonic() + _PATIENCE_S
        while not self.value(condition):
            assert time.monotonic() < end, f"never: {condition}"

    def value(self, expression: str) -> Any:
        """What an expression comes to in the page; promises are waited for."""
        told = self.does("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """The text of every element that there is."""
        found: list[str] = self.value(f"[...document.querySelectorAll({selector!r})].map((one) => one.innerText)")
        return found

    def click(self, selector: str) -> None:
        """With the mouse, in the element's middle: it must be there to be hit."""
        middle = self.value(
            f"(() => {{ const one = document.querySelector({selector!r}); one.scrollIntoView({{block: 'nearest'}});"
            " const {x, y, width, height} = one.getBoundingClientRect(); return [x + width / 2, y + height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            x, y = middle
            self.does("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def write(self, words: str) -> None:
        """Type into what has the focus."""
        self.does("Input.insertText", text=words)

    def press(self, key: str) -> None:
        """A key by its name."""
        text = {"text": "\r"} if key == "Enter" else {}
        known = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        self.does("Input.dispatchKeyEvent", type="keyDown", **known, **text)
        self.does("Input.dispatchKeyEvent", type="keyUp", **known)

    def choose(self, selector: str, value: str) -> None:
        """An option of a select, as the list that Chromium draws outside the page does it."""
        self.value(
            f"(() => {{ const one = document.querySelector({selector!r}); one.value = {value!r};"
            " one.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the window, or of all of the page."""
        told = self.does("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))

    def complaints(self) -> list[str]:
        """Errors of scripts and of the security policy; a picture that isn't there is none."""
        found = [told["entry"] for method, told in self.events if method == "Log.entryAdded"]
        logged = [entry["text"] for entry in found if entry["level"] == "error" and entry["source"] != "network"]
        thrown = [str(told["exceptionDetails"]) for method, told in self.events if method == "Runtime.exceptionThrown"]
        return logged + thrown

    def asked_for(self) -> list[str]:
        """Every address that the page has asked for."""
        return [told["request"]["url"] for method, told in self.events if method == "Network.requestWillBeSent"]
