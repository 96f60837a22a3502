"""Zones over time through the meter: event times, noise at borders, gaps, frame rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from staged_people import facing, seen, times

from hpe_edge import InputError
from hpe_edge.attention.attention import ZoneEvent
from hpe_edge.attention.meter import AttentionMeter
from hpe_edge.attention.zone import Zone

ROAD = Zone("road", [(-15, -10), (15, -10), (15, 10), (-15, 10)])
MIRROR = Zone("mirror", [(30, -5), (45, -5), (45, 10), (30, 10)])
LAP = Zone("lap", [(-20, -60), (20, -60), (20, -25), (-20, -25)], watched=False)
IN_ROAD, IN_MIRROR, IN_LAP, NOWHERE = (0.0, 0.0), (38.0, 0.0), (0.0, -40.0), (-40.0, 0.0)
brief = settings(deadline=None, max_examples=60)

Direction = tuple[float, float]


def events_of(
    meter: AttentionMeter, at_s: Iterable[float], directions: Sequence[Direction | None], *, identity: int = 3
) -> list[ZoneEvent]:
    """Events of one person, absent at None."""
    events: list[ZoneEvent] = []
    for t, direction in zip(at_s, directions, strict=True):
        poses = seen(np.zeros((0, 3, 3))) if direction is None else seen(facing(direction), [identity])
        events.extend(meter(float(t), poses).events)
    return events


def short(events: Iterable[ZoneEvent]) -> list[tuple[str, str | None, float, float]]:
    return [(e.kind, e.zone, round(e.time_s, 6), round(e.outside_s, 6)) for e in events]


def test_left_and_returned() -> None:
    at_s = np.arange(0, 10, 0.1)
    directions = [IN_ROAD if t < 2 or t >= 6 else NOWHERE for t in at_s.round(6)]
    events = events_of(AttentionMeter(zones=[ROAD], after_s=2, back_s=0.5), at_s, directions)
    assert short(events) == [("left", "road", 4.0, 2.0), ("returned", "road", 6.5, 4.0)]
    assert {event.id for event in events} == {3}


def test_a_mirror_is_attentive_and_a_lap_is_not() -> None:
    at_s = np.arange(0, 9, 0.1)
    directions = [IN_ROAD if t < 1 else IN_MIRROR if t < 5 else IN_LAP for t in at_s.round(6)]
    meter = AttentionMeter(zones=[ROAD, MIRROR, LAP], after_s=2)
    assert short(events_of(meter, at_s, directions)) == [("left", "mirror", 7.0, 2.0)]
    assert meter(9.0, seen(facing(IN_LAP), [3])).zones == ("lap",)


def test_a_short_look_away_is_no_event_and_a_short_look_back_does_not_end_one() -> None:
    meter = AttentionMeter(zones=[ROAD], after_s=2, back_s=0.5)
    at_s = np.arange(0, 8, 0.1).round(6)
    away = [t for t in at_s if 1 <= t < 2.9 or (3.0 <= t < 3.5) or t >= 6]
    assert short(events_of(meter, at_s, [NOWHERE if t in away else IN_ROAD for t in at_s])) == [
        ("left", "road", 3.0, 2.0),
        ("returned", "road", 4.0, 2.5),
    ]


def test_who_never_was_in_a_zone_has_left_none() -> None:
    at_s = np.arange(0, 3, 0.1)
    events = events_of(AttentionMeter(zones=[ROAD], after_s=2), at_s, [NOWHERE] * len(at_s))
    assert short(events) == [("left", None, 2.0, 2.0)]


runs = st.lists(st.tuples(st.booleans(), st.integers(1, 12)), min_size=1, max_size=12)


@brief
@given(runs=runs, after=st.integers(0, 12), back=st.integers(0, 6))
def test_events_are_those_of_the_runs(runs: list[tuple[bool, int]], after: int, back: int) -> None:
    """The definition, from the list of frames: in tenths of a second, one frame each."""
    inside = [flag for flag, length in runs for _ in range(length)]
    meter = AttentionMeter(zones=[ROAD], after_s=after / 10, back_s=back / 10)
    found = events_of(meter, np.arange(len(inside)) / 10, [IN_ROAD if flag else NOWHERE for flag in inside])
    assert [(e.kind, round(e.time_s * 10), round(e.outside_s * 10)) for e in found] == defined(inside, after, back)


def defined(inside: list[bool], after: int, back: int) -> list[tuple[str, int, int]]:
    """Episodes first, then their events."""
    events = []
    start = 0
    while False in inside[start:]:
        start = inside.index(False, start)
        # The episode ends with the first stay inside that is long enough.
        ends = [
            k
            for k in range(start + 1, len(inside) - back)
            if not inside[k - 1] and inside[k] and all(inside[k : k + back + 1])
        ]
        end = ends[0] if ends else len(inside)
        reported = [k for k in range(start + after, end) if not inside[k]]
        if reported:
            events.append(("left", reported[0], reported[0] - start))
            if ends:
                events.append(("returned", end + back, end - start))
        start = end
        if not ends:
            break
    return events


@pytest.mark.parametrize("fps", [10, 15, 24, 30, 60])
def test_event_times_are_right_within_a_frame_at_any_rate(rng: np.random.Generator, fps: float) -> None:
    for _ in range(10):
        leaves_s, back_s = rng.uniform(1, 3), rng.uniform(6, 8)
        at_s = times(rng, 10, fps)
        meter = AttentionMeter(zones=[ROAD], after_s=2, back_s=0.5)
        events = events_of(meter, at_s, [NOWHERE if leaves_s <= t < back_s else IN_ROAD for t in at_s])
        frame_s = np.diff(at_s).max()
        left, returned = events
        assert (left.kind, returned.kind) == ("left", "returned")
        assert leaves_s + 2 <= left.time_s <= leaves_s + 2 + 2 * frame_s
        assert back_s + 0.5 <= returned.time_s <= back_s + 0.5 + 2 * frame_s
        assert abs(returned.outside_s - (back_s - leaves_s)) <= frame_s


def test_noise_at_a_border_changes_no_zone_and_gives_no_event(rng: np.random.Generator) -> None:
    """Within the margin of 3 degrees outside, a person who was inside stays."""
    at_s = np.arange(0, 30, 0.04)
    noisy = [(15 + d, 0.0) for d in rng.uniform(-2.9, 2.9, len(at_s))]
    meter = AttentionMeter(zones=[ROAD, MIRROR], after_s=0.2, back_s=0.0, margin_deg=3)
    zones = []
    for t, direction in zip(at_s, [IN_ROAD, *noisy[1:]], strict=True):
        attention = meter(float(t), seen(facing(direction), [3]))
        assert attention.events == ()
        zones += attention.zones
    assert set(zones) == {"road"}


def test_noise_in_the_margin_outside_does_not_enter(rng: np.random.Generator) -> None:
    at_s = np.arange(0, 10, 0.04)
    meter = AttentionMeter(zones=[ROAD], after_s=1, margin_deg=3)
    events = events_of(meter, at_s, [NOWHERE, *((16 + d, 0.0) for d in rng.uniform(-0.9, 0.9, len(at_s) - 1))])
    assert [event.kind for event in events] == ["left"]


def test_without_a_margin_the_border_is_the_outline() -> None:
    meter = AttentionMeter(zones=[ROAD], margin_deg=0)
    found = [meter(t, seen(facing((yaw, 0.0)), [3])).zones[0] for t, yaw in enumerate([14.9, 15.1, 14.9])]
    assert found == ["road", None, "road"]


def test_beyond_the_margin_the_zone_is_left_at_once() -> None:
    meter = AttentionMeter(zones=[ROAD], margin_deg=3)
    found = [meter(t, seen(facing((yaw, 0.0)), [3])).zones[0] for t, yaw in enumerate([14.9, 17.9, 18.1, 16, 14.9])]
    assert found == ["road", "road", None, None, "road"]


def test_of_overlapping_zones_the_first_wins_and_borders_do_not_flicker() -> None:
    inner = Zone("inner", [(-5, -5), (5, -5), (5, 5), (-5, 5)])
    for zones, names in (([inner, ROAD], ["road", "inner", "inner", "road"]), ([ROAD, inner], ["road"] * 4)):
        meter = AttentionMeter(zones=zones, margin_deg=3)
        found = [meter(t, seen(facing((yaw, 0.0)), [3])).zones[0] for t, yaw in enumerate([12, 4, 7, 9])]
        assert found == names


def test_doubtful_poses_and_short_absence_hold_the_zone_for_a_while() -> None:
    meter = AttentionMeter(zones=[ROAD], hold_s=1.0)
    assert meter(0.0, seen(facing(IN_ROAD), [3])).zones == ("road",)
    for t, zone in ((0.5, "road"), (1.0, "road"), (1.1, None), (2.0, None)):
        assert meter(t, seen(facing(NOWHERE), [3], [True])).zones == (zone,)
    assert meter(2.1, seen(facing(IN_ROAD), [3])).zones == ("road",)


@pytest.mark.parametrize("missing", ["doubtful", "nan", "absent"])
def test_time_without_a_known_pose_counts_up_to_the_hold_only(missing: str) -> None:
    meter = AttentionMeter(zones=[ROAD], after_s=3, hold_s=1.0)
    events: list[ZoneEvent] = []
    for t in np.arange(0, 12, 0.1).round(6):
        if t < 2 or t >= 8:  # outside for 2 s, unknown for 6 s
            poses = seen(facing(NOWHERE), [3])
        elif missing == "absent":
            poses = seen(np.zeros((0, 3, 3)))
        else:
            poses = seen(facing(IN_ROAD) * (np.nan if missing == "nan" else 1), [3], [missing == "doubtful"])
        events.extend(meter(float(t), poses).events)
    # Known from 0 to 1.9 s and held to 2.9 s; the last tenth comes after the return at 8 s.
    assert short(events) == [("left", None, 8.1, 3.0)]


def test_an_event_comes_while_the_face_is_missing_for_a_moment() -> None:
    at_s = np.arange(0, 3, 0.1).round(6)
    directions = [NOWHERE if t < 1.5 else None for t in at_s]
    assert short(events_of(AttentionMeter(zones=[ROAD], after_s=2, hold_s=1), at_s, directions)) == [
        ("left", None, 2.0, 2.0)
    ]


def test_lost_comes_once_and_only_if_asked_for() -> None:
    at_s = np.arange(0, 20, 0.1).round(6)
    directions = [IN_ROAD if t < 1 or 10 <= t < 11 else None for t in at_s]
    assert events_of(AttentionMeter(zones=[ROAD]), at_s, directions) == []
    meter = AttentionMeter(zones=[ROAD], lost_s=3)
    assert short(events_of(meter, at_s, directions)) == [("lost", "road", 3.9, 3.0), ("lost", "road", 13.9, 3.0)]


def test_a_new_identity_starts_anew() -> None:
    meter = AttentionMeter(zones=[ROAD], after_s=2)
    first = events_of(meter, np.arange(0, 0.95, 0.1), [NOWHERE] * 10, identity=3)
    second = events_of(meter, np.arange(1, 4.95, 0.1), [NOWHERE] * 40, identity=4)
    assert first == [] and [(e.id, round(e.time_s, 6)) for e in second] == [(4, 3.0)]


def test_faces_without_an_identity_have_zones_but_no_events() -> None:
    meter = AttentionMeter(zones=[ROAD], after_s=0)
    attention = meter(0.0, seen(facing(IN_ROAD, NOWHERE, IN_ROAD), [-1, -1, -1], [False, False, True]))
    assert attention.zones == ("road", None, None) and attention.events == ()


@brief
@given(seed=st.integers(0, 10**6))
def test_the_order_of_faces_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    meters = [AttentionMeter(zones=[ROAD, MIRROR, LAP], after_s=0.5, back_s=0.2, lost_s=1.5) for _ in range(2)]
    for t in np.cumsum(rng.uniform(0, 0.4, 40)):
        ids = rng.permutation(6)[: rng.integers(0, 7)]
        rotations = facing(*rng.uniform(-50, 50, (len(ids), 2)).tolist()) if len(ids) else np.zeros((0, 3, 3))
        doubtful = rng.random(len(ids)) < 0.2
        order = rng.permutation(len(ids))
        one = meters[0](float(t), seen(rotations, ids.tolist(), doubtful.tolist()))
        other = meters[1](float(t), seen(rotations[order], ids[order].tolist(), doubtful[order].tolist()))
        assert one.events == other.events
        assert [one.zones[k] for k in order] == list(other.zones)


def test_who_is_gone_for_long_is_forgotten() -> None:
    meter = AttentionMeter(zones=[ROAD])
    for k in range(500):
        meter(float(k), seen(facing(IN_ROAD), [k]))
    assert len(meter._watch._people) <= 62


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"after_s": -1}, "after_s"),
        ({"back_s": np.inf}, "back_s"),
        ({"margin_deg": np.nan}, "margin_deg"),
        ({"hold_s": "1"}, "hold_s"),
        ({"lost_s": -0.1}, "lost_s"),
        ({"zones": [ROAD, ROAD]}, "different names"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, float], fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        AttentionMeter(**options)  # type: ignore[arg-type]
