"""Peaks of heatmaps on every instruction set, against where they were put and against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpe_edge.errors import InputError
from hpe_edge.landmarks.heatmap_peaks import HeatmapPeaks
from hpe_edge.ops.crop import isa_names
from hpe_edge.ops.native import native
from hpe_edge.spec import MapScale

ISAS = [*isa_names(), native.EMULATED]
NEAR = 0.05  # pixels


def gaussians(places: np.ndarray, side: int, deviation: float) -> np.ndarray:
    """Maps [K, side, side] about x y of places [K, 2] in pixels, the first pixel's centre at 0.5."""
    at = np.arange(side) + 0.5
    x, y = (np.exp(-((at - place[:, None]) ** 2) / (2 * deviation**2)) for place in places.T)
    return (y[:, :, None] * x[:, None, :]).astype(np.float32)


def peaks(maps: np.ndarray, scale: MapScale = "probability", isa: str = "") -> np.ndarray:
    """In pixels, of [N, K, side, side]."""
    count, side = maps.shape[1:3]
    return HeatmapPeaks(count, side, scale, isa)(maps) * side


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("deviation", [0.8, 1.5, 3.0, 8.0])
def test_gaussians_are_found_between_pixels(rng: np.random.Generator, isa: str, deviation: float) -> None:
    places = rng.uniform(4, 60, (2, 68, 2))
    maps = np.stack([gaussians(each, 64, deviation) for each in places])
    np.testing.assert_allclose(peaks(maps, isa=isa), places, atol=1e-3)
    softmax = maps / maps.sum(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(peaks(softmax, isa=isa), places, atol=1e-3)
    np.testing.assert_allclose(peaks(maps.astype(np.float16).astype(np.float32), isa=isa), places, atol=NEAR)


@pytest.mark.parametrize("isa", ISAS)
def test_logits_are_parabolas_themselves(rng: np.random.Generator, isa: str) -> None:
    places = rng.uniform(4, 28, (1, 9, 2))
    away = ((np.stack(np.mgrid[:32, :32][::-1], axis=-1) + 0.5 - places[0, :, None, None]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(peaks(np.float32(3 - away[None] / 5), "logit", isa), places, atol=1e-3)


@pytest.mark.parametrize("isa", ISAS)
def test_noise_moves_a_peak_by_little(rng: np.random.Generator, isa: str) -> None:
    places = rng.uniform(8, 56, (1, 68, 2))
    maps = gaussians(places[0], 64, 2.0)[None]
    noisy = np.float32(maps * (1 + rng.normal(0, 0.002, maps.shape)))
    assert np.abs(peaks(noisy, isa=isa) - places).max() < NEAR


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("scale", ["probability", "logit"])
def test_flat_maps_and_numbers_that_are_not_finite_have_no_peak(rng: np.random.Generator, isa: str, scale: Any) -> None:
    maps = rng.uniform(0.1, 1, (9, 1, 20, 20)).astype(np.float32)
    maps[0], maps[1] = 0.0, 0.25
    maps[2, 0, 19, 19], maps[3, 0, 0, 0] = np.nan, np.nan
    maps[4, 0, 7, 7], maps[5, 0, 7, 7] = np.inf, -np.inf
    maps[6] = np.nan
    found = peaks(maps, scale, isa)
    assert np.isnan(found[:7]).all() and np.isfinite(found[7:]).all()


@pytest.mark.parametrize("isa", ISAS)
def test_edges_plateaus_and_vanished_neighbours(isa: str) -> None:
    maps = np.zeros((6, 1, 9, 9), np.float32)
    maps[0, 0, 0, 0] = maps[1, 0, 8, 8] = maps[2, 0, 3, 4] = 1  # corners; one pixel alone
    maps[3, 0, 3, 4:6] = 1  # two equal neighbours: between them
    maps[4, 0, 2, 2] = maps[4, 0, 6, 7] = 1  # two equal peaks: the first
    maps[5, 0, 4, 0] = maps[5, 0, 5, 0] = 0.5  # at the edge of x, between two rows
    want = [[0.5, 0.5], [8.5, 8.5], [4.5, 3.5], [5.0, 3.5], [2.5, 2.5], [0.5, 5.0]]
    np.testing.assert_allclose(peaks(maps, isa=isa)[:, 0], want, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(side=st.integers(1, 90), seed=st.integers(0, 99))
def test_the_highest_pixel_is_numpys_on_every_instruction_set(side: int, seed: int) -> None:
    """Within half a pixel; and all instruction sets agree."""
    maps = np.random.default_rng(seed).normal(size=(2, 3, side, side)).astype(np.float32)
    row, column = np.divmod(maps.reshape(2, 3, -1).argmax(axis=2), side)
    for isa in ISAS:
        found = peaks(maps, "logit", isa)
        if side == 1:
            assert np.isnan(found).all()  # a single pixel is flat
            continue
        assert np.abs(found - np.stack([column, row], axis=2) - 0.5).max() <= 0.5001
        np.testing.assert_allclose(found, peaks(maps, "logit", ISAS[-1]), atol=1e-4)


def test_large_maps_whose_peak_is_in_any_block(rng: np.random.Generator) -> None:
    places = rng.uniform(2, 254, (1, 68, 2))
    for isa in isa_names():
        np.testing.assert_allclose(peaks(gaussians(places[0], 256, 2.0)[None], isa=isa), places, atol=2e-3)


def test_padded_rows_and_an_own_array(rng: np.random.Generator) -> None:
    maps = rng.normal(size=(3, 2 * 25 + 7)).astype(np.float32)
    op = HeatmapPeaks(2, 5, "logit")
    out = np.empty((3, 2, 2), np.float32)
    assert op(maps, out) is out
    np.testing.assert_array_equal(out, op(np.ascontiguousarray(maps[:, :50].reshape(3, 2, 5, 5))))
    assert op(maps[:0]).shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("maps", "out"),
    [
        (np.zeros((2, 2, 5, 4), np.float32), None),
        (np.zeros((2, 49), np.float32), None),
        (np.zeros((2, 2, 5, 5)), None),
        (np.zeros((2, 100), np.float32)[:, ::2], None),
        (np.zeros((2, 2, 5, 5), np.float32), np.zeros((2, 2, 2))),
        (np.zeros((2, 2, 5, 5), np.float32), np.zeros((1, 2, 2), np.float32)),
    ],
)
def test_arrays_of_another_kind_are_refused(maps: np.ndarray, out: np.ndarray | None) -> None:
    with pytest.raises(InputError, match="float32"):
        HeatmapPeaks(2, 5, "logit")(maps, out)
