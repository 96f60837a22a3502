"""export.fp16 and export.int8: the files, specs and exit statuses; a failure leaves nothing behind."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import tiny_nets
from onnx import helper, numpy_helper

from export import fp16, int8
from export.gate.comparison import GateFailed, Limits
from export.quantize import quantized_model, to_int8
from export.quantize.qdq_rules import check
from hpe_edge import PoseEngine
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.geometry import geodesic_deg, wrap_deg
from hpe_edge.models import DEFAULT
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.spec import METADATA_KEY, GateResult

ROOT = Path(__file__).parents[2]
FACES = ("--calibration-images", FOLDER, "--boxes", BOXES)
LOOSE = ("--mean-deg", 30, "--p99-deg", 60, "--p999-deg", 90, "--worst-deg", 180)
LOOSE_LIMITS = Limits(mean_deg=30, p99_deg=60, p999_deg=90, worst_deg=180)
LOOSE_DICT = {"mean_deg": 30, "p99_deg": 60, "p999_deg": 90, "worst_deg": 180}
BOTH = ["small.onnx", "small.worst.png"]


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return tiny_nets.write(tiny_nets.residual_net(), tmp_path / "net.onnx")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "small.onnx"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(capsys, command, *argv: object) -> tuple[int, str, str]:
    status = command.main([str(arg) for arg in argv])
    said = capsys.readouterr()
    return status, said.out, said.err


def with_gate(path: Path) -> GateResult:
    """Give a file's spec a gate, as export.onnx would."""
    model = onnx.load(path)
    spec = tiny_nets.tiny_spec()
    gate = GateResult("onnx with pytorch", "sample", 64, 1e-4, 2e-4, 3e-4, {"worst_deg": 0.01})
    helper.set_model_props(model, {METADATA_KEY: replace(spec, gate=gate).to_json()})
    onnx.save(model, str(path))
    return gate


def test_fp16_file_names_its_original(capsys, net, out):
    gate = with_gate(net)
    status, said, errors = run(capsys, fp16, net, "-o", out)
    assert (status, errors) == (0, "")
    assert names_in(out.parent) == ["small.onnx"]
    spec = OnnxRuntimeBackend(out).spec
    (step,) = spec.quantizations
    assert (spec.precision, step.source, step.kept, step.gate) == ("fp16", "net.onnx", ("head",), gate)
    assert len(step.sha256) == 64
    assert step.tools["opset"] == "17"
    assert spec.gate is not None
    assert spec.gate.compared == "fp16 with fp32"
    assert spec.gate.limits == {"mean_deg": 0.05, "worst_deg": 0.3}
    for words in ("hundredths of a degree", "passed", "bundled sample", f"hpe-edge export trt {out} --fp16"):
        assert words in said
    with PoseEngine(out) as engine:
        assert len(engine(np.zeros((99, 99, 3), np.uint8), [[10, 10, 60, 60]] * 11)) == 11


def test_int8_file_says_what_it_was_made_from(capsys, net, out):
    gate = with_gate(net)
    status, said, errors = run(capsys, int8, net, *FACES, *LOOSE, "-o", out, "--method", "minmax")
    assert (status, errors) == (0, "")
    assert names_in(out.parent) == BOTH
    spec = OnnxRuntimeBackend(out).spec
    (step,) = spec.quantizations
    assert (spec.precision, step.source, step.kept, step.gate) == ("int8", "net.onnx", ("stem", "head"), gate)
    assert (
        step.ranges == f"ranges by minmax on {FOLDER.name}, 2 faces varied to 64 crops and 128 hard ones made of them"
    )
    assert spec.gate is not None
    assert spec.gate.limits == LOOSE_DICT
    for words in (
        "first_out",
        "3 of 5 layers in INT8",
        "--int8",
    ):
        assert words in said


@pytest.mark.parametrize("opset", [11, 13, 18, 20])
def test_other_opsets_become_one_that_int8_can_have(capsys, out, tmp_path, opset):
    net = tiny_nets.residual_net()
    path = tiny_nets.write(
        tiny_nets.model_of(list(net.graph.node), list(net.graph.initializer), opset), tmp_path / "n.onnx"
    )
    status, _, errors = run(capsys, int8, path, *FACES, *LOOSE, "-o", out)
    assert (status, errors) == (0, "")
    assert onnx.load(out).opset_import[0].version == (13 if opset == 13 else 17)
    assert check(onnx.load(out)) == []


