"""Annotated pictures and videos: what arrives, and what happens when it does not."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from media import assert_notes, count_frames, noise, write_picture, write_video

from hpe_edge.errors import InputError, OutputError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.poses import Poses
from hpe_edge.sinks.annotated_images import PictureFolder, open_picture_sink
from hpe_edge.sinks.annotated_video import VideoFile
from hpe_edge.sinks.records import CsvFile
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sources.open_source import Frame, open_source

BOX = np.float32([[30, 20, 60, 50]])


def one_pose() -> Poses:
    angles = np.float32([[20, 10, 5]])
    rotation = rotation_from_euler(angles).astype(np.float32)
    return Poses(angles, np.full_like(angles, np.nan), rotation, boxes=BOX, scores=np.float32([0.9]), ids=np.array([0]))


def result_of(frame: Frame) -> Result:
    return Result(frame, one_pose())


def write(outputs: Outputs, frame: Frame) -> None:
    outputs.write(result_of(frame), Stopwatch())


def frames(count: int, width: int = 96, height: int = 64) -> list[Frame]:
    return [Frame("v.mp4", i, i / 10, noise(width, height, seed=i)) for i in range(count)]


def outputs_of(*sinks: object) -> Outputs:
    outputs = Outputs()
    for sink in sinks:
        (outputs.add_picture if hasattr(sink, "write_picture") else outputs.add)(sink)
    return outputs


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.webm"])
@pytest.mark.parametrize("fps", [10.0, 29.97002997, 120.123, 0.5])
@pytest.mark.parametrize("size", [(96, 64), (97, 65)])
def test_video_has_all_frames_and_its_rate(tmp_path: Path, name: str, fps: float, size: tuple[int, int]) -> None:
    outputs = outputs_of(VideoFile(tmp_path / name, fps))
    for frame in frames(9, *size):
        write(outputs, frame)
    assert names(tmp_path) != [name]
    assert outputs.commit() == [tmp_path / name]
    assert names(tmp_path) == [name]
    assert count_frames(tmp_path / name) == 9
    capture = cv2.VideoCapture(str(tmp_path / name))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(fps, rel=1e-3)
    assert capture.read()[1].shape == (64, 96, 3)


def test_pictures_are_annotated(tmp_path: Path) -> None:
    source = open_source(write_picture(tmp_path / "in.png", 400, 300))
    outputs = outputs_of(open_picture_sink(tmp_path / "out.png", source))
    for frame in source:
        write(outputs, frame)
    outputs.commit()
    changed = (cv2.imread(str(tmp_path / "out.png")) != noise(400, 300)).any(axis=2)
    assert changed[30:40, 40:50].any() and not changed[150:].any() and not changed[:, 200:].any()


def test_pictures_of_subfolders_are_mirrored(tmp_path: Path) -> None:
    for name in ("in/a.png", "in/x/a.png", "in/x/y/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(tmp_path / name)
    source = open_source(tmp_path / "in", recursive=True)
    outputs = outputs_of(open_picture_sink(tmp_path / "out", source))
    for frame in source:
        write(outputs, frame)
    assert outputs.commit() == [tmp_path / "out"]
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert found == ["a.png", "x/a.png", "x/y/b.png"]


def test_pictures_in_a_format_that_is_only_read_become_jpegs(tmp_path: Path) -> None:
    """Beside one that is called like it but for the extension."""
    folder = PictureFolder(tmp_path / "out")
    outputs = outputs_of(folder)
    for index, name in enumerate(("x/a.heic", "x/a.jpg", "b.AVIF")):
        write(outputs, Frame(name, index, float("nan"), noise()))
    outputs.commit()
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert found == ["b.AVIF.jpg", "x/a.heic.jpg", "x/a.jpg"]
    assert all(cv2.imread(str(tmp_path / "out" / name)) is not None for name in found)
    assert_notes(folder.notes, "x/a.heic.jpg")


@pytest.mark.parametrize("how", ["slash", "exists"])
def test_one_picture_into_a_folder(tmp_path: Path, how: str) -> None:
    """As where a pattern, expanded by a shell, matches one picture only."""
    source = open_source(write_picture(tmp_path / "a.png"))
    if how == "exists":
        (tmp_path / "out").mkdir()
    outputs = outputs_of(open_picture_sink(tmp_path / "out", source, as_folder=how == "slash"))
    for frame in source:
        write(outputs, frame)
    outputs.commit()
    assert names(tmp_path / "out") == ["a.png"]


@pytest.mark.parametrize("kind", ["picture", "folder"])
def test_pictures_on_a_full_disk(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    picture = write_picture(tmp_path / "in" / "a.png")
    source = open_source(picture if kind == "picture" else picture.parent)
    asked = tmp_path / ("out.png" if kind == "picture" else "out")
    outputs = outputs_of(open_picture_sink(asked, source))

    def refuse(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OutputError, match=f"cannot write {asked}.*: No space left on device; make room"):
        write(outputs, next(iter(source)))
    outputs.discard()
    assert names(tmp_path) == ["in"]


def test_frames_that_do_not_arrive_are_noticed(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "out.mp4", 10.0)
    outputs = outputs_of(video, CsvFile(tmp_path / "out.csv"))
    for frame in frames(3):
        write(outputs, frame)
    video._writer.release()  # what is written now is lost, and OpenCV does not say so
    write(outputs, frames(1)[0])
    with pytest.raises(OutputError, match="only a part of 4 frames arrived"):
        outputs.commit()
    outputs.discard()
    assert names(tmp_path) == []


def test_frames_of_another_size_are_made_to_fit(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "out.mp4", 10.0)
    outputs = outputs_of(video)
    white = Frame("v.mp4", 2, 0.2, np.full((32, 96, 3), 255, np.uint8))  # twice as wide as the first, for its height
    for frame in (*frames(2), white, frames(4)[3]):
        video.write_picture(result_of(frame), frame.image)
    assert [note for notes in outputs.notes for note in notes] == [
        f"the frames become 96 x 32 pixels; in {tmp_path / 'out.mp4'} they are made to fit the 96 x 64 of the first, "
        "and boxes stay in pixels of each frame"
    ]
    outputs.commit()
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    shown = [capture.read()[1] for _ in range(4)]
    assert not capture.grab() and {image.shape for image in shown} == {(64, 96, 3)}
    assert shown[2][:12].max() < 60 and shown[2][-12:].max() < 60 and shown[2][20:44, :20].min() > 200


def test_video_of_a_live_source_keeps_its_time(tmp_path: Path) -> None:
    """At 10 frames a second: one comes late, two come too early, and after a break of a minute a second is shown."""
    video = VideoFile(tmp_path / "out.mp4", 10.0, keep_time=True)
    times_s = [0.0, 0.1, 0.4, 0.42, 0.44, 0.5, 60.0, 60.1]
    for index, time_s in enumerate(times_s):
        frame = Frame("camera 0", index, time_s, np.full((64, 96, 3), 30 * index, np.uint8))
        video.write_picture(result_of(frame), frame.image)
    outputs_of(video).commit()
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    levels = [round(image.mean() / 30) for _, image in iter(capture.read, (False, None))]
    assert levels == [0, 1, 2, 2, 2, 5, *[6] * 10, 7]


@pytest.mark.parametrize(("name", "noted"), [("out.mp4", True), ("out.mkv", True), ("out.webm", False)])
def test_players_are_noted_at_the_end(tmp_path: Path, name: str, noted: bool) -> None:
    video = VideoFile(tmp_path / name, 10.0)
    outputs = outputs_of(video)
    write(outputs, frames(1)[0])
    assert video.notes == []
    outputs.commit()
    assert_notes(video.notes, *[f"{name} is MPEG-4 part 2"] * noted)


def test_writing_webm_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outputs = outputs_of(VideoFile(tmp_path / "out.webm", 10.0))
    write(outputs, frames(1)[0])
    outputs.commit()
    assert capfd.readouterr().err == ""


def test_the_frame_itself_is_not_drawn_on(tmp_path: Path) -> None:
    """Other outputs may keep it."""
    (frame,) = frames(1)
    write(outputs_of(VideoFile(tmp_path / "out.mp4", 10.0)), frame)
    np.testing.assert_array_equal(frame.image, noise())


def test_a_name_that_cannot_be_given_in_the_end(tmp_path: Path) -> None:
    outputs = outputs_of(*(CsvFile(tmp_path / f"{name}.csv") for name in "abc"))
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(OutputError, match=r"b\.csv: .*/a\.csv$"):
        outputs.commit()
    outputs.discard()
    assert names(tmp_path) == ["a.csv", "b.csv"]


def test_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = outputs_of(VideoFile(tmp_path / "out.mp4", 10.0))
    first, second = frames(2)
    write(outputs, first)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 4096))
    with pytest.raises(OutputError, match=r"out\.mp4: the disk is full after 1 frame"):
        write(outputs, second)
    outputs.discard()
    assert names(tmp_path) == []


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
from test_sinks import OutputError, VideoFile, frames, outputs_of, write
outputs = outputs_of(VideoFile(Path(sys.argv[1]), 10.0))
try:
    for frame in frames(40):
        write(outputs, frame)
    outputs.commit()
except OutputError as error:
    print(error)
finally:
    outputs.discard()
"""


