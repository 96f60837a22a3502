"""People on the live page: those who are there stay in their places, those who are gone shrink and leave."""

from __future__ import annotations

import numpy as np
from chromium import Browser, wait_until
from page_clock import Clock
from test_live import result_of
from test_live_browser import legend, said

from hpe_edge.live.server import LivePage
from hpe_edge.pipeline.frame_result import Result

KEYS = "[...document.querySelectorAll('#cards .card')].map((card) => card.dataset.key)"
GONE = "[...document.querySelectorAll('#gone li')].map((line) => line.innerText.replace(/\\s+/g, ' '))"


class Story:
    """Publishes results at times, and waits until the page shows them."""

    def __init__(self, tab: Browser, live: LivePage, clock: Clock) -> None:
        self._tab, self._live, self._clock, self._start_s = tab, live, clock, clock.now_s
        self._number = 0

    def at(self, time_s: float, ids: list[int]) -> None:
        self.show(time_s, result_of([[self._number + 1, 0, 0]] * len(ids), ids=ids, index=round(30 * time_s)))

    def show(self, time_s: float, result: Result) -> None:
        self._clock.now_s = self._start_s + time_s
        self._number += 1
        self._live.publish(named(result, f"{self._number}.mp4"))
        self._tab.wait_for(f"document.getElementById('source').textContent === '{self._number}.mp4'")

    def cards(self) -> list[str]:
        return list(self._tab.evaluate(KEYS))

    def gone(self) -> list[str]:
        return list(self._tab.evaluate(GONE))

    def top(self, identity: int) -> float:
        return float(self._tab.evaluate(f"{card(identity)}.getBoundingClientRect().top"))


def named(result: Result, name: str) -> Result:
    frame = type(result.frame)(name, result.frame.index, result.frame.time_s, result.frame.image)
    return type(result)(frame, result.poses, result.camera, result.attention)


def card(identity: int) -> str:
    return f"""document.querySelector('.card[data-key="id {identity}"]')"""


