"""A clock that stands still, and the page in a browser's tab."""

from __future__ import annotations

from dataclasses import dataclass

from chromium import Browser

from hpe_edge.live.server import LivePage


def view(tab: Browser, page: LivePage) -> None:
    tab.open(page.url)
    tab.wait_for("document.getElementById('state')?.dataset.state === 'waiting'")


@dataclass
class Clock:
    """Time of publication, which passes only where a test says so."""

    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s
