"""A headless Chromium, driven over its DevTools protocol: open a page, evaluate in it, press a key."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from websocket_client import WebSocketClient

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_S = 30.0  # for what takes a second on an idle machine


class Browser:
    """One tab of its own browser."""

    def __init__(self, profile: Path, *arguments: str) -> None:
        if PROGRAM is None:
            pytest.skip("needs a browser: apt-get install chromium")
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to run as root otherwise
        self._process = subprocess.Popen(
            [
                *(PROGRAM, "--headless", *sandbox, "--disable-gpu", "--no-first-run", "--disable-extensions"),
                *("--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1280,1000"),
                *("--remote-debugging-port=0", f"--user-data-dir={profile}", *arguments, "about:blank"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._socket: WebSocketClient | None = None
        self._count = 0
        self.events: list[dict[str, Any]] = []  # that came while answers were waited for
        try:
            self._connect(profile / "DevToolsActivePort")
        except BaseException:
            self.close()
            raise

    def _connect(self, port_file: Path) -> None:
        wait_until(lambda: port_file.exists() and port_file.read_text().count("\n") >= 1)
        port = int(port_file.read_text().splitlines()[0])
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=WAIT_S) as answer:
            tab = next(target for target in json.load(answer) if target["type"] == "page")
        self._socket = WebSocketClient(tab["webSocketDebuggerUrl"], timeout_s=WAIT_S)
        self.call("Page.enable")
        self.call("Runtime.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol and its result."""
        assert self._socket is not None
        self._count += 1
        self._socket.send_text(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.receive())
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The value of an expression in the page, once it is truthy."""
        return wait_until(lambda: self.evaluate(expression), expression)

    def pixels(self, canvas: str) -> np.ndarray:
        """Pixels of a canvas of the page, uint8 ``[H, W, 4]``, BGR and alpha."""
        url = self.evaluate(f"{canvas}.toDataURL()")
        png = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
        return cv2.imdecode(png, cv2.IMREAD_UNCHANGED)

    def press(self, key: str) -> None:
        """A key, such as Tab or Enter."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def close(self) -> None:
        """End the browser."""
        if self._socket is not None:
            self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def wait_until(condition: Callable[[], Any], what: object = "it") -> Any:
    """The condition's value once it is truthy."""
    until = time.monotonic() + WAIT_S
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.05)
