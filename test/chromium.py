"""A headless Chromium, driven by its DevTools protocol: opens a page, looks, clicks, types, takes a picture."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
)  # fmt: skip
WAIT = 40.0


def find_chromium() -> str:
    """The path of a Chromium; "" where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), "")


class Page:
    """One window, or the browser itself."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._number = connection, 0

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a command of the protocol."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=WAIT))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until a JavaScript expression is true; its value."""
        deadline = time.monotonic() + WAIT
        while not (value := self.value(expression)):
            assert time.monotonic() < deadline, f"waited in vain for {expression}; the page says {self.text[:2000]}"
            time.sleep(0.1)
        return value

    @property
    def text(self) -> str:
        """All that is written on the page."""
        return self.value("document.body ? document.body.innerText : ''")

    def has(self, text: str) -> None:
        """Wait until the page says ``text``."""
        self.until(f"document.body && document.body.innerText.includes({json.dumps(text)})")

    def click(self, element: str) -> None:
        """Click in the middle of the ``element``, a JavaScript expression, as a mouse does."""
        box = self._box(element)
        self._mouse("mousePressed", *box)
        self._mouse("mouseReleased", *box)

    def button(self, label: str) -> str:
        """The expression of the button that says ``label``."""
        return f"[...document.querySelectorAll('button')].find(b => b.innerText.trim() === {json.dumps(label)})"

    def drag(self, element: str, pixels: float) -> None:
        """Drag the ``element`` to the right."""
        x, y = self._box(element)
        self._mouse("mousePressed", x, y)
        for step in range(1, 6):
            self._mouse("mouseMoved", x + pixels * step / 5, y)
        self._mouse("mouseReleased", x + pixels, y)

    def press(self, key: str, code: str) -> None:
        """Press and release a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=ord(key))

    def type(self, text: str) -> None:
        """Type ``text`` key by key, as a person does."""
        for character in text:
            code = "Space" if character == " " else f"Key{character.upper()}"
            key = {"key": character, "code": code, "windowsVirtualKeyCode": ord(character.upper())}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=character, **key)
            self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def picture(self, path: Path) -> None:
        """Write what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _box(self, element: str) -> tuple[float, float]:
        self.until(f"!!({element})")
        box = self.value(
            f"(e => {{e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2]}})({element})"
        )
        return box[0], box[1]

    def _mouse(self, kind: str, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


class Chromium:
    """A browser with an empty profile; ``close`` ends it."""

    def __init__(self, profile: Path, size: tuple[int, int] = (1200, 1000)) -> None:
        options = [*OPTIONS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"]
        # Drawing without a graphics card must not take the processor from what is looked at.
        command = ["nice", "-n", "15", find_chromium(), *options, "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        written, deadline = profile / "DevToolsActivePort", time.monotonic() + WAIT
        while not (written.is_file() and written.read_text().strip()):
            assert self._process.poll() is None and time.monotonic() < deadline, "Chromium does not start"
            time.sleep(0.05)
        port, path = written.read_text().split()
        self._address = f"127.0.0.1:{port}"
        self._connections = [connect(f"ws://{self._address}{path}", open_timeout=WAIT)]
        self._browser = Page(self._connections[0])

    def open(self, url: str) -> Page:
        """A new window: a tab behind another one would not be drawn."""
        target = self._browser.call("Target.createTarget", url=url, newWindow=True)["targetId"]
        socket = f"ws://{self._address}/devtools/page/{target}"
        self._connections.append(connect(socket, max_size=None, open_timeout=WAIT))
        return Page(self._connections[-1])

    def close(self) -> None:
        """End the browser at once, as when its computer is lost."""
        self._process.kill()
        self._process.wait(WAIT)
        for connection in self._connections:
            connection.socket.close()
