"""plot: curves lie where their numbers are, gaps stay open, and the file is a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hpe_edge import InputError, OutputError
from hpe_edge.drawing import angle_plot as plot
from hpe_edge.drawing.angle_plot import Curve, draw_curves, plot_records, save_png

TIME = np.arange(0, 10, 0.04)
# The middle of each panel's height, and the columns between which time runs
COLUMNS = (plot._LEFT, plot.WIDTH - plot._RIGHT)


def angles(*columns: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.stack([np.broadcast_to(one, TIME.shape) for one in columns], axis=1).astype(np.float64)


def painted(image: NDArray[np.uint8], color: int = 0) -> NDArray[np.bool_]:
    """Pixels of a curve's colour, left of the legend."""
    found = (image == np.array(plot._COLORS[color], np.uint8)).all(axis=2)
    found[:, COLUMNS[1] :] = False
    return np.asarray(found)


def test_a_straight_line_is_straight_in_its_own_panel() -> None:
    image = draw_curves([Curve("a", TIME, angles(TIME * 10, np.nan, np.nan), 0)], "title")
    rows, columns = np.nonzero(painted(image))
    assert rows.max() < plot.HEIGHT / 2.5  # yaw is the panel on top
    assert columns.min() <= COLUMNS[0] + 3 and columns.max() >= COLUMNS[1] - 4
    slope, start = np.polyfit(columns, rows, 1)
    assert slope < 0 and np.abs(rows - start - slope * columns).max() < 3  # larger angles are higher


def test_panels_are_yaw_pitch_roll_from_the_top() -> None:
    for at in range(3):
        columns = [np.nan, np.nan, np.nan]
        columns[at] = 5.0
        rows = np.nonzero(painted(draw_curves([Curve("a", TIME, angles(*columns), 0)], "")))[0]
        assert at * plot.HEIGHT / 3 < rows.mean() < (at + 1) * plot.HEIGHT / 3 and np.ptp(rows) < 4


def test_where_nothing_is_known_no_line_is_drawn() -> None:
    hidden = np.where((TIME > 4) & (TIME < 6), np.nan, 10.0)
    wrapped = np.where(TIME < 5, 179.0, -179.0)
    left, right = (round(COLUMNS[0] + share * (COLUMNS[1] - COLUMNS[0])) for share in (0.42, 0.58))
    image = draw_curves([Curve("a", TIME, angles(hidden, np.nan, wrapped), 0)], "")
    assert not painted(image)[: plot.HEIGHT // 3, left:right].any()
    rows = np.nonzero(painted(image)[2 * plot.HEIGHT // 3 :])[0]
    assert np.ptp(rows) > 100 and len(np.unique(rows)) < 8  # two level lines and no steep one
    seen = (TIME < 4) | (TIME > 6)
    image = draw_curves([Curve("a", TIME[seen], angles(10.0, 0, 0)[seen], 0)], "")
    assert not painted(image)[: plot.HEIGHT // 3, left:right].any()


def test_faint_lines_lie_below() -> None:
    flat = angles(5, 5, 5)
    both = draw_curves([Curve("a", TIME, flat, 0), Curve("b", TIME, flat, 1, faint=True)], "")
    only = draw_curves([Curve("a", TIME, flat, 0)], "")
    np.testing.assert_array_equal(painted(both), painted(only))


@pytest.mark.parametrize("count", [0, 1, 8, 200])
def test_any_number_of_faces(count: int, rng: np.random.Generator) -> None:
    curves = [Curve(f"face {at}", TIME, rng.normal(0, 30, (len(TIME), 3)), at) for at in range(count)]
    image = draw_curves(curves, "ungewöhnlich")
    assert image.shape == (plot.HEIGHT, plot.WIDTH, 3) and image.dtype == np.uint8
    assert (image[:, -4:] == 255).all() and (image[-4:] == 255).all()  # nothing runs off the paper


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("faint", [False, True])
def test_a_pose_alone_is_a_dot(faint: bool) -> None:
    """Seen once, or with a gap on both sides."""
    once = Curve("a", TIME[100:101], angles(5, 5, 5)[100:101], 0, faint)
    hidden = (TIME > 3) & (TIME < 5)
    hidden[100] = False
    gaps = Curve("a", TIME, angles(np.where(hidden, np.nan, 5.0), np.nan, np.nan), 0, faint)
    rare = Curve("a", TIME[~hidden], angles(5, np.nan, np.nan)[~hidden], 0, faint)
    for curve, middle in ((once, 0.5), (gaps, TIME[100] / TIME[-1]), (rare, TIME[100] / TIME[-1])):
        image = draw_curves([curve], "")
        x = round(COLUMNS[0] + middle * (COLUMNS[1] - COLUMNS[0]))
        for panel in np.array_split(image, 3)[: 3 if curve is once else 1]:
            near = (panel[:, x - 20 : x + 21].astype(int).max(axis=2) - panel[:, x - 20 : x + 21].min(axis=2)) > 60
            rows, columns = np.nonzero(near)
            assert 4 <= np.ptp(rows) <= 10 and 4 <= np.ptp(columns) <= 10
            assert abs(columns.mean() - 20) < 1


def test_angles_that_are_none_have_few_lines() -> None:
    image = draw_curves([Curve("a", TIME, angles(TIME * 1e30, 1, 2), 0)], "")
    assert painted(image).any()


def test_late_and_near_times_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        plot, "_write", lambda _, text, *__, centered=False, **___: said.append(text) if centered else 0
    )
    draw_curves([Curve("a", np.array([98765.432]), np.zeros((1, 3)), 0)], "")
    assert len(said) == len(set(said)) > 4
    assert "98765.432" in said


@pytest.mark.filterwarnings("error")
def test_no_pose_is_nothing() -> None:
    assert not painted(draw_curves([Curve("a", TIME[:0], angles(1, 2, 3)[:0], 0)], "")).any()
    assert not painted(draw_curves([Curve("a", TIME[:1], angles(np.nan, np.nan, np.nan)[:1], 0)], "")).any()


def test_from_records_to_a_file(tmp_path: Path) -> None:
    header = "time_s,x1,y1,x2,y2,yaw_deg,pitch_deg,roll_deg,yaw_sigma_deg,pitch_sigma_deg,roll_sigma_deg"
    lines = [f"{t:.3f},10,10,60,80,{20 * np.sin(t):.3f},1,2,,," for t in TIME]
    (tmp_path / "poses.csv").write_text("\n".join([header, *lines]))
    image = plot_records(tmp_path / "poses.csv")
    save_png(tmp_path / "plot.png", image)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "plot.png")), image)
    assert painted(image).any()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plot.png", "poses.csv"]


def test_what_is_refused(tmp_path: Path) -> None:
    image = draw_curves([], "")
    with pytest.raises(InputError, match=r"end in \.png"):
        save_png(tmp_path / "plot.pdf", image)
    with pytest.raises(OutputError, match="does not exist"):
        save_png(tmp_path / "no" / "plot.png", image)
