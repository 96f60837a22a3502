"""hpe-edge export finds its code whatever lies in the current folder, in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import hpe_edge
from hpe_edge.cli.export import STEPS
from hpe_edge.cli.main import main

ROOT = Path(hpe_edge.__file__).resolve().parents[1]
HIDING = {
    "a module": {"export.py": "raise SystemExit('hidden')"},
    "a package": {"export/__init__.py": "raise SystemExit('hidden')", "export/onnx.py": ""},
    "a folder": {"export/onnx.py": "raise SystemExit('hidden')"},
    "benchmarks": {"benchmarks/__init__.py": "raise SystemExit('hidden')", "benchmarks.py": ""},
    "nothing": {},
}
LAUNCHERS = {
    "hpe-edge": [sys.executable, "-c", "import sys; from hpe_edge.cli.main import main; sys.exit(main(sys.argv[1:]))"],
    "python -m hpe_edge": [sys.executable, "-m", "hpe_edge"],
}


def export(
    *arguments: str, launcher: str = "python -m hpe_edge", path: str = str(ROOT)
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LAUNCHERS[launcher], "export", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.mark.parametrize("path", [str(ROOT), f":{ROOT}", f".:{ROOT}", f"{ROOT}:."])
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("hiding", HIDING)
def test_whatever_lies_in_the_current_folder(hiding: str, launcher: str, path: str, tmp_path: Path) -> None:
    for name, text in HIDING[hiding].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = export("onnx", "--help", launcher=launcher, path=path)
    assert done.returncode == 0, done.stderr
    assert "usage: hpe-edge export onnx" in done.stdout and "CHECKPOINT" in done.stdout


def test_a_module_that_was_imported_before_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "export.py").write_text("")
    code = "import sys, export; from hpe_edge.cli.main import main; sys.exit(main(['export', 'onnx', '--help']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "CHECKPOINT" in done.stdout, done.stderr


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_help_and_its_name(step: str) -> None:
    done = export(step, "--help")
    assert done.returncode == 0 and f"usage: hpe-edge export {step}" in done.stdout, done.stderr


def test_steps_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"\n    {step}\s+{STEPS[step][:8]}", printed) for step in STEPS)
    assert main(["export"]) == 2


@pytest.mark.parametrize("missing", ["torch", "onnx", "onnxsim"])
def test_missing_packages_are_one_line_with_the_command(missing: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pkl").write_bytes(b"x")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / f"{missing}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{missing}'\", name='{missing}')"
    )
    done = export("onnx", "weights.pkl", path=f"{tmp_path / 'path'}:{ROOT}")
    assert done.returncode == 1, done.stderr
    assert missing in done.stderr and "pip install" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(any(find_spec(name) is None for name in ("torch", "onnx", "onnxsim")), reason="needs .[export]")
def test_a_checkpoint_becomes_a_model_beside_an_export_of_the_users(tmp_path: Path) -> None:
    from hpe_edge import PoseEngine
    from hpe_edge.models import WEIGHTS

    (tmp_path / "export.py").write_text("raise SystemExit('hidden')")
    done = export("onnx", str(WEIGHTS), "-o", "model.onnx")
    assert done.returncode == 0, done.stderr
    with PoseEngine(tmp_path / "model.onnx") as engine:
        assert engine.spec.architecture == "student-v2"
