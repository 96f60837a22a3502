"""Layout of the live page on screens of many sizes: nothing is hidden, cut, small or hard to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Browser
from page_clock import Clock, view
from test_live import TOKEN, noise, result_of
from test_live_attention import AHEAD, LAP, MIRROR, ZONES, Cabin
from test_live_people import card

from hpe_edge.attention.meter import AttentionMeter
from hpe_edge.live.server import LivePage

PHONE = (390, 844)
SCREENS = {
    "phone": PHONE,
    "phone on its side": (844, 390),
    "small phone": (320, 568),
    "tablet": (768, 1024),
    "laptop": (1366, 768),
    "desktop": (1920, 1080),
}
# All that a face's figures are, and what is shown once.
FIGURES = (
    "#picture",
    "#plot",
    "#map",
    "#events li",
    "#gone li",
    *(f".card {part}" for part in ("canvas", "button", ".zone")),
    *(f".card [data-{kind}={name}]" for kind in ("angle", "sigma") for name in ("yaw", "pitch", "roll")),
    *("#state", "#source-rate", "#shown-rate", "#latency"),
)
# For each figure: is it within the window when it is scrolled to, uncovered, and uncut?
LOOK = """
(selectors) => selectors.flatMap((selector) => {
    const found = [...document.querySelectorAll(selector)];
    if (found.length === 0) return [`${selector} is missing`];
    return found.flatMap((part) => {
        part.scrollIntoView({ block: "center" });
        const { left, right, top, bottom, width, height } = part.getBoundingClientRect();
        const name = `${selector} ${part.textContent.slice(0, 20)}`;
        if (width === 0 || height === 0) return [`${name} has no size`];
        if (left < 0 || right > innerWidth + 0.5) return [`${name} leaves the window: ${left} to ${right}`];
        if (part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0) return [`${name} is cut`];
        const y = Math.min(innerHeight - 1, Math.max(0, (top + bottom) / 2));
        const hit = document.elementFromPoint((left + right) / 2, y);
        return part.contains(hit) || hit.contains(part) ? [] : [`${name} is covered by ${hit.outerHTML.slice(0, 60)}`];
    });
})
"""
SMALL = """
[...document.querySelectorAll("body *")].filter((part) => part.checkVisibility() &&
    [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) &&
    parseFloat(getComputedStyle(part).fontSize) < 12).map((part) => part.outerHTML.slice(0, 80))
"""
NARROW_TOUCH = """
[...document.querySelectorAll("button, label")].filter((part) => part.checkVisibility())
    .map((part) => part.getBoundingClientRect()).filter(({ width, height }) => width < 44 || height < 44).length
