"""The suite of DeepStream on the bundled photos, and its emulated nvinfer."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.deepstream.emulated_nvinfer import EmulatedNvinfer, Rect
from hpe_edge.samples import BOXES, FOLDER

CONFIG = """
[property]
process-mode=2
net-scale-factor={scale}
offsets={offsets}
infer-dims=3;{height};{width}
model-color-format={color}
maintain-aspect-ratio={keep}
symmetric-padding={symmetric}
scaling-filter=1
"""


def nvinfer(tmp_path: Path, **changes: object) -> EmulatedNvinfer:
    keys = {"scale": 1, "offsets": "0;0;0", "height": 8, "width": 8, "color": 1, "keep": 1, "symmetric": 1, **changes}
    path = tmp_path / "nvinfer.txt"
    path.write_text(CONFIG.format(**keys))
    return EmulatedNvinfer(path)


def test_rectangles_are_moved_to_even_pixels(tmp_path: Path) -> None:
    """Left 3.9 becomes 3, then 4; width 9.9 becomes 9, then 8: as many pixels as the input has."""
    frame = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    (planes,) = nvinfer(tmp_path)(frame, [Rect(3.9, 6.0, 9.9, 8.0)])
    np.testing.assert_array_equal(planes, frame[6:14, 4:12].transpose(2, 0, 1))


def test_padding_colour_order_and_scale(tmp_path: Path) -> None:
    frame = np.full((40, 40, 3), (10, 20, 30), np.uint8)
    (planes,) = nvinfer(tmp_path, color=0, scale=0.5, offsets="30;20;10")(frame, [Rect(0, 0, 8, 16)])
    assert planes[:, :, 2:6].tolist() == np.zeros((3, 8, 4)).tolist()  # RGB less the offsets
    assert planes[:, 0, 0].tolist() == planes[:, 0, 7].tolist() == [-15, -10, -5]
    (planes,) = nvinfer(tmp_path, symmetric=0)(frame, [Rect(0, 0, 8, 16)])
    assert planes[0, 0].tolist() == [10] * 4 + [0] * 4
    (planes,) = nvinfer(tmp_path, keep=0)(frame, [Rect(0, 0, 8, 16)])
    assert (planes[0] == 10).all()


def test_a_rectangle_outside_the_frame_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="leaves the frame"):
        nvinfer(tmp_path)(np.zeros((40, 40, 3), np.uint8), [Rect(36, 0, 8, 8)])


def test_the_suite_runs(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    _, *lines = BOXES.read_text().splitlines()
    for line in lines:
        name, *_ = line.split(",")
        cv2.imwrite(str(tmp_path / name), cv2.imread(str(FOLDER / name)))
    (tmp_path / "boxes.csv").write_text(BOXES.read_text())
    path = tmp_path / "deepstream.json"
    assert main(["deepstream", "--quick", "--faces", str(tmp_path), "--json", str(path)]) == 0
    results = json.loads(path.read_text())["results"]
    whole = results[0]
    assert whole["parameters"] == {"crop": "within the frame", "scaling": "centres", "faces": 2}
    assert 0 < whole["figures"]["mean_deg"] < 3
    timed = results[-1]
    assert [row["name"] for row in timed["rows"]] == ["engine", "variant"]
    assert timed["rows"][1]["differences"]["angles_deg"]["largest"] < 1e-3


def test_a_folder_without_boxes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deepstream", "--quick", "--faces", str(tmp_path)]) == 2
    assert "boxes.csv" in capsys.readouterr().err