def test_functions_return_what_was_written_and_print_nothing(capsys, net, out):
    stages = []
    written = fp16.convert(net, output=out, report=lambda stage, lines: stages.append(stage))
    assert written.path == out and written.size_bytes == out.stat().st_size and not written.replaced
    assert written.spec == OnnxRuntimeBackend(out).spec
    assert written.gate.result() == written.spec.gate
    assert {"model", "graph", "faces", "gate"} <= set(stages)
    again = int8.quantize(net, output=out, calibration_images=FOLDER, boxes=BOXES, limits=LOOSE_LIMITS)
    assert again.replaced and again.spec.precision == "int8"
    assert any(note.startswith("ranges: ") for note in again.notes)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_the_old_name_of_an_option_works_and_is_reported(capsys, net, out):
    status, _, errors = run(capsys, int8, net, "--faces", FOLDER, "--boxes", BOXES, *LOOSE, "-o", out)
    assert status == 0 and out.exists()
    assert "--calibration-images" in errors and errors.count("\n") == 1


def test_an_option_by_both_of_its_names_is_refused(capsys, net, out):
    status, _, errors = run(capsys, int8, net, "--calibration-images", FOLDER, "--faces", FOLDER, "-o", out)
    assert status == 2 and "--faces" in errors and not out.exists()


def test_the_old_name_of_an_option_is_reported_once(capsys, net, out, tmp_path):
    none = tmp_path / "none"
    assert run(capsys, int8, net, "--faces", none, "--faces", none, "-o", out)[2].count("--calibration-images") == 1


def test_int8_then_fp16(capsys, net, out, tmp_path):
    assert run(capsys, int8, net, *FACES, *LOOSE, "-o", tmp_path / "int8.onnx")[0] == 0
    status, said, _ = run(capsys, fp16, tmp_path / "int8.onnx", *LOOSE, "-o", out)
    assert status == 0
    spec = OnnxRuntimeBackend(out).spec
    assert spec.precision == "int8+fp16"
    assert [step.precision for step in spec.quantizations] == ["int8", "int8+fp16"]
    assert "opset 19" in said
    assert spec.gate is not None
    assert spec.gate.compared == "int8+fp16 with int8"
    assert spec.gate.limits == LOOSE_DICT  # INT8's, not FP16's


