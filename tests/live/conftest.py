"""Fixtures for tests of the page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from chromium import PROGRAM, Browser
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


def view(tab: Browser, page: LivePage) -> None:
    tab.open(page.url)
    tab.wait_for("document.getElementById('state')?.dataset.state === 'waiting'")


@dataclass
class Clock:
    """Time of publication, which passes only where a test says so."""

    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(feed, "time", made)
    return made
