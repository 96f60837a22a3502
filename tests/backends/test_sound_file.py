"""Files that no library may see: each kind of damage in a small model, and random damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from tiny_model import write_tiny_model

from hpe_edge import PoseEngine, open_detector
from hpe_edge.backends.onnx.sound_file import check_file
from hpe_edge.errors import HpeEdgeError, ModelError
from hpe_edge.models import DEFAULT, FACE_DETECTOR

PLACE = "weights.bin"
UNKNOWN = (27, 28)  # floating point numbers of 6 bits, which no library here computes with


def damaged(tmp_path: Path, damage: Callable[[ModelProto], object]) -> Path:
    path = write_tiny_model(tmp_path / "tiny.onnx")
    model = onnx.load(str(path))
    damage(model)
    path.write_bytes(model.SerializeToString())
    return path


def move_out(model: ModelProto, location: str = PLACE, **more: int) -> None:
    """Keep the first weight in another file."""
    weight = model.graph.initializer[0]
    entries = {"location": location, **{name: str(value) for name, value in more.items()}}
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        weight.external_data.add(key=key, value=value)


def add_conv(model: ModelProto, **attributes: object) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((3, 3, 1, 1), np.float32), "w"))
    model.graph.node.append(helper.make_node("Conv", ["image", "w"], ["unused"], **attributes))


def with_constant(model: ModelProto, tensor: TensorProto, deep: bool) -> None:
    node = helper.make_node("Constant", [], ["constant"], value=tensor)
    if deep:
        branch = helper.make_graph([node], "branch", [], [])
        node = helper.make_node("If", ["image"], ["chosen"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)


def shortened(model: ModelProto) -> None:
    weight = model.graph.initializer[0]
    weight.raw_data = weight.raw_data[:-4]


def at_address() -> TensorProto:
    weight = TensorProto(dims=[4], data_type=TensorProto.FLOAT, name="w", data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="*/_ORT_MEM_ADDR_/*")
    weight.external_data.add(key="offset", value="94000000000000")
    weight.external_data.add(key="length", value="16")
    return weight


def wrapped(number: int, content: bytes) -> bytes:
    """A field of bytes, as protobuf encodes it."""
    length, size = bytearray(), len(content)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def test_models_of_the_package_are_sound() -> None:
    for path in (DEFAULT, FACE_DETECTOR):
        assert check_file(path) == () and check_file(path, path.read_bytes()) == ()


@pytest.mark.parametrize("kind", list(onnx.TensorProto.DataType.values()))
@pytest.mark.parametrize("raw", [True, False])
def test_weights_of_every_type_are_counted_as_onnx_counts_them(tmp_path: Path, kind: int, raw: bool) -> None:
    """Against the sizes of onnx's own helper: sound ones pass, one element more or less fails."""
    if kind in (TensorProto.UNDEFINED, TensorProto.STRING):
        pytest.skip("it has no elements of a size")
    try:
        values = helper.make_tensor("w", kind, [6], np.zeros(6), raw=False)
        array = numpy_helper.to_array(values)
        if raw:
            values = numpy_helper.from_array(array, "w")
    except (TypeError, ValueError, NotImplementedError, KeyError) as error:
        pytest.skip(f"onnx cannot write it: {error}")
    if kind in UNKNOWN:
        with pytest.raises(ModelError, match="unknown type"):
            check_file(damaged(tmp_path, lambda model: with_constant(model, values, deep=False)))
        return
    check_file(damaged(tmp_path, lambda model: with_constant(model, values, deep=False)))
    for dims in ([18], [2]):  # of 2, 4 and more bits
        values.dims[:] = dims
        with pytest.raises(ModelError, match="weight 'w'"):
            check_file(damaged(tmp_path, lambda model: with_constant(model, values, deep=False)))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (shortened, "has 2372 bytes, not 2376"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, -3), "shape"),
        (lambda m: m.graph.initializer[0].dims.extend([1 << 40, 1 << 40]), "shape"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, 1 << 30), "bytes, not"),
        (lambda m: add_conv(m, group=0), "group"),
        (lambda m: add_conv(m, group=-1), "group"),
        (lambda m: add_conv(m, strides=[0, 1]), "strides"),
        (lambda m: add_conv(m, dilations=[1, 0]), "dilations"),
        (lambda m: add_conv(m, kernel_shape=[-1, 1]), "kernel_shape"),
        (move_out, "not beside the model"),
        (lambda m: move_out(m, "/etc/passwd"), "outside"),
        (lambda m: move_out(m, "../weights.bin"), "outside"),
        (lambda m: move_out(m, "a/../../weights.bin"), "outside"),
        (lambda m: move_out(m, "C:\\weights.bin"), "outside"),
        (lambda m: move_out(m, "..\\weights.bin"), "outside"),
        (lambda m: move_out(m, ""), "no file"),
        (lambda m: move_out(m, "*/_ORT_MEM_ADDR_/*", offset=94000000000000, length=2376), "no file"),
        (lambda m: with_constant(m, at_address(), deep=False), "no file"),
        (lambda m: with_constant(m, at_address(), deep=True), "no file"),
        (lambda m: m.ClearField("graph"), "no graph"),
    ],
)
def test_what_a_file_claims_is_checked(tmp_path: Path, damage: Callable[[ModelProto], None], named: str) -> None:
    path = damaged(tmp_path, damage)
    with pytest.raises(ModelError, match=named):
        check_file(path)
    for backend in ("onnxruntime", "openvino"):
        with pytest.raises(ModelError, match="fetch it again"):
            PoseEngine(path, backend=backend)  # type: ignore[arg-type]
    with pytest.raises(ModelError):
        open_detector(path)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({}, None),
        ({"offset": 4, "length": 2376}, None),
        ({"offset": 12}, "which has 2384"),
        ({"offset": -4}, "lies at"),
        ({"length": 2372}, "not 2376"),
        ({"length": -1}, "bytes"),
        ({"offset": 1 << 70}, "lies at"),
    ],
)
def test_weights_in_another_file_lie_within_it(tmp_path: Path, more: dict[str, int], named: str | None) -> None:
    (tmp_path / PLACE).write_bytes(bytes(2384))
    path = damaged(tmp_path, lambda model: move_out(model, **more))
    if named is None:
        assert check_file(path) == ((tmp_path / PLACE).resolve(),)
        PoseEngine(path).close()
        return
    with pytest.raises(ModelError, match=named):
        check_file(path)


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(bytes(4000))
    (tmp_path / "in" / PLACE).symlink_to(tmp_path / "secret")
    path = damaged(tmp_path / "in", move_out)
    with pytest.raises(ModelError, match="leads out"):
        check_file(path)


