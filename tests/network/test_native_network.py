"""The compiled executor against the plain reference, on every path that this machine can run, and damaged files."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from network_reference import ReferenceNetwork
from numpy.typing import NDArray
from random_networks import random_network, random_pictures, random_pyramid

from hpe_edge._native import NativeNetwork, NativeRun, network_isa_names

ISAS = network_isa_names()


def run(data: bytes, pictures: NDArray[Any], isa: str = "", threads: int = 1) -> list[NDArray[np.float32]]:
    network = NativeNetwork(file=data, isa=isa)
    shapes = network.output_shapes(*pictures.shape[2:])
    outputs = [np.full((len(pictures), *shape), np.nan, np.float32) for shape in shapes]
    NativeRun(network=network, threads=threads).run(pictures, outputs)
    return outputs


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("seed", range(12))
def test_integers_are_equal_to_the_bit(isa: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data, pictures = random_network(rng, "int8"), random_pictures(rng, "int8", 5)
    for got, wanted in zip(run(data, pictures, isa), ReferenceNetwork(data).run(pictures), strict=True):
        assert np.ptp(wanted) > 0
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("seed", range(6))
def test_floats_agree_with_float64(isa: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data, pictures = random_network(rng, "fp32"), random_pictures(rng, "fp32", 3)
    for got, wanted in zip(run(data, pictures, isa), ReferenceNetwork(data).run(pictures), strict=True):
        # Some hundred sums of numbers about 1, each rounded at 2**-24.
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_pyramids_of_any_size(isa: str, seed: int, precision: str) -> None:
    rng = np.random.default_rng(seed)
    data = random_pyramid(rng, precision)
    for size in ((8, 8), (8, 24), (40, 16)):
        pictures = random_pictures(rng, precision, 3, size)
        found, wanted = run(data, pictures, isa), ReferenceNetwork(data).run(pictures)
        assert [each.shape for each in found] == [each.shape for each in wanted]
        for at in (0, 2):
            tolerance = 0 if precision == "int8" else 2e-5
            np.testing.assert_allclose(found[at], wanted[at], rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(found[1], wanted[1], rtol=1e-6 if precision == "int8" else 1e-4)
        np.testing.assert_array_equal(found[1], run(data, pictures)[1] if precision == "int8" else found[1])


def test_sizes_are_checked(rng: np.random.Generator) -> None:
    network = NativeNetwork(file=random_pyramid(rng, "int8"), isa="")
    assert (network.size, network.multiple) == (0, 8)
    assert network.output_shapes(16, 24) == [(6, 4), (24, 1), (6, 21)]
    for size in ((12, 8), (8, 0), (-8, 8), (8192, 8)):
        with pytest.raises(ValueError, match="multiples of 8"):
            network.output_shapes(*size)
    outputs = [np.zeros((1, 24), np.float32)] * 3
    with pytest.raises(ValueError, match="9 x 16"):
        NativeRun(network=network, threads=1).run(np.zeros((1, 3, 16, 9), np.uint8), outputs)


def test_one_caller_takes_turns_between_sizes(rng: np.random.Generator) -> None:
    data = random_pyramid(rng, "int8")
    network = NativeNetwork(file=data, isa="")
    caller = NativeRun(network=network, threads=2)
    for side in (8, 16, 24, 32, 40, 8, 48, 16):
        pictures = random_pictures(rng, "int8", 3, (side, 16))
        found = [np.zeros((3, *shape), np.float32) for shape in network.output_shapes(side, 16)]
        caller.run(pictures, found)
        for got, wanted in zip(found, run(data, pictures), strict=True):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("count", [0, 1, 3, 1024])
def test_any_number_of_faces_by_any_number_of_threads(rng: np.random.Generator, count: int) -> None:
    data, pictures = random_network(rng, "int8"), random_pictures(rng, "int8", count)
    wanted = run(data, pictures)
    for threads in (2, 5):
        for got, alone in zip(run(data, pictures, threads=threads), wanted, strict=True):
            np.testing.assert_array_equal(got, alone)
    if count:
        last = run(data, pictures[-1:])
        assert all((got[0] == all_of_them[-1]).all() for got, all_of_them in zip(last, wanted, strict=True))


def test_runs_leave_nothing_behind(rng: np.random.Generator) -> None:
    data, pictures = random_network(rng, "int8"), random_pictures(rng, "int8", 4)
    network = NativeNetwork(file=data, isa="")
    caller = NativeRun(network=network, threads=1)
    outputs = [np.zeros((1, 1, columns), np.float32) for columns in network.columns]
    for picture, *wanted in zip(pictures, *run(data, pictures), strict=True):
        caller.run(picture[None], outputs)
        for got, row in zip(outputs, wanted, strict=True):
            np.testing.assert_array_equal(got[0], row)


def with_sum(data: bytearray) -> bytes:
    """The bytes with their checksum made right."""
    struct.pack_into("<I", data, 12, zlib.crc32(data[16:]))
    return bytes(data)


def test_truncated_files_are_refused(rng: np.random.Generator) -> None:
    data = random_network(rng, "int8")
    for length in (0, 7, 8, 127, 128, 500, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError, match=r"truncated|begin like"):
            NativeNetwork(file=data[:length], isa="")
    with pytest.raises(ValueError, match="instead of"):
        NativeNetwork(file=data + b"\0", isa="")


def test_the_checksum_finds_a_changed_bit(rng: np.random.Generator) -> None:
    data = random_network(rng, "int8")
    for at in rng.integers(24, len(data), 100):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(ValueError, match="checksum"):
            NativeNetwork(file=bytes(damaged), isa="")


def test_a_newer_format_is_named(rng: np.random.Generator) -> None:
    data = bytearray(random_network(rng, "int8"))
    struct.pack_into("<I", data, 8, 2)
    with pytest.raises(ValueError, match="format 2"):
        NativeNetwork(file=with_sum(data), isa="")


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("draw", [random_network, random_pyramid])
def test_hostile_records_are_refused_or_run(rng: np.random.Generator, draw: Any, precision: str) -> None:
    """With a right checksum anything may stand in the records; nothing may be read or written out of bounds."""
    data = draw(rng, precision)
    pictures = {size: random_pictures(rng, precision, 1, (size, size)) for size in (13, 16)}
    tensors, layers, outputs = struct.unpack_from("<3I", data, 28)
    records = 128 + 16 * tensors + 80 * layers + 16 * outputs
    refused = 0
    for _ in range(3000):
        damaged = bytearray(data)
        for at in rng.integers(24, records, int(rng.integers(1, 4))):
            damaged[at] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))
        try:
            network = NativeNetwork(file=with_sum(damaged), isa="")
        except ValueError:
            refused += 1
            continue
        side = 13 if network.size else 16
        try:
            shapes = network.output_shapes(side, side)
        except ValueError:
            continue
        if network.int8 == (precision == "int8"):
            found = [np.zeros((1, *shape), np.float32) for shape in shapes]
            NativeRun(network=network, threads=1).run(pictures[side], found)
    assert 500 < refused < 3000


def test_an_unknown_path_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="no path 'mmx'"):
        NativeNetwork(file=random_network(rng, "int8"), isa="mmx")
