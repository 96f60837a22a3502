"""ONNX files that someone else exported: which are taken, how they are read, and which are refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from export import zoo
from export.onnx import main
from hpe_edge.backends.onnxruntime import OnnxRuntimeBackend
from hpe_edge.geometry import wrap_deg
from hpe_edge.ops import DecodeHeads
from hpe_edge.spec import BinsDecode, MatrixDecode


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "model.onnx"


def run(capsys, *argv: object) -> tuple[int, str, str]:
    status = main([str(arg) for arg in argv])
    said = capsys.readouterr()
    return status, said.out, said.err


def angles(path: Path, image: np.ndarray) -> np.ndarray:
    backend = OnnxRuntimeBackend(path)
    context = backend.context()
    context.input(len(image))[...] = image
    return DecodeHeads(backend.spec)(context.run(len(image))).angles


@pytest.mark.parametrize("kind", ["1x1", "var"])
def test_the_authors_own_fsanet_files(capsys, data, golden, out, kind):
    """Their files are of another iteration than the checkpoints, so they are held against themselves."""
    theirs = data / f"checkpoints/fsanet/fsanet-{kind}-iter-688590.onnx"
    status, said, errors = run(capsys, "--adopt", theirs, "--arch", f"fsanet-{kind}", "-o", out)
    assert status == 0, errors
    for word in ("nothing in an ONNX file tells", "input 'input', float32, batch 1", "yaw from 'output'", "passed"):
        assert word in said
    image = golden(f"fsanet_omasaht_{kind}").inputs(64)[""]
    wanted = [onnxruntime_run(theirs, {"input": image[i : i + 1]})[0][0] for i in range(2)]
    found = [angles(out, image[i : i + 1])[0] for i in range(2)]
    assert np.abs(np.array(found) - wanted).max() < 1e-3
    assert "origin" in OnnxRuntimeBackend(out).spec.to_json()


def onnxruntime_run(path: Path, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path)).run(None, feed)


class AsTheOriginal(nn.Module):
    """Lightweight as its own code returns it: roll, yaw, pitch, each by itself."""

    def __init__(self, net: nn.Module, order: tuple[int, ...]) -> None:
        super().__init__()
        self.net, self.order = net, order

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        heads = self.net(image).chunk(3, dim=1)
        return [heads[i] for i in self.order]


def foreign(net: nn.Module, size: int, path: Path, outputs: list[str], **more: object) -> Path:
    file = io.BytesIO()
    with torch.inference_mode():
        torch.onnx.export(
            net, (torch.zeros(1, 3, size, size),), file, input_names=["x"], output_names=outputs, dynamo=False, **more
        )
    path.write_bytes(file.getvalue())
    return path


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["a", "b", "c"], (2, 0, 1)),  # no names to go by: the original's order, roll first
        (["head_pitch", "head_roll", "head_yaw"], (1, 2, 0)),
    ],
)
def test_three_outputs_are_told_apart(capsys, lightweight_state, checkpoint, tmp_path, out, names, order):
    net = zoo.get("lightweight").load(lightweight_state)
    theirs = foreign(AsTheOriginal(net, order), 224, tmp_path / "x.onnx", names, dynamic_axes={"x": {0: "b"}})
    status, said, errors = run(capsys, checkpoint, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    assert "onnx with pytorch" in said
    decode = OnnxRuntimeBackend(out).spec.decode
    assert isinstance(decode, BinsDecode)
    assert (decode.yaw.output, decode.pitch.output, decode.roll.output) == tuple(
        names[order.index(i)] for i in range(3)
    )


def test_another_order_than_the_originals_fails_against_the_checkpoint(
    capsys, lightweight_state, checkpoint, tmp_path, out
):
    net = zoo.get("lightweight").load(lightweight_state)
    theirs = foreign(AsTheOriginal(net, (0, 1, 2)), 224, tmp_path / "x.onnx", ["a", "b", "c"])
    status, _, errors = run(capsys, checkpoint, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 3
    assert "the gate failed" in errors
    assert not out.exists()


class _Matrix(nn.Module):
    """What the 6D networks' own code returns."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        v = self.net(image)
        x = nn.functional.normalize(v[:, :3], dim=1)
        z = nn.functional.normalize(torch.linalg.cross(x, v[:, 3:]), dim=1)
        return torch.stack([x, torch.linalg.cross(z, x), z], dim=2)


