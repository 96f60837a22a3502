"""Fixtures for tests of the page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chromium import PROGRAM, Browser
from page_clock import Clock, view
from test_live import TOKEN

from hpe_edge.live import feed
from hpe_edge.live.server import LivePage

COLLECT_ERRORS = """
window.errors = [];
addEventListener("error", (event) => errors.push(String(event.message || event.target.src)), true);
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => errors.push(event.blockedURI));
"""


@pytest.fixture(scope="package")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with Browser(tmp_path_factory.mktemp("chromium")) as opened:
        opened.call("Page.addScriptToEvaluateOnNewDocument", source=COLLECT_ERRORS)
        yield opened


@pytest.fixture
def live(tab: Browser) -> Iterator[LivePage]:
    """A page that is open in the tab."""
    with LivePage(port=0, token=TOKEN) as opened:
        view(tab, opened)
        yield opened
        assert tab.evaluate("errors") == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(feed, "time", made)
    return made