def test_file_size_limit_is_noticed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "out.mp4")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "only a part of 40 frames arrived in the file" in done.stdout, done.stderr
    assert names(tmp_path) == []


def test_codec_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2.VideoWriter, "isOpened", lambda self: False)
    outputs = outputs_of(VideoFile(tmp_path / "out.mp4", 10.0))
    with pytest.raises(OutputError, match=r"out\.mp4 \(mp4v, 96 x 64.*--csv"):
        write(outputs, frames(1)[0])
    outputs = outputs_of(VideoFile(tmp_path / "out.webm", 10.0))
    with pytest.raises(OutputError, match=r"out\.webm \(VP90, .*use \.mp4"):
        write(outputs, frames(1)[0])


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("in.png", "out.mp4", "an annotated picture needs one of .bmp"),
        ("in.png", "out", "an annotated picture needs"),
        ("in.mp4", "out.avi", "needs the extension .mp4 or .mkv or .webm"),
        ("in.mp4", "out.png", "needs the extension .mp4"),
        ("in.mp4", "out?.mp4", "not UTF-8; rename it"),
        ("in", "out.mp4", "the output must be a folder"),
        ("in", "out.png", "the output must be a folder"),
    ],
)
def test_output_must_fit_the_source(tmp_path: Path, source: str, output: str, message: str) -> None:
    (tmp_path / "in").mkdir()
    write_picture(tmp_path / "in" / "a.png")
    write_picture(tmp_path / "in.png")
    write_video(tmp_path / "in.mp4")
    output = output.replace("?", "\udcff")
    with pytest.raises(InputError, match=message):
        open_picture_sink(tmp_path / output, open_source(tmp_path / source))
    assert names(tmp_path) == ["in", "in.mp4", "in.png"]


KILLED = """
import os, signal, sys
from pathlib import Path
from test_sinks import VideoFile, frames, outputs_of, write
outputs = outputs_of(VideoFile(Path(sys.argv[1]), 10.0))
for frame in frames(60, 320, 240):
    write(outputs, frame)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("name", "least"), [("out.mkv", 20), ("out.webm", 1)])
def test_what_plays_after_sigkill(tmp_path: Path, name: str, least: int) -> None:
    script = [sys.executable, "-c", KILLED, str(tmp_path / name)]
    assert (
        subprocess.run(script, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, timeout=60).returncode
        == -signal.SIGKILL
    )
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.") and least <= count_frames(left) < 60  # the rest was in memory