"""
# Ratios below 4.5 between text and the ground behind it, as the browser computes the colours.
CONTRAST = """
(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const flat = (...layers) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const color of layers) {
            canvas.fillStyle = color;
            canvas.fillRect(0, 0, 1, 1);
        }
        return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((v) => (v <= 10 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => {
        const [dark, bright] = [luminance(a), luminance(b)].sort((x, y) => x - y);
        return (bright + 0.05) / (dark + 0.05);
    };
    const grounds = (part) => {
        const layers = [];
        for (let at = part; at !== null; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
        return layers;
    };
    const own = (part) => [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return [...document.querySelectorAll("body *")].filter((part) => part.checkVisibility() && own(part))
        .flatMap((part) => {
            const svg = part.namespaceURI.endsWith("svg");
            const behind = grounds(svg ? part.closest("svg") : part);
            const zone = svg ? [[], [getComputedStyle(document.querySelector("#map polygon")).fill]] : [[]];
            const style = getComputedStyle(part);
            return zone.map((layer) => ({
                ratio: ratio(flat(...behind, ...layer, svg ? style.fill : style.color), flat(...behind, ...layer)),
                text: `${part.className.baseVal ?? part.className} ${part.textContent.slice(0, 20)}`,
            }));
        });
})()
"""


@pytest.fixture
def shape(tab: Browser) -> Iterator[Any]:
    """Gives the window a size, a colour scheme, touch, and large letters."""

    def take(size: tuple[int, int], *, dark: bool = False, touch: bool = False, still: bool = False) -> None:
        tab.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=touch)
        tab.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}
        tab.call("Emulation.setEmulatedMedia", features=[scheme, motion])

    yield take
    tab.call("Emulation.clearDeviceMetricsOverride")
    tab.call("Emulation.setTouchEmulationEnabled", enabled=False)
    tab.call("Emulation.setEmulatedMedia", features=[])


@pytest.fixture
def busy(tab: Browser, clock: Clock) -> Iterator[Any]:
    """Fills the tab's page with all that it can show."""
    with zoned_page() as live:
        yield lambda people=4: fill(tab, live, clock, people)
        assert tab.evaluate("errors") == []


def zoned_page() -> LivePage:
    return LivePage(port=0, token=TOKEN, zones=ZONES, learn_s=5)


def fill(tab: Browser, live: LivePage, clock: Clock, people: int = 4) -> None:
    """Show people of whom one is not sure, one is away and one is gone."""
    view(tab, live)
    cabin = Cabin(live, AttentionMeter(None, ZONES, after_s=2, back_s=0), max_sigma=50)
    poses = [LAP, MIRROR, AHEAD, (-120.4, 12.3, -14.5)] + [AHEAD] * (people - 4)
    for time_s in range(8):
        clock.now_s += 1
        result = cabin.measured(time_s, [*poses, AHEAD] if time_s < 3 else poses)
        result.poses.sigma[1] = 77.7
        live.publish(result)
        tab.wait_for(f"document.getElementById('source').textContent === '{time_s}.mp4'")
    tab.wait_for("document.querySelector('#gone li') !== null")


def assert_all_is_seen(tab: Browser) -> None:
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate(f"({LOOK})({json.dumps(FIGURES)})") == []


@pytest.mark.parametrize("screen", SCREENS)
def test_every_figure_is_seen(tab: Browser, shape: Any, busy: Any, screen: str) -> None:
    shape(SCREENS[screen], touch="phone" in screen)
    busy()
    assert_all_is_seen(tab)
    assert tab.evaluate(SMALL) == []


@pytest.mark.parametrize("screen", ["phone", "laptop"])
def test_every_figure_is_seen_with_large_letters(tmp_path: Path, clock: Clock, screen: str) -> None:
    width, height = SCREENS[screen]
    # A setting of the browser, which lengths in media queries follow.
    with Browser(tmp_path, "--blink-settings=defaultFontSize=32") as large, zoned_page() as live:
        large.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        fill(large, live, clock)
        assert large.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") == 32
        assert_all_is_seen(large)


def test_thirty_people_are_seen_on_a_phone(tab: Browser, shape: Any, busy: Any) -> None:
    shape(PHONE, touch=True)
    busy(30)
    assert tab.evaluate("document.querySelectorAll('.card').length") == 30
    assert_all_is_seen(tab)


def test_fingers_find_their_targets(tab: Browser, shape: Any, busy: Any) -> None:
    shape(PHONE, touch=True)
    busy()
    assert tab.evaluate("matchMedia('(pointer: coarse)').matches")
    assert tab.evaluate(NARROW_TOUCH) == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out(tab: Browser, shape: Any, busy: Any, dark: bool) -> None:
    shape(SCREENS["laptop"], dark=dark)
    busy()
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") != dark
    texts = tab.evaluate(CONTRAST)
    assert len(texts) > 60
    assert [one for one in texts if one["ratio"] < 4.5] == []


def test_picture_is_seen_at_once(tab: Browser, shape: Any, busy: Any) -> None:
    busy()
    for width, height in SCREENS.values():
        shape((width, height))
        tab.wait_for(f"innerWidth === {width} && innerHeight === {height}")
        tab.evaluate("scrollTo(0, 0)")
        assert tab.evaluate("document.getElementById('picture').getBoundingClientRect().bottom <= innerHeight")


@pytest.mark.parametrize("still", [False, True])
def test_cards_glide_only_where_motion_is_wanted(
    tab: Browser, shape: Any, live: LivePage, clock: Clock, still: bool
) -> None:
    shape(SCREENS["laptop"], still=still)
    tab.evaluate("Element.prototype.animate = function () { window.glided = (window.glided ?? 0) + 1; }")
    live.publish(result_of([AHEAD] * 3, noise(64, 48)))
    tab.wait_for(f"{card(3)} !== null")
    clock.now_s += 10
    live.publish(result_of([AHEAD] * 2, ids=[2, 3]))
    tab.wait_for(f"{card(1)} === null")
    assert (tab.evaluate("window.glided ?? 0") == 0) == still
