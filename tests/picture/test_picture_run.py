"""`hpe-edge run`, `export picture` and track() with a whole-picture model in place of detector and pose model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from picture_weights import noise_picture

import hpe_edge
from export.picture.exporting import PictureReport
from hpe_edge import InputError, PictureEngine
from hpe_edge.cli.main import main

pytestmark = pytest.mark.usefixtures("few_threads")


@pytest.fixture
def few_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "noise.png"
    cv2.imwrite(str(path), noise_picture(120, 170)[..., ::-1])
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A picture that moves by two pixels per frame."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (170, 120))
    wide = noise_picture(120, 190)[..., ::-1]
    for shift in range(0, 8, 2):
        writer.write(np.ascontiguousarray(wide[:, shift : shift + 170]))
    writer.release()
    return path


def test_run_records_what_the_engine_says(exported: PictureReport, picture: Path, tmp_path: Path) -> None:
    """With translations in CSV and JSON Lines, and a drawn picture."""
    arguments = ["run", str(picture), "--model", str(exported.path), "--threads", "1", "--min-score", "0.5"]
    assert main([*arguments, "--csv", "out.csv", "--jsonl", "out.jsonl", "-o", "posed.png", "--quiet"]) == 0
    poses = PictureEngine(exported.path, threads=1, min_score=0.5)(cv2.imread(str(picture)))
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(poses) > 3
    places = np.array([[float(row[name]) for name in ("x_m", "y_m", "z_m")] for row in rows])
    assert np.abs(places - poses.translation).max() < 1e-4
    assert np.abs(np.array([float(row["yaw_deg"]) for row in rows]) - poses.yaw).max() < 2e-3
    assert np.abs(np.array([float(row["x1"]) for row in rows]) - poses.boxes[:, 0]).max() < 0.02
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["z_m"] for line in lines] == [float(row["z_m"]) for row in rows]
    assert not np.array_equal(cv2.imread("posed.png"), cv2.imread(str(picture)))


def test_a_video_is_tracked_and_smoothed(exported: PictureReport, clip: Path, tmp_path: Path) -> None:
    arguments = ["run", str(clip), "--model", str(exported.path), "--threads", "1", "--min-score", "0.5", "--smooth"]
    assert main([*arguments, "--csv", "out.csv", "--quiet"]) == 0
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    of_frame = [{row["track"] for row in rows if row["frame"] == str(frame)} for frame in range(4)]
    assert all(of_frame) and len(of_frame[0] & of_frame[1]) > 1
    assert all(row["x_m"] and row["z_m"] for row in rows)


def test_track_takes_the_engine(exported: PictureReport, clip: Path) -> None:
    engine = PictureEngine(exported.path, threads=1, min_score=0.5)
    results = list(hpe_edge.track(clip, engine))
    assert len(results) == 4
    for result in results:
        want = engine.find(result.image)
        assert np.array_equal(result.poses.translation, want.poses.translation)
        assert np.array_equal(result.boxes, want.boxes) and (result.ids >= 0).any()
    for arguments in ({"detector": "yunet"}, {"camera": 60.0}, {"detect_every": 2}, {"min_score": 0.4}):
        with pytest.raises(InputError):
            hpe_edge.track(clip, engine, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (["--detector", "yunet"], "--detector"),
        (["--min-face", "20"], "--min-face"),
        (["--detect-every", "3"], "--detect-every"),
        (["--camera-fov", "60"], "--camera-fov"),
        (["--upright", "second-pass"], "--upright"),
        (["--precision", "fp16"], "--precision"),
        (["--max-sigma", "9"], "--max-sigma"),
        (["--device", "cuda"], "device"),
    ],
)
def test_options_without_a_use_are_refused(
    exported: PictureReport, picture: Path, capsys: pytest.CaptureFixture[str], option: list[str], named: str
) -> None:
    assert main(["run", str(picture), "--model", str(exported.path), *option]) == 2
    assert named in capsys.readouterr().err


def test_a_records_file_of_other_models_has_no_translations(picture: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("file,x1,y1,x2,y2\nnoise.png,10,10,90,90\n")
    assert (
        main(["run", str(picture), "--boxes", str(boxes), "--boxes-from", "landmarks", "--csv", "o.csv", "--quiet"])
        == 0
    )
    assert "x_m" not in Path("o.csv").read_text()


def test_a_picture_without_faces_is_said(
    exported: PictureReport, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(picture), "--model", str(exported.path), "--min-score", "1", "--csv", "o.csv"]) == 1
    assert "--min-score" in capsys.readouterr().err and not Path("o.csv").exists()
