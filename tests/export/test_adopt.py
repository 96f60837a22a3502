"""ONNX files that someone else exported: which are taken, how they are read, and which are refused."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from rule_weights import CALM_HEADS, rule_state
from torch import nn

from export import zoo
from export.graph.onnx_file import read_onnx
from export.onnx import main
from export.sanity import suspect
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import ModelError
from hpe_edge.geometry import wrap_deg
from hpe_edge.models import DEFAULT, FACE_DETECTOR
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import BinsDecode, MatrixDecode, ModelSpec


@pytest.fixture(autouse=True)
def small_stand_ins(no_other_readings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let graphs of a few nodes stand for trained networks; tests/export/sanity has tests of the refusal."""
    monkeypatch.setattr(suspect, "_FEWEST", 0.0)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "model.onnx"


def run(capsys, *argv: object) -> tuple[int, str, str]:
    status = main([str(arg) for arg in argv])
    said = capsys.readouterr()
    return status, said.out, said.err


def spec_of(path: Path) -> ModelSpec:
    return OnnxRuntimeBackend(path).spec


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
    for word in ("an ONNX file does not show", "input 'input', float32, batch 1", "yaw from 'output' 0:1", "passed"):
        assert word in said
    image = golden(f"fsanet_omasaht_{kind}").inputs(64)[""]
    wanted = [onnxruntime_run(theirs, {"input": image[i : i + 1]})[0][0] for i in range(2)]
    found = [angles(out, image[i : i + 1])[0] for i in range(2)]
    assert np.abs(np.array(found) - wanted).max() < 1e-3
    origin = spec_of(out).origin
    assert (origin.checkpoint, origin.sha256) == (theirs.name, sha256(theirs))


