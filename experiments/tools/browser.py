"""A headless Chromium driven through a pipe: keys, pointers, screenshots, what it asked of the network and said.

The DevTools protocol, by --remote-debugging-pipe: JSON messages that end with a zero byte, read from descriptor 3
and written to 4. Nothing but the standard library; one start serves as many pages as a test file likes.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

BROWSERS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE = 120.0


def installed() -> str | None:
    """The path of a browser, if there is one."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def _above(descriptor: int) -> int:
    """The same open file under a number of at least 10."""
    found = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return found


class Browser:
    """One browser process with one page; a context manager."""

    def __init__(self, path: str | None = None):
        path = path or installed()
        assert path, "no browser"
        self.folder = tempfile.TemporaryDirectory()
        theirs_in, self.out = os.pipe()
        self.into, theirs_out = os.pipe()
        # the shell puts the two ends where the browser looks for them; numbers far from those two
        theirs_in, theirs_out = _above(theirs_in), _above(theirs_out)
        shell = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        words = [path, *FLAGS, f"--user-data-dir={self.folder.name}", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "browser", *words],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.count, self.session = b"", 0, None
        self.events: list[dict] = []
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "DOM", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:  # nobody else could end it
            self.close()
            raise

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """End the process, by force where it does not listen, and remove what it wrote."""
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(20)
        except (OSError, AssertionError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.into)
        self.folder.cleanup()

    # --- the protocol ---------------------------------------------------------------------------------

    def call(self, method: str, **parameters) -> dict:
        """Send a command, keep the events that come, return its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data) :]
        while True:
            answer = self.receive()
            if answer.get("id") == self.count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def receive(self, patience: float = PATIENCE) -> dict:
        end = time.monotonic() + patience
        while b"\0" not in self.buffer:
            ready, *_ = select.select([self.into], [], [], max(end - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            part = os.read(self.into, 1 << 20)
            assert part, "the browser has ended"
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def wait(self, event: str) -> dict:
        """The next event of that name, among those that came already too."""
        for n, seen in enumerate(self.events):
            if seen.get("method") == event:
                return self.events.pop(n)["params"]
        while True:
            seen = self.receive()
            if seen.get("method") == event:
                return seen["params"]
            self.events.append(seen)

    # --- a page ---------------------------------------------------------------------------------------

    def open(self, address: str) -> None:
        """Load a page and wait until it is there."""
        self.call("Page.navigate", url="about:blank")
        self.wait("Page.loadEventFired")
        self.call("Page.navigate", url=address)
        self.wait("Page.loadEventFired")

    def run(self, code: str):
        """The value of an expression in the page, awaited; an exception there is one here."""
        found = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, json.dumps(found["exceptionDetails"])[:2000]
        return found["result"].get("value")

    def key(self, key: str, code: int = 0) -> None:
        """Press and release a key: "Tab", "ArrowRight", "Enter"; code: its Windows number."""
        known = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}
        code = code or known.get(key, 0)
        text = {"Enter": "\r", " ": " "}.get(key, "")
        down = "keyDown" if text else "rawKeyDown"
        parts = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type=down, text=text, **parts)
        self.call("Input.dispatchKeyEvent", type="keyUp", **parts)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """The left button down at one place, moved to another, up."""
        parts = {"button": "left", "buttons": 1}
        self.call(
            "Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], clickCount=1, **parts
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=end[0], y=end[1], **parts)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], clickCount=1, **parts)

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """The window, in CSS pixels, and the scheme of colours that the reader prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1.0,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        """A screenshot of the window."""
        found = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))

    def requests(self) -> list[str]:
        """Addresses that were asked for, but for the page itself and data in it."""
        sent = [seen for seen in self.events if seen.get("method") == "Network.requestWillBeSent"]
        urls = [seen["params"]["request"]["url"] for seen in sent]
        return [url for url in urls if not url.startswith(("file:", "data:", "blob:", "about:"))]

    def complaints(self) -> list[str]:
        """What was said in the console, and exceptions."""
        found = []
        for seen in self.events:
            if seen.get("method") in (
                "Runtime.consoleAPICalled",
                "Runtime.exceptionThrown",
                "Log.entryAdded",
            ):
                found.append(json.dumps(seen["params"])[:500])
        return found
