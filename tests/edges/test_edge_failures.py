"""Converters that hang, crash, print or are missing, and arguments that cannot be used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from export.edge import export, main, worker_process
from hpe_edge.errors import BackendError, InputError, ModelError

ROOT = Path(__file__).resolve().parents[2]


def fake_python(path: Path, body: str) -> Path:
    """Write a shell script that stands for a converter's Python."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def convert(folder: Path, python: Path, to: str = "mnn") -> None:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    model = folder / "tiny.onnx"
    write_tiny_model(model)
    export(model, to=to, output=out / "face.mnn", python=python)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, which every failure must leave empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def nothing_is_left(tmp_path: Path, temporary: Path) -> bool:
    return not list((tmp_path / "out").iterdir()) and not list(temporary.iterdir())


def test_crash_is_reported_with_the_last_lines(tmp_path: Path, temporary: Path) -> None:
    python = fake_python(tmp_path / "python", "echo noise; echo the last words >&2; kill -SEGV $$")
    with pytest.raises(BackendError, match=r"converting tiny.onnx for MNN crashed with SIGSEGV.*the last words"):
        convert(tmp_path, python)
    assert nothing_is_left(tmp_path, temporary)


def test_noise_stays_away_from_standard_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    python = fake_python(tmp_path / "python", "echo NOISE; echo NOISE >&2; exit 4")
    with pytest.raises(ModelError, match="status 4"):
        convert(tmp_path, python)
    assert "NOISE" not in "".join(capfd.readouterr())


def test_converter_that_hangs_is_stopped(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "LIMIT_S", 0.5)
    children = tmp_path / "children"
    python = fake_python(tmp_path / "python", f"sleep 600 & echo $! $$ >{children}; echo busy; wait")
    with pytest.raises(BackendError, match=r"did not end within 0.5 s and was stopped.*busy"):
        convert(tmp_path, python)
    assert nothing_is_left(tmp_path, temporary)
    for pid in children.read_text().split():
        assert wait_until(lambda pid=pid: ended(int(pid)))


def test_partial_result_is_not_taken(tmp_path: Path, temporary: Path) -> None:
    """A converter that writes half a file and ends well without a report."""
    python = fake_python(tmp_path / "python", "echo half >converted.mnn; exit 0")
    with pytest.raises(ModelError, match="failed"):
        convert(tmp_path, python)
    assert nothing_is_left(tmp_path, temporary)


def test_missing_package_names_the_installation(tmp_path: Path, temporary: Path) -> None:
    python = fake_python(tmp_path / "python", f'exec {sys.executable} -S -E "$@"')
    with pytest.raises(BackendError, match=r"needs MNN, which cannot be imported .*pip install .*\[mnn\]"):
        convert(tmp_path, python)
    assert nothing_is_left(tmp_path, temporary)


def test_missing_package_of_its_own_environment(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "python", f'exec {sys.executable} -S -E "$@"')
    write_tiny_model(tmp_path / "tiny.onnx")
    with pytest.raises(BackendError, match=r"rknn/bin/pip install rknn-toolkit2; then add --python"):
        export(tmp_path / "tiny.onnx", to="rknn", output=tmp_path / "face.rknn", python=python)


def test_stopped_command_leaves_nothing_and_no_process(tmp_path: Path) -> None:
    """The stand-in ends with its input, as a worker does: the signal may come before its start is known."""
    ready = tmp_path / "ready"
    python = fake_python(tmp_path / "python", f"echo $$ >{ready}.new; mv {ready}.new {ready}; exec cat")
    (tmp_path / "out").mkdir()
    write_tiny_model(tmp_path / "tiny.onnx")
    command = ["-m", "export.edge", str(tmp_path / "tiny.onnx"), "--to", "mnn", "--python", str(python)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "temporary")}
    process = subprocess.Popen(
        [sys.executable, *command, "-o", str(tmp_path / "out" / "face.mnn")],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert wait_until(ready.exists, seconds=60)
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped by SIGTERM; nothing was written" in error
    assert nothing_is_left(tmp_path, tmp_path / "temporary")
    assert wait_until(lambda: ended(int(ready.read_text())))


def test_worker_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """SIGKILL runs no clean-up in the parent; the worker sees its standard input close."""
    (tmp_path / "sleepy_worker.py").write_text("import time\n\ndef convert(job):\n    time.sleep(600)\n")
    (tmp_path / "job.json").write_text('{"worker": "sleepy_worker", "convert": true, "report": "report.json"}')
    script = ROOT / "export" / "edge" / "workers" / "run_worker.py"
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, {str(script)!r}, 'job.json'], stdin=subprocess.PIPE, "
        "start_new_session=True)\n"
        "print(child.pid, flush=True)\ntime.sleep(600)\n"
    )
    pytest.importorskip("numpy")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(0.5)
    assert not ended(worker)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: ended(worker), seconds=30)


def wait_until(done: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.05)
    return done()


def ended(pid: int) -> bool:
    """A process has gone, or is a zombie that its parent has not asked for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_weights_of_another_model_are_not_replaced(tmp_path: Path) -> None:
    """face.param and face.xml both have a face.bin."""
    write_tiny_model(tmp_path / "tiny.onnx")
    (tmp_path / "face.bin").write_text("of face.param")
    with pytest.raises(InputError, match=r"face\.bin is there without .*face\.xml"):
        export(tmp_path / "tiny.onnx", to="openvino-ir", output=tmp_path / "face.xml")
    assert (tmp_path / "face.bin").read_text() == "of face.param"


def test_batch_that_is_fixed_to_more_is_refused(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny.onnx", batch=4)
    with pytest.raises(InputError, match="fixed batch of 4"):
        export(model, to="ncnn", output=tmp_path / "face.param")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["tiny.onnx"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "ncnn", "-o", "face.bin"], "ends in .param"),
        (["--to", "mnn", "-o", "face.mnn", "--platform", "rk3588"], "--platform is for --to rknn"),
        (["--to", "tflite", "-o", "face.tflite", "--fp16"], "--fp16 is not for --to tflite"),
        (["--to", "mnn", "-o", "face.mnn", "--python", "nowhere/python"], "--python must name"),
        (["--to", "mnn", "-o", "face.mnn", "--boxes", "boxes.csv"], "--boxes needs --images"),
        (["--to", "tensorflow", "-o", "face.tf"], "invalid choice"),
        (["-o", "face.mnn"], "--to"),
    ],
)
def test_wrong_usage(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]


def test_a_file_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    with pytest.raises(InputError, match=r"cannot be started"):
        convert(tmp_path, tmp_path / "text")
