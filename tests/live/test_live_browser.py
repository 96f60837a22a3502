"""The live page in a real browser: pictures arrive, numbers are the poses', heads turn as people do."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from chromium import Browser
from test_live import TOKEN, result_of

from hpe_edge.geometry import rotation_from_euler
from hpe_edge.live.server import LivePage

DRAWING = Path(__file__).resolve().parents[2] / "docs" / "draw_conventions.py"
CARD = "document.querySelector('.card[data-key=\"{}\"]')"
HEAD_SHARE = 0.36  # half of the head's height, as a share of its canvas


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    """The script of the picture in the docs, which draws a head with NumPy."""
    spec = importlib.util.spec_from_file_location("draw_conventions", DRAWING)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their types
    spec.loader.exec_module(module)
    return module


def shown(tab: Browser, angles: Any, key: str = "id 1") -> dict[str, Any]:
    """The face's card, once it shows these angles."""
    card = CARD.format(key)
    cells = f"[...{card}.querySelectorAll('[data-angle]')].map((cell) => cell.textContent)"
    wanted = json.dumps([said(angle) for angle in angles])
    tab.wait_for(f"{card} && JSON.stringify({cells}) === JSON.stringify({wanted})")
    return dict(
        tab.evaluate(
            f"({{rotation: {card}.querySelector('canvas').rotation, "
            f"label: {card}.querySelector('canvas').ariaLabel,"
            f" sigma: [...{card}.querySelectorAll('[data-sigma]')].map(c => c.textContent)}})"
        )
    )


def said(angle: float) -> str:
    return f"{angle:+.1f}°".replace("-", "−") if angle else "0.0°"


def legend(tab: Browser) -> list[str]:
    """Faces whose curves are shown."""
    return list(tab.evaluate("[...document.querySelectorAll('#legend li')].map((item) => item.textContent)"))


def head_of(tab: Browser, key: str = "id 1") -> np.ndarray:
    return tab.pixels(f"{CARD.format(key)}.querySelector('canvas')")


def test_numbers_and_orientation_are_the_published_ones(tab: Browser, live: LivePage) -> None:
    result = result_of([[31.27, -12.5, 7.73], [-65.5, 20.23, -30.51]], sigma=1.75)
    live.publish(result)
    for face, key in enumerate(("id 1", "id 2")):
        card = shown(tab, result.poses.angles[face], key)
        np.testing.assert_array_equal(np.float32(card["rotation"]), result.poses.rotation[face].ravel())
        assert card["sigma"] == ["± 1.8°"] * 3
        assert said(result.poses.angles[face, 0]) in card["label"]


@pytest.mark.parametrize("angles", [(0, 0, 0), (40, 0, 0), (0, 35, 0), (0, 0, 25), (-70, -20, 15), (120, 10, -40)])
def test_head_is_the_one_of_the_docs(
    tab: Browser, live: LivePage, drawing: ModuleType, angles: tuple[float, float, float]
) -> None:
    live.publish(result_of([angles]))
    tab.wait_for(f"{CARD.format('id 1')}?.querySelector('canvas').rotation")
    seen = head_of(tab)
    side = len(seen)
    wanted = np.zeros((side, side, 3), np.uint8)
    drawing.draw_head(wanted, (side / 2, side / 2), HEAD_SHARE * side, rotation_from_euler(np.array(angles, float)))
    off = np.abs(seen[..., :3].astype(int) - wanted).max(axis=-1) > 3
    assert off.mean() < 1e-3  # pixels on edges
    assert (wanted.any(axis=-1)).mean() > 0.2


def pupils(tab: Browser, live: LivePage, angles: tuple[float, float, float]) -> np.ndarray:
    """Centres x y of both pupils from the head's centre, left one in the image first."""
    live.publish(result_of([angles]))
    shown(tab, angles)
    seen = head_of(tab).astype(int)
    # Blue above red is only in the pupils.
    dark = ((seen[..., 3] > 0) & (seen[..., 0] > seen[..., 2] + 8)).astype(np.uint8)
    count, _, stats, centers = cv2.connectedComponentsWithStats(dark)
    largest = sorted(range(1, count), key=lambda i: -stats[i, cv2.CC_STAT_AREA])[:2]
    return np.array(sorted((centers[i] - len(seen) / 2).tolist() for i in largest))


def test_head_turns_as_the_words_say(tab: Browser, live: LivePage) -> None:
    straight = pupils(tab, live, (0, 0, 0))
    assert straight.mean(axis=0)[0] == pytest.approx(0, abs=2)
    assert pupils(tab, live, (25, 0, 0)).mean(axis=0)[0] < straight.mean(axis=0)[0] - 20  # to the image's left
    assert pupils(tab, live, (0, 25, 0)).mean(axis=0)[1] < straight.mean(axis=0)[1] - 20  # up
    left, right = pupils(tab, live, (0, 0, 25))
    assert right[1] > left[1] + 20  # clockwise: what is on the right goes down


