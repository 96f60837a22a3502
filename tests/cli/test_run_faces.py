"""Options of run for boxes, detectors, doubt and attention: what arrives in the results."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_helpers import SAMPLES, command, rows_of

from hpe_edge import PoseEngine, open_detector
from hpe_edge.boxes.box_fit import BoxFit, MeasuredFit, box_fit
from hpe_edge.cli.main import main

ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")
RELATIVE = tuple(f"rel_{name}" for name in ANGLES)


def run_of(clip: Path, model: Path, *options: object) -> list[str]:
    return command("run", clip, "--model", model, "--boxes", "boxes.csv", *options)


def numbers(rows: list[dict[str, str]], names: tuple[str, ...]) -> np.ndarray:
    return np.array([[float(row[name]) for name in names] for row in rows])


def results(tmp_path: Path, *run: str) -> list[dict[str, str]]:
    assert main([*run, "--csv", "o.csv"]) == 0
    return rows_of(tmp_path / "o.csv")


@pytest.mark.parametrize("given", ["yunet", "landmarks", "fit.json"])
def test_boxes_from(clip: Path, model: Path, tmp_path: Path, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    fit = BoxFit(0.8, 0.7, 0.05)
    (tmp_path / "fit.json").write_text(MeasuredFit(fit, 40, None, "ours").to_json())
    if given != "fit.json":
        fit = box_fit(given)
    rows = results(tmp_path, *run_of(clip, model, "--boxes-from", given))
    expected = fit(np.float32([[30, 20, 60, 50]]))
    np.testing.assert_allclose(numbers(rows, ("x1", "y1", "x2", "y2")), np.repeat(expected, 6, axis=0), atol=0.006)
    assert "chin to eyebrows" not in capsys.readouterr().err


def test_strange_boxes_are_noted_once(
    clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{i},30,10,50,38\n" for i in range(12)))
    assert main(run_of(clip, model, "--csv", "o.csv")) == 0
    said = capsys.readouterr().err
    assert said.count("note: the boxes are 1.40 times as high as wide") == 1
    assert "--boxes-from 'landmarks'" in said and "boxes_from" not in said and "BoxesWarning" not in said
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n0,0.1,0.2,0.3,0.4\n")
    assert main(run_of(clip, model, "--csv", "o.csv")) == 2
    assert "fractions of the frame" in capsys.readouterr().err


def test_detectors_by_name_and_their_limits(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = command("run", SAMPLES, "--model", model)
    heights = {
        name: float((boxes[:, 3] - boxes[:, 1]).max())
        for name in ("astronaut.jpg", "grace_hopper.jpg")
        for boxes in (open_detector("face-detector")(cv2.imread(str(SAMPLES / name))).boxes,)
    }
    low, high = sorted(heights, key=lambda name: heights[name])
    assert len(results(tmp_path, *run, "--detector", "face-detector")) == 2
    between = (heights[low] + heights[high]) / 2
    assert [row["file"] for row in results(tmp_path, *run, "--min-face", f"{between:.1f}")] == [high]
    assert main([*run, "--min-face", "5000"]) == 1
    capsys.readouterr()
    assert main([*run, "--min-score", "1"]) == 1
    assert "--min-face" in capsys.readouterr().err
    assert main([*run, "--detector", "haar"]) == 1
    assert "face-detector, yunet, scrfd" in capsys.readouterr().err
    assert main([*run, "--detector", "retina"]) == 1
    assert "retina" in capsys.readouterr().err


def test_least_score(data: Path, model: Path, tmp_path: Path) -> None:
    run = command("run", data / "video" / "classroom.mp4", "--model", model, "--frames", 3)
    run += ["--detector", str(data / "detectors" / "yunet_n_640_640.onnx")]
    few, many = (results(tmp_path, *run, "--min-score", score) for score in ("0.9", "0.3"))
    assert 0 < len(few) < len(many) and min(float(row["score"]) for row in few) >= 0.9


def test_limit_of_sigma(clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The root mean square of the three angles' sigma decides."""
    rows = results(tmp_path, *run_of(clip, model, "--max-sigma", "none"))
    sigma = np.sqrt((numbers(rows, tuple(f"{name[:-4]}_sigma_deg" for name in ANGLES)) ** 2).mean(axis=1))
    assert {row["doubtful"] for row in rows} == {"0"}
    limit = float(np.sort(sigma)[2:4].mean())
    capsys.readouterr()
    marked = results(tmp_path, *run_of(clip, model, "--max-sigma", f"{limit:.4f}"))
    assert [row["doubtful"] for row in marked] == [str(int(each > limit)) for each in sigma]
    assert "6 faces (3 doubtful)" in capsys.readouterr().err
    kept = results(tmp_path, *run_of(clip, model, "--max-sigma", f"{limit:.4f}", "--drop-doubtful"))
    assert [row["frame"] for row in kept] == [row["frame"] for row in marked if row["doubtful"] == "0"]


