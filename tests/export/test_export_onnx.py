"""The command: what it writes, says and returns, and that a failure leaves nothing behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export import zoo
from export.checkpoints.network import load_network
from export.gate import verify
from export.graph import trace as graph
from export.graph import write_onnx
from export.onnx import export, main
from export.step import Notes, quiet
from hpe_edge import PoseEngine
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.spec import METADATA_KEY
from hpe_edge.version import __version__

pytestmark = pytest.mark.usefixtures("no_other_readings")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "model.onnx"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(capsys, *argv: object) -> tuple[int, str, str]:
    status = main([str(arg) for arg in argv])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_exported_file_explains_itself_and_runs(capsys, checkpoint, out):
    status, said, errors = run(capsys, checkpoint, "-o", out)
    assert status == 0
    assert errors == ""
    assert names_in(out.parent) == ["model.onnx"]
    model = onnx.load(out)
    assert [entry.key for entry in model.metadata_props] == [METADATA_KEY]
    assert [node.name for node in model.graph.output] == ["logits"]
    assert {node.op_type for node in model.graph.node} == {
        "Conv", "Relu", "HardSigmoid", "Mul", "GlobalAveragePool", "Flatten", "Gemm",
    }  # fmt: skip
    spec = OnnxRuntimeBackend(out).spec
    assert spec.architecture == "lightweight"
    assert spec.origin.checkpoint == "weights.pth"
    assert spec.origin.tools["hpe_edge"] == __version__
    assert spec.origin.tools["opset"] == "17"
    assert spec.origin.tools["torch"] == torch.__version__
    assert spec.gate is not None
    assert spec.gate.faces == 64
    assert spec.gate.source == "bundled sample, 2 faces varied to 64 crops"
    assert spec.gate.worst_deg <= 0.01
    assert spec.gate.limits == {"worst_deg": 0.01}
    for word in (
        "recognised", "reported: none", "opset 17, batch dynamic", spec.gate.source, "62 of the 64 crops",
        "passed", f"--model {out}",
    ):  # fmt: skip
        assert word in said
    with PoseEngine(out) as engine:
        assert len(engine(np.zeros((99, 99, 3), np.uint8), [[10, 10, 60, 60]] * 11)) == 11


def test_export_is_the_same_every_time(checkpoint, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        export(checkpoint, output=tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_function_returns_what_was_written_and_prints_nothing(capsys, checkpoint, out):
    written = export(checkpoint, output=out)
    assert (written.path, written.size_bytes, written.replaced) == (out, out.stat().st_size, False)
    assert written.spec == OnnxRuntimeBackend(out).spec
    assert written.gate.passed and written.gate.result() == written.spec.gate
    assert any(note.startswith("family: lightweight") for note in written.notes)
    merged = set(written.spec.origin.merged)
    assert merged == {node.name for node in onnx.load(out).graph.node if node.name in merged} and len(merged) == 4
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_fixed_batch(checkpoint, out):
    export(checkpoint, output=out, batch=4)
    backend = OnnxRuntimeBackend(out)
    assert backend.max_batch == 4
    with PoseEngine(out) as engine:
        assert len(engine(np.zeros((99, 99, 3), np.uint8), [[10, 10, 60, 60]] * 7)) == 7


def test_default_name_replaces_a_file_and_says_so(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lightweight.onnx").write_bytes(b"older")
    status, said, _ = run(capsys, checkpoint, "--arch", "lightweight", "--images", FOLDER, "--boxes", BOXES)
    assert status == 0
    assert "as asked for" in said
    assert "in place of the file that was there" in said
    assert OnnxRuntimeBackend(Path("lightweight.onnx")).spec.gate.source == f"{FOLDER.name}, 2 faces varied to 64 crops"


def test_mask_head_stays_in_the_graph_and_out_of_the_decode(capsys, golden, tmp_path):
    original = golden("mhpnet_resnet18")
    torch.save(original.state, tmp_path / "mhp.pth")
    status, said, _ = run(capsys, tmp_path / "mhp.pth", "-o", tmp_path / "mhp.onnx")
    assert status == 0
    assert "mhpnet (recognised" in said
    assert "0.2 is a guess" in said
    session = onnxruntime.InferenceSession(str(tmp_path / "mhp.onnx"))
    image = original.inputs(112)[""]
    logits, mask = session.run(None, {"image": image})
    assert np.allclose(logits, original.head(""), atol=1e-4)
    assert np.allclose(mask, original.arrays["mask_logits"], atol=1e-4)
    with PoseEngine(tmp_path / "mhp.onnx") as engine:
        assert len(engine(np.zeros((99, 99, 3), np.uint8), [[10, 10, 60, 60]])) == 1


def test_weights_that_are_left_out_are_reported(tmp_path):
    shapes = zoo.get("hopenet").layouts[0]
    state = {key: torch.zeros(shape) for key, shape in shapes.items()}
    torch.save({**state, "fc_finetune.weight": torch.zeros(3, 2051)}, tmp_path / "hopenet.pth")
    notes = Notes(quiet)
    load_network([tmp_path / "hopenet.pth"], [], trust=False, report=notes)
    assert any("left out: fc_finetune" in line for line in notes.lines)


def test_prefix_is_taken_off_and_said(capsys, lightweight_state, out, tmp_path):
    torch.save({f"_orig_mod.{key}": tensor for key, tensor in lightweight_state.items()}, tmp_path / "w.pth")
    status, said, _ = run(capsys, tmp_path / "w.pth", "-o", out)
    assert status == 0
    assert "the prefix '_orig_mod.' is taken off every key" in said


def test_next_command_can_be_pasted(capsys, checkpoint, tmp_path):
    assert f"--model '{tmp_path}/my model.onnx' -o" in run(capsys, checkpoint, "-o", tmp_path / "my model.onnx")[1]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tensor: torch.zeros_like(tensor), "gives one pose for all faces"),
        (lambda tensor: tensor * (1e38 if tensor.shape == (16, 3, 3, 3) else 1), "(pytorch) gives NaN"),
    ],
)
def test_weights_that_do_not_answer_are_refused(capsys, lightweight_state, out, tmp_path, damage, message):
    torch.save({key: damage(tensor) for key, tensor in lightweight_state.items()}, tmp_path / "bad.pth")
    status, _, errors = run(capsys, tmp_path / "bad.pth", "-o", out)
    assert status == 1
    assert message in errors
    assert names_in(out.parent) == []


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
@pytest.mark.parametrize("option", ["CHECKPOINT", "--images", "--boxes"])
def test_output_never_replaces_what_it_is_made_from(capsys, checkpoint, out, tmp_path, option, link):
    inputs = {"CHECKPOINT": checkpoint, "--images": FOLDER / "astronaut.jpg", "--boxes": BOXES}
    for name, path in inputs.items():
        inputs[name] = tmp_path / f"input{path.suffix}"
        inputs[name].write_bytes(path.read_bytes())
    getattr(out, link)(inputs[option])
    content = out.read_bytes()
    status, _, errors = run(
        capsys, inputs["CHECKPOINT"], "--images", inputs["--images"], "--boxes", inputs["--boxes"], "-o", out
    )
    assert status == 2
    assert f"the output and {option} are the same file" in errors
    assert out.read_bytes() == content


def test_default_name_does_not_replace_the_checkpoint(capsys, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint.rename("lightweight.onnx")
    assert run(capsys, "lightweight.onnx")[0] == 2


def break_last_layer(model):
    """One logit of the yaw head is moved by a tenth."""
    for tensor in model.graph.initializer:
        if list(tensor.dims) == [198]:
            bias = onnx.numpy_helper.to_array(tensor).copy()
            bias[0] += 0.1
            tensor.CopyFrom(onnx.numpy_helper.from_array(bias, tensor.name))
    return model


def swap_colors(model):
    for tensor in model.graph.initializer:
        if list(tensor.dims) == [16, 3, 3, 3]:
            swapped = onnx.numpy_helper.to_array(tensor)[:, ::-1].copy()
            tensor.CopyFrom(onnx.numpy_helper.from_array(swapped, tensor.name))
    return model


def overflow(model):
    for tensor in model.graph.initializer:
        if list(tensor.dims) == [198]:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(198, np.nan, np.float32), tensor.name))
    return model


@pytest.mark.parametrize(
    ("damage", "word"), [(break_last_layer, "worst 0."), (swap_colors, "worst "), (overflow, "64 of 64 crops are NaN")]
)
def test_changed_angles_fail_the_gate_and_leave_no_file(capsys, checkpoint, out, monkeypatch, damage, word):
    simplify = graph.simplify
    monkeypatch.setattr(graph, "simplify", lambda model: damage(simplify(model)))
    status, said, errors = run(capsys, checkpoint, "-o", out)
    assert status == 3
    assert "FAILED" in said
    assert word in errors
    assert names_in(out.parent) == []


def test_failed_gate_keeps_the_older_file(capsys, checkpoint, out):
    out.write_bytes(b"older")
    assert run(capsys, checkpoint, "-o", out, "--worst-deg", "1e-12")[0] == 3
    assert out.read_bytes() == b"older"
    assert names_in(out.parent) == ["model.onnx"]


def test_results_that_depend_on_the_batch_fail(capsys, checkpoint, out, monkeypatch):
    original = verify.poses_of

    def leaky(run, spec, crops, batch):
        poses = original(run, spec, crops, batch)
        if batch == 1:
            poses.rotation[:] = np.eye(3)
        return poses

    monkeypatch.setattr(verify, "poses_of", leaky)
    status, _, errors = run(capsys, checkpoint, "-o", out)
    assert status == 3
    assert "a single face with the same in a batch" in errors
    assert not out.exists()


def interrupt(*_):
    raise KeyboardInterrupt


def test_ctrl_c_leaves_nothing(capsys, checkpoint, out, monkeypatch):
    monkeypatch.setattr(write_onnx, "verify", interrupt)
    status, _, errors = run(capsys, checkpoint, "-o", out)
    assert status == 130
    assert "nothing was written" in errors
    assert names_in(out.parent) == []


# Runs the command in a process of its own; what goes before its start is put in the place of {}.
SCRIPT = "import signal, sys; from export import onnx as command; {}; " + (
    "command.interrupt_on_signals(); sys.exit(command.main(sys.argv[1:]))"
)
ROOT = Path(__file__).parents[2]


def start(before: str | None, *argv: object, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before or "pass"), *map(str, argv)],
        cwd=ROOT,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_leave_nothing_even_when_they_come_twice(checkpoint, out, name):
    twice = (
        f"stop = lambda *_: signal.raise_signal(signal.{name}); from export.graph import write_onnx; "
        "write_onnx.verify = stop; from hpe_edge.util.atomic import Pending; "
        "discard = Pending.discard; Pending.discard = lambda self: (stop(), discard(self))"
    )
    done = start(twice, checkpoint, "-o", out)
    assert done.stderr.count("\n") == 1 and "nothing was written" in done.stderr
    assert done.returncode == 128 + getattr(signal, name)
    assert names_in(out.parent) == []


def test_signal_that_the_parent_ignores_stays_ignored():
    check = "signal.signal(signal.SIGHUP, signal.SIG_IGN); command.main = lambda _: signal.raise_signal(signal.SIGHUP)"
    assert start(check).returncode == 0


def test_nothing_that_takes_long_is_imported_before_ctrl_c_is_answered():
    check = "command.main = lambda _: not sys.modules.keys().isdisjoint(('cv2', 'numpy', 'onnx', 'torch'))"
    assert start(check).returncode == 0
    during = "import importlib; importlib.import_module = lambda _: signal.raise_signal(signal.SIGINT)"
    done = start(during, "none.pth")
    assert done.returncode == 130
    assert done.stderr.count("\n") == 1 and "nothing was written" in done.stderr


@pytest.mark.parametrize("argv", [["CHECKPOINT", "-o", "OUT"], ["--help"]])
def test_standard_output_that_cannot_be_written(checkpoint, out, monkeypatch, argv):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # argparse hides failures of what is written at once
    argv = [{"CHECKPOINT": checkpoint, "OUT": out}.get(arg, arg) for arg in argv]
    with Path("/dev/full").open("w") as full:
        done = start(None, *argv, stdout=full)
    assert done.stderr.count("\n") == 1 and "No space left on device" in done.stderr
    assert done.returncode == 1
    reading, writing = os.pipe()
    os.close(reading)
    done = start(None, *argv, stdout=writing)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1
    assert names_in(out.parent) == []


def test_names_that_the_terminal_cannot_show(checkpoint, out, tmp_path):
    named = checkpoint.rename(tmp_path / "größe.pth")
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = start(None, named, "-o", out, env={**os.environ, **locale})
    assert done.stderr == ""
    assert done.returncode == 0
    assert "gr\\udcc3\\udcb6" in done.stdout
    assert OnnxRuntimeBackend(out).spec.origin.checkpoint


def test_full_disk_leaves_nothing(capsys, checkpoint, out, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    status, _, errors = run(capsys, checkpoint, "-o", out)
    assert status == 1
    assert "No space left on device" in errors
    assert str(out) in errors
    assert names_in(out.parent) == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["none.pth"], "there is no checkpoint none.pth"),
        (["CHECKPOINT", "-o", "nowhere/model.onnx"], "does not exist; make the folder first"),
        (["CHECKPOINT", "--arch", "ehpnet"], "the weights are not ehpnet's"),
        (["CHECKPOINT", "--images", "nowhere"], "there is no nowhere"),
        (["CHECKPOINT", "--images", str(FOLDER), "--boxes", "none.csv"], "cannot read the boxes file none.csv"),
        (["OTHER"], "of no known family, and share no name and shape with any"),
        (["NAN"], "are NaN or infinite"),
    ],
)
def test_failures_are_one_line_and_leave_nothing(
    capsys, checkpoint, lightweight_state, tmp_path, monkeypatch, argv, message
):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    other, nan = tmp_path / "other.pth", tmp_path / "nan.pth"
    torch.save({"conv.weight": torch.zeros(2, 2)}, other)
    torch.save({**lightweight_state, "fc_yaw.bias": torch.full((66,), float("nan"))}, nan)
    named = {"CHECKPOINT": checkpoint, "OTHER": other, "NAN": nan}
    status, _, errors = run(capsys, *(named.get(arg, arg) for arg in argv))
    assert status == 1
    assert message in errors
    assert errors.startswith("python -m export.onnx: error: ")
    assert errors.count("\n") == 1
    assert names_in(Path()) == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "CHECKPOINT"),
        (["w.pth", "--arch", "resnet"], "invalid choice: 'resnet'"),
        (["w.pth", "--batch", "0"], "'dynamic' or a number"),
        (["w.pth", "--batch", "many"], "'dynamic' or a number"),
        (["w.pth", "-o", "model.pth"], "must name a file that ends in .onnx"),
        (["w.pth", "--boxes", "b.csv"], "--images"),
        (["w.pth", "--batch", "²"], "'dynamic' or a number"),
        (["w.pth", "--worst-deg", "-1"], "above 0"),
        (["w.pth", "--worst-deg", "much"], "a number above 0, got 'much'"),
    ],
)
def test_wrong_usage_exits_with_2(capsys, argv, message):
    status, _, errors = run(capsys, *argv)
    assert status == 2
    assert message in errors


@pytest.mark.parametrize("package", ["torch", "onnx", "onnxsim"])
def test_missing_package_says_what_to_install(capsys, checkpoint, out, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    status, _, errors = run(capsys, checkpoint, "-o", out)
    assert status == 1
    assert f"needs {package}" in errors
    assert "run: pip install 'hpe-edge[export]'" in errors


def test_module_runs_and_does_not_hide_the_onnx_package(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "export.onnx", str(tmp_path / "none.pth")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("python -m export.onnx: error: there is no checkpoint")


def test_help_names_what_there_is(capsys):
    status, said, _ = run(capsys, "--help")
    assert status == 0
    for words in ("--list", "--adopt", "--trust", "an existing one is replaced", "architecture's name with .onnx"):
        assert words in " ".join(said.split())


class Ends:
    """Unpickling it raises what would end the process."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self):
        return exec, (f"raise {self.how}",)


@pytest.mark.parametrize("how", ["SystemExit(0)", "SystemExit('bye')", "GeneratorExit"])
def test_a_trusted_file_does_not_decide_the_exit_status(lightweight_state, out, tmp_path, how):
    torch.save({"state_dict": lightweight_state, "x": Ends(how)}, tmp_path / "w.pth")
    argv = [sys.executable, "-m", "export.onnx", "--trust", tmp_path / "w.pth", "-o", out]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == f"trusted     --trust: the code in {tmp_path / 'w.pth'} is now run\n"
    assert " error: " in done.stderr and done.stderr.count("\n") == 1
    assert names_in(out.parent) == []


def test_an_epoch_among_the_weights_does_not_keep_them_from_being_exported(capsys, lightweight_state, out, tmp_path):
    torch.save({**lightweight_state, "epoch": 3}, tmp_path / "w.pth")
    status, said, _ = run(capsys, tmp_path / "w.pth", "-o", out)
    assert status == 0
    assert "epoch among the weights is no tensor" in said
