"""hpe_estimate, with the network in native code, against PoseEngine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.c_interface.library import INVALID_ARGUMENT, INVALID_MODEL, CError, Library, frame_view
from hpe_edge import PoseEngine
from hpe_edge.models import DEFAULT, NATIVE, NATIVE_INT8
from hpe_edge.samples import FOLDER

# Three faces that a detector might find, the second upside down in the picture, the third rolled.
BOXES = np.float32([[170, 70, 290, 210], [180, 80, 280, 200], [-20, 30, 90, 160]])
POINTS = np.float32([[200, 110], [255, 110], [228, 140], [205, 170], [250, 170]])


def picture(turn: float) -> np.ndarray:
    photo = cv2.imread(str(FOLDER / "astronaut.jpg"))
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D((228, 140), -turn, 1.0)
    return np.ascontiguousarray(cv2.warpAffine(photo, matrix, (width, height)))


@pytest.mark.parametrize("path", [NATIVE, NATIVE_INT8])
@pytest.mark.parametrize("turn", [0, 40, 160])
@pytest.mark.parametrize("dark", [False, True])
def test_poses_equal_pose_engines(library: Library, path: Path, turn: int, dark: bool) -> None:
    frame = picture(turn) // (12 if dark else 1)
    keypoints = np.stack([POINTS, np.full_like(POINTS, np.nan), POINTS[::-1]])
    with PoseEngine(path, threads=1) as engine:
        for points in (None, keypoints):
            want = engine(frame, BOXES, boxes_from="landmarks", keypoints=points)
            got = library.read_model(path.read_bytes()).estimate(frame_view(frame), BOXES, points)
            for ours, theirs, limit in zip(
                got, (want.angles, want.sigma, want.rotation), (1e-4, 1e-4, 2e-6), strict=True
            ):
                np.testing.assert_allclose(ours, theirs, atol=limit, rtol=0)
            assert np.isfinite(got[0]).all()


def test_threads_share_a_model(library: Library) -> None:
    model, frame = library.read_model(NATIVE_INT8.read_bytes()), picture(0)
    (want, *_) = model.estimate(frame_view(frame), BOXES)
    with ThreadPoolExecutor(4) as pool:
        for got, *_ in pool.map(lambda _: model.estimate(frame_view(frame), BOXES), range(24)):
            np.testing.assert_array_equal(got, want)


def test_what_it_refuses(library: Library) -> None:
    data = NATIVE_INT8.read_bytes()
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    for bad, said in ((DEFAULT.read_bytes(), "does not begin"), (bytes(damaged), "damaged"), (data[:-9], "truncated")):
        with pytest.raises(CError, match=said) as error:
            library.read_model(bad)
        assert error.value.status == INVALID_MODEL
    model, frame = library.read_model(data), picture(0)
    with pytest.raises(CError, match="x1 < x2") as error:
        model.estimate(frame_view(frame), BOXES[:, ::-1].copy())
    assert error.value.status == INVALID_ARGUMENT
    with pytest.raises(CError, match="infinite"):
        model.estimate(frame_view(frame), BOXES[:1], np.full((1, 5, 2), np.inf, np.float32))
    assert len(model.estimate(frame_view(frame), BOXES[:0])[0]) == 0
