"""Zone: OpenCV and exact fractions as oracles, the file, and what is refused."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hpe_edge import InputError, SourceError
from hpe_edge.attention.polygon import crossing_edges, signed_distance
from hpe_edge.attention.zone import Zone, checked_zones, load_zones

Corners = list[tuple[int, int]]
SQUARE = [(-10.0, -5.0), (10.0, -5.0), (10.0, 5.0), (-10.0, 5.0)]
small = st.integers(-2, 2)  # few places, so that corners often lie on edges


def star(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """A polygon that is simple, mostly not convex: corners around a point in the order of their direction."""
    directions = np.sort(rng.uniform(0, 2 * np.pi, count))
    radii = rng.uniform(5, 60, count)
    around = radii[:, None] * np.stack([np.cos(directions), np.sin(directions)], axis=1)
    return (around + rng.uniform(-20, 20, 2)).round(2)


@pytest.mark.parametrize("count", [3, 4, 5, 8, 20])
def test_distances_are_those_of_opencv(rng: np.random.Generator, count: int) -> None:
    for _ in range(20):
        corners = star(rng, count)[:: rng.choice([-1, 1])]
        points = np.concatenate([rng.uniform(-90, 90, (200, 2)), corners, corners + 1.0, corners - 0.5])
        outline = corners.astype(np.float32)
        wanted = [cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in points]
        np.testing.assert_allclose(signed_distance(points, corners), wanted, atol=1e-4)  # float32 of OpenCV


def test_the_outline_belongs_to_the_zone(rng: np.random.Generator) -> None:
    corners = star(rng, 9)
    middles = (corners + np.roll(corners, -1, axis=0)) / 2
    distance = Zone("z", corners.tolist()).distance(np.concatenate([corners, middles]))
    assert (distance >= 0).all() and (distance < 1e-8).all()


def test_yaw_180_and_minus_180_are_one() -> None:
    behind = Zone("behind", [(150, -30), (180, -30), (180, 30), (150, 30)])
    np.testing.assert_allclose(behind.distance(np.array([[179, 0], [-180, 0], [-178, 0], [140, 0]])), [1, 0, -2, -10])


def test_nan_is_in_no_zone() -> None:
    assert np.isnan(Zone("z", SQUARE).distance(np.array([[np.nan, np.nan, np.nan]]))).all()


def fold_or_crossing(corners: Corners) -> bool:
    """Two edges have a common point other than the corner between neighbours: in exact fractions, by parameters."""
    count = len(corners)
    edges = [(corners[k], corners[(k + 1) % count]) for k in range(count)]
    for (i, (a, b)), (j, (c, d)) in itertools.combinations(enumerate(edges), 2):
        shared = {k % count for k in (i, i + 1)} & {k % count for k in (j, j + 1)}
        allowed = {corners[k] for k in shared}
        if any(point not in allowed for point in common_points(a, b, c, d)):
            return True
    return False


def common_points(
    a: tuple[int, int], b: tuple[int, int], c: tuple[int, int], d: tuple[int, int]
) -> list[tuple[Fraction, Fraction]]:
    """The common point of two segments, or the ends of their common part."""
    (ux, uy), (vx, vy), (wx, wy) = ((q[0] - p[0], q[1] - p[1]) for p, q in ((a, b), (c, d), (a, c)))
    across = ux * vy - uy * vx
    if across:
        t, s = Fraction(wx * vy - wy * vx, across), Fraction(wx * uy - wy * ux, across)
        return [(a[0] + t * ux, a[1] + t * uy)] if 0 <= t <= 1 and 0 <= s <= 1 else []
    if wx * uy - wy * ux:
        return []
    length = ux * ux + uy * uy
    ends = sorted(Fraction((p[0] - a[0]) * ux + (p[1] - a[1]) * uy, length) for p in (c, d))
    low, high = max(ends[0], Fraction(0)), min(ends[1], Fraction(1))
    return [(a[0] + t * ux, a[1] + t * uy) for t in (low, high)] if low <= high else []


@settings(max_examples=1000)
@given(st.lists(st.tuples(small, small), min_size=4, max_size=6))
def test_outlines_that_touch_themselves_are_found(corners: Corners) -> None:
    assume(all(p != q for p, q in zip(corners, corners[1:] + corners[:1], strict=True)))
    assert (crossing_edges(np.array(corners, np.float64)) is not None) == fold_or_crossing(corners)


def test_a_closed_polygon_is_the_same_as_an_open_one() -> None:
    assert Zone("z", [*SQUARE, SQUARE[0]]) == Zone("z", SQUARE)
    assert Zone("z", np.array(SQUARE).tolist()).polygon == tuple(SQUARE)


@pytest.mark.parametrize(
    ("polygon", "fragment"),
    [
        (SQUARE[:2], "at least three"),
        ([SQUARE[0], SQUARE[1], SQUARE[0]], "at least three"),
        ([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]], "touches itself"),
        ([(0, 0), (10, 0), (5, 0)], "on a line"),
        ([(0, 0), (10, 0), (5, 0), (5, 5)], "touches itself"),
        ([(0, 0), (0, 0), (10, 0), (10, 10)], "corners 1 and 2"),
        ([(0, 0), (190, 0), (10, 10)], "yaw of corner 2"),
        ([(0, 0), (10, 0), (10, -91)], "pitch of corner 3"),
        ([(0, 0), (10, np.nan), (10, 9)], "pitch of corner 2"),
        ([(0, 0), (10, "0"), (10, 9)], "pitch of corner 2"),
        ([(0, 0, 0), (10, 0, 0), (10, 10, 0)], "list of corners"),
        ([1, 2, 3], "list of corners"),
        (None, "list of corners"),
    ],
)
def test_polygons_that_are_no_zone_are_refused(polygon: object, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        Zone("road", polygon)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_a_zone_has_a_name(name: object) -> None:
    with pytest.raises(InputError, match="name"):
        Zone(name, SQUARE)  # type: ignore[arg-type]


def test_names_differ() -> None:
    with pytest.raises(InputError, match="road"):
        checked_zones([Zone("road", SQUARE), Zone("road", SQUARE)])
    with pytest.raises(InputError, match=r"hpe_edge\.Zone"):
        checked_zones([{"name": "road"}])  # type: ignore[list-item]


def test_a_file_of_zones(tmp_path: Path) -> None:
    path = tmp_path / "car.json"
    lap = {"name": "lap", "polygon": [[-20, -60], [20, -60], [20, -20], [-20, -20]], "watched": False}
    path.write_text(json.dumps({"zones": [{"name": "road", "polygon": SQUARE}, lap]}))
    assert load_zones(str(path)) == (Zone("road", SQUARE), Zone("lap", lap["polygon"], watched=False))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("zones", "not JSON"),
        ("[]", "holds no zones"),
        ('{"zones": {}}', "holds no zones"),
        ('{"zones": [], "extra": 1}', "holds no zones"),
        ('{"zones": [{"name": "road"}]}', "zone 1: must have"),
        ('{"zones": ["road"]}', "zone 1: must have"),
        ('{"zones": [{"name": "road", "polygon": [[0, 0], [9, 0], [9, 9]], "colour": 1}]}', "zone 1: must have"),
        ('{"zones": [{"name": "road", "polygon": [[0, 0], [9, 0]]}]}', "zone 1: .*at least three"),
        ('{"zones": [{"name": "road", "polygon": [[0, 0], [9, 0], [9, 9]], "watched": 1}]}', "true or false"),
        (json.dumps({"zones": [{"name": "road", "polygon": SQUARE}] * 2}), "more than once"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, fragment: str) -> None:
    path = tmp_path / "car.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=fragment):
        load_zones(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.json"):
        load_zones(tmp_path / "nowhere.json")