def test_the_same_every_time(net, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        int8.quantize(net, output=tmp_path / name, calibration_images=FOLDER, boxes=BOXES, limits=LOOSE_LIMITS)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_calibration_is_kept_and_taken_again(capsys, net, out, tmp_path, monkeypatch):
    kept = tmp_path / "ranges.json"
    argv = (net, *FACES, *LOOSE, "--calibration", kept, "-o")
    assert run(capsys, int8, *argv, out)[0] == 0
    ranges = json.loads(kept.read_text())["ranges"]
    assert set(ranges) == {
        "stem_out_centred_padded_1_1_1_1",
        "first_out_centred",
        "sum_out_centred_padded_1_1_1_1",
        "stem_out_centred",  # the shortcut
    }
    first = out.read_bytes()
    monkeypatch.setattr(to_int8, "find_ranges", None)
    status, said, _ = run(capsys, int8, *argv, out)
    assert status == 0
    assert out.read_bytes() == first
    assert f"from {kept}" in said
    kept.write_text(kept.read_text().replace('"stem_out_centred": ', '"stem_out_centred": 9', 1))
    assert run(capsys, int8, *argv, out)[0] == 0
    assert out.read_bytes() != first


def test_a_calibration_of_another_model_is_refused(capsys, net, out, tmp_path):
    kept = tmp_path / "ranges.json"
    assert run(capsys, int8, net, *FACES, *LOOSE, "--calibration", kept, "-o", out)[0] == 0
    out.unlink()
    other = tiny_nets.write(tiny_nets.residual_net(head_scale=21.0), tmp_path / "other.onnx")
    status, _, errors = run(capsys, int8, other, *FACES, *LOOSE, "--calibration", kept, "-o", out)
    assert status == 1
    assert "belongs to another model" in errors
    assert names_in(out.parent) == ["small.worst.png"]  # of the first


def steep_net() -> onnx.ModelProto:
    """One layer's input has one channel a thousand times as large as the others: INT8 loses all of those."""
    net = tiny_nets.residual_net()
    for name, factor in (("first", 1000.0), ("second", 1 / 1000)):
        for tensor in net.graph.initializer:
            values = numpy_helper.to_array(tensor).copy()
            if tensor.name == f"{name}.w":
                values[(slice(0, 1),) if name == "first" else (slice(None), slice(0, 1))] *= factor
            elif tensor.name == f"{name}.b" and name == "first":
                values[0] *= factor
            else:
                continue
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return net


def test_the_dearest_layer_is_kept_and_the_report_shows_what_each_costs(capsys, out, tmp_path):
    path = tiny_nets.write(steep_net(), tmp_path / "steep.onnx")
    limits = ("--mean-deg", 10, "--p99-deg", 60, "--p999-deg", 60, "--worst-deg", 60)
    status, said, errors = run(capsys, int8, path, *FACES, *limits, "-o", out, "--no-auto")
    assert status == 3
    assert "--no-auto" in errors
    assert "alone in INT8, degrees" in said
    assert names_in(out.parent) == ["small.worst.png"]
    status, said, errors = run(capsys, int8, path, *FACES, *limits, "-o", out)
    assert (status, errors) == (0, "")
    rows = said[said.index("alone in INT8") :].splitlines()[1:4]
    assert rows[0].split()[0] == "second"
    assert rows[0].endswith("kept in float32")
    assert not any(row.endswith("kept in float32") for row in rows[1:])
    assert "0 of 3 layers kept" in said
    assert OnnxRuntimeBackend(out).spec.quantizations[0].kept == ("second", "stem", "head")


def test_more_layers_are_kept_until_the_optimized_graph_passes_too(capsys, net, out, monkeypatch):
    verify = quantized_model.verify
    tried = []

    def strict(reference, path, spec, check):
        tried.append(spec.quantizations[-1].kept)
        if len(tried) == 1:
            comparison = check.compare(reference, reference)
            raise GateFailed(replace(comparison, failures=("too many",)), "")
        return verify(reference, path, spec, check)

    monkeypatch.setattr(quantized_model, "verify", strict)
    assert run(capsys, int8, net, *FACES, *LOOSE, "-o", out)[0] == 0
    assert [len(kept) for kept in tried] == [2, 3]  # stem and head, and one more
    assert OnnxRuntimeBackend(out).spec.quantizations[0].kept == tried[1]


def test_an_int8_model_that_computes_hardly_anything_in_int8_is_refused(capsys, net, out, monkeypatch):
    monkeypatch.setattr(to_int8, "_LEAST_SHARE", 1.1)
    status, _, errors = run(capsys, int8, net, *FACES, *LOOSE, "-o", out)
    assert status == 1 and "hpe-edge export fp16" in errors
    assert names_in(out.parent) == []


def test_limits_that_hold_need_no_layer(capsys, net, out):
    status, said, _ = run(capsys, int8, net, *FACES, *LOOSE, "-o", out)
    assert status == 0
    assert "0 of 3 layers kept" in said and "alone in INT8" not in said


def test_the_picture_of_the_worst_goes_where_asked(capsys, net, out, tmp_path):
    picture = tmp_path / "worst.png"
    status, said, _ = run(capsys, int8, net, *FACES, *LOOSE, "-o", out, "--worst", picture)
    assert status == 0
    assert names_in(out.parent) == ["small.onnx"]
    assert cv2.imread(str(picture)) is not None
    assert f"pictures: {picture}" in said
    worst = float(said[said.index("worst   ") :].split()[1])
    assert worst == pytest.approx(OnnxRuntimeBackend(out).spec.gate.worst_deg, abs=0.006)
    status, _, errors = run(capsys, int8, net, *FACES, *LOOSE, "-o", out, "--worst", tmp_path / "worst.gif")
    assert status == 2 and "must name a file that ends in .png" in errors


@pytest.mark.parametrize("auto", [["--no-auto"], []])
def test_a_net_that_no_choice_helps_fails_and_keeps_the_older_file(capsys, net, out, auto):
    out.write_bytes(b"older")
    kept = out.parent / "ranges.json"
    status, said, errors = run(capsys, int8, net, *FACES, "--mean-deg", 1e-9, "-o", out, "--calibration", kept, *auto)
    assert status == 3
    assert "the gate failed (int8 with fp32): mean" in errors
    assert ("even with only the least sensitive layer" in said) is not bool(auto)
    assert out.read_bytes() == b"older"
    assert names_in(out.parent) == BOTH


def test_fp16_that_overflows_fails_the_gate_and_the_weights_are_named(capsys, out, tmp_path):
    net = tiny_nets.residual_net()
    for name, factor in (("first.w", 1e6), ("first.b", 1e6), ("second.w", 1e-6)):
        for tensor in net.graph.initializer:
            if tensor.name == name:
                values = numpy_helper.to_array(tensor) * np.float32(factor)
                tensor.CopyFrom(numpy_helper.from_array(values, name))
    path = tiny_nets.write(net, tmp_path / "large.onnx")
    status, said, errors = run(capsys, fp16, path, "-o", out)
    assert status == 3
    assert "first.w: " in said
    assert "too large for FP16" in said
    assert "second.w: " in said
    assert "the gate failed (fp16 with fp32)" in errors
    assert names_in(out.parent) == []


def test_fp16_whose_activations_overflow_fails_the_gate(capsys, out, tmp_path):
    """All weights fit, and on this CPU the angles are right: only rounding as FP16 does tells."""
    net = tiny_nets.residual_net()
    for tensor in net.graph.initializer:
        factor = {"first.w": 3e4, "first.b": 3e4, "second.w": 1 / 3e4}.get(tensor.name, 1.0)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), tensor.name))
    path = tiny_nets.write(net, tmp_path / "large.onnx")
    status, _, errors = run(capsys, fp16, path, "-o", out)
    assert status == 3
    assert "crops are NaN in the candidate: the network overflows" in errors
    assert names_in(out.parent) == []


