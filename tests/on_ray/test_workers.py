"""The callables for Ray Data, called without Ray: rows, last rows, errors, files of object stores."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from media import write_picture, write_video
from run_rows import end_rows, face_rows, rows_of_run
from staged_detectors import EveryFrame

from hpe_edge import BackendError, InputError
from hpe_edge.faces.detector import Detections
from hpe_edge.ray import PosesOfImages, PosesOfVideos
from hpe_edge.samples import FOLDER

FRAMES = 4
PHOTOS = sorted(FOLDER.glob("*.jpg"))


def test_a_video_has_the_rows_of_run(data: Path, tmp_path: Path) -> None:
    video, yunet = data / "video/classroom.mp4", data / "detectors/yunet_n_320_320.onnx"
    usual = rows_of_run(video, tmp_path / "run.jsonl", "--detector", yunet, "--frames", FRAMES, "--smooth")
    worker = PosesOfVideos(detector=str(yunet), frames=FRAMES, smooth=True, threads=1)
    rows = list(worker({"uri": str(video)}))
    assert len(usual) > FRAMES
    assert face_rows(rows, str(video)) == usual
    (end,) = end_rows(rows, str(video))
    assert rows[-1] is end
    assert (end["file"], end["frames"], end["faces"], end["error"]) == ("classroom.mp4", FRAMES, len(usual), None)


def test_an_actor_takes_one_video_after_the_other(tmp_path: Path) -> None:
    """Tracks begin anew, and the engine stays."""
    worker = PosesOfVideos(detector=EveryFrame(), threads=1)
    first, second = write_video(tmp_path / "a.mp4", 3), write_video(tmp_path / "b.mp4", 2)
    engine = worker.engine
    rows = [row for video in (first, second) for row in worker({"uri": str(video)})]
    assert [row["track"] for row in rows] == [0, 0, 0, None, 0, 0, None]
    assert worker.engine is engine


def test_pictures_have_the_rows_of_run(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    uris = [str(path) for path in PHOTOS]
    rows = PosesOfImages(threads=1)({"uri": np.array(uris, object)}).to_pylist()
    for path in PHOTOS:
        usual = rows_of_run(path, tmp_path / f"{path.stem}.jsonl")
        assert face_rows(rows, str(path)) == usual
        assert [(end["frames"], end["faces"]) for end in end_rows(rows, str(path))] == [(1, len(usual))]
    assert [row["uri"] for row in rows] == sorted(row["uri"] for row in rows)


def test_pictures_that_cannot_be_read_are_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from hpe_edge.ray import parquet_schema

    good, without = PHOTOS[0], write_picture(tmp_path / "noise.png")
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8\xff")
    uris = [str(each) for each in (tmp_path / "missing.jpg", good, tmp_path / "damaged.jpg", without)]
    table = PosesOfImages(threads=1)({"uri": uris})
    assert table.schema == parquet_schema()
    assert isinstance(table, pyarrow.Table)
    ends = {row["uri"]: row for uri in uris for row in end_rows(table.to_pylist(), uri)}
    assert [(ends[uri]["frames"], ends[uri]["faces"]) for uri in uris] == [(0, 0), (1, 1), (0, 0), (1, 0)]
    assert "No such file" in ends[uris[0]]["error"]
    assert "damaged.jpg cannot be read" in ends[uris[2]]["error"]
    assert ends[uris[1]]["error"] is ends[uris[3]]["error"] is None


def test_a_batch_without_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    table = PosesOfImages(threads=1)({"uri": [str(tmp_path / "a.jpg")]})
    assert table["faces"].to_pylist() == [0]


@pytest.mark.parametrize(
    ("name", "content", "fragment"),
    [
        ("missing.mp4", None, "there is no"),
        ("empty.mp4", b"", "is empty"),
        ("damaged.mp4", b"\0" * 99, "cannot be opened as a video"),
        ("picture.png", b"\0", "pictures are for PosesOfImages"),
        ("notes.txt", b"a", "neither a picture"),
        ("bad\udcff.mp4", b"\0", "not UTF-8"),
    ],
)
def test_videos_that_cannot_be_read_are_rows(tmp_path: Path, name: str, content: bytes | None, fragment: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    (end,) = PosesOfVideos(threads=1)({"uri": str(path)})
    assert fragment in end["error"]
    assert (end["frames"], end["faces"], end["face"]) == (0, 0, None)


def test_notes_come_along(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", 12)
    video.write_bytes(video.read_bytes()[: -video.stat().st_size // 3])
    *_, end = PosesOfVideos(detector=EveryFrame(), threads=1)({"uri": str(video)})
    assert 0 < end["frames"] < 12
    assert end["error"] is None
    assert "cut short" in end["notes"]


def test_other_failures_are_raised(tmp_path: Path) -> None:
    """A broken device is no property of a video: the job ends, and the video is done later."""

    def fails(frame: np.ndarray) -> Detections:
        raise BackendError("the device is gone")

    worker = PosesOfVideos(detector=fails, threads=1)
    with pytest.raises(BackendError, match="gone"):
        list(worker({"uri": str(write_video(tmp_path / "a.mp4", 2))}))


@pytest.mark.parametrize(
    "options",
    [
        {"frames": 0},
        {"detect_every": 0},
        {"smooth": True, "tracked": False},
        {"threads": 0},
        {"min_score": 1.5},
        {"detector": EveryFrame(), "min_face": 9},
    ],
)
def test_invalid_options_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        PosesOfVideos(**options)  # type: ignore[arg-type]


def test_files_of_a_store_are_copied_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = pytest.importorskip("pyarrow.fs")
    store = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    monkeypatch.setattr(fs, "FileSystem", type("Stores", (), {"from_uri": lambda uri: (store, uri[len("s3://b/") :])}))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    write_video(tmp_path / "clip.mp4", 2)
    (tmp_path / "bad.mp4").write_bytes(b"\0" * 99)
    worker = PosesOfVideos(detector=EveryFrame(), threads=1)
    rows = list(worker({"uri": "s3://b/clip.mp4"}))
    assert [row["file"] for row in rows] == ["clip.mp4"] * 3
    for name, fragment in (("bad", "cannot be opened as a video"), ("no", "cannot be copied")):
        (end,) = worker({"uri": f"s3://b/{name}.mp4"})
        assert re.match(f"s3://b/{name}.mp4 {fragment}", end["error"])
    assert list((tmp_path / "tmp").iterdir()) == []


def test_file_uris_are_paths(tmp_path: Path) -> None:
    video = write_video(tmp_path / "two words.mp4", 2)
    worker = PosesOfVideos(detector=EveryFrame(), threads=1)
    assert len(list(worker({"uri": video.as_uri()}))) == 3


@pytest.mark.parametrize("uri", ["http://example.org/clip.mp4", "rtsp://camera/live"])
def test_streams_are_refused(uri: str) -> None:
    pytest.importorskip("pyarrow")
    (end,) = PosesOfVideos(threads=1)({"uri": uri})
    assert f"{uri} is not supported" in end["error"]


def test_nothing_of_ray_is_imported() -> None:
    """The packages that only the extra installs."""
    code = "import hpe_edge.ray, sys; print([name for name in ('ray', 'pyarrow', 'pandas') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
