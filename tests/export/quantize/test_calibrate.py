"""Ranges of activations: against NumPy and ONNX Runtime's own calibrators."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime.quantization as ort_quantization
import pytest
import tiny_nets
from onnx import helper, numpy_helper

from export.graph.onnx_file import open_unchanged
from export.quantize.calibrate import PERCENTILE, find_channels
from export.quantize.calibrate import find_ranges as ranges_up_to
from export.quantize.calibration_file import Calibration, check_calibration, check_ranges, read_calibration
from hpe_edge.errors import ModelError, SourceError
from hpe_edge.util.atomic import Pending

TENSORS = ["image", "stem_out", "first_out", "sum_out"]


@pytest.fixture
def crops(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((21, 3, tiny_nets.SIZE, tiny_nets.SIZE)).astype(np.float32)


def find_ranges(path, net, tensors, crops, method):
    largest = {name: float(values.max()) for name, values in find_channels(path, net, tensors, crops).items()}
    return ranges_up_to(path, net, largest, crops, method)


def values_of(net, crops) -> dict[str, np.ndarray]:
    del net.graph.output[:]
    net.graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in TENSORS[1:])
    said = open_unchanged(Path("x.onnx"), net).run(TENSORS[1:], {"image": crops})
    return {"image": crops, **dict(zip(TENSORS[1:], said, strict=True))}


def test_minmax_is_the_largest_magnitude_of_all_batches(crops):
    net = tiny_nets.residual_net()
    found = find_ranges(Path("x.onnx"), net, TENSORS, crops, "minmax")
    for name, values in values_of(net, crops).items():
        assert found[name] == pytest.approx(np.abs(values).max(), rel=1e-6)


def test_channels_are_the_largest_magnitudes_of_each(crops):
    net = tiny_nets.residual_net()
    found = find_channels(Path("x.onnx"), net, TENSORS, crops)
    for name, values in values_of(net, crops).items():
        np.testing.assert_allclose(found[name], np.abs(values).max(axis=(0, 2, 3)), rtol=1e-6)


def test_percentile_is_numpys_to_a_bin(crops):
    net = tiny_nets.residual_net()
    found = find_ranges(Path("x.onnx"), net, TENSORS, crops, "percentile")
    for name, values in values_of(net, crops).items():
        size = np.abs(values)
        wanted = np.percentile(size, PERCENTILE, method="higher")
        assert wanted - 1e-6 <= found[name] <= wanted + size.max() / 2048 + 1e-6, name


class Reader(ort_quantization.CalibrationDataReader):
    def __init__(self, crops):
        self.rows = iter(crops)

    def get_next(self):
        row = next(self.rows, None)
        return None if row is None else {"image": row[None]}


def test_onnx_runtimes_calibrators_say_the_same(crops, tmp_path):
    net = tiny_nets.residual_net()
    path = tiny_nets.write(net, tmp_path / "net.onnx")
    for method, ort_method, options in (
        ("minmax", ort_quantization.CalibrationMethod.MinMax, {}),
        ("percentile", ort_quantization.CalibrationMethod.Percentile, {"percentile": PERCENTILE, "num_bins": 2048}),
    ):
        options |= {"symmetric": True}
        calibrator = ort_quantization.calibrate.create_calibrator(
            path, augmented_model_path=str(tmp_path / "a.onnx"), calibrate_method=ort_method, extra_options=options
        )
        calibrator.collect_data(Reader(crops))
        theirs = calibrator.compute_data()
        ours = find_ranges(path, net, TENSORS[1:], crops, method)
        for name in TENSORS[1:]:
            assert ours[name] == pytest.approx(float(np.ravel(theirs[name].range_value[1])[0]), rel=5e-3), (
                method,
                name,
            )


def test_entropy_clips_what_lies_far_off_and_nothing_else(rng):
    """A plain net: the input is the tensor."""
    net = tiny_nets.residual_net()
    bell = rng.standard_normal((40, 3, tiny_nets.SIZE, tiny_nets.SIZE)).astype(np.float32)
    far = bell.copy()
    far[0, 0, 0, 0] = 60
    flat = rng.uniform(-1, 1, bell.shape).astype(np.float32)
    ranges = [find_ranges(Path("x.onnx"), net, ["image"], crops, "entropy")["image"] for crops in (far, flat)]
    assert 2 < ranges[0] < 8
    assert ranges[1] > 0.95


def test_zeros_of_a_relu_however_many_change_nothing_about_entropys_range(rng):
    net = tiny_nets.residual_net()
    bell = rng.standard_normal((40, 3, tiny_nets.SIZE, tiny_nets.SIZE)).astype(np.float32)
    bell[0, 0, 0, 0] = 12
    many = np.concatenate([bell, np.zeros((400, *bell.shape[1:]), np.float32)])
    few, found = (find_ranges(Path("x.onnx"), net, ["image"], crops, "entropy")["image"] for crops in (bell, many))
    assert found == few
    assert 2 < found < 8


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_a_tensor_of_zeros_has_no_range(method, crops):
    net = tiny_nets.residual_net()
    assert find_ranges(Path("x.onnx"), net, ["image"], crops * 0, method)["image"] == 0


def test_nan_is_named(crops):
    crops[3] = np.nan
    with pytest.raises(ModelError, match=r"x\.onnx: image is NaN or infinite"):
        find_ranges(Path("x.onnx"), tiny_nets.residual_net(), TENSORS, crops, "minmax")


def test_fixed_batches_are_filled_with_faces(crops):
    """A face's pictures are all ones, to which the first layer says nothing; an empty picture would make it say 10."""
    net = tiny_nets.residual_net()
    for tensor, values in (("stem.w", -np.ones((16, 3, 3, 3))), ("stem.b", np.full(16, 10.0))):
        (kept,) = (each for each in net.graph.initializer if each.name == tensor)
        kept.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor))
    net.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    found = find_ranges(Path("x.onnx"), net, ["stem_out"], np.ones_like(crops), "minmax")
    assert found["stem_out"] == 0


