"""hpe-edge run: files, rows and numbers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_helpers import SAMPLES, command, names, rows_of
from media import count_frames, noise, write_video

from hpe_edge import PoseEngine
from hpe_edge.cli.main import main
from hpe_edge.faces.detector import Detections
from hpe_edge.models import DEFAULT_NAME
from hpe_edge.sinks.annotated_images import PictureFolder
from hpe_edge.sources.frame import Frame
from hpe_edge.sources.images import Pictures


def test_video(clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    status = main(
        command("run", clip, "--model", model, "--boxes", tmp_path / "boxes.csv", "-o", out / "o.mp4")
        + command("--csv", out / "o.csv", "--jsonl", out / "o.jsonl", "--threads", 1)
    )
    printed = capsys.readouterr()
    assert status == 0 and printed.out == ""
    assert names(out) == ["o.csv", "o.jsonl", "o.mp4"] and count_frames(out / "o.mp4") == 12
    rows = rows_of(out / "o.csv")
    assert [(row["file"], row["frame"], row["time_s"]) for row in rows[:2]] == [
        ("v.mp4", "0", "0.000"),
        ("v.mp4", "2", "0.200"),
    ]
    assert len(rows) == len((out / "o.jsonl").read_text().splitlines()) == 6
    assert "12 frames, 6 faces" in printed.err
    assert all(f" {stage} " in printed.err for stage in ("read", "track", "crop", "infer", "decode", "draw", "write"))


def test_numbers_are_the_engines(photos: Path, model: Path, tmp_path: Path) -> None:
    assert main(command("run", photos, "--model", model, "--boxes", tmp_path / "boxes.csv", "--csv", "o.csv")) == 0
    rows = rows_of(Path("o.csv"))
    assert [(row["file"], row["frame"], row["face"]) for row in rows] == [
        ("a.png", "0", "0"),
        ("c.png", "2", "0"),
        ("c.png", "2", "1"),
    ]
    poses = PoseEngine(model)(cv2.imread(str(photos / "c.png")), [[0, 0, 20, 20], [50, 10, 90, 60]])
    for face, row in enumerate(rows[1:]):
        got = [float(row[name]) for name in ("yaw_deg", "pitch_deg", "roll_deg")]
        np.testing.assert_allclose(got, poses.angles[face], atol=6e-4)  # three digits are written
        np.testing.assert_allclose([float(row[q]) for q in ("qw", "qx", "qy", "qz")], poses.quaternion[face], atol=1e-6)


def test_folder_to_folder(photos: Path, model: Path, tmp_path: Path) -> None:
    assert main(command("run", photos, "--model", model, "--boxes", "boxes.csv", "-o", "out")) == 0
    assert names(tmp_path / "out") == ["a.png", "b.jpg", "c.png"]
    assert names(tmp_path) == ["boxes.csv", "out", "photos"]


def test_without_outputs_a_table_is_printed_and_nothing_written(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(tmp_path)
    assert main(command("run", photos, "--model", model, "--boxes", "boxes.csv")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["frame", "face", "track", "x1", "y1", "x2", "y2", "yaw", "pitch", "roll", "file"]
    assert len(lines) == 4 and lines[1].split()[:7] == ["0", "0", "-", "30.0", "20.0", "60.0", "50.0"]
    assert lines[1].endswith("  a.png") and names(tmp_path) == before


def test_own_csv_serves_as_boxes(clip: Path, model: Path) -> None:
    run = command("run", clip, "--model", model)
    assert main([*run, "--boxes", "boxes.csv", "--csv", "first.csv"]) == 0
    assert main([*run, "--boxes", "first.csv", "--csv", "second.csv"]) == 0
    assert Path("first.csv").read_text() == Path("second.csv").read_text()


def test_detector_finds_the_sample_faces(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command("run", SAMPLES, "--model", model)) == 0
    printed = capsys.readouterr()
    assert [line.split()[-1] for line in printed.out.splitlines()[1:]] == ["astronaut.jpg", "grace_hopper.jpg"]


def test_classroom_video(data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A truncated copy: the faces in its frames are found, and what is missing is said."""
    whole = (data / "video" / "classroom.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 20])
    assert main(command("run", "cut.mp4", "--model", model, "-o", "out.mp4", "--csv", "out.csv")) == 0
    assert "329 frames" in capsys.readouterr().err
    frames = count_frames(tmp_path / "out.mp4")
    assert frames >= 5 and len(rows_of(tmp_path / "out.csv")) >= 3 * frames


def test_boxes_that_match_nothing_are_counted(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\na.png,1,2,30,40\nz.png,1,2,30,40\n")
    assert main(command("run", photos, "--model", model, "--boxes", "boxes.csv")) == 0
    assert "1 box of boxes.csv" in capsys.readouterr().err


def test_boxes_for_another_size_are_counted(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside, outside = ("95,63,120,90", "-9,-9,1,1"), ("96,10,120,30", "10,64,30,90", "-9,10,0,30", "10,-9,30,0")
    run = command("run", photos, "--model", model, "--boxes", "boxes.csv")
    for boxes, said in (
        (inside, None),
        (inside + outside[:1], "1 box of boxes.csv"),
        (inside + outside, "4 boxes of boxes.csv"),
    ):
        (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\n" + "".join(f"a.png,{box}\n" for box in boxes))
        assert main(run) == 0
        printed = capsys.readouterr().err
        assert said in printed if said else "outside" not in printed


def test_a_folder_may_be_called_like_a_camera(photos: Path, model: Path, tmp_path: Path) -> None:
    photos.rename(tmp_path / "0")
    assert main(command("run", "0", "--model", model, "--boxes", "boxes.csv")) == 0


def test_without_a_model_the_embedded_one_runs_and_is_named(
    photos: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(command("run", photos, "--boxes", "boxes.csv", "--csv", "o.csv")) == 0
    assert capsys.readouterr().err.startswith(f"hpe-edge: model: {DEFAULT_NAME}\n")
    image = cv2.imread(str(photos / "a.png"))
    (row,) = (row for row in rows_of(tmp_path / "o.csv") if row["file"] == "a.png")
    with PoseEngine() as engine:
        assert float(row["yaw_deg"]) == pytest.approx(engine(image, [[30, 20, 60, 50]]).yaw[0], abs=6e-4)


def test_raw_frames_on_standard_input(model: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{i},30,20,60,50\n" for i in range(3)))
    parts = command("run", "-", "--raw", "96x64@10", "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv")
    done = subprocess.run(
        [sys.executable, "-m", "hpe_edge", *parts],
        input=b"".join(noise(seed=seed).tobytes() for seed in range(3)),
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "o.csv")
    assert [(row["file"], row["time_s"]) for row in rows] == [("standard input", f"{i / 10:.3f}") for i in range(3)]
    for seed, row in enumerate(rows):
        expected = PoseEngine(model)(noise(seed=seed), [[30, 20, 60, 50]]).yaw[0]
        assert float(row["yaw_deg"]) == pytest.approx(expected, abs=6e-4)


def test_a_pattern_of_pictures(photos: Path, model: Path, tmp_path: Path) -> None:
    assert main(command("run", "photos/*.png", "--model", model, "--boxes", "boxes.csv", "-o", "out")) == 0
    assert names(tmp_path / "out") == ["a.png", "c.png"]


def test_frame_limit(clip: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mkv", "--frames", 5)
    assert main(run) == 0
    assert count_frames(Path("o.mkv")) == 5 and "5 frames, 3 faces" in capsys.readouterr().err


def test_faces_are_followed_unless_told_otherwise(clip: Path, model: Path, tmp_path: Path) -> None:
    moving = "".join(f"{i},{30 + i},20,{60 + i},50\n{i},5,5,15,15\n" for i in range(12))
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + moving)
    run = command("run", clip, "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv")
    assert main(run) == 0
    assert [row["track"] for row in rows_of(Path("o.csv"))] == ["0", "1"] * 12
    assert [float(row["x1"]) for row in rows_of(Path("o.csv"))[::2]] == list(range(30, 42))  # given boxes are kept
    raw = [row["yaw_deg"] for row in rows_of(Path("o.csv"))]
    assert main([*run, "--smooth"]) == 0
    assert [row["yaw_deg"] for row in rows_of(Path("o.csv"))] != raw
    assert main([*run, "--no-track"]) == 0
    assert {row["track"] for row in rows_of(Path("o.csv"))} == {""}


def test_camera_options(clip: Path, model: Path) -> None:
    run = command("run", clip, "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv")
    read: list[list[str]] = []
    focal = 48 / np.tan(np.radians(30))
    for options in ([], ["--camera-fov", "60"], ["--intrinsics", f"{focal},{focal},47.5,31.5"]):
        assert main([*run, *options]) == 0
        read.append([row["yaw_deg"] for row in rows_of(Path("o.csv"))])
    assert read[0] != read[1] == read[2]


def test_profile(clip: Path, model: Path) -> None:
    """Every stage of every frame is in the trace once, on the thread of its stage."""
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "--profile", "p.json")) == 0
    events = json.loads(Path("p.json").read_text())["traceEvents"]
    threads = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    done = Counter((threads[e["tid"]], e["name"]) for e in events if e["ph"] == "X")
    assert done == {
        ("read", "read"): 13,  # the last one finds the end
        ("detect", "detect"): 12,
        ("pose", "track"): 12,
        **{("pose", stage): 6 for stage in ("crop", "infer", "decode")},  # so many frames have faces
        ("write", "write"): 12,
    }
    for stage in ("detect", "track", "write"):
        assert sorted(e["args"]["frame"] for e in events if e["ph"] == "X" and e["name"] == stage) == list(range(12))
    assert {e["name"] for e in events if e["ph"] == "C"} == {"detect queue", "pose queue", "write queue"}


def test_plot(clip: Path, model: Path) -> None:
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "--jsonl", "o.jsonl")) == 0
    assert main(["plot", "o.jsonl", "-o", "angles.png"]) == 0
    assert cv2.imread("angles.png") is not None
    assert main(["plot", "o.jsonl", "-o", "angles.jpg"]) == 2


def test_udp(clip: Path, model: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        address = f"127.0.0.1:{receiver.getsockname()[1]}"
        assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "--udp", address)) == 0
        assert {len(receiver.recv(1000)) for _ in range(6)} == {48}


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("kind", ["yunet_n_640_640", "scrfd_500m_kps"])
def test_detectors_on_the_classroom_video(
    data: Path, model: Path, kind: str, every: int, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = data / "detectors" / f"{kind}.onnx"
    run = command("run", data / "video" / "classroom.mp4", "--model", model, "--detector", detector, "--csv", "o.csv")
    assert main([*run, "--frames", "30", "--detect-every", str(every)]) == 0
    rows = rows_of(Path("o.csv"))
    assert len(rows) >= 4 * 30 and {row["frame"] for row in rows} == {str(frame) for frame in range(30)}
    scored = {row["frame"] for row in rows if row["score"]}
    assert scored == {str(frame) for frame in range(0, 30, every)}
    of_track: dict[str, list[np.ndarray]] = {}
    for row in rows:
        box = np.array([float(row[name]) for name in ("x1", "y1", "x2", "y2")])
        of_track.setdefault(row["track"], []).append(box)
    assert sum(len(boxes) == 30 for boxes in of_track.values()) >= 4  # these are there throughout, under one number
    for boxes in of_track.values():
        assert np.abs(np.diff(boxes, axis=0)).max(initial=0) < 30


def test_a_window_that_is_closed_ends_the_run_well(
    clip: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fake_display import FakeDisplay

    display = FakeDisplay(monkeypatch)
    display.key = ord("q")
    run = command("run", clip, "--model", model, "--boxes", "boxes.csv", "--show", "--csv", "o.csv")
    slow = PoseEngine.__call__
    monkeypatch.setattr(PoseEngine, "__call__", lambda *given, **named: (time.sleep(0.1), slow(*given, **named))[1])
    assert main(run) == 0
    assert 0 < len(rows_of(Path("o.csv"))) < 6 and "wrote" in capsys.readouterr().err


def test_seldom_searched_faces_keep_their_identities(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a video with 10 frames a second, one frame out of 15 is searched."""
    video = write_video(tmp_path / "long.mp4", frames=60)
    face = np.float32([[30, 20, 60, 50]])
    monkeypatch.setattr(
        "hpe_edge.pipeline.opening.find_by",
        lambda detector: lambda frame: Detections.from_boxes(face, np.float32([0.9])),
    )
    assert main(command("run", video, "--model", model, "--detect-every", 15, "--smooth", "--csv", "o.csv")) == 0
    rows = rows_of(tmp_path / "o.csv")
    assert [row["frame"] for row in rows] == [str(frame) for frame in range(60)]
    assert {row["track"] for row in rows} == {"0"}


def test_notes_of_source_and_outputs_are_said_once_each(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Speaks(Pictures):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                yield frame
                if frame.index == 1:
                    outputs[0].notes.append("an output's note")
                    time.sleep(0.2)
                    self.notes.append("a source's note")

    begin, outputs = PictureFolder.__init__, []

    def noted(self: PictureFolder, path: Path) -> None:
        begin(self, path)
        outputs.append(self)

    monkeypatch.setattr(PictureFolder, "__init__", noted)
    monkeypatch.setattr(
        "hpe_edge.cli.run.assembly.open_source", lambda given, raw, recursive: Speaks.of_folder(Path(given[0]))
    )
    assert main(command("run", photos, "--model", model, "--boxes", "boxes.csv", "-o", "out")) == 0
    said = capsys.readouterr().err
    assert said.count("an output's note") == said.count("a source's note") == 1
