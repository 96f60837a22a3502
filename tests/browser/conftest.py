"""Fixtures for tests of the JavaScript library and its page: Node, and a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import PROGRAM, Browser
from grid_model import write_grid_model
from js_calls import HERE, Js, NodeJs, PageJs

from benchmarks.browser.page_server import PageServer, serving_page
from export.browser.runtime import find_node, find_runtime
from export.browser.site import page_files
from hpe_edge.errors import BackendError
from hpe_edge.faces.grids.embedded import EmbeddedDetector

COLLECT_ERRORS = """
window.errors = [];
addEventListener("error", (event) => errors.push(String(event.message || event.target.src)), true);
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => errors.push("policy: " + event.blockedURI));
"""


@pytest.fixture(scope="session")
def runtime() -> Path:
    """ONNX Runtime Web and Node; ``HPE_EDGE_REQUIRE_BROWSER=1`` turns their lack into a failure."""
    try:
        find_node()
        return find_runtime()
    except BackendError as error:
        if os.environ.get("HPE_EDGE_REQUIRE_BROWSER"):
            raise
        pytest.skip(f"needs Node and ONNX Runtime Web: npm ci ({error})")


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    arguments = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with Browser(tmp_path_factory.mktemp("chromium"), *arguments) as opened:
        opened.call("Page.addScriptToEvaluateOnNewDocument", source=COLLECT_ERRORS)
        yield opened


@pytest.fixture(scope="session")
def detector_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of the embedded one's form, with random weights: in noise it finds many faces."""
    path = tmp_path_factory.mktemp("detector") / "small-detector.onnx"
    return write_grid_model(path, (1, 4, 10), 1, size_hw=None, strides=EmbeddedDetector.STRIDES)


@pytest.fixture(scope="session")
def test_files(runtime: Path, detector_file: Path) -> dict[str, Path | str]:
    """The page's files, and those of the tests that run in a page."""
    files = page_files(runtime, detector=detector_file)
    files |= {f"export/browser/{name}": path for name, path in files.items() if name.startswith("js/")}
    return files | {f"tests/browser/{name}": HERE / name for name in ("calls.html", "calls.mjs")}


@pytest.fixture(scope="session")
def server(test_files: dict[str, Path | str]) -> Iterator[PageServer]:
    with serving_page(test_files) as running:
        yield running


@pytest.fixture(scope="session")
def node_js(runtime: Path) -> Iterator[NodeJs]:
    calls = NodeJs(find_node(), runtime)
    yield calls
    calls.close()


@pytest.fixture(params=["node", "chromium"])
def js(request: pytest.FixtureRequest) -> Js:
    """The library, once in Node and once in a page."""
    if request.param == "node":
        return request.getfixturevalue("node_js")
    opened: Callable[[], Any] = lambda: PageJs(request.getfixturevalue("tab"), request.getfixturevalue("server").url)  # noqa: E731
    return opened()
