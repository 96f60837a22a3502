"""Wrong usage of run: exit status, the option that is named, and no file left or replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_helpers import command, names
from media import write_video
from tiny_model import write_tiny_model

from hpe_edge.cli.main import main


@pytest.mark.parametrize("boxes", [True, False])
def test_no_face_at_all(
    photos: Path, model: Path, tmp_path: Path, boxes: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\nz.png,1,2,30,40\n")
    before = names(tmp_path)
    given = ["--boxes", "boxes.csv"] if boxes else []
    assert main(command("run", photos, "--model", model, "-o", "out", "--csv", "o.csv") + given) == 1
    assert names(tmp_path) == before
    assert ("boxes.csv" if boxes else "--detector") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "COMMAND"),
        (["dance"], 2, "'dance'"),
        (["run", "photos", "--model", "M", "--threads", "0"], 2, "--threads"),
        (["run", "photos", "--model", "M", "--threads", "abc"], 2, "--threads"),
        (["run", "photos", "--model", "M", "--threads", "1_0"], 2, "--threads"),
        (["run", "photos", "--model", "M", "--threads", "\u0663"], 2, "--threads"),
        (["run", "photos", "--model", "M", "--threads", "9" * 5000], 2, "--threads"),
        (["run", "99", "--model", "M"], 1, "camera 99"),
        (
            ["run", "http://127.0.0.1:1/live", "--model", "M"],
            1,
            "http://127.0.0.1:1/live",
        ),
        (["run", "-", "--model", "M"], 2, "--raw WxH@FPS"),
        (["run", "-", "--raw", "64", "--model", "M"], 2, "WxH or WxH@FPS"),
        (["run", "photos", "--raw", "64x64", "--model", "M"], 2, "--raw"),
        (["run", "*.gone", "--model", "M"], 1, "*.gone"),
        (["run", "photos", "--model", "M", "--smooth"], 2, "--smooth"),
        (["run", "photos", "--model", "M", "--detect-every", "2"], 2, "--detect-every"),
        (["run", "v.mp4", "--model", "M", "--smooth", "--no-track"], 2, "--no-track"),
        (["run", "v.mp4", "--model", "M", "--boxes", "boxes.csv", "--detector", "d.onnx"], 2, "--boxes and --detector"),
        (["run", "v.mp4", "--model", "M", "--boxes", "boxes.csv", "--detect-every", "3"], 2, "exclude"),
        (["run", "v.mp4", "--model", "M", "--camera-fov", "60", "--intrinsics", "1,1,1,1"], 2, "exclude"),
        (["run", "v.mp4", "--model", "M", "--camera-fov", "180"], 2, "--camera-fov"),
        (["run", "v.mp4", "--model", "M", "--intrinsics", "1,2,3"], 2, "fx,fy,cx,cy"),
        (["run", "v.mp4", "--model", "M", "--frames", "0"], 2, "--frames"),
        (["run", "v.mp4", "--model", "M", "--detector", "gone.onnx"], 1, "gone.onnx"),
        (["run", "v.mp4", "--model", "M", "--udp", "localhost"], 2, "HOST:PORT"),
        (["run", "v.mp4", "--model", "M", "--profile", "p.png"], 2, "JSON, got the name p.png"),
        (
            ["run", "v.mp4", "--model", "M", "--csv", "p.csv", "--profile", "p.csv"],
            2,
            "--profile and --csv",
        ),
        (["plot", "gone.csv", "-o", "a.png"], 1, "gone.csv"),
        (["plot", "boxes.csv", "-o", "a.png"], 1, "hpe-edge run"),
        (["run", "photos", "--model", "M", "--device", "tpu"], 2, "'cpu', 'cuda'"),
        (["run", "photos", "--model", "M", "-o", "out.mp4"], 2, "folder"),
        (["run", "photos/a.png", "--model", "M", "-o", "out.gif"], 2, ".png"),
        (
            ["run", "photos/a.png", "--model", "M", "-o", "photos/../photos/a.png"],
            2,
            "-o and SOURCE",
        ),
        (["run", "photos", "--model", "M", "--csv", "x", "--jsonl", "./x"], 2, "--jsonl and --csv"),
        (["run", "photos", "--model", "M", "--csv", "boxes.csv", "--boxes", "boxes.csv"], 2, "--csv and --boxes"),
        (["run", "photos", "--model", "M", "--csv", "out.mp4"], 2, "-o"),
        (["run", "gone.mp4", "--model", "M"], 1, "gone.mp4"),
        (["run", "photos", "--model", "gone.onnx"], 1, "gone.onnx"),
        (["run", "photos", "--model", "foreign.onnx"], 1, "foreign.onnx"),
        (["run", "photos", "--model", "bare.onnx"], 1, "--adopt bare.onnx"),
        (["run", "photos", "--model", "M", "--boxes", "gone.csv"], 1, "gone.csv"),
        (["run", "photos", "--model", "M", "-o", "gone/out"], 1, "gone"),
        (["run", "photos", "--model", "M", "--csv", "boxes.csv/o.csv"], 1, "boxes.csv"),
        (["run", "photos", "--model", "M", "-o", "photos/../other"], 1, "other"),
        (["run", "v.mp4", "--model", "M", "--pixels", "nv12"], 2, "--raw"),
        (["run", "v.mp4", "--model", "M", "--raw", "64x64", "--pixels", "bgr"], 2, "bgr24"),
        (["run", "v.mp4", "--model", "M", "--backend", "tensort"], 2, "did you mean tensorrt?"),
        (["run", "v.mp4", "--model", "M", "--detektor", "d.onnx"], 2, "did you mean --detector?"),
        (["run", "v.mp4", "--model", "M", "--boxes-from", "yunet"], 2, "--boxes-from needs --boxes"),
        (["run", "photos", "--model", "M", "--boxes", "boxes.csv", "--boxes-from", "me"], 2, "me"),
        (["run", "v.mp4", "--model", "M", "--boxes", "boxes.csv", "--min-score", "0.5"], 2, "--min-score"),
        (["run", "v.mp4", "--model", "M", "--boxes", "boxes.csv", "--min-face", "40"], 2, "--min-face"),
        (["run", "v.mp4", "--model", "M", "--min-score", "1.5"], 2, "from 0 to 1"),
        (["run", "v.mp4", "--model", "M", "--min-face", "-4"], 2, "--min-face"),
        (["run", "v.mp4", "--model", "M", "--boxes", "boxes.csv", "--detect-size", "640"], 2, "--detect-size"),
        (["run", "v.mp4", "--model", "M", "--boxes", "boxes.csv", "--detect-stretch"], 2, "--detect-stretch"),
        (["run", "v.mp4", "--model", "M", "--detect-size", "63"], 2, "--detect-size"),
        (["run", "v.mp4", "--model", "M", "--detect-size", "4097"], 2, "--detect-size"),
        (["run", "v.mp4", "--model", "M", "--max-sigma", "0"], 2, "none for no limit"),
        (["run", "v.mp4", "--model", "M", "--neutral", "ahead"], 2, "learn:SECONDS"),
        (["run", "v.mp4", "--model", "M", "--neutral", "1,2"], 2, "YAW,PITCH,ROLL"),
        (["run", "v.mp4", "--model", "M", "--neutral", "learn:0"], 2, "0.2"),
        (["run", "v.mp4", "--model", "M", "--neutral", "gone.json"], 1, "gone.json"),
        (["run", "v.mp4", "--model", "M", "--neutral", "1,2,3", "--mount", "1,2,3"], 2, "--neutral and --mount"),
        (["run", "v.mp4", "--model", "M", "--neutral", "1,2,3", "--neutral-per", "mount"], 2, "--neutral-per"),
        (["run", "v.mp4", "--model", "M", "--mount", "-30,0"], 2, "--mount"),
        (["run", "v.mp4", "--model", "M", "--events", "e.jsonl"], 2, "--events needs --zones"),
        (["run", "v.mp4", "--model", "M", "--away-after", "3"], 2, "--away-after needs --zones"),
        (["run", "v.mp4", "--model", "M", "--zones", "gone.json"], 1, "gone.json"),
        (["run", "v.mp4", "--model", "M", "--zones", "z.json", "--events", "z.json"], 2, "--events and --zones"),
        (["run", "photos", "--model", "M", "--neutral", "learn"], 2, "--neutral learn"),
        (["run", "v.mp4", "--model", "M", "--neutral", "learn", "--no-track"], 2, "--no-track"),
        (["run", "v.mp4", "photos", "--model", "M"], 2, "for f in"),
        (["run", "photos/a.png", "--recursive", "--model", "M"], 2, "--recursive"),
        (["run", "v.mp4", "--model", "M", "-o", "out/"], 2, ".webm"),
        (["run", "v.mp4", "--model", "M", "--now"], 2, "--now"),
        (["info", "gone.onnx"], 1, "gone.onnx"),
        (["info", "foreign.onnx"], 1, "foreign.onnx"),
        (["info", "bare.onnx"], 1, "--adopt bare.onnx"),
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
    assert message in said and "Traceback" not in said
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
    assert "/dev/full: No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--csv", "--jsonl", "--profile"])
def test_intrinsics_are_never_replaced(
    clip: Path, model: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yml").write_text("%YAML:1.0\n")
    run = command("run", clip, "--model", model, "--boxes", "boxes.csv", "--intrinsics", "c.yml")
    assert main([*run, option, "c.yml"]) == 2
    assert "--intrinsics" in capsys.readouterr().err


def test_a_file_behind_an_address_is_never_replaced(clip: Path, model: Path) -> None:
    before = clip.read_bytes()
    assert main(command("run", f"file://{clip}", "--model", model, "--boxes", "boxes.csv", "-o", clip)) == 2
    assert clip.read_bytes() == before


@pytest.mark.parametrize("option", ["--csv", "--model", "--intrinsics", "-o"])
def test_a_name_that_is_too_long(
    clip: Path, model: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, option, "a" * 300 + ".mp4")) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err and names(tmp_path) == before
