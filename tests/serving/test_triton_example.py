"""The example of a client runs against a real Triton server."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import hpe_edge

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "triton_client.py"


def test_the_example_prints_the_poses_of_a_run(
    server: Any, photo: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, photo.shape[1::-1])
    for shift in range(4):
        writer.write(np.roll(photo, shift, axis=1))
    writer.release()
    monkeypatch.setattr(sys, "argv", [EXAMPLE.name, str(path), server.grpc])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    wanted = [result.poses for result in hpe_edge.track(path, smooth=True)]
    rows = [(face, angles) for poses in wanted for face, angles in zip(poses.ids, poses.angles, strict=True)]
    assert len(lines) == len(rows) >= 4
    for line, (face, angles) in zip(lines, rows, strict=True):
        assert f"face {face}:" in line
        numbers = re.findall(r"-?\d+\.\d*", line.partition("roll")[2])
        np.testing.assert_allclose([float(number) for number in numbers], angles, atol=0.06)


def test_without_arguments_it_prints_its_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [EXAMPLE.name])
    with pytest.raises(SystemExit, match="python examples/triton_client"):
        runpy.run_path(str(EXAMPLE), run_name="__main__")