@pytest.mark.parametrize("command", [fp16, int8])
def test_without_a_model_the_embedded_one_is_taken_and_said(capsys, out, command):
    faces = FACES if command is int8 else ()
    status, said, errors = run(capsys, command, *faces, "-o", out)
    assert (status, errors) == (0, "")
    assert "student-v2" in said.splitlines()[0]
    spec = OnnxRuntimeBackend(out).spec
    assert (spec.architecture, spec.quantizations[0].source) == ("student-v2", DEFAULT.name)
    assert spec.sigma == OnnxRuntimeBackend(DEFAULT).spec.sigma is not None
    assert "calibrate it again" not in said  # sigma did not move
    before = DEFAULT.read_bytes()
    status, _, errors = run(capsys, command, *faces, "-o", DEFAULT)
    assert status == 2 and "the output and the model are the same file" in errors
    assert DEFAULT.read_bytes() == before


@pytest.mark.parametrize("command", [fp16, int8])
def test_models_that_are_no_start_are_refused(capsys, net, out, tmp_path, command):
    faces = FACES if command is int8 else ()
    bare = onnx.load(net)
    del bare.metadata_props[:]
    tiny_nets.write(bare, tmp_path / "bare.onnx")
    (tmp_path / "torn.onnx").write_bytes(net.read_bytes()[:1000])
    half = tmp_path / "half.onnx"
    fp16.convert(net, output=half)
    for path, message in (
        (tmp_path / "none.onnx", "there is no model"),
        (tmp_path / "bare.onnx", "carries no hpe_edge spec"),
        (tmp_path / "torn.onnx", "may be truncated"),
        (half, "is in FP16 already; start from the file that it was made from (net.onnx)"),
    ):
        status, _, errors = run(capsys, command, path, *faces, "-o", out)
        assert status == 1
        assert errors.startswith(f"python -m export.{command.__name__.rpartition('.')[2]}: error: ")
        assert message in errors
        assert names_in(out.parent) == []


def test_a_quantised_model_is_not_quantised_again(capsys, net, out, tmp_path):
    assert run(capsys, int8, net, *FACES, *LOOSE, "-o", tmp_path / "int8.onnx")[0] == 0
    status, _, errors = run(capsys, int8, tmp_path / "int8.onnx", *FACES, "-o", out)
    assert status == 1
    assert "is quantized already; start from the float32 file" in errors