def test_order_is_that_of_arrival_and_does_not_change(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    story.at(0, [5, 3])
    assert story.cards() == ["id 3", "id 5"]
    before = story.top(3), story.top(5)
    story.at(1, [4, 9, 3, 5])
    story.at(2, [9, 5, 4, 3])
    assert story.cards() == ["id 3", "id 5", "id 4", "id 9"]  # who comes later stands below
    assert (story.top(3), story.top(5)) == before


def test_gone_face_keeps_its_place_then_shrinks_then_leaves(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    story.at(0, [1, 2, 3])
    before = story.top(3)
    story.at(1.5, [1, 3])
    assert story.cards() == ["id 1", "id 2", "id 3"]
    assert story.top(3) == before
    assert tab.evaluate(f"{card(2)}.dataset.away") == "true"
    assert "gone 1 s" in tab.evaluate(f"{card(2)}.innerText")
    story.at(12, [1, 3])
    assert story.cards() == ["id 1", "id 3"]
    assert story.gone() == ["#2 last seen at 0:00 gone 12 s"]
    story.at(29, [1, 3, 4])
    assert story.cards() == ["id 1", "id 3", "id 4"]
    assert story.gone() == ["#2 last seen at 0:00 gone 29 s"]
    height = "document.querySelector('{}').getBoundingClientRect().height"
    assert tab.evaluate(height.format("#gone li")) < tab.evaluate(height.format(".card")) / 3
    story.at(31, [1, 3])
    assert story.gone() == []
    assert tab.evaluate("document.getElementById('left').hidden")


def test_face_that_comes_back(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    story.at(0, [1, 2, 3])
    story.at(1, [1, 3])
    story.at(2, [1, 2, 3])  # it was never away
    assert story.cards() == ["id 1", "id 2", "id 3"]
    assert tab.evaluate(f"{card(2)}.dataset.away") == "false"
    story.at(5, [1, 3])
    assert story.gone() == ["#2 last seen at 0:02 gone 3 s"]
    story.at(6, [1, 2, 3])
    assert story.cards() == ["id 1", "id 3", "id 2"]
    assert story.gone() == []


def test_nothing_moves_while_somebody_reads(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    story.at(0, [1, 2])
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=1100, y=200)
    tab.evaluate("document.getElementById('people').dispatchEvent(new PointerEvent('pointermove'))")
    story.at(10, [2])
    assert story.cards() == ["id 1", "id 2"]
    assert "gone 10 s" in tab.evaluate(f"{card(1)}.innerText")

    def moved() -> bool:
        story.at(11, [2])
        return story.cards() == ["id 2"]

    wait_until(moved)
    assert story.gone() == ["#1 last seen at 0:00 gone 11 s"]


def test_focus_stays_among_the_faces(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    story.at(0, [1, 2, 3])
    tab.evaluate(f"{card(2)}.querySelector('button').focus()")
    story.at(10, [1, 3])
    assert tab.evaluate("document.activeElement.textContent") == "Face #3"


def test_everybody_leaves(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    story.at(0, [1, 2])
    assert tab.evaluate("document.getElementById('count').textContent") == "2 in the picture"
    story.at(10, [])
    assert story.cards() == []
    assert story.gone() == ["#2 last seen at 0:00 gone 10 s", "#1 last seen at 0:00 gone 10 s"]
    assert tab.evaluate("document.getElementById('count').textContent") == "none in the picture"
    assert legend(tab) == ["#1", "#2"]  # their curves are still there
    story.at(25, [])
    assert legend(tab) == []


def test_places_in_a_list_are_nobody_who_is_gone(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    story.at(0, [-1, -1])
    assert story.cards() == ["at 0", "at 1"]
    story.at(10, [-1])
    assert story.cards() == ["at 0"]
    assert story.gone() == []


def test_thirty_people(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    ids = list(range(1, 31))
    story.at(0, ids[::-1])
    story.at(1, ids)
    assert story.cards() == [f"id {i}" for i in ids]
    assert len(legend(tab)) == 4
    values = tab.evaluate("[...document.querySelectorAll('[data-angle=yaw]')].map((cell) => cell.textContent)")
    assert values == [said(2)] * 30
    assert tab.evaluate("[...document.querySelectorAll('.card canvas')].every((head) => head.rotation !== null)")
    # A head is drawn once it is on the screen.
    tab.evaluate(f"{card(30)}.scrollIntoView()")
    wait_until(lambda: tab.pixels(f"{card(30)}.querySelector('canvas')").any())


def test_doubtful_face_is_pale_and_says_so(tab: Browser, live: LivePage, clock: Clock) -> None:
    result = result_of([[31.2, 5, 0], [10, 0, 0]], sigma=40)
    result.poses.sigma[1] = 5
    result.poses.max_sigma = 20
    live.publish(result)
    tab.wait_for(f"{card(2)} !== null")
    look = """(() => { const card = CARD; const style = (part) => getComputedStyle(card.querySelector(part));
        return [card.dataset.doubtful, card.querySelector('.mark').innerText, Number(style('canvas').opacity),
                style('dd').color, getComputedStyle(card).borderStyle, card.querySelector('canvas').ariaLabel,
                card.querySelector('[data-angle=yaw]').innerText] })()"""
    doubtful, sure = (tab.evaluate(look.replace("CARD", card(identity))) for identity in (1, 2))
    assert [doubtful[0], sure[0]] == ["true", "false"]
    assert [doubtful[1], sure[1]] == ["? not sure", ""]
    assert doubtful[2] < 0.5
    assert sure[2] == 1
    assert doubtful[3] != sure[3]
    assert doubtful[4] == "dashed"
    assert "not sure" in doubtful[5]
    assert [doubtful[6], sure[6]] == [said(31.2), said(10)]
    assert tab.evaluate("document.getElementById('count').textContent") == "2 in the picture, 1 not sure"


def test_doubt_of_a_moment_does_not_flicker(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    marks = []
    for time_s, sigma in ((0, 9), (0.2, 2), (0.4, 2), (1, 2)):
        result = result_of([[10, 0, 0]], sigma=sigma)
        result.poses.max_sigma = 5
        story.show(time_s, result)
        marks.append(tab.evaluate(f"{card(1)}.dataset.doubtful"))
    assert marks == ["true", "true", "true", "false"]


def test_curve_is_pale_where_it_is_doubtful(tab: Browser, live: LivePage, clock: Clock) -> None:
    story = Story(tab, live, clock)
    for index in range(20):
        result = result_of([[10, 10, 10]], sigma=4)
        result.poses.max_sigma = 3 if index < 10 else 5
        story.show(index / 2, result)
    seen = tab.pixels("document.getElementById('plot')").astype(int)
    strength = np.abs(seen[..., :3] - seen[..., 1:2]).max(axis=-1) * seen[..., 3] // 255
    columns = np.flatnonzero(strength.max(axis=0) > 20)
    early, late = np.array_split(strength[:, columns].max(axis=0), 2)
    assert np.median(early) < 0.7 * np.median(late)