def onnxruntime_run(path: Path, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
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
    assert ("assumed" in said) == (names == ["a", "b", "c"])
    decode = spec_of(out).decode
    assert isinstance(decode, BinsDecode)
    assert (decode.yaw.output, decode.pitch.output, decode.roll.output) == tuple(
        names[order.index(i)] for i in range(3)
    )


class Changed(nn.Module):
    """A network, and something done to its logits."""

    def __init__(self, net: nn.Module, change: Callable[[torch.Tensor], object]) -> None:
        super().__init__()
        self.net, self.change = net, change

    def forward(self, image: torch.Tensor) -> object:
        return self.change(self.net(image))


def in_the_originals_order(logits: torch.Tensor) -> torch.Tensor:
    yaw, pitch, roll = logits.chunk(3, dim=1)
    return torch.cat([roll, yaw, pitch], dim=1)


def test_three_angles_in_one_output_stand_as_the_original_has_them(
    capsys, lightweight_state, checkpoint, tmp_path, out
):
    net = Changed(zoo.get("lightweight").load(lightweight_state), in_the_originals_order)
    theirs = foreign(net, 224, tmp_path / "x.onnx", ["all"])
    status, said, errors = run(capsys, checkpoint, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    assert "yaw from 'all' 66:132, pitch from 'all' 132:198, roll from 'all' 0:66" in said
    assert "assumed from the original code" in said
    origin = spec_of(out).origin
    assert origin.checkpoint == "x.onnx, verified against weights.pth"
    assert origin.sha256 == f"{sha256(theirs)} + {sha256(checkpoint)}"


@pytest.mark.parametrize(
    ("names", "softmax"),
    [
        (["a", "b", "c"], lambda logits: [head.softmax(dim=1) for head in logits.chunk(3, dim=1)]),
        (["b"], lambda logits: logits.unflatten(1, (3, 66)).softmax(dim=2)),
        (["b"], lambda logits: logits.softmax(dim=1)),
    ],
)
def test_probabilities_become_logits(capsys, lightweight_state, checkpoint, tmp_path, out, names, softmax):
    """Their logarithms are logits; the checkpoint, which has none of this, gives the same angles."""
    net = Changed(zoo.get("lightweight").load(lightweight_state), softmax)
    theirs = foreign(net, 224, tmp_path / "x.onnx", names)
    status, said, errors = run(capsys, checkpoint, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    assert "holds probabilities; their logarithms are read as logits" in said
    assert "onnx with pytorch" in said
    decode = spec_of(out).decode
    assert isinstance(decode, BinsDecode)
    assert decode.yaw.output == f"{names[0]}/logits"


def test_logarithms_of_probabilities_are_logits(capsys, lightweight_state, checkpoint, tmp_path, out):
    net = zoo.get("lightweight").load(lightweight_state)
    logarithms = Changed(net, lambda logits: [logits.chunk(3, dim=1)[i].log_softmax(dim=1) for i in (2, 0, 1)])
    theirs = foreign(logarithms, 224, tmp_path / "x.onnx", ["a", "b", "c"])
    status, _, errors = run(capsys, checkpoint, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors


def test_a_file_with_a_spec_says_what_it_is(capsys, exported, lightweight_state, checkpoint, out):
    ours = exported("lightweight-rule", lightweight_state)
    capsys.readouterr()
    status, _, errors = run(capsys, "--adopt", ours, "--arch", "hopenet", "-o", out)
    assert (status, "lightweight" in errors, "hopenet" in errors) == (1, True, True)
    status, _, errors = run(capsys, "--adopt", ours, "--arch", "lightweight", "-o", out)
    assert (status, "runs as it is" in errors) == (1, True)
    status, said, errors = run(capsys, checkpoint, "--adopt", ours, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    assert "yaw from 'logits' 0:66" in said
    before, after = spec_of(ours), spec_of(out)
    assert (after.decode, after.outputs) == (before.decode, before.outputs)
    assert (after.origin.checkpoint, after.origin.sha256) == (before.origin.checkpoint, before.origin.sha256)


@pytest.mark.parametrize("names", [["x_mask", "bins", "two"], ["two", "bins", "x_mask"], ["a", "bins"]])
def test_outputs_beside_the_angles_are_kept_where_the_family_has_them(capsys, tmp_path, out, names):
    class Heads(nn.Module):
        def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
            flat = image.mean((2, 3))
            bins, mask = flat.repeat(1, 62) * torch.arange(186) / 50, flat[:, 1:]
            return [bins if name == "bins" else mask * (i + 1) for i, name in enumerate(names)]

    theirs = foreign(Heads(), 112, tmp_path / "x.onnx", names)
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "mhpnet", "-o", out)
    assert status == 0, errors
    mask = "x_mask" if "x_mask" in names else "a"
    assert spec_of(out).outputs == ("bins", mask)
    image = np.random.default_rng(0).standard_normal((1, 3, 112, 112), np.float32)
    wanted = (names.index(mask) + 1) * image.mean((2, 3))[:, 1:]
    assert onnxruntime_run(out, {"x": image})[1] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
def test_the_checkpoint_tells_the_order(capsys, lightweight_state, checkpoint, tmp_path, out, order):
    """The original's is roll, yaw, pitch."""
    net = zoo.get("lightweight").load(lightweight_state)
    theirs = foreign(AsTheOriginal(net, order), 224, tmp_path / "x.onnx", ["a", "b", "c"])
    status, said, errors = run(capsys, checkpoint, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    assert "order found by comparison with the CHECKPOINT" in said
    decode = spec_of(out).decode
    assert isinstance(decode, BinsDecode)
    assert (decode.yaw.output, decode.pitch.output, decode.roll.output) == tuple(
        "abc"[order.index(i)] for i in range(3)
    )


def test_another_network_than_the_checkpoints_fails_in_every_order(capsys, checkpoint, tmp_path, out):
    other = rule_state(zoo.get("lightweight").layouts[0], (("conv", 1.2), *CALM_HEADS))
    net = zoo.get("lightweight").load(other)
    theirs = foreign(AsTheOriginal(net, (0, 1, 2)), 224, tmp_path / "x.onnx", ["a", "b", "c"])
    status, _, errors = run(capsys, checkpoint, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 3
    assert "the gate failed" in errors
    assert not out.exists()


class _Matrix(nn.Module):
    """Return a matrix, as the 6D networks' own code does."""

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
    assert isinstance(spec_of(out).decode, MatrixDecode)
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
    assert "do not depend on them: spare" in said
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
        (["N", 224, 224, 4], {}, "is it of that family"),
        (["N", 3, 112, 112], {}, "is it of that family"),
        (["N", 3, 224], {}, "is it of that family"),
        (["N", 3, 224, 224], {"kind": TensorProto.INT32}, "is INT32, not float32, float16 or uint8 [N, 3, 224, 224]"),
        (["N", 3, 224, 224], {"columns": 66}, "'y' float32 [N, 66]"),
    ],
)
def test_files_of_another_kind_are_refused(capsys, tmp_path, out, shape, more, message):
    theirs = tiny(tmp_path / "x.onnx", shape, **more)
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 1
    assert message in errors
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("shape", [["N", 3, "H", "W"], [-1, 3, 224, 224], [0, 3, -1, 0], [None, 3, 224, 224]])
def test_open_axes_become_the_familys(capsys, tmp_path, out, shape):
    theirs = tiny(tmp_path / "x.onnx", shape)
    status, said, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    assert said.count("batch dynamic") == 2  # of the file, and of what is written
    assert spec_of(out).input.size == 224
    assert onnx.load(out).graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_nodes_in_any_order_are_sorted(capsys, tmp_path, out):
    theirs, shuffled = tiny(tmp_path / "x.onnx", ["N", 3, 224, 224]), tmp_path / "y.onnx"
    model = onnx.load(theirs)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    onnx.save(model, shuffled)
    for path in (theirs, shuffled):
        status, _, errors = run(capsys, "--adopt", path, "--arch", "lightweight", "-o", out.with_name(path.name))
        assert status == 0, errors
    written = [onnx.load(out.with_name(path.name)).graph.node for path in (theirs, shuffled)]
    assert written[0] == written[1]


_BRANCHES = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 3, 224, 224] x) => (float[N, 198] y)
<float[1, 198] w = {WEIGHTS}, bool yes = {1}, int64[1] one = {1}> {
    y = If (yes) <
        then_branch = t () => (float[N, 198] a) { a = Mul (column, w) },
        else_branch = e () => (float[N, 198] b) { b = Add (column, w) }
    >
    column = Unsqueeze (mean, one)
    mean = ReduceMean <axes = [1, 2, 3], keepdims = 0> (x)
}
"""


def test_what_a_branch_reads_stands_before_it(tmp_path):
    weights = "{" + ", ".join(map(str, range(198))) + "}"
    model = onnx.parser.parse_model(_BRANCHES.replace("{WEIGHTS}", weights))
    onnx.save(model, tmp_path / "x.onnx")
    assert [node.op_type for node in read_onnx(tmp_path / "x.onnx")[0].graph.node] == ["ReduceMean", "Unsqueeze", "If"]


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ModelError, match=r"student.* cannot be read: Permission denied"):
        read_onnx(DEFAULT)


def test_an_invalid_graph_is_refused_with_what_the_checker_says(capsys, tmp_path, out):
    theirs = tiny(tmp_path / "x.onnx", ["N", 3, 224, 224])
    model = onnx.load(theirs)
    model.graph.node[0].input[0] = "m"  # which is made from it
    onnx.save(model, theirs)
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 1
    assert "is not valid ONNX (Nodes in a graph must be topologically sorted" in errors
    assert "truncated" not in errors


def test_float16_outputs_are_converted(capsys, tmp_path, out):
    theirs = tiny(tmp_path / "x.onnx", ["N", 3, 224, 224])
    model = onnx.load(theirs)
    model.graph.node.append(helper.make_node("Cast", ["y"], ["half"], to=TensorProto.FLOAT16))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("half", TensorProto.FLOAT16, ["N", 198]))
    onnx.save(model, theirs)
    status, said, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    assert "'half' is converted to float32" in said
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    wanted = onnxruntime_run(theirs, {"x": image})[0]
    assert wanted.dtype == np.float16
    assert onnxruntime_run(out, {"x": image})[0] == pytest.approx(wanted.astype(np.float32), abs=1e-6)


def test_weights_in_a_file_beside_it_count(capsys, tmp_path, out):
    model = onnx.load(tiny(tmp_path / "whole.onnx", ["N", 3, 224, 224]))
    for weight in model.graph.initializer:
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight), weight.name))  # as raw data
    theirs, weights = tmp_path / "x.onnx", tmp_path / "x.bin"
    onnx.save_model(model, theirs, save_as_external_data=True, location=weights.name, size_threshold=0)
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    before = spec_of(out).origin.sha256
    data = bytearray(weights.read_bytes())
    data[-2] ^= 1
    weights.write_bytes(data)
    assert run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)[0] == 0
    assert spec_of(out).origin.sha256 != before
    weights.unlink()
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 1
    assert "'x.bin', which is not beside the model" in errors


@pytest.mark.parametrize("keep", [0, 10, 700])
def test_half_files_are_refused(capsys, tmp_path, out, keep):
    theirs = tiny(tmp_path / "x.onnx", ["N", 3, 224, 224])
    theirs.write_bytes(theirs.read_bytes()[:keep])
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 1
    assert "may be truncated" in errors


def test_a_file_that_overflows_is_named_as_the_reference(capsys, tmp_path, out):
    theirs = tiny(tmp_path / "x.onnx", ["N", 3, 224, 224])
    model = onnx.load(theirs)
    model.graph.initializer[1].CopyFrom(helper.make_tensor("w", TensorProto.FLOAT, [1, 198], np.full(198, np.nan)))
    onnx.save(model, theirs)
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 1
    assert "the reference (the unchanged file) gives NaN" in errors


def test_missing_file_is_named(capsys, tmp_path, out):
    status, _, errors = run(capsys, "--adopt", tmp_path / "no.onnx", "--arch", "lightweight", "-o", out)
    assert status == 1
    assert "there is no file" in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--arch", "lightweight", "--arch", "hopenet"], "--adopt takes one --arch"),
        (["--arch", "lightweight", "--batch", "4"], "an adopted file keeps"),
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
    assert "reported: AFLW2000 MAE" in said


def test_a_format_that_is_newer_than_the_runtime_is_lowered(capsys, tmp_path, out):
    theirs = tiny(tmp_path / "x.onnx", ["N", 3, 224, 224])
    model = onnx.load(theirs)
    model.ir_version = 200
    onnx.save(model, theirs)
    with pytest.raises(Exception, match="Unsupported model IR version"):
        onnxruntime_run(theirs, {})
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    renewed = onnx.load(out)
    renewed.ir_version = 300  # two bytes
    onnx.save(renewed, out)
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    assert np.isfinite(angles(out, image)).all()


def test_operators_of_onnx_runtime_alone_are_named_at_once(capsys, tmp_path, out):
    theirs = tiny(tmp_path / "x.onnx", ["N", 3, 224, 224])
    model = onnx.load(theirs)
    model.graph.node[-1].CopyFrom(
        helper.make_node("FusedMatMul", ["column", "w"], ["y"], domain="com.microsoft", alpha=1.0)
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, theirs)
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", "lightweight", "-o", out)
    assert status == 1
    assert "operators of its own (FusedMatMul)" in errors


def test_a_face_detector_is_no_head_pose_model(capsys, tmp_path, out):
    status, _, errors = run(capsys, "--adopt", FACE_DETECTOR, "--arch", "lightweight", "-o", out)
    assert status == 1
    assert "a face detector, and not a head-pose model: give it as --detector" in errors


class Levels(nn.Module):
    """A network that normalises levels itself, and may take them with the channels last or in grey."""

    def __init__(self, net: nn.Module, kind: str) -> None:
        super().__init__()
        self.net, self.kind = net, kind

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        given = image.permute(0, 3, 1, 2) if "last" in self.kind else image
        given = given.expand(-1, 3, -1, -1) if "grey" in self.kind else given
        if "levels" not in self.kind:
            return self.net(given)
        mean, std = (torch.tensor(each).reshape(3, 1, 1) for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        return self.net((given.to(torch.float32) / 255 - mean) / std)


@pytest.mark.parametrize("kind", ["last", "levels", "levels last", "grey", "grey last", "grey levels"])
def test_mechanical_differences_of_the_picture_are_bridged(capsys, lightweight_state, checkpoint, tmp_path, out, kind):
    """Against the checkpoint, which takes colours, channels first, normalised; in grey against the file itself."""
    net = Changed(zoo.get("lightweight").load(lightweight_state), in_the_originals_order)
    channels = 1 if "grey" in kind else 3
    shape = (1, 224, 224, channels) if "last" in kind else (1, channels, 224, 224)
    example = torch.zeros(shape, dtype=torch.uint8 if "levels" in kind else torch.float32)
    file = io.BytesIO()
    with torch.inference_mode():
        torch.onnx.export(
            Levels(net, kind), (example,), file, input_names=["x"], output_names=["all"], opset_version=17, dynamo=False
        )
    (tmp_path / "x.onnx").write_bytes(file.getvalue())
    reference = [] if "grey" in kind else [checkpoint]
    status, said, errors = run(capsys, *reference, "--adopt", tmp_path / "x.onnx", "--arch", "lightweight", "-o", out)
    assert status == 0, errors
    for word, line in (("last", "channels come last"), ("grey", "is grey"), ("levels", "graph normalises them itself")):
        assert (line in said) == (word in kind)
    spec = spec_of(out)
    assert spec.input.dtype == ("uint8" if "levels" in kind else "float32")
    if "grey" in kind:  # OpenCV's grey of the picture, within its rounding
        picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        scale = 1 if "levels" in kind else np.float32(1 / 255)
        given = (grey * scale).reshape(shape).astype(example.numpy().dtype)
        wanted = onnxruntime_run(tmp_path / "x.onnx", {"x": given})[0]
        ours = (picture.transpose(2, 0, 1)[None] * scale).astype(given.dtype)
        found = onnxruntime_run(out, {"x": ours})[0]
        assert found == pytest.approx(wanted, abs=0.02 * float(np.abs(wanted).max()))
