"""Detection on frames stretched to full contrast."""

from __future__ import annotations

import numpy as np
import pytest

from hpe_edge import Detections, open_detector
from hpe_edge.faces.detector import VideoDetector
from hpe_edge.faces.stretched_frames import on_stretched_frames, stretched
from hpe_edge.samples import FOLDER
from hpe_edge.sources.read_picture import read_picture


@pytest.mark.parametrize(("gain", "offset"), [(0.05, 0), (0.1, 120), (0.2, 200), (1, 0)])
def test_frames_get_the_full_range(rng: np.random.Generator, gain: float, offset: float) -> None:
    scene = np.kron(rng.uniform(0, 255, (30, 40, 3)), np.ones((20, 20, 1)))
    frame = np.rint(scene * gain + offset).astype(np.uint8)
    low, high = np.percentile(frame.astype(np.float64), (1, 99))
    want = np.clip((frame - low) * 255 / (high - low), 0, 255)
    assert np.abs(stretched(frame) - want).max() < 0.5 + 255 / (high - low) * (1 if high - low < 30 else 0.5)


def test_a_frame_of_one_colour_stays() -> None:
    frame = np.full((20, 30, 3), 7, np.uint8)
    assert stretched(frame) is frame
    assert stretched(np.zeros((1, 1, 3), np.uint8)).shape == (1, 1, 3)


def test_the_detector_sees_it_and_keeps_its_schedule() -> None:
    seen: list[np.ndarray] = []

    def plain(frame: np.ndarray) -> Detections:
        seen.append(frame)
        return Detections.from_boxes([])

    frame = np.tile(np.arange(20, 40, dtype=np.uint8)[:, None, None], (1, 30, 3))
    assert not isinstance(on_stretched_frames(plain), VideoDetector)
    on_stretched_frames(plain)(frame)
    assert seen[0].min() == 0 and seen[0].max() == 255
    detector = open_detector("face-detector", stretch=True)
    assert isinstance(detector, VideoDetector)
    photo = read_picture(FOLDER / "astronaut.jpg").image
    dark = (photo * 0.02).astype(np.uint8)
    assert len(open_detector("face-detector")(dark)) == 0
    for find in (detector, detector.for_video()):
        found = find(dark)
        assert len(found) == 1 and abs(found.boxes[0, 0] - 178) < 15
