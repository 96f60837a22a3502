"""Neutral pose, zones and events on the live page, with poses that a real meter has measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from chromium import Browser
from page_clock import view
from test_live import TOKEN, browser, parsed, result_of
from test_live_browser import said
from test_live_people import card, named

from hpe_edge.attention.learner import NeutralLearner
from hpe_edge.attention.meter import AttentionMeter
from hpe_edge.attention.zone import Zone
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.live.server import LivePage
from hpe_edge.pipeline.frame_result import Result

ZONES = (
    Zone("road", [(-20, -15), (20, -15), (20, 15), (-20, 15)]),
    Zone("mirror", [(30, 0), (50, 0), (50, 20), (30, 20)], watched=False),
)
AHEAD, MIRROR, LAP = (0, 0, 0), (40, 10, 0), (0, -40, 0)


class Cabin:
    """Publishes the poses of people with identities 1, 2 ... as measured at a time of the source."""

    def __init__(self, live: LivePage, meter: AttentionMeter, max_sigma: float = np.inf) -> None:
        self._live, self._meter, self._max_sigma = live, meter, max_sigma

    def measured(self, time_s: float, poses: Any, sigma: float = 4) -> Result:
        result = result_of(poses, sigma=sigma)
        result.poses.max_sigma = self._max_sigma
        frame = replace(result.frame, time_s=time_s)
        return named(replace(result, frame=frame, attention=self._meter(time_s, result.poses)), f"{time_s}.mp4")

    def at(self, time_s: float, *poses: Any, tab: Browser | None = None, sigma: float = 4) -> Result:
        result = self.measured(time_s, poses, sigma)
        self._live.publish(result)
        if tab is not None:
            tab.wait_for(f"document.getElementById('source').textContent === '{time_s}.mp4'")
        return result


@pytest.fixture
def zoned(tab: Browser) -> Any:
    """A page that knows the zones and the time of learning."""
    with LivePage(port=0, token=TOKEN, zones=ZONES, learn_s=5) as opened:
        view(tab, opened)
        yield opened
        assert tab.evaluate("errors") == []


def text(tab: Browser, selector: str) -> str:
    return str(tab.evaluate(f"document.querySelector('{selector}').innerText"))


def angles(tab: Browser, identity: int = 1) -> list[str]:
    return list(tab.evaluate(f"[...{card(identity)}.querySelectorAll('[data-angle]')].map((cell) => cell.textContent)"))


def entries(tab: Browser) -> list[str]:
    return list(tab.evaluate("[...document.querySelectorAll('#events li')].map((item) => item.textContent)"))


# --- the message -----------------------------------------------------------------------------------------------------


def test_message_without_attention() -> None:
    with LivePage(port=0) as live:
        live.publish(result_of([AHEAD], sigma=3))
        facts = parsed(browser(live).receive())[1]
    assert facts["zones"] is None
    assert facts["events"] == []
    assert facts["time_s"] == 0
    face = facts["faces"][0]
    assert face["doubtful"] is False
    for name in ("relative_deg", "relative_rotation", "zone", "learning", "outside_s"):
        assert face[name] is None


def test_message_with_attention() -> None:
    neutral = (12.0, -7.0, 3.0)
    with LivePage(port=0, zones=ZONES) as live:
        cabin = Cabin(live, AttentionMeter(neutral, ZONES), max_sigma=10)
        result = cabin.at(4.0, neutral, (-55, 0, 0))
        facts = parsed(browser(live).receive())[1]
    assert facts["zones"][0] == {
        "name": "road",
        "polygon": [[-20, -15], [20, -15], [20, 15], [-20, 15]],
        "watched": True,
    }
    first, second = facts["faces"]
    np.testing.assert_allclose(first["relative_deg"], [0, 0, 0], atol=1e-3)
    relative = rotation_from_euler(np.array(neutral)).T @ result.poses.rotation[1]
    np.testing.assert_allclose(np.reshape(second["relative_rotation"], (3, 3)), relative, atol=1e-6)
    assert [first["zone"], second["zone"]] == ["road", None]
    assert first["learning"] is None


def test_message_says_what_is_doubtful() -> None:
    with LivePage(port=0) as live:
        result = result_of([AHEAD, AHEAD, [np.nan] * 3], sigma=8)
        result.poses.sigma[1] = 12
        result.poses.max_sigma = 10
        live.publish(result)
        faces = parsed(browser(live).receive())[1]["faces"]
    assert [face["doubtful"] for face in faces] == [False, True, True]


def test_message_of_a_picture_has_no_time() -> None:
    with LivePage(port=0, zones=ZONES) as live:
        Cabin(live, AttentionMeter(None, ZONES)).at(np.nan, AHEAD)
        facts = parsed(browser(live).receive())[1]
    assert facts["time_s"] is None
    assert facts["faces"][0]["zone"] == "road"


def test_events_wait_for_a_browser() -> None:
    with LivePage(port=0, zones=ZONES) as live:
        cabin = Cabin(live, AttentionMeter(None, ZONES, after_s=2, back_s=0))
        for time_s in range(12):
            cabin.at(time_s, LAP if 2 <= time_s < 8 else AHEAD)
        facts = parsed(browser(live).receive())[1]
    assert [(event["id"], event["zone"], event["kind"]) for event in facts["events"]] == [
        (1, "road", "left"),
        (1, "road", "returned"),
    ]
    assert facts["events"][0]["time_s"] == 4
    assert facts["faces"][0]["outside_s"] is None


def test_outside_counts_on_and_ends_with_a_loop() -> None:
    with LivePage(port=0, zones=ZONES) as live:
        cabin = Cabin(live, AttentionMeter(None, ZONES, after_s=2))
        for time_s, outside_s in ((0, None), (1, None), (2, None), (3, 2), (7, 6), (0, None)):
            cabin.at(time_s, LAP if time_s else AHEAD)
            facts = parsed(browser(live).receive())[1]
            assert facts["faces"][0]["outside_s"] == outside_s
        assert facts["events"] == []


def test_whoever_comes_back_after_long_is_not_marked() -> None:
    with LivePage(port=0, zones=ZONES) as live:
        cabin = Cabin(live, AttentionMeter(None, ZONES, after_s=2))
        for time_s in range(4):
            cabin.at(time_s, LAP)
        for time_s in range(4, 40):
            cabin.at(time_s)
        cabin.at(100, AHEAD)
        assert parsed(browser(live).receive())[1]["faces"][0]["outside_s"] is None


def test_old_events_are_dropped() -> None:
    with LivePage(port=0, zones=ZONES) as live:
        cabin = Cabin(live, AttentionMeter(None, ZONES, after_s=1, back_s=0))
        for time_s in range(0, 800, 2):
            cabin.at(time_s, LAP if time_s % 4 else AHEAD)
            cabin.at(time_s + 1, LAP if time_s % 4 else AHEAD)
        events = parsed(browser(live).receive())[1]["events"]
    assert len(events) == 60
    assert events[-1]["time_s"] > 790


# --- the page --------------------------------------------------------------------------------------------------------


def test_page_without_attention_shows_nothing_of_it(tab: Browser, live: LivePage) -> None:
    live.publish(result_of([AHEAD]))
    tab.wait_for(f"{card(1)} !== null")
    for hidden in ("#attention", "#frame-of", ".zone"):
        assert tab.evaluate(f"document.querySelector('{hidden}').checkVisibility()") is False


def test_switch_between_neutral_pose_and_camera(tab: Browser, zoned: LivePage) -> None:
    cabin = Cabin(zoned, AttentionMeter((20.0, 0.0, 0.0), ZONES))
    result = cabin.at(1, (30, 0, 0), tab=tab)
    relative, camera = [said(10), said(0), said(0)], [said(30), said(0), said(0)]
    assert angles(tab) == relative
    rotation = f"{card(1)}.querySelector('canvas').rotation"
    np.testing.assert_allclose(tab.evaluate(rotation), rotation_from_euler(np.array([10.0, 0, 0])).ravel(), atol=1e-5)
    assert "neutral pose" in tab.evaluate("document.getElementById('plot').ariaLabel")
    tab.evaluate("document.querySelector('input[value=camera]').click()")
    assert angles(tab) == camera
    np.testing.assert_array_equal(np.float32(tab.evaluate(rotation)), result.poses.rotation[0].ravel())
    assert "camera" in tab.evaluate("document.getElementById('plot').ariaLabel")
    cabin.at(2, (30, 0, 0), tab=tab)  # and it stays so
    assert angles(tab) == camera
    tab.evaluate("document.querySelector('input[value=relative]').click()")
    assert angles(tab) == relative


def test_learning_is_shown_until_the_neutral_pose_is_known(tab: Browser, zoned: LivePage) -> None:
    cabin = Cabin(zoned, AttentionMeter(NeutralLearner(5.0), ZONES))
    for tenth in range(31):
        cabin.at(tenth / 10, (15, 0, 0), tab=tab if tenth == 30 else None)
    assert text(tab, ".zone") == "learning 3 of 5 s"
    assert tab.evaluate("document.querySelector('progress').value") == pytest.approx(0.6, abs=0.05)
    assert angles(tab) == [said(15), said(0), said(0)]
    assert text(tab, ".mark") == "from camera"
    for tenth in range(31, 60):
        cabin.at(tenth / 10, (15, 0, 0), tab=tab if tenth == 59 else None)
    assert text(tab, ".zone") == "in road"
    assert angles(tab)[0] in (said(0), said(0.1))
    assert text(tab, ".mark") == ""


def test_dots_lie_in_their_zones(tab: Browser, zoned: LivePage) -> None:
    Cabin(zoned, AttentionMeter(None, ZONES)).at(1, AHEAD, MIRROR, LAP, tab=tab)
    places = tab.evaluate(
        """[...document.querySelectorAll('#map .dot')].map((dot) => {
            const { e: x, f: y } = dot.transform.baseVal.consolidate().matrix;
            const inside = [...document.querySelectorAll('#map polygon')].filter(
                (polygon) => polygon.isPointInFill(new DOMPoint(x, y)));
            return [dot.dataset.key, x, y, inside.map((polygon) => polygon.dataset.zone)] })"""
    )
    assert {key: zones for key, _, _, zones in places} == {"id 1": ["road"], "id 2": ["mirror"], "id 3": []}
    middle, left, below = ((x, y) for _, x, y, _ in places)
    assert left[0] < middle[0]  # yaw above 0 is the image's left
    assert left[1] < middle[1]
    assert below[1] > middle[1]
    said_zones = [tab.evaluate(f"{card(i)}.querySelector('.zone').innerText") for i in (1, 2, 3)]
    assert said_zones == ["in road", "in mirror", "in no zone"]
    words = tab.evaluate("document.getElementById('map').ariaLabel")
    assert "#1 in road" in words
    assert "#3 in none" in words


def test_dot_of_a_turned_head_stays_on_the_map(tab: Browser, zoned: LivePage) -> None:
    Cabin(zoned, AttentionMeter(None, ZONES)).at(1, (-170, 0, 0), (85, 60, 0), tab=tab)
    assert tab.evaluate(
        """(() => { const map = document.getElementById('map').getBoundingClientRect();
        return [...document.querySelectorAll('#map .dot circle:not(.ring)')].every((circle) => {
            const { left, right, top, bottom } = circle.getBoundingClientRect();
            return left >= map.left && right <= map.right && top >= map.top && bottom <= map.bottom }) })()"""
    )


def test_who_is_away_is_marked_and_listed(tab: Browser, zoned: LivePage) -> None:
    cabin = Cabin(zoned, AttentionMeter(None, ZONES, after_s=2, back_s=0))
    for time_s in range(12):
        cabin.at(time_s, AHEAD, AHEAD, tab=tab if time_s == 11 else None)
    assert tab.evaluate("document.getElementById('no-events').checkVisibility()")
    for time_s in range(12, 17):
        cabin.at(time_s, AHEAD, LAP, tab=tab if time_s == 16 else None)
    assert entries(tab) == ["#2 left road at 0:12, not back yet"]
    assert [tab.evaluate(f"{card(i)}.dataset.outside") for i in (1, 2)] == ["false", "true"]
    assert tab.evaluate(f"{card(2)}.querySelector('.zone').innerText") == "away for 4.0 s"
    assert tab.evaluate("document.querySelector('#map [data-key=\"id 2\"]').dataset.outside") == "true"
    assert text(tab, "#count") == "2 in the picture, 1 away"
    cabin.at(17, LAP, AHEAD)
    for time_s in range(18, 21):
        cabin.at(time_s, LAP, AHEAD, tab=tab if time_s == 20 else None)
    assert entries(tab) == ["#1 left road at 0:17, not back yet", "#2 left road at 0:12, back after 5.0 s"]
    assert [tab.evaluate(f"{card(i)}.dataset.outside") for i in (1, 2)] == ["true", "false"]
    cabin.at(21, tab=tab)
    assert entries(tab)[0] == "#1 left road at 0:17, then gone"


def test_zone_that_is_not_watched_does_not_end_it(tab: Browser, zoned: LivePage) -> None:
    cabin = Cabin(zoned, AttentionMeter(None, ZONES, after_s=2, back_s=2))
    for time_s in range(6):
        cabin.at(time_s, MIRROR if time_s else AHEAD, tab=tab if time_s == 5 else None)
    assert text(tab, ".zone") == "in mirror, away for 4.0 s"
    cabin.at(6, AHEAD, tab=tab)  # not for long enough yet
    assert text(tab, ".zone") == "in road"
    assert tab.evaluate(f"{card(1)}.dataset.outside") == "true"
    dashes = "getComputedStyle(document.querySelector('#map polygon[data-zone={}]')).strokeDasharray"
    assert [tab.evaluate(dashes.format(zone.name)) for zone in ZONES] == ["none", "5px, 3px"]


def test_list_of_events_is_bounded(tab: Browser, zoned: LivePage) -> None:
    cabin = Cabin(zoned, AttentionMeter(None, ZONES, after_s=1, back_s=0))
    for time_s in range(200):
        cabin.at(time_s, LAP if time_s % 4 > 1 else AHEAD, tab=tab if time_s % 20 == 19 else None)
    items = entries(tab)
    assert len(items) == 20
    assert items[0] == "#1 left road at 3:18, not back yet"
    assert items[1] == "#1 left road at 3:14, back after 2.0 s"
    # They scroll in their own box, which the keyboard reaches.
    box = "document.getElementById('events')"
    assert tab.evaluate(f"{box}.scrollHeight > {box}.clientHeight && {box}.tabIndex === 0")


def test_neutral_pose_without_zones(tab: Browser, live: LivePage) -> None:
    Cabin(live, AttentionMeter((20.0, 0.0, 0.0))).at(1, (30, 0, 0), tab=tab)
    assert angles(tab)[0] == said(10)
    assert tab.evaluate("document.getElementById('attention').checkVisibility()") is False
    assert text(tab, ".zone") == ""
