"""Pictures and videos made on the spot, for tests of what reads and writes them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def noise(width: int = 96, height: int = 64, seed: int = 0) -> np.ndarray:
    """A picture that does not compress well."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_picture(path: Path, width: int = 96, height: int = 64, seed: int = 0) -> Path:
    assert cv2.imwrite(str(path), noise(width, height, seed))
    return path


def write_video(path: Path, frames: int = 12, fps: float = 10.0, width: int = 96, height: int = 64) -> Path:
    """.mp4 as MPEG-4, .avi as Motion JPEG, whose header with the number of frames comes first."""
    fourcc = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), fourcc, fps, (width, height))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(noise(width, height, seed=index))
    writer.release()
    return path


def count_frames(path: Path) -> int:
    """Number of frames that decode."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.grab():
        count += 1
    return count


def assert_notes(notes: list[str], *fragments: str) -> None:
    """One note per fragment, in order, each with its fragment in it."""
    assert len(notes) == len(fragments), notes
    for note, fragment in zip(notes, fragments, strict=True):
        assert fragment in note
