"""Frames that are arrays without OpenCV, and the words of what needs it. The processes have no cv2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hpe_edge import PoseEngine
from hpe_edge.models import DEFAULT
from hpe_edge.samples import PHOTO, read_photo

WITHOUT = "import sys; sys.modules['cv2'] = None\n"


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT + code, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("color", ["BGR", "RGB", "BGRA", "RGBA", "GRAY8"])
def test_frames_that_are_arrays_need_none(color: str, tmp_path: Path) -> None:
    photo = read_photo()
    channels = {"RGB": (2, 1, 0), "BGRA": (0, 1, 2, 0), "RGBA": (2, 1, 0, 1)}.get(color, (0, 1, 2))
    frame = np.ascontiguousarray(photo[..., 1] if color == "GRAY8" else photo[..., channels])
    np.save(tmp_path / "frame.npy", frame)
    code = (
        "import numpy as np, hpe_edge; poses = hpe_edge.PoseEngine()(np.load(sys.argv[1]), color=sys.argv[2]);"
        "np.save(sys.argv[3], np.column_stack([poses.boxes, poses.angles]))"
    )
    done = python(code, str(tmp_path / "frame.npy"), color, str(tmp_path / "found.npy"))
    assert done.returncode == 0, done.stderr
    with PoseEngine() as engine:
        poses = engine(frame, color=color)  # type: ignore[arg-type]
        same = engine(photo)
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), np.column_stack([poses.boxes, poses.angles]))
    if color != "GRAY8":
        np.testing.assert_array_equal(poses.angles, same.angles)


COMMAND = "from hpe_edge.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize(
    "arguments", [("run", str(PHOTO)), ("demo",), ("bench",), ("plot", "x.csv"), ("serve", "x.mp4")], ids=lambda a: a[0]
)
def test_commands_for_pictures_name_the_remedy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = python(COMMAND, *arguments)
    assert done.returncode == 1 and "pip install 'hpe-edge[video]'" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("info", str(DEFAULT)), ("doctor",), ("run", "--help"), ("--version",)])
def test_other_commands_need_none(arguments: tuple[str, ...]) -> None:
    done = python(COMMAND, *arguments)
    assert done.returncode == 0, done.stderr


def test_drawing_names_the_remedy() -> None:
    code = """
import numpy as np, hpe_edge
poses = hpe_edge.PoseEngine()(np.zeros((64, 64, 3), np.uint8), [[8, 8, 56, 56]])
try:
    poses.draw(np.zeros((64, 64, 3), np.uint8))
except hpe_edge.BackendError as error:
    sys.exit(0 if "hpe-edge[video]" in str(error) else str(error))
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