def test_an_edited_model_has_no_weights_elsewhere(tmp_path: Path) -> None:
    (tmp_path / PLACE).write_bytes(bytes(2376))
    path = damaged(tmp_path, move_out)
    with pytest.raises(ModelError, match="another file"):
        check_file(path, path.read_bytes())


@pytest.mark.parametrize("field", ["metadata", "name", "op_type", "domain", "input"])
def test_text_is_utf_8(tmp_path: Path, field: str) -> None:
    path = write_tiny_model(tmp_path / "tiny.onnx")
    model = onnx.load(str(path))
    if field == "metadata":
        model.metadata_props[0].value += "ZZZZ"
    elif field == "input":
        model.graph.input[0].name = "ZZZZ"
    elif field == "domain":
        model.opset_import[0].domain = "ZZZZ"
    else:
        setattr(model.graph.node[0], field, "ZZZZ")
    path.write_bytes(model.SerializeToString().replace(b"ZZZZ", b"\xff\xfeZZ"))
    for backend in ("onnxruntime", "openvino"):
        with pytest.raises(ModelError, match="not UTF-8"):
            PoseEngine(path, backend=backend)  # type: ignore[arg-type]


def test_a_second_part_of_a_graph_is_refused(tmp_path: Path) -> None:
    """Protobuf merges two graphs into one, whose weights none of them shows."""
    path = write_tiny_model(tmp_path / "tiny.onnx")
    path.write_bytes(path.read_bytes() + ModelProto(graph=onnx.GraphProto(name="more")).SerializeToString())
    with pytest.raises(ModelError, match="twice"):
        check_file(path)


def test_deep_nesting_ends_in_words(tmp_path: Path) -> None:
    inner = b""
    for _ in range(3000):  # graph, node, attribute
        for number in (6, 5, 1):
            inner = wrapped(number, inner)
    path = tmp_path / "deep.onnx"
    path.write_bytes(wrapped(7, inner))
    with pytest.raises(ModelError, match="nested"):
        check_file(path)


@pytest.mark.parametrize("batch", [4097, 1 << 40, 1 << 62])
def test_a_batch_that_no_memory_holds_is_refused(tmp_path: Path, batch: int) -> None:
    path = write_tiny_model(tmp_path / "tiny.onnx", batch=batch)
    for backend in ("onnxruntime", "openvino"):
        with pytest.raises(ModelError, match=f"batches of {batch}"):
            PoseEngine(path, backend=backend)  # type: ignore[arg-type]


def test_random_damage_ends_in_words_or_changes_numbers_alone(tmp_path: Path) -> None:
    """Of 400 files with bytes changed, cut or added, each loads or is refused as a ModelError."""
    whole = write_tiny_model(tmp_path / "tiny.onnx", size=8, bins=4).read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(400):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(data)))
            kind = rng.integers(4)
            if kind == 0:
                data[at] = int(rng.integers(256))
            elif kind == 1:
                data[at] ^= 1 << int(rng.integers(8))
            elif kind == 2:
                del data[at : at + int(rng.integers(1, 9))]
            else:
                data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        path = tmp_path / f"{number % 7}.onnx"
        path.write_bytes(data)
        try:
            engine = PoseEngine(path, threads=1)
            engine(np.zeros((40, 40, 3), np.uint8), [[8, 8, 32, 32]])
        except HpeEdgeError as error:
            refused += 1
            str(error).encode()
    assert refused > 100
