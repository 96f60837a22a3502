"""The command: what it writes, what it says, and its exit status."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from media import count_frames, noise, write_picture, write_video
from tiny_model import tiny_spec, write_tiny_model

import hpe_edge
from hpe_edge import PoseEngine
from hpe_edge.cli.main import main
from hpe_edge.faces.detector import Detections
from hpe_edge.sinks.annotated_images import PictureFolder
from hpe_edge.sources.frame import Frame
from hpe_edge.sources.images import Pictures

SAMPLES = Path(hpe_edge.__file__).parent / "samples"
BOXES = "file,frame,x1,y1,x2,y2\n" + "".join(f"v.mp4,{i},30,20,60,50\n" for i in range(0, 12, 2))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder with a video of 12 frames, and boxes for every second one."""
    (tmp_path / "boxes.csv").write_text(BOXES)
    return write_video(tmp_path / "v.mp4")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("a.png", "b.jpg", "c.png")):
        write_picture(folder / name, seed=seed)
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\na.png,30,20,60,50\nc.png,0,0,20,20\nc.png,50,10,90,60\n")
    return folder


def command(*parts: object) -> list[str]:
    return [str(part) for part in parts]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hpe-edge {hpe_edge.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["info", "--help"]])
def test_help_says_where_models_come_from(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert "python -m export.onnx" in capsys.readouterr().out


def test_imports_stay_light() -> None:
    heavy = ("cv2", "hpe_edge._native", "numpy", "onnxruntime", "torch", "tqdm")
    code = f"import sys, hpe_edge.cli.main; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


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
    assert "12 frames, 6 faces in" in printed.err and "frames per second" in printed.err
    assert all(
        stage in printed.err
        for stage in ("read ", "detect ", "track ", "crop ", "infer ", "decode ", "draw ", "write ")
    )


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


@pytest.fixture(autouse=True)
def in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
    assert len(printed.out.splitlines()) == 3 and "not pictures and were skipped" in printed.err


def test_classroom_video(data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A truncated copy: the faces in its frames are found, and what is missing is said."""
    whole = (data / "video" / "classroom.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 20])
    assert main(command("run", "cut.mp4", "--model", model, "-o", "out.mp4", "--csv", "out.csv")) == 0
    assert "note: cut.mp4 announces 329 frames" in capsys.readouterr().err
    frames = count_frames(tmp_path / "out.mp4")
    assert frames >= 5 and len(rows_of(tmp_path / "out.csv")) >= 3 * frames


def test_boxes_that_match_nothing_are_counted(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\na.png,1,2,30,40\nz.png,1,2,30,40\n")
    assert main(command("run", photos, "--model", model, "--boxes", "boxes.csv")) == 0
    assert "1 box of boxes.csv belongs to no frame of" in capsys.readouterr().err


def test_boxes_for_another_size_are_counted(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside, outside = ("95,63,120,90", "-9,-9,1,1"), ("96,10,120,30", "10,64,30,90", "-9,10,0,30", "10,-9,30,0")
    run = command("run", photos, "--model", model, "--boxes", "boxes.csv")
    for boxes, said in (
        (inside, None),
        (inside + outside[:1], "1 box of boxes.csv lies wholly outside the picture; was it made at another size?"),
        (inside + outside, "4 boxes of boxes.csv lie wholly outside the picture; were they made at another size?"),
    ):
        (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\n" + "".join(f"a.png,{box}\n" for box in boxes))
        assert main(run) == 0
        printed = capsys.readouterr().err
        assert said in printed if said else "outside" not in printed


def test_one_is_no_plural(photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\na.png,30,20,60,50\n")
    assert main(command("run", photos / "a.png", "--model", model, "--boxes", "boxes.csv")) == 0
    assert "1 frame, 1 face in" in capsys.readouterr().err


def test_a_folder_may_be_called_like_a_camera(photos: Path, model: Path, tmp_path: Path) -> None:
    photos.rename(tmp_path / "0")
    assert main(command("run", "0", "--model", model, "--boxes", "boxes.csv")) == 0


@pytest.mark.parametrize("boxes", [True, False])
def test_no_face_at_all(
    photos: Path, model: Path, tmp_path: Path, boxes: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\nz.png,1,2,30,40\n")
    before = names(tmp_path)
    given = ["--boxes", "boxes.csv"] if boxes else []
    assert main(command("run", photos, "--model", model, "-o", "out", "--csv", "o.csv") + given) == 1
    assert names(tmp_path) == before
    said = capsys.readouterr().err
    assert ("matched by the column file" if boxes else "no face was found in") in said and "nothing was written" in said


def test_info(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command("info", model)) == 0
    said = capsys.readouterr().out
    for fragment in ("tiny", "64 x 64, RGB", "66 bins from -99 to 96 degrees, logits[66:132]", "+10% left", "not run"):
        assert fragment in said, fragment
    assert main(command("info", model, "--json")) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(tiny_spec().to_json())


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "COMMAND"),
        (["dance"], 2, "invalid choice"),
        (["run", "photos", "--model", "M", "--threads", "0"], 2, "must be a whole number from 1 to 9999, got '0'"),
        (["run", "photos", "--model", "M", "--threads", "abc"], 2, "--threads: must be a whole number"),
        (["run", "photos", "--model", "M", "--threads", "1_0"], 2, "--threads: must be a whole number"),
        (["run", "photos", "--model", "M", "--threads", "\u0663"], 2, "--threads: must be a whole number"),
        (["run", "photos", "--model", "M", "--threads", "9" * 5000], 2, "--threads: must be a whole number"),
        (["run", "99", "--model", "M"], 1, "camera 99 cannot be opened; is it there"),
        (
            ["run", "http://127.0.0.1:1/live", "--model", "M"],
            1,
            "http://127.0.0.1:1/live cannot be opened; does a player",
        ),
        (["run", "-", "--model", "M"], 2, "frames on standard input need their format, --raw WxH@FPS"),
        (["run", "-", "--raw", "64", "--model", "M"], 2, "described as WxH or WxH@FPS"),
        (["run", "photos", "--raw", "64x64", "--model", "M"], 2, "nothing else takes one"),
        (["run", "*.gone", "--model", "M"], 1, "*.gone names no picture"),
        (["run", "photos", "--model", "M", "--smooth"], 2, "--smooth needs a video"),
        (["run", "photos", "--model", "M", "--detect-every", "2"], 2, "--detect-every needs a video"),
        (["run", "v.mp4", "--model", "M", "--smooth", "--no-track"], 2, "leave out --no-track"),
        (["run", "v.mp4", "--model", "M", "--boxes", "boxes.csv", "--detector", "d.onnx"], 2, "--boxes and --detector"),
        (["run", "v.mp4", "--model", "M", "--boxes", "boxes.csv", "--detect-every", "3"], 2, "exclude each other"),
        (["run", "v.mp4", "--model", "M", "--camera-fov", "60", "--intrinsics", "1,1,1,1"], 2, "exclude each other"),
        (["run", "v.mp4", "--model", "M", "--camera-fov", "180"], 2, "above 0 and below 180, got '180'"),
        (["run", "v.mp4", "--model", "M", "--intrinsics", "1,2,3"], 2, "intrinsics must be fx,fy,cx,cy in pixels"),
        (["run", "v.mp4", "--model", "M", "--frames", "0"], 2, "--frames: must be a whole number from 1"),
        (["run", "v.mp4", "--model", "M", "--detector", "gone.onnx"], 1, "there is no face detector gone.onnx"),
        (["run", "v.mp4", "--model", "M", "--udp", "localhost"], 2, "must be HOST:PORT"),
        (["run", "v.mp4", "--model", "M", "--profile", "p.jpg"], 2, "a timeline is a PNG file"),
        (
            ["run", "v.mp4", "--model", "M", "--csv", "p.csv", "--profile", "p.csv"],
            2,
            "--profile and --csv name the same",
        ),
        (["plot", "gone.csv", "-o", "a.png"], 1, "cannot read the records gone.csv"),
        (["plot", "boxes.csv", "-o", "a.png"], 1, "records of hpe-edge run are needed"),
        (["run", "photos", "--model", "M", "--device", "tpu"], 2, "device must be 'cpu', 'cuda'"),
        (["run", "photos", "--model", "M", "-o", "out.mp4"], 2, "the output must be a folder"),
        (["run", "photos/a.png", "--model", "M", "-o", "out.gif"], 2, "an annotated picture needs one of"),
        (
            ["run", "photos/a.png", "--model", "M", "-o", "photos/../photos/a.png"],
            2,
            "-o and SOURCE name the same file",
        ),
        (["run", "photos", "--model", "M", "--csv", "x", "--jsonl", "./x"], 2, "--jsonl and --csv name the same"),
        (["run", "photos", "--model", "M", "--csv", "boxes.csv", "--boxes", "boxes.csv"], 2, "name the same file"),
        (["run", "photos", "--model", "M", "--csv", "out.mp4"], 2, "did you mean -o?"),
        (["run", "gone.mp4", "--model", "M"], 1, "there is no gone.mp4"),
        (["run", "photos", "--model", "gone.onnx"], 1, "there is no model gone.onnx; make one with python -m export"),
        (["run", "photos", "--model", "foreign.onnx"], 1, "cannot be loaded as an ONNX model"),
        (["run", "photos", "--model", "bare.onnx"], 1, "carries no hpe_edge spec"),
        (["run", "photos", "--model", "M", "--boxes", "gone.csv"], 1, "cannot read the boxes file gone.csv"),
        (["run", "photos", "--model", "M", "-o", "gone/out"], 1, "gone does not exist; make the folder first"),
        (["run", "photos", "--model", "M", "--csv", "boxes.csv/o.csv"], 1, "boxes.csv is not a folder"),
        (["run", "photos", "--model", "M", "-o", "photos/../other"], 1, "is not empty"),
        (["info", "gone.onnx"], 1, "there is no model gone.onnx"),
        (["info", "foreign.onnx"], 1, "cannot be loaded as an ONNX model"),
    ],
)
def test_errors_leave_nothing_behind(
    photos: Path,
    model: Path,
    tmp_path: Path,
    arguments: list[str],
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "foreign.onnx").write_bytes(b"not a model")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").touch()
    write_tiny_model(tmp_path / "bare.onnx", spec=None)
    write_video(tmp_path / "v.mp4")
    before = [(path, path.read_bytes()) for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert main([str(model) if part == "M" else part for part in arguments]) == status
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said and "_threads" not in said
    assert [(path, path.read_bytes()) for path in sorted(tmp_path.rglob("*")) if path.is_file()] == before


def test_the_input_is_never_replaced_through_a_link(photos: Path, model: Path, tmp_path: Path) -> None:
    os.link(photos / "a.png", tmp_path / "hard.png")
    (tmp_path / "soft.png").symlink_to(photos / "a.png")
    for name in ("hard.png", "soft.png"):
        assert main(command("run", photos / "a.png", "--model", model, "-o", name)) == 2


def test_full_disk(clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    before = names(tmp_path)
    status = main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4", "--csv", "/dev/full"))
    assert status == 1 and names(tmp_path) == before
    assert "cannot write /dev/full: No space left on device" in capsys.readouterr().err


@pytest.fixture
def send_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Sends signals (unless told: Ctrl-C) to this process while the given frame is worked on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if list(before.values()) != [signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL]:
        pytest.skip("signals are ignored or handled by others here")
    call = PoseEngine.__call__

    def arm(frames: int, *numbers: signal.Signals) -> None:
        done = 0

        def counting(self: PoseEngine, *given: object, **named: object) -> object:
            nonlocal done
            done += 1
            poses = call(self, *given, **named)
            noted = signal.getsignal(signal.SIGINT)
            for number in numbers or (signal.SIGINT,) if done == frames else ():
                os.kill(os.getpid(), number)
                # The main thread answers when it gets to it. This one waits, so that it is known in which frame.
                while signal.getsignal(signal.SIGINT) in (noted, signal.default_int_handler):
                    time.sleep(0.001)
            return poses

        monkeypatch.setattr(PoseEngine, "warmup", lambda self, faces: None)  # its calls are no frames
        monkeypatch.setattr(PoseEngine, "__call__", counting)

    yield arm
    assert before == {number: signal.getsignal(number) for number in before}


def test_ctrl_c_keeps_what_is_finished(
    clip: Path, model: Path, tmp_path: Path, send_after: object, capsys: pytest.CaptureFixture[str]
) -> None:
    send_after(5)
    (tmp_path / "o.csv").write_text("from an earlier run")
    before = names(tmp_path)
    status = main(
        command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4", "--csv", "o.csv")
        + command("--jsonl", "o.jsonl")
    )
    assert status == 130
    assert sorted(set(names(tmp_path)) - set(before)) == ["o.partial.csv", "o.partial.jsonl", "o.partial.mp4"]
    assert (tmp_path / "o.csv").read_text() == "from an earlier run"
    # The frame during which Ctrl-C came is finished, everywhere alike.
    assert count_frames(tmp_path / "o.partial.mp4") == 5
    assert [row["frame"] for row in rows_of(tmp_path / "o.partial.csv")] == ["0", "2", "4"]
    assert [json.loads(line)["frame"] for line in (tmp_path / "o.partial.jsonl").read_text().splitlines()] == [0, 2, 4]
    said = capsys.readouterr().err
    assert "stopped by Ctrl-C after 5 frames" in said and "o.partial.mp4" in said and "Traceback" not in said


def test_ctrl_c_in_a_folder_keeps_the_finished_pictures(
    photos: Path, model: Path, tmp_path: Path, send_after: object
) -> None:
    send_after(2)
    assert main(command("run", photos, "--model", model, "--boxes", "boxes.csv", "-o", "out")) == 130
    assert names(tmp_path) == ["boxes.csv", "out.partial", "photos"]
    assert names(tmp_path / "out.partial") == ["a.png", "b.jpg"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_keep_what_is_finished(
    clip: Path,
    model: Path,
    tmp_path: Path,
    number: signal.Signals,
    send_after: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    send_after(5, number, number)
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 128 + number
    assert sorted(set(names(tmp_path)) - set(before)) == ["o.partial.mp4"]
    assert f"stopped by {number.name} after 5 frames; they are in" in capsys.readouterr().err


def test_ctrl_c_after_another_signal_ends_at_once(clip: Path, model: Path, tmp_path: Path, send_after: object) -> None:
    send_after(5, signal.SIGTERM, signal.SIGINT)
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 130
    assert names(tmp_path) == before


def test_signal_while_the_model_loads(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The temporary files exist by then."""
    load = PoseEngine.__init__

    def interrupted(self: PoseEngine, *given: object, **named: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        load(self, *given, **named)

    monkeypatch.setattr(PoseEngine, "__init__", interrupted)
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 143
    assert names(tmp_path) == before and "stopped by SIGTERM after 0 frames" in capsys.readouterr().err


def test_ctrl_c_that_comes_twice_is_one(clip: Path, model: Path, tmp_path: Path, send_after: object) -> None:
    """As where a wrapper passes it on."""
    send_after(5, signal.SIGINT, signal.SIGINT)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 130
    assert count_frames(tmp_path / "o.partial.mp4") == 5


def test_second_ctrl_c_ends_at_once_and_leaves_nothing(
    clip: Path,
    model: Path,
    tmp_path: Path,
    send_after: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("hpe_edge.util.signals._TWICE_S", 0.0)
    send_after(5, signal.SIGINT, signal.SIGINT)
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 130
    assert names(tmp_path) == before
    assert "stopped by Ctrl-C; nothing was written" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_from_outside(model: Path, tmp_path: Path, number: signal.Signals) -> None:
    """The real thing: a process, a signal, and what lies in the folder afterwards."""
    write_video(tmp_path / "v.mp4", frames=400, width=640, height=480)
    process = subprocess.Popen(
        [sys.executable, "-m", "hpe_edge.cli.main", *command("run", "v.mp4", "--model", model, "-o", "o.mp4")],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background may have been told to ignore Ctrl-C, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not any(p.stat().st_size > 100_000 for p in tmp_path.glob(".o.*.tmp.mp4")):
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert names(tmp_path) == ["o.partial.mp4", "v.mp4"]
    assert 0 < count_frames(tmp_path / "o.partial.mp4") < 400
    assert "o.partial.mp4" in said and "Traceback" not in said


def test_reader_that_has_had_enough(clip: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "0,30,20,60,50\n" * 5000)
    process = subprocess.Popen(
        [sys.executable, "-m", "hpe_edge.cli.main", *command("run", clip, "--model", model, "--boxes", "boxes.csv")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in said and "BrokenPipe" not in said


def test_file_names_that_the_terminal_cannot_show(model: Path, tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")  # Latin-1 on a UTF-8 system
    (tmp_path / name).write_bytes((SAMPLES / "astronaut.jpg").read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "hpe_edge.cli.main", *command("run", tmp_path, "--model", model)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "caf\\udce9.png" in done.stdout, done.stderr


def shell(line: str, *parts: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which $HPE is the command with ``parts``."""
    return subprocess.run(
        ["sh", "-c", line.replace("$HPE", '"$@"'), "sh", sys.executable, "-m", "hpe_edge.cli.main", *command(*parts)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
@pytest.mark.parametrize("what", ["run", "info", "--version"])
def test_standard_output_that_cannot_be_written(
    photos: Path, model: Path, what: str, redirection: str, reason: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    run = ["run", photos, "--model", model, "--boxes", "boxes.csv"]
    done = shell(f"$HPE {redirection}", *{"run": run, "info": ["info", model]}.get(what, [what]))
    assert done.returncode == 1
    assert done.stderr.startswith(f"hpe-edge: error: cannot write standard output: {reason}")
    assert done.stderr.count("\n") == 1


def test_streams_that_are_not_used_may_be_closed(photos: Path, model: Path, tmp_path: Path) -> None:
    run = ["run", photos, "--model", model, "--boxes", "boxes.csv", "--csv"]
    for name, redirection in (("a.csv", ">&-"), ("b.csv", "2>&-"), ("c.csv", "<&- >&- 2>&-"), ("d.csv", "2>/dev/full")):
        assert shell(f"$HPE {redirection}", *run, name).returncode == 0
        assert len(rows_of(tmp_path / name)) == 3


def test_names_in_an_ascii_locale(model: Path, tmp_path: Path) -> None:
    (tmp_path / "caf\xe9.jpg").write_bytes((SAMPLES / "astronaut.jpg").read_bytes())
    for environment in (
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ):
        done = shell("$HPE", "run", tmp_path, "--model", model, "-o", "out", "--csv", "/dev/stdout", **environment)
        assert done.returncode == 0 and "caf\xe9.jpg,0" in done.stdout, done.stderr
        (tmp_path / "out" / "caf\xe9.jpg").unlink()
        done = shell("$HPE", "run", tmp_path, "--model", model, **environment)
        assert done.returncode == 0 and "  caf\\" in done.stdout, done.stderr


INTERRUPTED = """
import sys
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
from hpe_edge.cli.main import main
sys.exit(main({arguments}))
"""


@pytest.mark.parametrize("name", ["numpy", "hpe_edge._native", "cv2", "onnxruntime"])
def test_ctrl_c_during_the_imports(photos: Path, model: Path, name: str) -> None:
    code = INTERRUPTED.format(name=name, arguments=command("run", photos, "--model", model))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "hpe-edge: stopped by Ctrl-C; nothing was written\n"


def test_opencv_without_its_libraries(photos: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    path = os.pathsep.join([str(tmp_path / "broken"), *sys.path])
    done = shell("$HPE", "run", photos, "--model", model, PYTHONPATH=path)
    assert done.returncode == 1
    assert done.stderr == (
        "hpe-edge: error: cannot import cv2 (libGL.so.1: cannot open shared object file): on a server without a "
        "display install Debian's libgl1, or opencv-python-headless in place of opencv-python\n"
    )


def test_native_module_that_is_missing(photos: Path, model: Path) -> None:
    code = INTERRUPTED.replace("KeyboardInterrupt", "ImportError('no such module')")
    code = code.format(name="hpe_edge._native", arguments=command("run", photos, "--model", model))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("hpe-edge: error: hpe_edge._native cannot be loaded (no such module); ")
    assert done.stderr.count("\n") == 1


def test_help_names_what_is_not_obvious(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "One that breaks off is opened again" in said and "an .mp4 does not play" in said
    assert "an existing file of that name is replaced" in said


def test_without_a_model_the_embedded_one_runs_and_is_said(
    photos: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(command("run", photos, "--boxes", "boxes.csv", "--csv", "o.csv")) == 0
    assert capsys.readouterr().err.startswith("hpe-edge: model: the embedded default, student-dense\n")
    image = cv2.imread(str(photos / "a.png"))
    (row,) = (row for row in rows_of(tmp_path / "o.csv") if row["file"] == "a.png")
    with PoseEngine() as engine:
        assert float(row["yaw_deg"]) == pytest.approx(engine(image, [[30, 20, 60, 50]]).yaw[0], abs=6e-4)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_info_of_the_embedded_model(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", *options]) == 0
    said = capsys.readouterr()
    assert said.err == "hpe-edge: model: the embedded default, student-dense\n"
    if options:
        assert json.loads(said.out)["architecture"] == "student-dense"
    else:
        assert said.out.startswith("architecture   student-dense\n")


def test_raw_frames_on_standard_input(model: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{i},30,20,60,50\n" for i in range(3)))
    parts = command("run", "-", "--raw", "96x64@10", "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv")
    done = subprocess.run(
        [sys.executable, "-m", "hpe_edge.cli.main", *parts],
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
    assert count_frames(Path("o.mkv")) == 5 and "5 frames, 3 faces in" in capsys.readouterr().err


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


def test_profile_and_plot(clip: Path, model: Path, tmp_path: Path) -> None:
    run = command("run", clip, "--model", model, "--boxes", "boxes.csv", "--profile", "p.png", "--jsonl", "o.jsonl")
    assert main(run) == 0
    assert cv2.imread("p.png").shape[1] == 1600
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


def test_sigkill_leaves_whole_records(model: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", frames=300, width=640, height=480)
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{i},30,20,60,50\n" * 3 for i in range(300)))
    parts = command("run", "v.mp4", "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv", "--jsonl", "o.jsonl")
    process = subprocess.Popen([sys.executable, "-m", "hpe_edge.cli.main", *parts, "-o", "o.mkv"], cwd=tmp_path)
    while process.poll() is None and not any(p.stat().st_size > 10_000 for p in tmp_path.glob(".o.*.tmp.csv")):
        time.sleep(0.01)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    (left_csv,), (left_jsonl,) = tmp_path.glob(".o.*.tmp.csv"), tmp_path.glob(".o.*.tmp.jsonl")
    rows, lines = rows_of(left_csv), left_jsonl.read_text().splitlines(keepends=True)
    assert len(rows) % 3 == len(lines) % 3 == 0 and len(rows) > 30 and abs(len(rows) - len(lines)) <= 3
    assert all(line.endswith("\n") and json.loads(line)["qz"] is not None for line in lines)
    assert all(row["qz"] for row in rows)


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
        "hpe_edge.cli.run.find_by", lambda detector: lambda frame: Detections.from_boxes(face, np.float32([0.9]))
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
    monkeypatch.setattr("hpe_edge.cli.run.open_source", lambda given, raw: Speaks.of_folder(Path(given)))
    assert main(command("run", photos, "--model", model, "--boxes", "boxes.csv", "-o", "out")) == 0
    said = capsys.readouterr().err
    assert said.count("an output's note") == said.count("a source's note") == 1


@pytest.mark.parametrize("option", ["--csv", "--jsonl", "--profile"])
def test_intrinsics_are_never_replaced(
    clip: Path, model: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yml").write_text("%YAML:1.0\n")
    run = command("run", clip, "--model", model, "--boxes", "boxes.csv", "--intrinsics", "c.yml")
    assert main([*run, option, "c.yml"]) == 2
    assert "--intrinsics name the same file" in capsys.readouterr().err


def test_a_file_behind_an_address_is_never_replaced(clip: Path, model: Path) -> None:
    before = clip.read_bytes()
    assert main(command("run", f"file://{clip}", "--model", model, "--boxes", "boxes.csv", "-o", clip)) == 2
    assert clip.read_bytes() == before


def test_pixels_belong_to_raw_frames(clip: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command("run", clip, "--model", model, "--pixels", "nv12")) == 2
    assert "--pixels says what --raw frames hold" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--csv", "--model", "--intrinsics", "-o"])
def test_a_name_that_is_too_long(
    clip: Path, model: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, option, "a" * 300 + ".mp4")) in (1, 2)
    assert "too long" in capsys.readouterr().err and names(tmp_path) == before
