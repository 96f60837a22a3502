"""An installation of NumPy and OpenCV alone: the embedded models in native code, and what needs ONNX Runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from hpe_edge import PoseEngine, open_detector
from hpe_edge.models import DEFAULT, FACE_DETECTOR, FACE_DETECTOR_NATIVE
from hpe_edge.samples import FOLDER

PHOTO = FOLDER / "astronaut.jpg"
_OTHERS = ("onnxruntime", "tqdm", "onnx", "openvino", "torch", "aiohttp")


def run(code: str) -> str:
    """Run Python code that cannot import other packages than NumPy and OpenCV; return what it prints."""
    without = f"import sys\nfor name in {_OTHERS}:\n    sys.modules[name] = None\n"
    done = subprocess.run([sys.executable, "-c", without + code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_faces_are_found_and_posed_as_with_it() -> None:
    code = (
        "import cv2, hpe_edge, json\n"
        f"poses = hpe_edge.PoseEngine()(cv2.imread({str(PHOTO)!r}))\n"
        "print(json.dumps([poses.angles.tolist(), poses.boxes.tolist(), poses.scores.tolist()]))"
    )
    angles, boxes, scores = json.loads(run(code))
    with PoseEngine(DEFAULT, backend="onnxruntime", detector=FACE_DETECTOR) as engine:
        wanted = engine(cv2.imread(str(PHOTO)))
    assert len(wanted) == 1
    np.testing.assert_allclose(angles, wanted.angles, atol=0.01)
    np.testing.assert_allclose(boxes, wanted.boxes, atol=0.05)
    np.testing.assert_allclose(scores, wanted.scores, atol=1e-4)


def test_the_commands_run(tmp_path: Path) -> None:
    """Progress bars and notes are those of tqdm elsewhere."""
    rows, picture = tmp_path / "poses.csv", tmp_path / "demo.jpg"
    arguments = ["run", str(PHOTO), "--csv", str(rows)], ["demo", "-o", str(picture)], ["info"], ["doctor"]
    said = run(f"from hpe_edge.cli.main import main\nfor each in {arguments!r}:\n    assert main(each) == 0, each")
    assert len(rows.read_text().splitlines()) == 2 and picture.stat().st_size > 0
    assert "onnxruntime" in said and "hpe-edge[demo]" in said


def test_what_needs_it_says_so() -> None:
    code = (
        "import hpe_edge\n"
        f"for use, path in (hpe_edge.PoseEngine, {str(DEFAULT)!r}), (hpe_edge.open_detector, {str(FACE_DETECTOR)!r}):\n"
        "    try:\n"
        "        use(path)\n"
        "    except hpe_edge.BackendError as error:\n"
        "        print(error)\n"
    )
    first, second = run(code).splitlines()
    assert all("pip install 'hpe-edge[onnxruntime]'" in each for each in (first, second))
    assert str(DEFAULT) in first and str(FACE_DETECTOR) in second


@pytest.mark.parametrize("turned", [False, True])
def test_the_file_finds_what_the_graph_finds_in_scenes(data: Path, turned: bool) -> None:
    graph, native = open_detector(FACE_DETECTOR), open_detector(FACE_DETECTOR_NATIVE)
    faces = 0
    for path in sorted((data / "scenes").glob("people_*.webp"))[:40]:
        frame = cv2.imread(str(path))
        frame = cv2.rotate(frame, cv2.ROTATE_90_CLOCKWISE) if turned else frame
        wanted, found = graph(frame), native(frame)
        assert len(found) == len(wanted), path
        np.testing.assert_allclose(found.boxes, wanted.boxes, atol=0.05)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
        faces += len(wanted)
    assert faces >= 30
