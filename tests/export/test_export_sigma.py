"""export.sigma: factors from labels and from the embedded model, the file, the refusals."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from labelled_photos import write_labelled_photos
from tiny_model import tiny_spec, write_tiny_model

from export import sigma
from export.gate import crops
from export.gate.gate import sigma_change
from export.onnx import adopt, export
from export.uncertainty import labelled_faces
from export.uncertainty.labelled_faces import errors_on, read_labels
from export.uncertainty.sigma_factors import coverage
from hpe_edge import InputError, ModelError, ModelNotFoundError, PoseEngine, Poses, SourceError
from hpe_edge.models import DEFAULT
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.spec import METADATA_KEY, AngleHead, AnglesDecode, ModelSpec, SigmaCalibration


@pytest.fixture
def labels(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(labelled_faces, "LEAST_FACES", 3)
    return write_labelled_photos(tmp_path, rng)


def network(path: Path) -> bytes:
    """All of a file but its metadata."""
    model = onnx.load(path)
    del model.metadata_props[:]
    return model.SerializeToString()


def test_labels_give_the_factors_and_nothing_else_changes(labels: Path) -> None:
    model = labels.with_name("tiny.onnx")
    with PoseEngine(model) as engine:
        photo = cv2.imread(str(labels.with_name("0.png")))
        before = engine(photo, [[20, 30, 90, 100]])
        found = errors_on(engine, read_labels(labels), [[box] for box in read_labels(labels).boxes])
    bytes_before, unset = network(model), engine.spec
    report = sigma.calibrate(model, labels=labels, limit_deg=30.0)
    assert report.path == model and report.before is not None and report.after is not None
    assert report.spec.sigma is not None and report.spec.sigma.labelled and report.spec.sigma.faces == 3
    assert network(model) == bytes_before and replace(report.spec, sigma=None) == unset
    with PoseEngine(model) as engine:
        assert engine.spec == report.spec and engine.max_sigma == 30.0
        after = engine(photo, [[20, 30, 90, 100]])
    np.testing.assert_array_equal(after.angles, before.angles)
    factors = np.array(report.spec.sigma.factors)
    np.testing.assert_allclose(after.sigma, before.sigma * factors, rtol=1e-5)
    # The labels' boxes and jittered ones; jitter moves the tiny model's angles a little.
    np.testing.assert_allclose(factors, np.quantile(np.abs(found.errors) / found.sigma, 0.68, axis=0), rtol=0.5)


def test_calibrated_again_it_gives_the_same(labels: Path) -> None:
    model, other = labels.with_name("tiny.onnx"), labels.with_name("other.onnx")
    first = sigma.calibrate(model, labels=labels, limit_deg=9.0, output=other)
    assert b'"sigma": null' in model.read_bytes()
    again = sigma.calibrate(other, labels=labels)
    assert first.spec.sigma is not None and again.spec.sigma is not None
    assert again.spec.sigma.factors == pytest.approx(first.spec.sigma.factors, rel=1e-3)
    assert again.spec.sigma.limit_deg is None


def test_the_embedded_models_errors_lie_within_its_sigma(data: Path) -> None:
    """With the labels' own boxes, which no factor was measured with."""
    labels = read_labels(data / "aflw2000_dev" / "labels.csv")
    with PoseEngine(threads=1) as engine:
        calibration = engine.spec.sigma
        found = errors_on(engine, labels, [[box] for box in labels.boxes])
    assert calibration is not None and calibration.labelled and calibration.limit_deg == 12.0
    shares = coverage(found.errors, found.sigma * np.array(calibration.factors))
    assert shares.one[3] == pytest.approx(0.683, abs=0.05) and shares.two[3] == pytest.approx(0.954, abs=0.03)
    before = coverage(found.errors, found.sigma)  # as the bins give it
    assert abs(shares.one[3] - 0.683) < abs(before.one[3] - 0.683)


def test_an_export_is_calibrated_without_labels(published: Path, data: Path) -> None:
    """The lightweight network's errors on labelled photos, by factors that saw none of them."""
    labels = read_labels(data / "aflw2000_dev" / "labels.csv")
    with PoseEngine(published, threads=1) as engine:
        calibration = engine.spec.sigma
        found = errors_on(engine, labels, [[box] for box in labels.boxes])
    assert calibration is not None and not calibration.labelled and calibration.limit_deg is None
    assert "against student-v2" in calibration.source
    shares = coverage(found.errors, found.sigma * np.array(calibration.factors))
    # A few percent too few: the embedded model learned from this one, so their errors are partly the same.
    assert shares.one[3] == pytest.approx(0.683, abs=0.1)