def test_matrix_output_of_a_6d_network(capsys, golden, tmp_path, out):
    original = golden("yakhyo_mobilenetv3_small")
    net = zoo.get("mobilenetv3-small-6d").load(original.state)
    theirs = foreign(_Matrix(net), 224, tmp_path / "x.onnx", ["output"], opset_version=17)
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "mobilenetv3-small-6d", "-o", out)
    assert status == 0, errors
    assert isinstance(OnnxRuntimeBackend(out).spec.decode, MatrixDecode)
    image = original.inputs(224)["_blocky"]
    found = np.concatenate([angles(out, image[i : i + 1]) for i in range(2)])
    assert np.abs(wrap_deg(found - original.angles("_blocky"))).max() < 0.01


def test_heads_that_only_train_are_cut_off(capsys, tmp_path, out):
    family = zoo.get("lightweight")

    class Extra(nn.Module):
        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            flat = image.mean((2, 3))
            return flat.repeat(1, 66) * torch.arange(198) / 50, flat @ torch.ones(3, 7)

    theirs = foreign(Extra(), 224, tmp_path / "x.onnx", ["bins", "spare"])
    status, said, errors = run(capsys, "--adopt", theirs, "--arch", family.name, "-o", out)
    assert status == 0, errors
    assert "left out, as the angles do not depend on them: spare" in said
    assert [node.name for node in onnx.load(out).graph.output] == ["bins"]


def tiny(path: Path, shape: list[object], kind: int = TensorProto.FLOAT, columns: int = 198) -> Path:
    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2, 3], keepdims=0)]
    nodes += [helper.make_node("Cast", ["mean"], ["m"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("Unsqueeze", ["m", "one"], ["column"]), helper.make_node("Mul", ["column", "w"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], columns])],
        [
            helper.make_tensor("one", TensorProto.INT64, [1], [1]),
            helper.make_tensor("w", TensorProto.FLOAT, [1, columns], np.linspace(0, 9, columns)),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("shape", "more", "message"),
    [
        (["N", 224, 224, 3], {}, "channels last"),
        (["N", 3, 112, 112], {}, "is it of that family"),
        (["N", 3, 224], {}, "is it of that family"),
        (["N", 3, 224, 224], {"kind": TensorProto.INT32}, "is INT32, not float32 or float16 [N, 3, 224, 224]"),
        (["N", 3, 224, 224], {"columns": 66}, "66, 66, 66 bins a face; its outputs are y with 66"),
    ],
)
def test_files_of_another_kind_are_refused(capsys, tmp_path, out, shape, more, message):
    theirs = tiny(tmp_path / "x.onnx", shape, **more)
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 1
    assert message in errors
    assert list(out.parent.iterdir()) == []


def test_open_height_and_width_become_the_familys(capsys, tmp_path, out):
    theirs = tiny(tmp_path / "x.onnx", ["N", 3, "H", "W"])
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    assert OnnxRuntimeBackend(out).spec.input.size == 224


@pytest.mark.parametrize("keep", [0, 10, 700])
def test_half_files_are_refused(capsys, tmp_path, out, keep):
    theirs = tiny(tmp_path / "x.onnx", ["N", 3, 224, 224])
    theirs.write_bytes(theirs.read_bytes()[:keep])
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 1
    assert "may be truncated" in errors


def test_missing_file_is_named(capsys, tmp_path, out):
    status, _, errors = run(capsys, "--adopt", tmp_path / "no.onnx", "--arch", "lightweight", "-o", out)
    assert status == 1
    assert "there is no file" in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--adopt needs one --arch"),
        (["--arch", "lightweight", "--arch", "hopenet"], "--adopt needs one --arch"),
        (["--arch", "lightweight", "--batch", "4"], "an adopted file keeps its own"),
    ],
)
def test_wrong_usage(capsys, options, message):
    status, _, errors = run(capsys, "--adopt", "x.onnx", *options)
    assert status == 2
    assert message in errors


def test_list_names_every_family(capsys):
    status, said, _ = run(capsys, "--list")
    assert status == 0
    for name in zoo.names():
        assert any(line.startswith(f"{name} ") for line in said.splitlines())
    assert "66 bins" in said
    assert "its authors report: AFLW2000 MAE" in said
