"""docs/attention.md: its files are read, its code runs, and its statements on signs and events hold."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import hpe_edge
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.poses import Poses

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "attention.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def poses(yaw: float, pitch: float = 0.0) -> Poses:
    angles = np.float32([[yaw, pitch, 0]])
    return Poses(angles, np.ones_like(angles), rotation_from_euler(angles), ids=np.array([3]))


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The page's JSON, as files that its code reads."""
    monkeypatch.chdir(tmp_path)
    found = blocks("json")
    Path("seat.json").write_text(found[0])
    Path("car.json").write_text(found[1])
    return found


def test_the_files_are_read(files: list[str]) -> None:
    assert hpe_edge.NeutralPose.load("seat.json").learned_s == 20
    road, mirror, lap = hpe_edge.load_zones("car.json")
    assert (road.name, mirror.name, lap.name) == ("road", "right mirror", "lap")
    assert (road.watched, mirror.watched, lap.watched) == (True, True, False)
    assert list(json.loads(files[2])) == ["time_s", "frame", "track", "zone", "kind", "outside_s"]


def test_mounting_angles_look_as_the_table_says() -> None:
    for mount, seen_as in (((30, 0, 0), (-30, 0, 0)), ((0, 20, 0), (0, -20, 0)), ((0, 0, 10), (0, 0, -10))):
        np.testing.assert_allclose(hpe_edge.CameraMount(*mount).neutral.angles, seen_as, atol=1e-9)


def test_a_learned_pose_is_saved_and_read() -> None:
    meter = hpe_edge.AttentionMeter(hpe_edge.NeutralLearner(0.2, per="mount"))
    for time_s in (0.0, 0.2, 0.4):
        meter(time_s, poses(25))
    names = {"hpe_edge": hpe_edge, "meter": meter, "zones": ()}
    exec(compile(blocks("python")[0], "docs/attention.md", "exec"), names)
    np.testing.assert_allclose(names["meter"](0.0, poses(35)).angles, [[10, 0, 0]], atol=1e-3)  # type: ignore[operator]


def test_the_angles_of_a_place_point_the_nose_at_it() -> None:
    names = {"math": math, "right": 0.3, "up": 0.2, "ahead": 0.45}
    exec(compile(blocks("python")[1], "docs/attention.md", "exec"), names)
    nose = rotation_from_euler([names["yaw"], names["pitch"], 0.0]) @ [0, 0, -1]  # type: ignore[list-item]
    # x is to the person's left, y down, z to the back of the head.
    place = np.array([-0.3, -0.2, -0.45])
    np.testing.assert_allclose(nose, place / np.linalg.norm(place), atol=1e-12)


def staged(monkeypatch: pytest.MonkeyPatch, yaw_at: list[float], pitch: float = 0.0) -> None:
    """Let track() give a person at 10 frames a second, for the examples."""

    def track(_source: str, *, smooth: bool, attention: hpe_edge.AttentionMeter) -> list[SimpleNamespace]:
        assert smooth
        found = [poses(yaw, pitch) for yaw in yaw_at]
        return [SimpleNamespace(ids=p.ids, attention=attention(k / 10, p)) for k, p in enumerate(found)]

    monkeypatch.setattr(hpe_edge, "track", track)


def test_the_drivers_alarm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    staged(monkeypatch, [-30.0] * 250 + [-80.0] * 50 + [-30.0] * 50)
    exec(compile(blocks("python")[2], "docs/attention.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["27.0 s: left road, 2.0 s", "30.5 s: returned road, 5.0 s"]


def test_the_shares_of_a_class(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    staged(monkeypatch, [0.0] * 75 + [70.0] * 25, pitch=-20)
    exec(compile(blocks("python")[3], "docs/attention.md", "exec"), {})
    assert capsys.readouterr().out == "{3: 0.75}\n"
