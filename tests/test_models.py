"""The embedded model: what PoseEngine() loads, on the bundled photos and, where they are, on the labelled ones."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hpe_edge import BackendError, PoseEngine
from hpe_edge.geometry import geodesic_deg
from hpe_edge.models import (
    DEFAULT,
    DEFAULT_NAME,
    FACE_DETECTOR,
    FACE_DETECTOR_NATIVE,
    FOLDER,
    NATIVE,
    NATIVE_INT8,
    WEIGHTS,
)
from hpe_edge.samples import BOXES
from hpe_edge.samples import FOLDER as SAMPLES


def test_without_a_name_it_is_the_embedded_one() -> None:
    with PoseEngine() as engine, PoseEngine(DEFAULT) as same:
        assert replace(engine.spec, gate=None) == replace(same.spec, gate=None)
        assert engine.spec.gate is not None and engine.spec.gate.compared == "native fp32 with onnx"
        assert engine.spec.architecture == "student-v2" and "student-v2" in DEFAULT_NAME
        assert engine.spec.input.size == 112 and engine.device == "cpu"


def test_it_is_small_and_comes_from_the_weights_beside_it() -> None:
    assert DEFAULT.stat().st_size <= 1_000_000 and NATIVE.stat().st_size <= 1_000_000
    assert NATIVE_INT8.stat().st_size <= 300_000
    with PoseEngine(DEFAULT) as engine:
        origin, gate = engine.spec.origin, engine.spec.gate
    assert origin.checkpoint == WEIGHTS.name
    assert origin.sha256 == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert gate is not None and gate.compared == "onnx with pytorch" and gate.worst_deg <= 0.01


@pytest.mark.parametrize(
    ("arguments", "runtime"),
    [
        ({}, "native code"),
        ({"model": "student-v2", "device": "cpu"}, "native code"),
        ({"backend": "native"}, "native code"),
        ({"backend": "onnxruntime"}, "ONNX Runtime"),
        ({"model": DEFAULT}, "ONNX Runtime"),
        ({"backend": "openvino", "precision": "fp32"}, "OpenVINO"),
        ({"model": "student-v2-int8"}, "native code"),
    ],
)
def test_native_code_runs_it_unless_another_is_named(
    arguments: dict[str, Any], runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpe_edge._native.network_isa_names", lambda: ["avx512vnni", "avx2", "baseline"])
    with PoseEngine(**arguments) as engine:
        assert runtime in repr(engine)
        assert engine.spec.precision == ("int8" if arguments.get("model") == "student-v2-int8" else "fp32")


@pytest.mark.parametrize(("installed", "runtime"), [(True, "ONNX Runtime"), (False, "native code")])
def test_without_avx512_onnx_runtime_runs_it_where_installed(
    installed: bool, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpe_edge._native.network_isa_names", lambda: ["avx2", "baseline"])
    monkeypatch.setattr("hpe_edge.engine.find_spec", lambda name: object() if installed else None)
    with PoseEngine() as engine:
        assert runtime in repr(engine)


def test_the_forms_of_it_agree() -> None:
    """On the bundled faces, within what FP32 and INT8 promise."""
    photos = [cv2.imread(str(SAMPLES / name)) for name in ("astronaut.jpg", "grace_hopper.jpg")]
    boxes = np.loadtxt(BOXES, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4))
    models = (DEFAULT, NATIVE, NATIVE_INT8)
    exact, fp32, int8 = (
        [engine(p, [b]) for p, b in zip(photos, boxes, strict=True)] for engine in map(PoseEngine, models)
    )
    for a, b, c in zip(exact, fp32, int8, strict=True):
        assert geodesic_deg(a.rotation, b.rotation).max() < 0.01
        assert 0 < geodesic_deg(a.rotation, c.rotation).max() < 2.5


def test_a_working_installation_needs_numpy_alone() -> None:
    """With boxes, nothing but NumPy and the standard library is imported."""
    code = (
        "import sys, numpy, hpe_edge\n"
        "poses = hpe_edge.PoseEngine(backend='native')(numpy.zeros((90, 90, 3), numpy.uint8), [[20, 20, 60, 60]])\n"
        "top = {name.split('.')[0] for name, module in sys.modules.items() if getattr(module, '__file__', None)}\n"
        "print(len(poses), *sorted(name for name in top if 'site-packages' in (sys.modules[name].__file__ or '')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, *packages = done.stdout.split()
    packages = [name for name in packages if not name.startswith("_")]  # hooks of the environment
    assert count == "1" and set(packages) <= {"numpy", "hpe_edge"}


def test_a_file_that_needs_onnx_runtime_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for name in [name for name in sys.modules if name.startswith("hpe_edge.backends.onnx.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(BackendError, match=r"pip install 'hpe-edge\[onnxruntime\]'"):
        PoseEngine(DEFAULT)


def test_the_face_detector_is_small() -> None:
    assert FACE_DETECTOR.stat().st_size <= 400_000 and FACE_DETECTOR_NATIVE.stat().st_size <= 400_000


def test_it_sees_where_the_bundled_faces_look() -> None:
    """Both look at the camera, nearly; mirrored, yaw and roll change their signs, turned, the roll follows."""
    with BOXES.open() as file:
        rows = [
            (row["file"], np.array([[float(row[key]) for key in ("x1", "y1", "x2", "y2")]]))
            for row in csv.DictReader(file)
        ]
    with PoseEngine() as engine:
        for name, box in rows:
            photo = cv2.imread(str(SAMPLES / name))
            poses = engine(photo, box)
            assert np.abs(poses.angles).max() < 20 and (poses.sigma < 15).all(), name
            width = photo.shape[1]
            mirrored = engine(
                np.ascontiguousarray(photo[:, ::-1]),
                np.array([width, 0, width, 0]) - box[:, [2, 1, 0, 3]] * [1, -1, 1, -1],
            )
            assert np.abs(mirrored.angles * [-1, 1, -1] - poses.angles).max() < 5, name
            centre = tuple(((box[0, :2] + box[0, 2:]) / 2).tolist())
            clockwise = cv2.getRotationMatrix2D(centre, -20, 1.0)  # OpenCV counts anticlockwise
            turned = engine(cv2.warpAffine(photo, clockwise, photo.shape[1::-1]), box)
            assert turned.roll[0] - poses.roll[0] == pytest.approx(20, abs=6), name


def test_the_card_stands_beside_it() -> None:
    assert "# " in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_its_error_on_labelled_photos(data: Path) -> None:
    """Every third of the labelled photos, in the labels' own boxes; the card has the figures of all."""
    with (data / "aflw2000_dev" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))[::3]
    with PoseEngine(threads=1) as engine:
        errors = []
        for row in rows:
            photo = cv2.imread(str(data / "aflw2000_dev" / row["file"]))
            said = engine(photo, [[float(row[key]) for key in ("x1", "y1", "x2", "y2")]]).angles[0]
            errors.append(np.abs(said - [float(row[key]) for key in ("yaw", "pitch", "roll")]))
    turned = np.array([abs(float(row["yaw"])) > 60 for row in rows])
    assert np.mean(errors) < 5.0
    assert np.mean(np.array(errors)[turned]) < 12.0
