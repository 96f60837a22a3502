"""Layout of the page on screens of many sizes: nothing is hidden, cut, small or hard to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser
from test_browser_page import Page, without_detector
from test_js_engine import sample
from test_live_layout import LOOK, NARROW_TOUCH, SCREENS, SMALL

from benchmarks.browser.page_server import serving_page

PARTS = ("#camera", "#picture-label", "#sample", "#clear", "#state", "#view", "#faces td", "#pose-model", "#face-model")
# Ratios of text to the ground behind it, as WCAG defines them, below 4.5.
FAINT = """
(() => {
    const level = (value) => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    const light = (color) => {
        const [r, g, b] = color.match(/[\\d.]+/g).map(Number);
        return 0.2126 * level(r) + 0.7152 * level(g) + 0.0722 * level(b);
    };
    const ground = (part) => {
        const { backgroundColor } = getComputedStyle(part);
        return backgroundColor !== "rgba(0, 0, 0, 0)" ? backgroundColor : ground(part.parentElement);
    };
    const texts = [...document.querySelectorAll("body *")].filter((part) => part.checkVisibility() &&
        [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && !part.closest(":disabled"));
    return [texts.length, texts.filter((part) => {
        const [dark, bright] = [light(getComputedStyle(part).color), light(ground(part))].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05) < 4.5;
    }).map((part) => part.outerHTML.slice(0, 80))];
})()
"""


@pytest.fixture
def busy(tab: Browser, test_files: dict[str, Path | str]) -> Iterator[Page]:
    """A page with a picture and a face that was drawn."""
    with serving_page(without_detector(test_files)) as server:
        page = Page(tab, server)
        frame, box = sample("grace_hopper.jpg")
        page.drop_picture(frame)
        page.draw_box(box)
        tab.wait_for("!document.getElementById('faces').hidden")
        yield page
        tab.call("Emulation.clearDeviceMetricsOverride")
        tab.call("Emulation.setTouchEmulationEnabled", enabled=False)
        tab.call("Emulation.setEmulatedMedia", features=[])
        assert tab.evaluate("errors") == []


@pytest.mark.parametrize("screen", SCREENS)
def test_every_part_is_seen(busy: Page, screen: str) -> None:
    tab, (width, height) = busy.tab, SCREENS[screen]
    touch = "phone" in screen
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
    tab.call("Emulation.setTouchEmulationEnabled", enabled=touch)
    tab.wait_for(f"innerWidth === {width}")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate(f"({LOOK})({json.dumps(PARTS)})") == []
    assert tab.evaluate(SMALL) == []
    assert tab.evaluate(NARROW_TOUCH) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(busy: Page, scheme: str) -> None:
    busy.tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    busy.drop("odd.png", b"")  # with an error
    count, faint = busy.tab.evaluate(FAINT)
    assert count > 20 and faint == []


def test_buttons_are_reached_by_tab(busy: Page) -> None:
    tab = busy.tab
    tab.evaluate("document.getElementById('camera').focus()")
    reached = []
    for _ in range(4):
        tab.press("Tab")
        reached.append(tab.evaluate("document.activeElement.id"))
        assert (
            tab.evaluate("getComputedStyle(document.activeElement.closest('button, .button')).outlineStyle") == "solid"
        )
    assert reached == ["picture", "sample", "clear", "model"]


def test_sounds_for_readers_of_screens(busy: Page) -> None:
    """The state and the number of faces are said."""
    assert busy.tab.evaluate("document.getElementById('state').getAttribute('role')") == "status"
    assert busy.tab.evaluate("document.getElementById('view').ariaLabel") == "Picture with 1 face"
