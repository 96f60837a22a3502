"""export.distill --int8: what training mends, the file it writes, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_nets
import torch

from export import distill
from export.gate.comparison import Limits
from export.gate.crops import gate_faces
from export.graph.onnx_file import open_unchanged
from export.quantize.insert_qdq import candidates, quantize
from export.quantize.qdq_rules import check
from export.quantize.quantized_model import Original, ToTrain
from export.tuning import tune as tuning
from export.tuning.fake_quant import FakeQuantized
from export.tuning.pose_loss import PoseLoss
from export.tuning.training_faces import TrainingFaces
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.models import DEFAULT
from hpe_edge.samples import BOXES, FOLDER

LOOSE = Limits(mean_deg=90, p99_deg=180, p999_deg=180, worst_deg=180)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return tiny_nets.write(tiny_nets.residual_net(), tmp_path / "net.onnx")


def distance(original: Original, model: onnx.ModelProto) -> float:
    crops = gate_faces(original.spec.crop, original.spec.input, hard=2).crops
    moved = [open_unchanged(original.path, each).run(None, {"image": crops})[0] for each in (original.model, model)]
    return float(np.abs(moved[0] - moved[1]).mean())


def test_training_mends_ranges_and_weights(net, monkeypatch):
    """Ranges four times too small, which clip most values, widen; the file's answers come back to the original's."""
    monkeypatch.setattr(tuning, "_RATE", 2e-3)
    monkeypatch.setattr(tuning, "_RANGE_RATE", 3e-2)
    model = onnx.load(net)
    original = Original(net, model, tiny_nets.tiny_spec(), "")
    layers = tuple(candidates(model))
    small = {"stem_out": 0.7, "first_out": 0.7, "sum_out": 1.0}
    faces = TrainingFaces(FOLDER, BOXES, None, without=(), crop=original.spec.crop, input=original.spec.input)
    task = ToTrain(original, model, layers, small, frozenset())
    trained, ranges = tuning.tune(task, faces, 80 * tuning.BATCH, lambda stage, lines: None)
    before, after = (
        distance(original, quantize(model, layers, small)),
        distance(original, quantize(trained, layers, ranges)),
    )
    assert after < 0.5 * before
    assert all(ranges[name] > small[name] for name in small)
    assert check(quantize(trained, layers, ranges)) == []


def test_the_files_answers_are_those_of_the_trained_module(tmp_path):
    """A short run of the embedded model, whole: the written Q/DQ file against the module in torch, in degrees."""
    trained = []
    graph_of = FakeQuantized.weights

    def keep(self: FakeQuantized) -> dict[str, np.ndarray]:
        trained.append(self)
        return graph_of(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeQuantized, "weights", keep)
        written = distill.train_int8(
            DEFAULT, images=FOLDER, boxes=BOXES, views=3 * tuning.BATCH, output=tmp_path / "out.onnx", limits=LOOSE
        )
    assert written.spec.quantizations[-1].ranges.endswith("then trained")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out.onnx", "out.worst.png"]
    model = onnx.load(written.path)
    assert check(model) == []
    crops = gate_faces(written.spec.crop, written.spec.input).crops[:16]
    (net,) = trained
    with torch.inference_mode():
        ours = net(torch.from_numpy(crops))[0].numpy()
    file, original = (
        open_unchanged(path, onnx.load(path)).run(None, {written.spec.input.name: crops})[0]
        for path in (written.path, DEFAULT)
    )
    distance = PoseLoss(written.spec)
    apart, moved = (
        distance([torch.from_numpy(file)], [torch.from_numpy(other)])[1].numpy() for other in (ours, original)
    )
    # Where the order of sums rounds a value to the next level, a pose moves a little; others are equal.
    assert apart.max() < 0.3 and apart.mean() < 0.06
    assert moved.mean() > 3 * apart.mean()
    assert OnnxRuntimeBackend(written.path).spec.gate is not None


def test_the_command_trains_and_says_what_it_did(net, tmp_path, capsys):
    out = tmp_path / "small.onnx"
    loose = [f"--{name}-deg=180" for name in ("mean", "p99", "p999", "worst")]
    given = ["--int8", str(net), "--images", str(FOLDER), "--boxes", str(BOXES), "--views", "64", "-o", str(out)]
    assert distill.main([*given, *loose]) == 0
    said = capsys.readouterr().out
    for words in ("the accuracy gate's own", "3 layers in INT8", "64 views", "then trained"):
        assert words in said or words in OnnxRuntimeBackend(out).spec.quantizations[-1].ranges


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--int8", "student.pth", "--images", "x", "-o", "o.onnx"], "export onnx student.pth"),
        (["--int8", "a.onnx", "--images", "x", "-o", "a.onnx"], "same file"),
        (["--int8", "a.onnx", "--images", "x", "--views", "0", "-o", "b.onnx"], "from 1 to"),
        (["--int8", "a.onnx", "--teacher", "b.onnx", "--images", "x", "-o", "b.onnx"], "--teacher"),
    ],
)
def test_refusals(options, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.onnx").write_bytes(b"")
    assert distill.main(options) in (1, 2)
    assert words in capsys.readouterr().err