def test_calibration_faces_that_are_not_there(capsys, net, out, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "grey").mkdir()
    cv2.imwrite(str(tmp_path / "grey" / "grey.png"), np.full((200, 200, 3), 128, np.uint8))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"no picture")
    for given, message in (
        (["--calibration-images", tmp_path / "nowhere"], "there is no"),
        (["--calibration-images", tmp_path / "empty"], "there is no picture in"),
        (["--calibration-images", tmp_path / "grey"], "no face was found in"),
        (["--calibration-images", tmp_path / "broken"], "none of 1 picture in"),
        (["--calibration-images", FOLDER, "--boxes", tmp_path / "none.csv"], "cannot read the boxes file"),
        (["--calibration-images", FOLDER, "--detector", tmp_path / "none.onnx"], "there is no face detector"),
        (["--calibration-images", FOLDER, "--detector", net], "is a head-pose model, not a face detector"),
    ):
        status, _, errors = run(capsys, int8, net, *given, "-o", out)
        assert status == 1, given
        assert errors.startswith("python -m export.int8: error: ")
        assert message in errors
        assert names_in(out.parent) == []


def test_some_unreadable_pictures_are_said_and_left_out(capsys, net, out, tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for file in FOLDER.glob("*.jpg"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "broken.jpg").write_bytes(b"no picture")
    status, said, _ = run(capsys, int8, net, "--calibration-images", folder, "--boxes", BOXES, *LOOSE, "-o", out)
    assert status == 0
    assert "broken.jpg cannot be read" in said


def test_many_pictures_are_taken_in_even_steps_and_shared_out(net, out, tmp_path, monkeypatch):
    monkeypatch.setattr(to_int8, "MAX_CROPS", 64)
    folder = tmp_path / "faces"
    folder.mkdir()
    picture = (FOLDER / "astronaut.jpg").read_bytes()
    with (tmp_path / "boxes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "x1", "y1", "x2", "y2"])
        for i in range(300):
            (folder / f"{i:03}.jpg").write_bytes(picture)
            rows.writerow([f"{i:03}.jpg", 150 + i // 10, 80, 270 + i // 10, 190])
    boxes = tmp_path / "boxes.csv"
    written = int8.quantize(net, output=out, calibration_images=folder, boxes=boxes, limits=LOOSE_LIMITS)
    assert any("one picture in 2 of the 300" in note for note in written.notes)
    spec = OnnxRuntimeBackend(out).spec
    assert spec.quantizations[0].ranges == (
        "ranges by percentile on faces, 64 faces and 128 hard ones made of them, widened to no clipping"
    )
    assert spec.gate is not None
    assert spec.gate.faces == 192


@pytest.mark.parametrize(
    ("command", "argv", "message"),
    [
        (fp16, [], "IN.onnx"),
        (fp16, ["a.onnx"], "-o"),
        (fp16, ["a.onnx", "-o", "b.engine"], "must name a file that ends in .onnx"),
        (fp16, ["a.onnx", "-o", "b.onnx", "--boxes", "b.csv"], "--images"),
        (int8, ["a.onnx", "-o", "b.onnx"], "--calibration-images"),
        (int8, ["a.onnx", "-o", "b.onnx", "--calibration-images", "f", "--method", "guess"], "invalid choice: 'guess'"),
        (
            int8,
            ["a.onnx", "-o", "b.onnx", "--calibration-images", "f", "--boxes", "b", "--detector", "d"],
            "not allowed with",
        ),
        (
            int8,
            ["a.onnx", "-o", "b.onnx", "--calibration-images", "f", "--calibration", "c.txt"],
            "must name a file that ends in .json",
        ),
        (int8, ["a.onnx", "-o", "b.onnx", "--calibration-images", "f", "--mean-deg", "0"], "above 0"),
    ],
)
def test_wrong_usage_exits_with_2(capsys, command, argv, message):
    status, _, errors = run(capsys, command, *argv)
    assert status == 2
    assert message in errors


@pytest.mark.parametrize("command", [fp16, int8])
def test_output_never_replaces_what_it_is_made_from(capsys, net, command):
    before = net.read_bytes()
    faces = FACES if command is int8 else ()
    status, _, errors = run(capsys, command, net, *faces, "-o", net)
    assert status == 2
    assert "the output and the model are the same file" in errors
    assert net.read_bytes() == before


@pytest.mark.parametrize("command", [fp16, int8])
def test_missing_package_says_what_to_install(capsys, net, out, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "onnx", None)
    faces = FACES if command is int8 else ()
    status, _, errors = run(capsys, command, net, *faces, "-o", out)
    assert status == 1
    assert "needs onnx, which cannot be imported here" in errors


@pytest.mark.parametrize("command", [fp16, int8])
def test_full_disk_leaves_nothing(capsys, net, out, monkeypatch, command):
    def full(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    faces = (*FACES, *LOOSE) if command is int8 else ()
    status, _, errors = run(capsys, command, net, *faces, "-o", out)
    assert status == 1
    assert "No space left on device" in errors
    assert names_in(out.parent) == []


# Runs a command in a process of its own, and stops it by a signal where it verifies the file.
SCRIPT = (
    "import signal, sys; from export import {0} as command; from export.quantize import quantized_model; "
    "quantized_model.verify = lambda *_: signal.raise_signal(signal.{1}); "
    "command.interrupt_on_signals(); sys.exit(command.main(sys.argv[1:]))"
)


@pytest.mark.parametrize(("command", "name"), [("fp16", "SIGINT"), ("int8", "SIGTERM")])
def test_signals_leave_nothing(net, out, command, name):
    argv = [net, *((*FACES, *LOOSE, "--calibration", out.parent / "c.json") if command == "int8" else ()), "-o", out]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(command, name), *map(str, argv)], cwd=ROOT, text=True, capture_output=True
    )
    assert "nothing was written" in done.stderr and done.stderr.count("\n") == 1
    assert done.returncode == 128 + getattr(signal, name)
    assert names_in(out.parent) == []


def test_the_graph_as_written_is_what_the_gate_looks_at(net, out, monkeypatch):
    """ONNX Runtime's own changes to the graph must not hide what TensorRT would compute, nor the other way round."""
    poses = quantized_model.poses_as_written

    def turned(path, model, spec, crops):
        said = poses(path, model, spec, crops)
        if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
            said.rotation[:] = np.roll(said.rotation, 1, axis=1)
        return said

    monkeypatch.setattr(quantized_model, "poses_as_written", turned)
    with pytest.raises(GateFailed):
        int8.quantize(net, output=out, calibration_images=FOLDER, boxes=BOXES, limits=LOOSE_LIMITS)
    assert not out.exists()


def test_published_weights_in_int8_and_fp16(published, published_int8, data, tmp_path):
    """Check the documents' figures of the published lightweight network on labelled photos it never saw."""
    made = {
        "fp32": published,
        "fp16": fp16.convert(published, output=tmp_path / "fp16.onnx").path,
        "int8": published_int8,
    }
    with (data / "aflw2000_dev" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    photos = [cv2.imread(str(data / "aflw2000_dev" / row["file"])) for row in rows]
    boxes = [[float(row[side]) for side in ("x1", "y1", "x2", "y2")] for row in rows]
    labels = np.array([[float(row[angle]) for angle in ("yaw", "pitch", "roll")] for row in rows])
    said = {}
    for name, path in made.items():
        with PoseEngine(path, upright=None) as engine:  # a second pass is another crop in one of two precisions
            said[name] = [engine(photo, [box]) for photo, box in zip(photos, boxes, strict=True)]
    angles = {name: np.concatenate([each.angles for each in poses]) for name, poses in said.items()}
    errors = {name: np.abs(wrap_deg(each - labels)).mean() for name, each in angles.items()}
    rotations = {name: np.concatenate([each.rotation for each in poses]) for name, poses in said.items()}
    assert abs(errors["fp16"] - errors["fp32"]) < 0.01
    assert geodesic_deg(rotations["fp32"], rotations["fp16"]).max() < 0.3
    assert abs(errors["int8"] - errors["fp32"]) < 0.10
    assert geodesic_deg(rotations["fp32"], rotations["int8"]).mean() < 0.7
