"""The suite ``smoothing``: its measures on motion whose jitter and lag are known, and its figures end to end."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.harness.timing import QUICK
from benchmarks.suites.smoothing import LARGEST_DEG, SETTINGS, SUITE, Motion, Options, jitter_deg, lag_frames, noise_of
from hpe_edge import Poses, SourceError
from hpe_edge import geometry as g
from hpe_edge.sinks.read_records import Series

FPS = 25


def write_records(path: Path, rng: np.random.Generator, frames: int = 150) -> None:
    lines = ["time_s,x1,y1,x2,y2,yaw_deg,pitch_deg,roll_deg,yaw_sigma_deg,pitch_sigma_deg,roll_sigma_deg"]
    for at in range(frames):
        for left, turned in ((10, 20 * np.sin(at / 20)), (400, 50 * np.cos(at / 25))):
            yaw, pitch, roll = np.array([turned, -5, 3]) + rng.normal(0, 1, 3)
            lines.append(f"{at / FPS:.3f},{left},10,{left + 60},90,{yaw:.3f},{pitch:.3f},{roll:.3f},4,4,4")
    path.write_text("\n".join(lines))


@pytest.mark.parametrize("delay", [0.0, 0.7, 2.0, 5.5])
def test_the_lag_of_a_delayed_motion_is_its_delay(delay: float) -> None:
    motion = Motion.random(np.random.default_rng(1), 20, LARGEST_DEG)
    times = np.arange(0, 20, 1 / FPS)
    assert lag_frames(motion.at(times - delay / FPS), motion, times) == pytest.approx(delay, abs=0.11)


def test_jitter_by_hand() -> None:
    even = g.rotation_from_rotvec(np.deg2rad(np.arange(30.0))[:, None] * [0, 0.6, 0.8])
    assert jitter_deg(even) < 1e-6
    shaken = g.rotation_from_rotvec(np.deg2rad(np.resize([0.0, 1.0], 30))[:, None] * [0, 0.6, 0.8])
    assert jitter_deg(shaken) == pytest.approx(2)  # +1, then -1, and so on


def test_motion_keeps_to_its_limits_and_rests() -> None:
    motion = Motion.random(np.random.default_rng(0), 30, LARGEST_DEG)
    angles = g.euler_from_rotation(motion.at(np.arange(0, 30, 0.01)))
    assert (np.abs(angles).max(axis=0) <= np.array(LARGEST_DEG) + 1e-9).all()
    still = (np.abs(np.diff(angles, axis=0)).max(axis=1) < 1e-9).mean()
    assert 0.3 < still < 0.8


def test_noise_is_found_again(rng: np.random.Generator) -> None:
    times = np.arange(400) / FPS
    path = np.stack([40 * np.sin(times), 10 * np.cos(times), 5 * np.sin(times)], axis=1)
    angles = (path + rng.normal(0, 1.5, path.shape)).astype(np.float32)
    poses = Poses(angles, np.full_like(angles, 5), g.rotation_from_euler(angles))
    noise = noise_of(Series(0, times, np.zeros((400, 4), np.float32), poses))
    # A parabola through eleven points follows 0.2 of the variance of each.
    found = np.rad2deg(np.sqrt((noise.turns**2).mean()))
    assert found == pytest.approx(1.5 * np.sqrt(0.8), rel=0.1) and len(noise.turns) == len(noise.sigma) == 390


def test_the_figures(tmp_path: Path, rng: np.random.Generator) -> None:
    write_records(tmp_path / "poses.csv", rng)
    options = Options(records=tmp_path / "poses.csv", plot=tmp_path / "plot.png")
    results = list(SUITE.run(options, QUICK))
    assert [(r.parameters["what"], r.parameters["setting"]) for r in results] == [
        (what, setting) for what in ("the video", "known turns", "known rest") for setting in SETTINGS
    ]
    by_name = {(r.parameters["what"], r.parameters["setting"]): r.figures for r in results}
    for figures in by_name.values():
        assert figures["jitter_after_deg"] < figures["jitter_before_deg"]  # type: ignore[operator]
    assert by_name["known turns", "as it is"]["cut_percent"] > 60  # type: ignore[operator]
    assert by_name["known turns", "as it is"]["largest_lag_frames"] <= 2  # type: ignore[operator]
    assert by_name["known rest", "as it is"]["rms_error_after_deg"] < 0.6  # type: ignore[operator]
    (line,) = SUITE.budget(results)
    assert line.met is True
    assert cv2.imread(str(tmp_path / "plot.png")) is not None


def test_records_too_short(tmp_path: Path, rng: np.random.Generator) -> None:
    write_records(tmp_path / "poses.csv", rng, frames=20)
    options = Options(records=tmp_path / "poses.csv")
    with pytest.raises(SourceError, match="no face with 50 frames"):
        list(SUITE.run(options, QUICK))
