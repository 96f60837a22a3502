"""crop_normalize against the float64 oracle, OpenCV, PIL and torch."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest
import reference
from frames_of import frame_of
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import every_loop  # noqa: F401
from PIL import Image

from hpe_edge import InputError
from hpe_edge.ops.crop import CropNormalize, crop_normalize
from hpe_edge.ops.frames import FrameColor
from hpe_edge.spec import Crop, Input

LEVELS = Input(size=16, color="BGR", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))
IMAGENET = Input(size=32, color="RGB", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
RESAMPLINGS = ("bilinear", "antialias")
SQUARES = ("extend", "shrink", "none")

# In levels. The sums of at most a few hundred products of 8-bit values round at 2^-24 of 255 each.
LEVEL_TOLERANCE = 2e-3


def sized(base: Input, size: int, **changes: object) -> Input:
    return Input(**{**base.__dict__, "size": size, **changes})


def picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def check(frame: np.ndarray, boxes: object, crop: Crop, input: Input, color: str = "BGR") -> np.ndarray:
    """Crop and compare with the oracle, in levels of the float32 output."""
    got = CropNormalize(crop, input)(frame, boxes, color=color)
    levels, order, fill = reference.frame_levels(frame, color, crop, input)
    assert got.shape == (len(boxes), 3, input.size, input.size)
    gain = max(input.scale / s for s in input.std)
    for face, box in zip(got, np.asarray(boxes, np.float32), strict=True):
        want = reference.normalize(reference.crop_levels(levels, box, crop, input.size, fill), order, input)
        np.testing.assert_allclose(face, want, atol=LEVEL_TOLERANCE * gain, rtol=0)
    return got


BOXES = {
    "inside": [20, 15, 60, 55],
    "tall": [30.25, 5.5, 41.75, 60.125],
    "wide": [3.3, 30.1, 70.9, 41.7],
    "one pixel": [10, 12, 11, 13],
    "within one pixel": [10.2, 12.3, 10.7, 12.6],
    "whole frame": [0, 0, 80, 64],
    "over the left edge": [-15.5, 10, 20, 50],
    "over the corner": [60, 50, 101.5, 90],
    "larger than the frame": [-40, -50, 150, 120],
    "huge": [-700, -500, 900, 800],
    "left of the frame": [-60, 10, -20, 40],
    "below the frame": [10, 90, 40, 130],
    "touching the edge": [-20, 10, 0, 30],
}


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_boxes_of_every_kind(rng: np.random.Generator, box: list[float], resampling: str) -> None:
    frame = picture(rng, 64, 80)
    for square, clip in (("extend", False), ("none", False), ("extend", True), ("shrink", False), ("shrink", True)):
        crop = Crop(margins=(0.1, 0.2, 0.3, 0.05), square=square, clip=clip, fill=(10, 200, 90), resampling=resampling)
        check(frame, [box], crop, sized(IMAGENET, 16))


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize("size", [1, 2, 7, 16, 33, 112])
@pytest.mark.parametrize("side", [5.3, 30, 61.7, 190])
def test_enlarging_and_shrinking(rng: np.random.Generator, side: float, size: int, resampling: str) -> None:
    frame = picture(rng, 200, 200)
    check(frame, [[4.1, 3.2, 4.1 + side, 3.2 + side]], Crop(resampling=resampling), sized(IMAGENET, size))


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize("color", get_args(FrameColor))
@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_frame_formats(rng: np.random.Generator, color: str, order: str, resampling: str) -> None:
    frame = frame_of(rng, color, 60, 90)
    crop = Crop(margins=(0.2,) * 4, fill=(255, 10, 60), resampling=resampling)
    boxes = [[10.5, 8, 50, 40], [-20, -10, 40, 55], [60, 30, 110, 70]]
    check(frame, boxes, crop, sized(IMAGENET, 24, color=order), color)


def test_nv12_agrees_with_opencv(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (96, 80), dtype=np.uint8)
    bgr = cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_NV12)
    nv12 = crop_normalize(frame, [[0, 0, 64, 64]], Crop(), sized(LEVELS, 64), color="NV12")
    color = crop_normalize(bgr, [[0, 0, 64, 64]], Crop(), sized(LEVELS, 64))
    # OpenCV rounds to whole levels and has its coefficients in fixed point.
    assert np.abs(nv12 - color).max() < 1.01


def test_nv12_planes_with_their_own_strides(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (96, 80), dtype=np.uint8)
    luma = np.zeros((64, 128), np.uint8)[:, 16:96]
    chroma = np.zeros((32, 104), np.uint8)[:, :80]
    luma[:], chroma[:] = frame[:64], frame[64:]
    whole = crop_normalize(frame, [[-3, 5, 50, 70]], Crop(), IMAGENET, color="NV12")
    padded_uv = np.zeros((32, 52, 2), np.uint8)[:, :40]
    padded_uv[:] = frame[64:].reshape(32, 40, 2)
    for uv in (chroma, padded_uv):
        np.testing.assert_array_equal(
            crop_normalize((luma, uv), [[-3, 5, 50, 70]], Crop(), IMAGENET, color="NV12"), whole
        )


def test_strided_and_bottom_up_frames(rng: np.random.Generator) -> None:
    padded = picture(rng, 70, 101)
    view = padded[3:63, 7:96]
    check(view, [[5, 5, 60, 50]], Crop(), IMAGENET)
    check(view[::-1], [[5, 5, 60, 50]], Crop(), IMAGENET)
    check(view[::2], [[5, 5, 60, 28]], Crop(), IMAGENET)


def test_a_frame_one_pixel_wide_has_no_stride_to_check(rng: np.random.Generator) -> None:
    wide = picture(rng, 9, 7)
    check(wide[:, 3:4], [[0, 1, 1, 5]], Crop(square="none"), IMAGENET)
    check(np.ascontiguousarray(wide[:1, :1]), [[0, 0, 1, 1]], Crop(), IMAGENET)


def test_float16_is_the_rounded_float32(rng: np.random.Generator) -> None:
    frame = picture(rng, 64, 80)
    boxes = [[-10, 5, 44.5, 60], [30, 3, 50, 20]]
    for size in (5, 16, 31):
        single = CropNormalize(Crop(), sized(IMAGENET, size))(frame, boxes)
        half = CropNormalize(Crop(), sized(IMAGENET, size, dtype="float16"))(frame, boxes)
        np.testing.assert_array_equal(half, single.astype(np.float16))


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_channels_last_holds_the_values_of_the_planes(rng: np.random.Generator, order: str, resampling: str) -> None:
    frame = picture(rng, 64, 80)
    boxes, turns = [[-10, 5, 44.5, 60], [30, 3, 50, 20]], [0, 25]
    for size in (5, 16, 31):
        input, crop = (
            sized(IMAGENET, size, dtype="float16", color=order),
            Crop(fill=(9, 80, 200), resampling=resampling),
        )
        planes = CropNormalize(crop, input)(frame, boxes, turns_deg=turns)
        pixels = CropNormalize(crop, input, channels_last=True)(frame, boxes, turns_deg=turns)
        assert pixels.shape == (2, size, size, 8) and pixels.dtype == np.float16
        np.testing.assert_array_equal(pixels[..., :3], planes.transpose(0, 2, 3, 1))
        assert not pixels[..., 3:].any()
    assert CropNormalize(Crop(), input, channels_last=True)(frame, []).shape == (0, 31, 31, 8)


def test_channels_last_is_float16(rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="channels_last writes float16, but the input's dtype is float32"):
        CropNormalize(Crop(), IMAGENET, channels_last=True)


def test_uint8_is_the_rounded_level(rng: np.random.Generator) -> None:
    frame = picture(rng, 64, 80)
    boxes = [[-10, 5, 44.5, 60], [30, 3, 50, 20]]
    for size in (5, 16, 31):
        single = CropNormalize(Crop(), sized(LEVELS, size))(frame, boxes)
        byte = CropNormalize(Crop(), sized(LEVELS, size, dtype="uint8"))(frame, boxes)
        assert byte.dtype == np.uint8
        np.testing.assert_array_equal(byte, np.clip(np.rint(single), 0, 255).astype(np.uint8))


def test_extreme_gains_reach_float16_infinity_and_subnormals() -> None:
    values = np.array([0, 1, 2, 127, 255], np.uint8)
    for scale in (1e3, 1e-7, 3e-8):
        for value in values:
            frame = np.full((4, 4, 3), value, np.uint8)
            half = CropNormalize(Crop(), sized(LEVELS, 3, scale=scale, dtype="float16"))(frame, [[0, 0, 4, 4]])
            with np.errstate(over="ignore"):
                want = np.float16(np.float32(value) * np.float32(scale))
            assert (half == want).all(), (scale, value, half[0, 0, 0], want)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_any_number_of_faces(rng: np.random.Generator, count: int) -> None:
    frame = picture(rng, 48, 64)
    corners = rng.uniform(-10, 40, (count, 2))
    boxes = np.column_stack([corners, corners + rng.uniform(1, 30, (count, 2))])
    check(frame, boxes, Crop(), sized(IMAGENET, 8))


def test_the_largest_box_allowed_is_mostly_fill(rng: np.random.Generator) -> None:
    frame = picture(rng, 48, 64)
    for resampling in RESAMPLINGS:
        crop = Crop(fill=(7, 8, 9), resampling=resampling)
        face = crop_normalize(frame, [[-1e6, -1e6, 1e6, 1e6]], crop, sized(LEVELS, 4))[0]
        np.testing.assert_allclose(face, np.broadcast_to([[[7]], [[8]], [[9]]], face.shape), atol=0.01)


def test_boxes_do_not_disturb_each_other(rng: np.random.Generator) -> None:
    frame = picture(rng, 48, 64)
    boxes = rng.uniform([0, 0, 20, 20], [20, 20, 40, 40], (9, 4))
    together = crop_normalize(frame, boxes, Crop(), IMAGENET)
    for i, box in enumerate(boxes):
        np.testing.assert_array_equal(together[i], crop_normalize(frame, [box], Crop(), IMAGENET)[0])


@pytest.mark.parametrize("side", [16, 40, 90, 150])
def test_bilinear_agrees_with_opencv_on_floats(rng: np.random.Generator, side: int) -> None:
    frame = picture(rng, 160, 170)
    cut = frame[5 : 5 + side, 7 : 7 + side]
    want = cv2.resize(cut.astype(np.float32), (48, 48), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    got = crop_normalize(frame, [[7, 5, 7 + side, 5 + side]], Crop(), sized(LEVELS, 48))[0]
    np.testing.assert_allclose(got, want, atol=2e-3)


@pytest.mark.parametrize("side", [16, 40, 90, 150])
def test_antialias_agrees_with_pil_and_torch(rng: np.random.Generator, side: int) -> None:
    frame = picture(rng, 160, 170)
    cut = frame[5 : 5 + side, 7 : 7 + side].astype(np.float32)
    got = crop_normalize(frame, [[7, 5, 7 + side, 5 + side]], Crop(resampling="antialias"), sized(LEVELS, 48))[0]
    for channel in range(3):
        pil = Image.fromarray(cut[..., channel]).resize((48, 48), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(got[channel], np.asarray(pil), atol=5e-3)
    torch = pytest.importorskip("torch")
    planes = torch.from_numpy(cut.transpose(2, 0, 1)[None])
    want = torch.nn.functional.interpolate(planes, (48, 48), mode="bilinear", antialias=True, align_corners=False)
    np.testing.assert_allclose(got, want[0].numpy(), atol=5e-3)


@pytest.mark.parametrize(
    ("box", "margins"),
    [
        ([40, 30, 104, 78], (0, 0, 0, 0)),  # 64 x 48: scaled to 64 x 48 and 128 x 96
        ([40, 30, 72, 126], (0, 0, 0, 0)),  # 32 x 96
        ([20, 30, 164, 102], (0.25, 0, 0.25, 1)),  # 144 x 72, grown to 216 x 144
        ([-30, -20, 66, 44], (0, 0, 0, 0)),  # over the corner, where PIL's crop is black
    ],
)
@pytest.mark.parametrize("size", [48, 96])
def test_shrink_is_resize_of_the_shorter_side_and_center_crop(
    rng: np.random.Generator, box: list[int], margins: tuple[float, float, float, float], size: int
) -> None:
    """Resize(size) and CenterCrop(size) of the cut, over boxes whose scaled sides are whole and even."""
    frame = picture(rng, 160, 190)
    x1, y1, x2, y2 = box
    left, top, right, bottom = margins
    sides = (x1 - left * (x2 - x1), y1 - top * (y2 - y1), x2 + right * (x2 - x1), y2 + bottom * (y2 - y1))
    cut = Image.fromarray(frame).crop(sides)
    scale = size / min(cut.size)
    width, height = (side * scale for side in cut.size)
    assert width == int(width) and height == int(height) and width % 2 == height % 2 == 0
    x, y = int(width - size) // 2, int(height - size) // 2
    crop = Crop(margins=margins, square="shrink", resampling="antialias")
    got = crop_normalize(frame, [box], crop, sized(LEVELS, size))[0]
    for channel in range(3):
        plane = Image.fromarray(np.asarray(cut)[..., channel].astype(np.float32))
        resized = np.asarray(plane.resize((int(width), int(height)), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(got[channel], resized[y : y + size, x : x + size], atol=5e-3)


def test_a_clipped_box_equals_the_cut_array(rng: np.random.Generator) -> None:
    frame = picture(rng, 60, 60)
    cut = frame[0:25, 35:60].astype(np.float32)
    want = cv2.resize(cut, (40, 40), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    got = crop_normalize(frame, [[35, -15, 75, 25]], Crop(clip=True, fill=(255, 0, 255)), sized(LEVELS, 40))[0]
    np.testing.assert_allclose(got, want, atol=2e-3)


def test_out_is_filled_and_returned(rng: np.random.Generator) -> None:
    frame = picture(rng, 40, 40)
    out = np.full((1, 3, 32, 32), np.nan, np.float32)
    assert crop_normalize(frame, [[0, 0, 30, 30]], Crop(), IMAGENET, out) is out
    assert np.isfinite(out).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_frame_box_and_rule(data: st.DataObject) -> None:
    height = data.draw(st.integers(1, 40), "height")
    width = data.draw(st.integers(1, 40), "width")
    frame = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 256, (height, width, 3), dtype=np.uint8)
    number = st.floats(-60, 90, width=32)
    x1, y1 = data.draw(number), data.draw(number)
    box = [x1, y1, x1 + data.draw(st.floats(0.25, 120, width=32)), y1 + data.draw(st.floats(0.25, 120, width=32))]
    margin = st.integers(-40, 150).map(lambda percent: percent / 100)
    crop = Crop(
        margins=tuple(data.draw(margin) for _ in range(4)),
        square=data.draw(st.sampled_from(SQUARES)),
        clip=data.draw(st.booleans()),
        fill=tuple(float(data.draw(st.integers(0, 255))) for _ in range(3)),
        resampling=data.draw(st.sampled_from(RESAMPLINGS)),
    )
    input = sized(IMAGENET, data.draw(st.integers(1, 40), "size"), color=data.draw(st.sampled_from(["RGB", "BGR"])))
    check(frame, [box], crop, input)


FRAME = np.zeros((20, 30, 3), np.uint8)


@pytest.mark.parametrize(
    ("frame", "color", "fragment"),
    [
        (FRAME.astype(np.float32), "BGR", "before normalising"),
        (FRAME.astype(np.uint16), "BGR", "deep_levels.to_8_bits"),
        (FRAME[..., 0], "BGR", "color='GRAY8'"),
        (FRAME[..., :2], "BGR", r"\[H, W, 3\]"),
        (np.zeros((20, 30, 4), np.uint8), "RGB", r"uint8 \(20, 30, 4\).*'RGBA'"),
        (FRAME, "BGRA", r"uint8 \[H, W, 4\]"),
        (np.zeros((20, 30, 8), np.uint8)[..., ::2], "BGRA", "ascontiguousarray"),
        (FRAME[..., ::-1], "BGR", "ascontiguousarray"),
        (FRAME[:, ::2], "BGR", "ascontiguousarray"),
        (FRAME, "GRAY8", r"uint8 \[H, W\]"),
        (FRAME, "YUYV", "color must be one of BGR, .*NV12_709"),
        (None, "BGR", "could not be read"),
        ([[1, 2, 3]], "BGR", "got list"),
        (np.zeros((0, 30, 3), np.uint8), "BGR", "1..65536 pixels"),
        (np.zeros((0, 0), np.uint8), "GRAY8", "1..65536 pixels"),
        (np.zeros((31, 30), np.uint8), "NV12", "multiple of 3"),
        (np.zeros((33, 31), np.uint8), "NV12", "even sides"),
        ((np.zeros((20, 30), np.uint8), np.zeros((9, 30), np.uint8)), "NV12", "UV plane"),
        ((np.zeros((20, 30), np.uint8),), "NV12", "pair"),
        ((np.zeros((20, 30), np.uint8), np.zeros((10, 30, 2), np.uint8)[:, ::2]), "NV12", "packed within a row"),
    ],
)
def test_bad_frames(frame: object, color: str, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        crop_normalize(frame, [[0, 0, 10, 10]], Crop(), IMAGENET, color=color)


@pytest.mark.parametrize(
    ("boxes", "fragment"),
    [
        ([0, 0, 10, 10], "put a single box into a list"),
        ([[0, 0, 10]], r"shape \(1, 3\)"),
        ([[0, 0, 10, 10], [0, 0]], r"\[N, 4\] numbers"),
        ([["a", 0, 1, 1]], r"\[N, 4\] numbers"),
        (None, r"\[N, 4\] numbers|box 0|shape"),
        ([[0, 0, float("nan"), 10]], "box 0 must be finite"),
        ([[0, 0, 10, 10], [0, 0, float("inf"), 10]], "box 1 must be finite"),
        ([[10, 0, 5, 10]], "x1 < x2"),
        ([[0, 10, 5, 10]], "y1 < y2"),
        ([[0, 0, 1e9, 10]], "1000000 pixels"),
    ],
)
def test_bad_boxes(boxes: object, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        crop_normalize(FRAME, boxes, Crop(), IMAGENET)


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((1, 3, 31, 32), np.float32),
        np.zeros((1, 3, 32, 32), np.float64),
        np.zeros((1, 3, 32, 64), np.float32)[..., ::2],
    ],
)
def test_bad_out(out: np.ndarray) -> None:
    with pytest.raises(InputError, match="out must be"):
        crop_normalize(FRAME, [[0, 0, 10, 10]], Crop(), IMAGENET, out)
