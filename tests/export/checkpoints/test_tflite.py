"""TensorFlow Lite weights: order and values as in the file; damaged files are refused in words."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from tflite_files import CONV, DEPTHWISE, PRELU, RESHAPE, tflite_file

from export.checkpoints.load import load_checkpoint
from export.checkpoints.network import load_network
from export.step import quiet
from hpe_edge.errors import ModelError

RNG = np.random.default_rng(0)


def some(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("f4")


OPERATORS = [
    (CONV, [some(8, 3, 3, 3), some(8)]),
    (PRELU, [some(1, 1, 8)]),
    (RESHAPE, [np.array([1, -1], "i4")]),  # a shape, no weight
    (DEPTHWISE, [some(1, 3, 3, 8), some(8)]),
]
ARRAYS = [array for code, arrays in OPERATORS for array in arrays if code != RESHAPE]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.tflite"


def test_order_kinds_and_values(path):
    path.write_bytes(tflite_file(OPERATORS))
    checkpoint = load_checkpoint(path)
    assert checkpoint.layout == "tflite"
    assert list(checkpoint.state) == ["0/conv/1", "0/conv/2", "1/prelu/1", "3/depthwise/1", "3/depthwise/2"]
    for tensor, array in zip(checkpoint.state.values(), ARRAYS, strict=True):
        assert np.array_equal(tensor.numpy(), array)
    assert checkpoint.notes == ("TensorFlow Lite weights by position, in the order of the operators",)


def test_float16_weights_behind_dequantize(path):
    half = [(code, [each.astype("f2") for each in arrays]) for code, arrays in OPERATORS if code != RESHAPE]
    path.write_bytes(tflite_file(half, dequantize=True))
    for tensor, array in zip(load_checkpoint(path).state.values(), ARRAYS, strict=True):
        assert tensor.numpy().dtype == np.float32
        assert np.array_equal(tensor.numpy(), array.astype("f2").astype("f4"))


def test_quantised_weights_are_refused(path):
    path.write_bytes(tflite_file([(CONV, [np.ones((8, 3, 3, 3), "i1")])]))
    with pytest.raises(ModelError, match="operator 0 has quantised weights; use the float model"):
        load_checkpoint(path)


def test_several_graphs_are_refused(path):
    path.write_bytes(tflite_file(OPERATORS, graphs=2))
    with pytest.raises(ModelError, match="holds 2 graphs"):
        load_checkpoint(path)


def test_truncated_and_damaged_files_are_refused(path):
    whole = tflite_file(OPERATORS)
    for length in (20, len(whole) // 2, len(whole) - 300):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="cannot be read as a TensorFlow Lite file"):
            load_checkpoint(path)


def test_a_damaged_file_gives_weights_or_an_error_of_ours(path):
    whole = tflite_file(OPERATORS)
    rng = random.Random(0)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            struct.pack_into(
                "<I", data, rng.randrange(8, len(data) - 4), rng.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 64])
            )
        path.write_bytes(data)
        try:
            load_checkpoint(path)
        except ModelError as error:
            assert str(path) in str(error)


def test_an_array_may_be_shared_but_not_by_all(path):
    """Converters store equal biases once; but a few bytes must not become gigabytes."""
    alike = some(1, 1, 4096)
    path.write_bytes(tflite_file([(PRELU, [alike])] * 2))
    assert len(load_checkpoint(path).state) == 2
    path.write_bytes(tflite_file([(PRELU, [alike])] * 30))
    with pytest.raises(ModelError, match="cannot be read as a TensorFlow Lite file"):
        load_checkpoint(path)


def test_weights_of_another_network_are_refused_by_name(path):
    path.write_bytes(tflite_file(OPERATORS))
    with pytest.raises(ModelError, match=r"0/conv/1 \[8, 3, 3, 3\] stands where stem.weight"):
        load_network([path], [], trust=False, report=quiet)
    with pytest.raises(ModelError, match="holds TensorFlow Lite weights, and whenet's are not"):
        load_network([path], ["whenet"], trust=False, report=quiet)