def test_picture_is_the_published_one(tab: Browser, live: LivePage) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[:120, 160:] = (200, 30, 60)
    live.publish(result_of([], image))
    tab.wait_for("document.getElementById('picture').width === 320")
    seen = tab.pixels("document.getElementById('picture')")[..., :3].astype(int)
    assert np.abs(seen[10:110, 170:310] - (200, 30, 60)).max() < 6
    assert np.abs(seen[130:]).max() < 6
    assert tab.evaluate("document.getElementById('picture').ariaLabel") == "clip.mp4: picture with 0 faces"
    assert tab.evaluate("document.getElementById('count').textContent") == "none in the picture"


def test_stream_goes_on_and_says_how_fast(tab: Browser, live: LivePage) -> None:
    for index in range(40):
        live.publish(result_of([[index, 0, 0]], index=index))
        time.sleep(0.02)
    shown(tab, [39, 0, 0])
    assert tab.evaluate("document.getElementById('state').textContent") == "Live"
    for name in ("source-rate", "shown-rate", "latency"):
        assert float(tab.evaluate(f"document.getElementById('{name}').textContent").split()[0]) > 0


def test_plot_has_the_angle_at_its_height(tab: Browser, live: LivePage) -> None:
    for index in range(20):
        live.publish(result_of([[22.5, -22.5, 0]], index=index))
        time.sleep(0.05)
    shown(tab, [22.5, -22.5, 0])
    seen = tab.pixels("document.getElementById('plot')").astype(int)
    height = len(seen)
    colored = np.abs(seen[..., :3] - seen[..., 1:2]).max(axis=-1) * (seen[..., 3] > 200) > 40
    row_height = (height - 1.7 * 12.8 - 2 * 10) / 3
    # The range is 30 to each side where 22.5 is the largest, 15 where it is 0.
    for row, share in enumerate((0.5 - 22.5 / 60, 0.5 + 22.5 / 60, 0.5)):
        top = row * (row_height + 10)
        at = np.nonzero(colored[round(top) : round(top + row_height)])[0]
        assert len(at) > 20
        assert at.mean() == pytest.approx(share * row_height, abs=1.5)


def test_faces_that_are_not_followed(tab: Browser, live: LivePage) -> None:
    live.publish(result_of([[3, 2, 1], [6, 5, 4]], ids=[-1, -1]))
    assert shown(tab, [3, 2, 1], "at 0")["sigma"] == ["–"] * 3
    shown(tab, [6, 5, 4], "at 1")
    assert not tab.evaluate("document.getElementById('not-followed').hidden")
    live.publish(result_of([[4, 2, 1], [7, 5, 4]], ids=[-1, 0]))  # now they are, but one is not named yet
    shown(tab, [7, 5, 4], "id 0")
    assert tab.evaluate("document.querySelectorAll('.card').length") == 1
    assert tab.evaluate("document.getElementById('not-followed').hidden")


def test_pose_that_is_not_known(tab: Browser, live: LivePage) -> None:
    live.publish(result_of([[np.nan] * 3, [10, 0, 0]]))
    shown(tab, [10, 0, 0], "id 2")
    card = tab.evaluate(f"[...{CARD.format('id 1')}.querySelectorAll('dd')].map(c => c.textContent)")
    assert card == ["–"] * 6
    assert not head_of(tab, "id 1").any()


def test_keyboard_chooses_curves(tab: Browser, live: LivePage) -> None:
    live.publish(result_of([[10, 0, 0], [20, 0, 0]]))
    shown(tab, [20, 0, 0], "id 2")
    tab.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Face #1"
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.press("Enter")
    tab.wait_for("document.activeElement.getAttribute('aria-pressed') === 'false'")
    assert legend(tab) == ["#2"]
    live.publish(result_of([[11, 0, 0], [21, 0, 0]]))  # and it stays as it was chosen
    shown(tab, [21, 0, 0], "id 2")
    assert legend(tab) == ["#2"]
    tab.press("Enter")
    tab.wait_for("document.activeElement.getAttribute('aria-pressed') === 'true'")
    assert legend(tab) == ["#1", "#2"]


def test_page_outlives_the_server(tab: Browser) -> None:
    with LivePage(port=0, token=TOKEN) as first:
        port = urlsplit(first.url).port
        assert port is not None
        tab.open(first.url)
        first.publish(result_of([[10, 0, 0], [20, 0, 0]]))
        shown(tab, [20, 0, 0], "id 2")
    tab.wait_for("document.getElementById('state').dataset.state === 'lost'")
    with LivePage(port=port, token=TOKEN) as second:
        second.publish(result_of([[-30, 0, 0]]))
        shown(tab, [-30, 0, 0])
        assert tab.evaluate("document.getElementById('state').dataset.state") == "live"
        # Another run's faces are other faces.
        assert tab.evaluate("document.querySelectorAll('.card').length") == 1


def test_browser_that_leaves_and_comes_back(tab: Browser, live: LivePage) -> None:
    live.publish(result_of([[10, 0, 0]]))
    shown(tab, [10, 0, 0])
    tab.open("about:blank")
    live.publish(result_of([[12, 0, 0]]))
    tab.open(live.url)
    shown(tab, [12, 0, 0])
