"""Sources: what is read, in which order, and what is said about what cannot be read."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from media import assert_notes, noise, write_picture, write_video
from PIL import Image

from hpe_edge.errors import InputError, SourceError
from hpe_edge.ops.frames import MAX_FRAME_SIDE
from hpe_edge.sources.capture.recording import Recording
from hpe_edge.sources.open_source import open_source


def test_one_picture(tmp_path: Path) -> None:
    source = open_source(write_picture(tmp_path / "a.png"))
    (frame,) = source
    assert (source.kind, source.count) == ("picture", 1)
    assert (frame.name, frame.index) == ("a.png", 0) and math.isnan(frame.time_s)
    np.testing.assert_array_equal(frame.image, noise())


def test_folder_is_sorted_and_skips_what_is_no_picture(tmp_path: Path) -> None:
    for seed, name in enumerate(("b.JPG", "a.png", "c.webp")):
        write_picture(tmp_path / name, seed=seed)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.png").write_bytes(b"x")
    (tmp_path / "sub.png").mkdir()
    source = open_source(tmp_path)
    assert [(f.name, f.index) for f in source] == [("a.png", 0), ("b.JPG", 1), ("c.webp", 2)]
    assert_notes(source.notes, f"3 entries of {tmp_path}")


def test_unreadable_pictures_are_noted_and_the_others_read(tmp_path: Path) -> None:
    write_picture(tmp_path / "b.png")
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "c.jpg").write_text("no picture")
    source = open_source(tmp_path)
    assert [f.index for f in source] == [1]
    assert [note.split(" cannot")[0] for note in source.notes] == [str(tmp_path / "a.png"), str(tmp_path / "c.jpg")]


def test_one_entry_that_is_no_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    (tmp_path / "notes.txt").touch()
    assert_notes(open_source(tmp_path).notes, f"1 entry of {tmp_path}")


def test_pictures_wider_than_the_engine_takes(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", width=MAX_FRAME_SIDE + 1, height=1)
    with pytest.raises(SourceError, match=r"65537 x 1 pixels.*65536"):
        list(open_source(tmp_path / "a.png"))
    write_picture(tmp_path / "b.png", width=MAX_FRAME_SIDE, height=1)
    source = open_source(tmp_path)
    assert [f.name for f in source] == ["b.png"]
    assert len(source.notes) == 1 and source.notes[0].startswith(f"{tmp_path / 'a.png'} has 65537 x 1 pixels")


def test_video_wider_than_the_engine_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpe_edge.sources.frame.MAX_FRAME_SIDE", 95)  # no codec here goes beyond the real limit
    with pytest.raises(SourceError, match=r"v\.mp4 has 96 x 64 pixels.*95"):
        open_source(write_video(tmp_path / "v.mp4"))


def test_pixel_types_that_opencv_does_not_read(tmp_path: Path) -> None:
    Image.new("I", (6, 4)).save(tmp_path / "a.tiff", compression="tiff_lzw")
    with pytest.raises(SourceError, match="pixel type"):
        list(open_source(tmp_path / "a.tiff"))


@pytest.mark.parametrize("animated", [False, True])
def test_animated_pictures_are_noted(tmp_path: Path, animated: bool) -> None:
    first, second = (Image.fromarray(noise(seed=seed)) for seed in range(2))
    # Transparency needs the extended header as well.
    first.putalpha(100)
    first.save(tmp_path / "a.webp", save_all=animated, append_images=[second] if animated else [])
    source = open_source(tmp_path / "a.webp")
    assert len(list(source)) == 1
    assert_notes(source.notes, *[f"{tmp_path / 'a.webp'} is animated"] * animated)


@pytest.mark.parametrize(("duration_ms", "read"), [(100, 2), (0, 1)])
def test_animated_gif(tmp_path: Path, duration_ms: int, read: int) -> None:
    first, second = (Image.fromarray(noise(seed=seed)) for seed in range(2))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second], duration=duration_ms)
    source = open_source(tmp_path / "a.gif")
    assert len(list(source)) == read
    assert_notes(source.notes, *["2 frames, only 1"] * (read == 1))


def test_folder_of_damaged_pictures_fails(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"none of 2 pictures.*a\.png"):
        list(open_source(tmp_path))


def test_pictures_are_turned_upright_by_their_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter clockwise
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    (frame,) = open_source(tmp_path / "a.jpg")
    assert frame.image.shape == (40, 20, 3)


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_grey_transparent_and_deep_pictures_become_bgr(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (6, 4)).save(tmp_path / "a.png")
    (frame,) = open_source(tmp_path / "a.png")
    assert frame.image.shape == (4, 6, 3) and frame.image.dtype == np.uint8


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_video_frames_have_their_times(tmp_path: Path, suffix: str) -> None:
    source = open_source(write_video(tmp_path / f"v{suffix}", frames=7, fps=12.5))
    frames = list(source)
    assert (source.kind, source.count, source.fps, source.notes) == ("video", 7, 12.5, [])
    assert [f.index for f in frames] == list(range(7)) and {f.name for f in frames} == {f"v{suffix}"}
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(7) / 12.5, atol=1e-3)
    # The first frame was decoded while opening; it must still be the first one.
    assert np.corrcoef(frames[0].image.ravel(), noise(seed=0).ravel())[0, 1] > 0.5


def test_truncated_video_is_read_and_noted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", frames=40)
    os.truncate(path, path.stat().st_size // 2)
    source = open_source(path)
    read = len(list(source))
    assert 10 < read < 30
    assert_notes(source.notes, f"40 frames, only {read}")


def test_truncated_classroom_video(tmp_path: Path, data: Path) -> None:
    whole = (data / "video" / "classroom.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 10])
    source = open_source(tmp_path / "cut.mp4")
    read = len(list(source))
    assert 5 < read < 100
    assert f"announces 329 frames, only {read}" in source.notes[0]


def test_video_that_was_never_finished_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4")
    os.truncate(path, path.stat().st_size // 2)  # OpenCV writes the index at the end
    with pytest.raises(SourceError, match="cannot be opened as a video: damaged, cut short"):
        open_source(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.mp4", b"plain text, not a video\n" * 50, "cannot be opened as a video"),
        ("v.mp4", b"", "is empty"),
        ("a.jpg", b"", "is empty"),
        ("notes.txt", b"FFmpeg would decode this as ANSI art\n" * 50, "neither a picture"),
        ("noextension", b"x", "neither a picture"),
    ],
)
def test_foreign_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path / name)


def test_unreadable_picture_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_picture(tmp_path / "a.png")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SourceError, match=r"a\.png cannot be read: Permission denied"):
        list(open_source(str(tmp_path / "a.png")))


def test_damaged_picture_alone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"a\.jpg cannot be read"):
        list(open_source(tmp_path / "a.jpg"))


def test_missing_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no .*gone\.mp4"):
        open_source(tmp_path / "gone.mp4")


@pytest.mark.parametrize(("entries", "says"), [([], "empty"), (["a.txt", "b.mp4"], "only 2 other entries")])
def test_folder_without_pictures(tmp_path: Path, entries: list[str], says: str) -> None:
    for name in entries:
        (tmp_path / name).write_text("x")
    with pytest.raises(SourceError, match=f"no picture in .*{says}"):
        open_source(tmp_path)


def test_video_with_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "v.mp4")
    monkeypatch.setattr(cv2.VideoCapture, "read", lambda self: (False, None))
    with pytest.raises(SourceError, match="no frame that can be decoded"):
        open_source(path)


def test_unknown_frame_rate_is_replaced_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "v.mp4")
    get = cv2.VideoCapture.get
    monkeypatch.setattr(cv2.VideoCapture, "get", lambda self, key: 0.0 if key == cv2.CAP_PROP_FPS else get(self, key))
    source = open_source(path)
    assert source.fps == 25 and "frame rate" in source.notes[0]


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    """They crash OpenCV when it opens files by name."""
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    write_picture(tmp_path / "a.png").rename(tmp_path / f"{name}.png")
    assert [f.name for f in open_source(tmp_path / f"{name}.png")] == [f"{name}.png"]
    write_video(tmp_path / "v.mp4").rename(tmp_path / f"{name}.mp4")
    with pytest.raises(InputError, match="not UTF-8; rename it"):
        open_source(tmp_path / f"{name}.mp4")


def test_patterns(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "b/2.JPG", "b/c/3.png", "b/4.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(cv2.imencode(".png", noise())[1].tobytes())
    source = open_source(f"{tmp_path}/*/*.[jJ]*")
    assert (source.kind, source.count, [frame.name for frame in source]) == ("folder", 2, ["a/1.jpg", "b/2.JPG"])
    assert [frame.name for frame in open_source(f"{tmp_path}/**/?.*")] == ["a/1.jpg", "b/2.JPG", "b/c/3.png"]
    assert_notes(open_source(f"{tmp_path}/b/*").notes, f"2 entries of {tmp_path}/b/*")
    with pytest.raises(SourceError, match=r"\*\.gif matches no picture"):
        open_source(f"{tmp_path}/*.gif")


def test_a_name_with_the_signs_of_a_pattern_is_a_name(tmp_path: Path) -> None:
    assert open_source(write_picture(tmp_path / "a[1].png")).kind == "picture"


def test_broken_frames_in_the_middle(tmp_path: Path) -> None:
    """Frames before and after the damage are read, and the missing ones are noted."""
    path = write_video(tmp_path / "v.avi", frames=40)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 15_000] = bytes(15_000)
    path.write_bytes(data)
    source = open_source(path)
    frames = list(source)
    assert 30 <= len(frames) < 39
    for at, seed in ((0, 0), (-1, 39)):
        assert np.corrcoef(frames[at].image.ravel(), noise(seed=seed).ravel())[0, 1] > 0.5
    assert_notes(source.notes, f"40 frames, only {len(frames)}")


def damage(path: Path, *frames: int) -> Path:
    """Take out what is in these frames of an .avi, so that they cannot be decoded."""
    data = bytearray(path.read_bytes())
    at = data.index(b"movi") + 4
    for index in range(max(frames) + 1):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        assert data[at : at + 4] == b"00dc"
        if index in frames:
            data[at + 8 : at + 8 + size] = bytes(size)
        at += 8 + size + size % 2
    path.write_bytes(data)
    return path


def test_frames_that_cannot_be_decoded_are_skipped(tmp_path: Path) -> None:
    """The others keep their positions and times, so that boxes made for the whole video stay right."""
    lost = [0, 5, 6, 7, 30]
    path = damage(write_video(tmp_path / "v.avi", frames=40), *lost)
    source = open_source(path)
    frames = list(source)
    assert [frame.index for frame in frames] == [index for index in range(40) if index not in lost]
    for frame in frames:
        assert frame.time_s == pytest.approx(frame.index / 10, abs=1e-3)
        assert np.corrcoef(frame.image.ravel(), noise(seed=frame.index).ravel())[0, 1] > 0.5
    assert_notes(source.notes, f"5 frames of {path}")


def test_skipped_frames_are_noted_where_the_end_is_not_read(tmp_path: Path) -> None:
    source = open_source(damage(write_video(tmp_path / "v.avi", frames=40), 3, 20))
    assert [frame.index for frame in itertools.islice(source, 4)] == [0, 1, 2, 4]
    assert_notes(source.notes, f"1 frame of {tmp_path / 'v.avi'}")


def test_frames_lost_in_a_video_that_is_cut_short(tmp_path: Path) -> None:
    path = damage(write_video(tmp_path / "v.avi", frames=40), 3)
    os.truncate(path, path.stat().st_size // 2)
    source = open_source(path)
    read = len(list(source))
    assert_notes(source.notes, f"1 frame of {path}", f"40 frames, only {read}")


class FakeCapture:
    """Gives frames with these times in seconds; None is one that cannot be decoded."""

    def __init__(self, times_s: list[float | None]) -> None:
        self._times_s = iter(times_s)
        self._time_s: float | None = 0.0
        self.reads = 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.reads += 1
        self._time_s = next(self._times_s, None)
        return (False, None) if self._time_s is None else (True, noise())

    def isOpened(self) -> bool:
        return True

    def release(self) -> None: ...

    def get(self, key: int) -> float:
        return 1000 * (self._time_s or 0.0) if key == cv2.CAP_PROP_POS_MSEC else 0.0


@pytest.mark.parametrize(
    ("times_s", "positions"),
    [
        ([0, 1, None, None, 2, 5, 6], [0, 1, 2, 5, 6]),  # the decoder still held one from before the gap
        ([0, 1, None, None, 2, 4, 5, 7, 8], [0, 1, 2, 4, 5, 7, 8]),  # two gaps
        ([0, 1, None, None, 5, 6], [0, 1, 5, 6]),  # one more was lost than reads failed
        ([0, 1, None, 9, 10], [0, 1, 4, 5]),  # a pause that belongs to the video
        ([0, 1, 5, 6], [0, 1, 2, 3]),
        ([0, 1, None, 9, 2, 11], [0, 1, 2, 3, 6]),  # out of order: 9 is a stray timestamp
        ([0, None, None, None, None, 2, 5, 3, 7, 8], [0, 2, 5, 6, 7, 8]),
        ([None, 1, 2], [1, 2]),
        ([0, 0, None, 0, 0], [0, 1, 3, 4]),  # no times
    ],
)
def test_positions_after_frames_that_cannot_be_decoded(times_s: list[float | None], positions: list[int]) -> None:
    recording = Recording("v.mp4", "v.mp4", FakeCapture(times_s), fps=1.0, count=None)
    frames = list(iter(recording.read, None))
    assert [frame.index for frame in frames] == positions
    assert all(a.time_s <= b.time_s for a, b in itertools.pairwise(frames))


@pytest.mark.parametrize(("count", "reads"), [(None, 253), (20, 20), (2, 4)])
def test_the_end_is_believed_after_so_many_reads(count: int | None, reads: int) -> None:
    capture = FakeCapture([0, 1, 2])
    recording = Recording("v.mp4", "v.mp4", capture, fps=1.0, count=count)
    assert len(list(iter(recording.read, None))) == 3 and capture.reads == reads


def test_files_are_closed(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("open files are read from /proc")
    path = write_video(tmp_path / "v.mp4")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for frames in (1, 12):
        for _, _ in zip(open_source(path), range(frames), strict=False):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("suffix", "fourcc"),
    [(".mts", "mpg2"), (".m2ts", "mpg2"), (".vob", "mpg2"), (".asf", "WMV2"), (".mjpg", "MJPG"), (".f4v", "FLV1")],
)
def test_containers_of_cameras_and_recorders(tmp_path: Path, suffix: str, fourcc: str) -> None:
    """By their names; the content is a container that OpenCV can write here."""
    written = {".mts": ".ts", ".m2ts": ".ts", ".vob": ".mpg", ".asf": ".wmv", ".mjpg": ".avi", ".f4v": ".flv"}[suffix]
    writer = cv2.VideoWriter(str(tmp_path / f"w{written}"), cv2.VideoWriter.fourcc(*fourcc), 25.0, (96, 64))
    if not writer.isOpened():
        pytest.skip(f"this OpenCV writes no {written}")
    for seed in range(12):
        writer.write(noise(seed=seed))
    writer.release()
    path = (tmp_path / f"w{written}").rename(tmp_path / f"v{suffix}")
    frames = list(open_source(path))
    assert 10 <= len(frames) <= 12
    np.testing.assert_allclose(np.diff([frame.time_s for frame in frames]), 0.04, atol=2e-3)


@pytest.mark.parametrize("suffix", [".h264", ".h265", ".dav", ".vob", ".MTS"])
def test_damaged_files_of_these_kinds_are_named_as_videos(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"v{suffix}").write_bytes(b"nothing" * 99)
    with pytest.raises(SourceError, match=r"cannot be opened as a video|no frame that can be decoded"):
        open_source(tmp_path / f"v{suffix}")
