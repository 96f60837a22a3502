"""Crop, warp and decode of libhpe_edge: bit for bit those of hpe_edge.ops, which other tests compare with oracles."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from specs import SPECS

from benchmarks.c_interface.library import INVALID_ARGUMENT, CError, Frame, Library, frame_view, pose_arrays
from hpe_edge.ops.crop import crop_normalize, warp_normalize
from hpe_edge.ops.decode import DecodeHeads, head_columns
from hpe_edge.ops.frames import CHANNELS, FrameColor
from hpe_edge.ops.stretch import ContrastStretch

HEIGHT, WIDTH = 60, 82
BOXES = np.float32([[20, 10, 50, 48], [-12, 5, 30, 40], [60, 40, 95, 75], [30, 20, 33, 24], [-90, -90, 200, 170]])
TURNS = np.float32([0, 25, -90, 170, 8.5])
COLORS = get_args(FrameColor)


def picture(rng: np.random.Generator, color: FrameColor) -> np.ndarray:
    one_plane = (HEIGHT * 3 // 2, WIDTH) if color.startswith("NV12") else (HEIGHT, WIDTH)
    shape = (HEIGHT, WIDTH, CHANNELS[color]) if color in CHANNELS else one_plane
    return rng.integers(0, 256, shape, dtype=np.uint8)


def view_of(frame: np.ndarray, color: FrameColor) -> Frame:
    return frame_view(frame[:HEIGHT], color, frame[HEIGHT:] if color.startswith("NV12") else None)


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("turns", [None, TURNS], ids=["plain", "turned"])
def test_crops_equal_pythons(
    library: Library, rng: np.random.Generator, name: str, color: FrameColor, turns: np.ndarray | None
) -> None:
    model, frame = SPECS[name], picture(rng, color)
    spec = library.read_spec(model.to_json())
    want = crop_normalize(frame, BOXES, model.crop, model.input, turns_deg=turns, color=color)
    got = spec.crop(view_of(frame, color), BOXES, spec.room(len(BOXES)), turns)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("name", ["bins", "everything", "matrix"])
def test_warps_equal_pythons(library: Library, rng: np.random.Generator, name: str, color: FrameColor) -> None:
    model, frame = SPECS[name], picture(rng, color)
    homographies = np.eye(3) * [1.4, 1.2, 1] + rng.normal(0, 0.2, (4, 3, 3)) * [[1, 1, 9], [1, 1, 9], [0.01, 0.01, 0]]
    spec = library.read_spec(model.to_json())
    want = warp_normalize(frame, homographies, model.crop, model.input, color=color)
    got = spec.warp(view_of(frame, color), homographies, spec.room(len(homographies)))
    np.testing.assert_array_equal(got, want)


def test_frames_of_padded_rows_and_bottom_up(library: Library, rng: np.random.Generator) -> None:
    wide, model = picture(rng, "BGR"), SPECS["bins"]
    spec = library.read_spec(model.to_json())
    for frame in (wide[:, 5:70], wide[::-1], wide[::2]):
        want = crop_normalize(frame, BOXES, model.crop, model.input)
        np.testing.assert_array_equal(spec.crop(frame_view(frame), BOXES, spec.room(len(BOXES))), want)


def test_other_margins(library: Library, rng: np.random.Generator) -> None:
    model, frame = SPECS["bins"], picture(rng, "BGR")
    first, margins = library.read_spec(model.to_json()), (0.3, -0.1, 0.05, 0.6)
    spec = first.with_margins(margins)
    want = crop_normalize(frame, BOXES, model.crop.with_margins(margins), model.input)
    np.testing.assert_array_equal(spec.crop(frame_view(frame), BOXES, spec.room(len(BOXES))), want)
    plain = crop_normalize(frame, BOXES, model.crop, model.input)
    np.testing.assert_array_equal(first.crop(frame_view(frame), BOXES, first.room(len(BOXES))), plain)


@pytest.mark.parametrize("name", SPECS)
def test_stretches_equal_pythons(library: Library, rng: np.random.Generator, name: str) -> None:
    model = SPECS[name]
    spec = library.read_spec(model.to_json())
    light = np.kron(rng.uniform(0, 255, (HEIGHT // 4, WIDTH // 2, 3)), np.ones((4, 2, 1)))
    seen = []
    for gain, offset in ((1, 0), (0.1, 0), (0.15, 60), (0.05, 200)):
        frame = np.rint(light * gain + offset).astype(np.uint8)
        input = spec.crop(frame_view(frame), BOXES, spec.room(len(BOXES)), TURNS)
        want, marked = input.copy(), np.zeros(len(BOXES), bool)
        ContrastStretch(model.crop, model.input)(want, marked)
        assert spec.stretch(input).tolist() == marked.tolist()
        np.testing.assert_array_equal(input, want)
        seen.extend(marked)
    assert 3 < np.count_nonzero(seen) < len(seen) - 3


@pytest.mark.parametrize("name", SPECS)
def test_decodes_equal_pythons(library: Library, rng: np.random.Generator, name: str) -> None:
    model = SPECS[name]
    outputs = []
    for output in model.outputs:
        columns = max(head_columns(model)[output], 1)
        outputs.append(rng.normal(0, 4, (9, columns + 5)).astype(np.float32)[:, : columns + 2])  # padded rows
        outputs[-1][3, columns - 1] = np.nan
    want = DecodeHeads(model)(outputs)
    got = library.read_spec(model.to_json()).decode(outputs, pose_arrays(9))
    assert np.isnan(want.angles).any(axis=1).tolist() == [i == 3 for i in range(9)]
    for ours, theirs in zip(got, (want.angles, want.sigma, want.rotation), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("boxes", "fragment"),
    [
        ([[3, 4, 3, 9]], "box 0 must be finite"),
        ([[3, 4, 9, 9], [3, 4, np.nan, 9]], "box 1 must be finite"),
        ([[3, 4, 2e6, 9]], "within 1000000 pixels"),
    ],
)
def test_bad_boxes_are_refused_as_in_python(library: Library, boxes: list[list[float]], fragment: str) -> None:
    spec, frame = library.read_spec(SPECS["bins"].to_json()), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(CError, match=fragment) as failed:
        spec.crop(frame_view(frame), np.float32(boxes), spec.room(len(boxes)))
    assert failed.value.status == INVALID_ARGUMENT
    with pytest.raises(ValueError, match=fragment):
        crop_normalize(frame, boxes, SPECS["bins"].crop, SPECS["bins"].input)


def test_nothing_is_written_beyond_the_faces(library: Library, rng: np.random.Generator) -> None:
    spec, frame = library.read_spec(SPECS["bins"].to_json()), picture(rng, "BGR")
    room = spec.room(3)
    room[...] = 7777
    spec.crop(frame_view(frame), BOXES[:2], room)
    assert (room[2] == 7777).all() and (room[:2] != 7777).all()


def test_a_failure_writes_nothing(library: Library, rng: np.random.Generator) -> None:
    spec, frame = library.read_spec(SPECS["bins"].to_json()), picture(rng, "BGR")
    room = spec.room(2)
    room[...] = 7777
    with pytest.raises(CError):
        spec.crop(frame_view(frame), np.float32([[3, 4, 20, 30], [5, 5, 5, 5]]), room)
    assert (room == 7777).all()
