"""The suite ``coverage`` end to end, on made-up photos."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled_photos import BOX, detections, write_labelled_photos
from tiny_model import tiny_spec, write_tiny_model

from benchmarks.__main__ import main
from benchmarks.doubt import coverage
from export.uncertainty import labelled_faces
from hpe_edge.spec import AngleHead, AnglesDecode, SigmaCalibration


class OnFaces:
    def __call__(self, frame_bgr: np.ndarray):  # type: ignore[no-untyped-def]
        return detections(BOX)


def test_the_whole_suite(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled_faces, "LEAST_FACES", 3)
    monkeypatch.setattr(coverage, "detector_named", lambda name: OnFaces())
    labels = write_labelled_photos(tmp_path, rng)
    # Errors are 1, 2 and 3 degrees everywhere, far within the tiny model's sigma.
    narrow = SigmaCalibration(0.001, 0.001, 0.001, 1, "", True)
    tight = write_tiny_model(tmp_path / "tight.onnx", spec=replace(tiny_spec(), sigma=narrow))
    angles = AnglesDecode(*(AngleHead("logits", i) for i in range(3)))
    plain = write_tiny_model(tmp_path / "plain.onnx", spec=replace(tiny_spec(), decode=angles))
    out = tmp_path / "out.json"
    models = ["--models", str(tmp_path / "tiny.onnx"), str(tight), str(plain)]
    assert main(["coverage", *models, "--labels", str(labels), "--json", str(out)]) == 0
    document = json.loads(out.read_text())
    found = {
        (r["parameters"]["model"], r["parameters"]["sigma"], r["parameters"].get("boxes")): r["figures"]
        for r in document["results"]
    }
    of_bins = found["tiny", "of the bins", None]
    assert of_bins["faces"] == 3 and of_bins["all_within_1_sigma_percent"] == 100
    calibrated = found["tiny", "calibrated, other faces", None]
    assert 0 < calibrated["yaw_factor"] < calibrated["roll_factor"] < 1
    assert found["tiny", "calibrated without labels", None]["faces"] == 64
    assert found["tight", "of the bins", None] == of_bins  # sigma without its own factors
    for boxes in ("landmarks", "face-detector"):
        assert found["tight", "as stored in the file", boxes]["all_within_1_sigma_percent"] == 0
    assert found["plain", "none", None] == {"faces": 3}
    assert [line["what"].split()[2] for line in document["budget"]] == ["tiny", "tight"]