CALIBRATION = Calibration("ab" * 32, "entropy", 12, "faces, 12 faces", {"a": 1.27, "/b/Relu": 254.0})


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    pending = Pending(tmp_path / "c.json")
    CALIBRATION.write(pending)
    pending.commit()
    return tmp_path / "c.json"


def test_calibration_round_trip_and_table(kept):
    assert read_calibration(kept) == CALIBRATION
    assert next(iter(json.loads(kept.read_text()))) == "format"
    head, first, second = CALIBRATION.table()
    assert head.split() == ["range", "step"]
    assert first.split() == ["a", "1.27", "0.01"]
    assert second.split() == ["/b/Relu", "254", "2"]


@pytest.mark.parametrize(
    ("model", "method", "tensors", "message"),
    [
        ("cd" * 32, None, ["a"], "belongs to another model"),
        ("ab" * 32, "minmax", ["a"], "was made by --method entropy, not minmax"),
        ("ab" * 32, "entropy", ["a", "x"], "has no range of x"),
    ],
)
def test_a_calibration_of_something_else_is_refused(kept, model, method, tensors, message):
    check_calibration(kept, CALIBRATION, "ab" * 32, None)
    check_ranges(kept, CALIBRATION, ["a"])
    with pytest.raises(ModelError, match=rf"{message}.*; delete the file"):
        check_calibration(kept, CALIBRATION, model, method)
        check_ranges(kept, CALIBRATION, tensors)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": 3', '"format": 9', "has format 9"),
        ("{", "[", "is not JSON"),
        ('"entropy"', '"guess"', "calibration.method must be one of minmax, entropy, percentile"),
        ("1.27", "-1.27", "the range of a must be 0 or more"),
        ('"crops"', '"cropped"', "unknown field 'cropped'"),
    ],
)
def test_damaged_calibrations_are_refused(kept, old, new, message):
    kept.write_text(kept.read_text().replace(old, new, 1))
    with pytest.raises(ModelError, match=message):
        read_calibration(kept)


def test_unreadable_calibrations_are_named(tmp_path):
    (tmp_path / "c.json").write_bytes(b"\xff\xfe")
    for name in ("c.json", "none.json"):
        with pytest.raises(SourceError, match=rf"cannot read the calibration .*{name}"):
            read_calibration(tmp_path / name)
