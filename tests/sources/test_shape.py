"""Non-square pixels, turned and mirrored sources."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from media import assert_notes, write_picture, write_video
from mp4_boxes import declare_pixels, declare_turn

from hpe_edge.camera import Camera
from hpe_edge.errors import InputError
from hpe_edge.pipeline.opening import FaceOptions, FieldOfView, _camera_of
from hpe_edge.sources.capture.shape import Shape
from hpe_edge.sources.open_source import open_source


def test_declared_pixels_become_square(tmp_path: Path) -> None:
    plain = next(iter(open_source(write_video(tmp_path / "v.mp4")))).image
    for across, down, size in ((2, 1, (192, 64)), (2, 3, (96, 96))):
        path = write_video(tmp_path / "w.mp4")
        declare_pixels(path, across, down)
        source = open_source(path)
        image = next(iter(source)).image
        np.testing.assert_array_equal(image, cv2.resize(plain, size))
        assert_notes(source.notes, f"from 96 x 64 to {size[0]} x {size[1]}")


def test_pixels_of_a_video_that_lies_on_its_side(tmp_path: Path) -> None:
    """The ratio belongs to the stored frame; OpenCV turns it."""
    path = write_video(tmp_path / "v.mp4")
    declare_turn(path)
    upright = next(iter(open_source(path))).image
    assert upright.shape == (96, 64, 3)
    declare_pixels(path, 2, 1)
    assert next(iter(open_source(path))).image.shape == (192, 64, 3)


@pytest.mark.parametrize("pixels", [(1, 1), (1000, 1001), (1, 0), (0, 1), (5000, 1)])
def test_pixels_that_are_square_or_cannot_be(tmp_path: Path, pixels: tuple[int, int]) -> None:
    path = write_video(tmp_path / "v.mp4")
    before = next(iter(open_source(path))).image
    declare_pixels(path, *pixels)
    source = open_source(path)
    np.testing.assert_array_equal(next(iter(source)).image, before)
    assert source.notes == []


def test_what_is_asked_for(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4")
    plain = next(iter(open_source(path))).image
    clockwise = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    for degrees, code in clockwise.items():
        np.testing.assert_array_equal(next(iter(open_source(path, rotate=degrees))).image, cv2.rotate(plain, code))
    np.testing.assert_array_equal(next(iter(open_source(path, mirror=True))).image, plain[:, ::-1])
    image = next(iter(open_source(path, sar=0.5, rotate=90, mirror=True))).image
    np.testing.assert_array_equal(image, cv2.rotate(cv2.resize(plain, (96, 128)), clockwise[90])[:, ::-1])
    declare_pixels(path, 2, 1)
    assert next(iter(open_source(path, sar=1.0))).image.shape == (64, 96, 3)
    assert next(iter(open_source(path, rotate=90))).image.shape == (192, 64, 3)
    picture = write_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(
        next(iter(open_source(picture, rotate=180))).image, cv2.imread(str(picture))[::-1, ::-1]
    )


@pytest.mark.parametrize("wrong", [{"sar": 0.0}, {"sar": 9.0}, {"sar": float("nan")}, {"rotate": 45}])
def test_what_cannot_be_asked_for(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="|".join(wrong)):
        open_source(write_picture(tmp_path / "a.png"), **wrong)


@pytest.mark.parametrize(
    "shape", [Shape(2.0), Shape(0.5), Shape(1.0, 90), Shape(2.0, 270, True), Shape(4 / 3, 180, True)]
)
def test_cameras_follow_the_frames(shape: Shape) -> None:
    """A spot of the source's own frame is on the same ray, but for the turn and the mirror, where it is shown."""
    width, height, at = 120, 80, (30, 60)
    camera = Camera(100.0, 110.0, 55.0, 42.0)
    frame = np.zeros((height, width, 3), np.uint8)
    cv2.circle(frame, at, 3, (255, 255, 255), -1)
    shown = shape(frame)
    assert shape.before(shown.shape[1], shown.shape[0]) == (width, height)
    mass = cv2.moments(shown[:, :, 0])
    spot = np.array([mass["m10"], mass["m01"]]) / mass["m00"] + 0.5
    ray, own = shape.camera(camera, width, height).rays(spot), camera.rays(np.array(at) + 0.5)
    x, y = own[:2]
    for _ in range(shape.rotate // 90):
        x, y = -y, x
    np.testing.assert_allclose(ray[:2], [-x if shape.mirror else x, y], atol=5e-3)


def test_a_calibration_is_of_the_sources_frames_and_a_field_of_view_of_the_shown_ones(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "v.mp4"), sar=2.0)
    own = Camera(80.0, 80.0, 48.0, 32.0)
    calibrated = _camera_of(FaceOptions(camera_of=lambda width, height: own), source)
    assert calibrated is not None and calibrated(192, 64) == Camera(160.0, 80.0, 96.0, 32.0)
    wide = _camera_of(FaceOptions(camera_of=FieldOfView(60.0)), source)
    assert wide is not None and wide(192, 64) == Camera.from_fov(192, 64, 60.0)