def test_the_table_and_the_summary_count_doubtful_faces(
    clip: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(run_of(clip, model, "--max-sigma", "0.001")) == 0
    assert all(line.endswith(" ?v.mp4") for line in capsys.readouterr().out.splitlines()[1:])
    assert main(run_of(clip, model, "--max-sigma", "0.001", "--summary", "json", "--quiet")) == 0
    assert json.loads(capsys.readouterr().out)["doubtful"] == 6


def test_angles_relative_to_a_mount(clip: Path, model: Path, tmp_path: Path) -> None:
    """A camera in front changes nothing; one that is turned about the vertical alone turns the yaw."""
    rows = results(tmp_path, *run_of(clip, model, "--mount", "0,0,0", "--no-track"))
    np.testing.assert_allclose(numbers(rows, RELATIVE), numbers(rows, ANGLES), atol=2e-3)
    turned = results(tmp_path, *run_of(clip, model, "--mount", "-30,0,0", "--no-track"))
    yaw = numbers(turned, RELATIVE)[:, 0] - numbers(rows, RELATIVE)[:, 0]
    assert np.abs(np.abs(yaw) - 30).max() < 5  # exactly 30 for an upright head


def test_angles_relative_to_a_given_pose(clip: Path, model: Path, tmp_path: Path) -> None:
    first = numbers(results(tmp_path, *run_of(clip, model)), ANGLES)[0]
    text = ",".join(f"{angle:.3f}" for angle in first)
    rows = results(tmp_path, *run_of(clip, model, "--neutral", text))
    np.testing.assert_allclose(numbers(rows, RELATIVE)[0], 0, atol=0.01)
    assert np.abs(numbers(rows, RELATIVE)[1:]).max() > 0.1
    assert {row["zone"] for row in rows} == {""}


def test_a_neutral_pose_that_is_learned(clip: Path, model: Path, tmp_path: Path) -> None:
    rows = results(tmp_path, *run_of(clip, model, "--neutral", "learn:0.5", "--neutral-per", "mount"))
    known = [bool(row["rel_yaw_deg"]) for row in rows]
    assert not known[0] and known[-1] and known == sorted(known)


@pytest.mark.parametrize(("after", "first_s"), [("0.3", 0.3), ("0", 0.0), (None, None)])
def test_zones_and_events(clip: Path, model: Path, tmp_path: Path, after: str | None, first_s: float | None) -> None:
    """A zone that nobody is in is left from the start; by default after two seconds, which the video does not have."""
    square = [[150, 60], [170, 60], [170, 80], [150, 80]]
    (tmp_path / "z.json").write_text(json.dumps({"zones": [{"name": "far", "polygon": square}]}))
    options = ["--zones", "z.json", "--events", "e.jsonl"] + ([] if after is None else ["--away-after", after])
    rows = results(tmp_path, *run_of(clip, model, *options))
    assert {row["zone"] for row in rows} == {""}
    events = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [event["kind"] for event in events] == ([] if first_s is None else ["left"])
    for event in events:
        assert event["track"] == 0 and event["zone"] is None
        assert first_s <= event["time_s"] <= first_s + 0.35


def test_a_zone_that_everybody_is_in(
    clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    square = [[-179, -89], [179, -89], [179, 89], [-179, 89]]
    (tmp_path / "z.json").write_text(json.dumps({"zones": [{"name": "all", "polygon": square}]}))
    rows = results(tmp_path, *run_of(clip, model, "--zones", "z.json"))
    assert {row["zone"] for row in rows} == {"all"}
    capsys.readouterr()
    assert main(run_of(clip, model, "--zones", "z.json", "--events", "-", "--quiet", "--away-after", "0")) == 0
    assert capsys.readouterr().out == ""


def test_numbers_are_the_engines_with_its_limit(clip: Path, model: Path, tmp_path: Path) -> None:
    """The limit changes no number."""
    plain = results(tmp_path, *run_of(clip, model))
    limited = results(tmp_path, *run_of(clip, model, "--max-sigma", "0.1"))
    assert [{**row, "doubtful": ""} for row in plain] == [{**row, "doubtful": ""} for row in limited]
    with PoseEngine(model, max_sigma=0.1) as engine:
        assert engine.max_sigma == 0.1


def test_detect_size_and_stretch_reach_the_detector(model: Path, tmp_path: Path) -> None:
    photo = cv2.imread(str(SAMPLES / "astronaut.jpg"))
    frame = np.zeros((720, 1280, 3), np.uint8)
    small = cv2.resize(photo, None, fx=0.1, fy=0.1, interpolation=cv2.INTER_AREA)
    frame[300 : 300 + len(small), 600 : 600 + small.shape[1]] = small
    cv2.imwrite(str(tmp_path / "small.png"), frame)
    cv2.imwrite(str(tmp_path / "dark.png"), (photo * 0.02).astype(np.uint8))
    run = command("run", "small.png", "--model", model)
    assert main([*run, "--detect-size", "640"]) == 1
    assert len(results(tmp_path, *run, "--detect-size", "1920")) == 1
    dark = command("run", "dark.png", "--model", model)
    assert main(dark) == 1
    assert len(results(tmp_path, *dark, "--detect-stretch")) == 1


def test_dark_faces_are_noted_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = cv2.imread(str(SAMPLES / "grace_hopper.jpg"))
    cv2.imwrite(str(tmp_path / "dark.png"), (photo * 0.1).astype(np.uint8))
    assert main(command("run", "dark.png", "--summary", "json")) == 0
    printed = capsys.readouterr()
    assert "note: 1 dark or flat face" in printed.err and json.loads(printed.out)["stretched"] == 1
    assert main(command("run", SAMPLES / "grace_hopper.jpg", "--summary", "json")) == 0
    printed = capsys.readouterr()
    assert "dark" not in printed.err and json.loads(printed.out)["stretched"] == 0
