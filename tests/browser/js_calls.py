"""The JavaScript library, called from Python: in Node, or in a page of Chromium."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any, Protocol

import numpy as np

HERE = Path(__file__).parent


class JsError(Exception):
    """An error that JavaScript threw; ``name`` is its class."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Js(Protocol):
    """Calls functions of calls.mjs by name; arrays are NumPy's."""

    def __call__(self, name: str, **given: Any) -> Any: ...


class NodeJs:
    def __init__(self, node: str, runtime: Path) -> None:
        self._process = subprocess.Popen(
            [node, str(HERE / "node_calls.mjs"), str(runtime)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, name: str, **given: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"name": name, "given": plain(given)}) + "\n")
        self._process.stdin.flush()
        return answer_of(self._process.stdout.readline())

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


class PageJs:
    """In a tab that shows ``calls.html`` of the test's server."""

    def __init__(self, tab: Any, url: str) -> None:
        self._tab = tab
        tab.open(f"{url}tests/browser/calls.html")
        tab.wait_for("window.called !== undefined")

    def __call__(self, name: str, **given: Any) -> Any:
        text = json.dumps({"name": name, "given": plain(given)})
        return answer_of(self._tab.evaluate(f"called({json.dumps(text)})"))


def plain(value: Any) -> Any:
    """JSON of a value; an array as its type, shape and bytes."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        value = np.frombuffer(value, np.uint8)
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"$": value.dtype.name, "shape": value.shape, "base64": data}
    return value.item() if isinstance(value, np.generic) else value


def answer_of(text: str) -> Any:
    answer = json.loads(text, object_hook=_array)
    if "error" in answer:
        raise JsError(answer["error"]["name"], answer["error"]["message"])
    return answer.get("answer")


def _array(value: dict[str, Any]) -> Any:
    return np.frombuffer(base64.b64decode(value["base64"]), value["$"]) if "$" in value else value


def numbers(values: Any) -> np.ndarray:
    """Numbers that JavaScript returned; NaN came as text."""
    return np.array(values, np.float64)


def rgba(frame_bgr: np.ndarray) -> np.ndarray:
    """A frame as canvases hold it, with any alpha."""
    return np.dstack([frame_bgr[..., ::-1], np.full(frame_bgr.shape[:2], 255, np.uint8)])