def test_without_labels_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = write_tiny_model(tmp_path / "tiny.onnx"), tmp_path / "out.onnx"
    arguments = [str(model), "--images", str(FOLDER), "--boxes", str(BOXES), "-o", str(out)]
    assert sigma.main([*arguments, "--limit-deg", "12"]) == 0
    said = capsys.readouterr().out
    for fragment in ("2 faces varied to 64", "factors yaw", "--labels CSV", f"written     {out}"):
        assert fragment in said
    with PoseEngine(out) as engine:
        found = engine.spec.sigma
    assert found is not None and not found.labelled and found.faces == 64 and found.limit_deg == 12


def test_the_embedded_model_calibrates_itself_to_its_own_factors(tmp_path: Path) -> None:
    found = sigma.calibrate(output=tmp_path / "out.onnx").spec.sigma
    with PoseEngine() as engine:
        own = engine.spec.sigma
    assert found is not None and own is not None
    assert found.factors == pytest.approx(own.factors, rel=2e-3)


def angles_model(path: Path) -> Path:
    spec = replace(tiny_spec(), decode=AnglesDecode(*(AngleHead("logits", i) for i in range(3))))
    return write_tiny_model(path, spec=spec)


@pytest.mark.parametrize(
    ("change", "kind", "fragment"),
    [
        ({"images": FOLDER, "labels": "labels.csv"}, InputError, "exclude each other"),
        ({"detectors": ["haar"]}, InputError, "--labels, which is missing"),
        ({"boxes": BOXES}, InputError, "--boxes needs --images"),
        ({"model": None}, InputError, "name another file"),
        ({"output": "out.txt"}, InputError, "ends in .onnx"),
        ({"model": "none.onnx"}, ModelNotFoundError, "there is no model"),
        ({"model": "angles.onnx"}, ModelError, "has no sigma to calibrate"),
        ({"labels": "none.csv"}, SourceError, "cannot read the labels"),
        ({"labels": "labels.csv"}, SourceError, "has 3 faces that can be used"),
        ({"limit_deg": -1.0}, ModelError, "above 0"),
    ],
)
def test_refusals_write_nothing(
    change: dict, kind: type[Exception], fragment: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    write_labelled_photos(tmp_path, rng)
    angles_model(tmp_path / "angles.onnx")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    ours = {name: tmp_path / value if isinstance(value, str) else value for name, value in change.items()}
    with pytest.raises(kind, match=fragment):
        sigma.calibrate(**{"model": tmp_path / "tiny.onnx", **ours})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_export_with_too_few_faces_is_left_as_it_is(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops, "MIN_CROPS", 4)
    written = export(checkpoint, output=tmp_path / "out.onnx")
    assert written.spec.sigma is None
    assert any("too few" in note and "hpe-edge export sigma" in note for note in written.notes)


def test_a_change_of_sigma_is_seen() -> None:
    angles, rotation = np.zeros((5, 3), np.float32), np.tile(np.eye(3, dtype=np.float32), (5, 1, 1))
    one = Poses(angles, np.full((5, 3), 4, np.float32), rotation)
    other = Poses(angles, np.full((5, 3), [4, 5, 2], np.float32), rotation)
    np.testing.assert_allclose(sigma_change(one, other), [0, 0.25, -0.5])
    assert np.isnan(sigma_change(one, Poses(angles, np.full((5, 3), np.nan, np.float32), rotation))).all()


def test_the_embedded_files_calibration_is_plain_json() -> None:
    text = next(entry.value for entry in onnx.load(DEFAULT).metadata_props if entry.key == METADATA_KEY)
    plain = json.loads(text)["sigma"]
    assert set(plain) == {"yaw", "pitch", "roll", "faces", "source", "labelled", "limit_deg"}
    assert ModelSpec.from_json(text).sigma == SigmaCalibration(**plain)


def test_a_table_of_another_program_may_have_more_columns(labels: Path) -> None:
    with labels.open() as file:
        rows = list(csv.DictReader(file))
    with labels.open("w") as file:
        writer = csv.DictWriter(file, ["name", *rows[0]])
        writer.writeheader()
        writer.writerows({"name": "a", **row} for row in rows)
    assert len(read_labels(labels).files) == 3


def test_an_adopted_file_keeps_its_calibration(published: Path, data: Path, tmp_path: Path) -> None:
    own = SigmaCalibration(0.9, 0.8, 0.7, 500, "labels.csv", True, 20.0)
    model = onnx.load(published)
    text = next(entry.value for entry in model.metadata_props if entry.key == METADATA_KEY)
    spec = replace(ModelSpec.from_json(text), sigma=own)
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, tmp_path / "own.onnx")
    checkpoint = data / "checkpoints" / "lightweight" / "model-b66.pkl"
    output = tmp_path / "out.onnx"
    written = adopt(tmp_path / "own.onnx", arch="lightweight", checkpoint=checkpoint, output=output)
    assert written.spec.sigma == own
    assert not any("calibrate it again" in note for note in written.notes)
