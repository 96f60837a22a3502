"""The script that installs on a Jetson, on made-up ones: dpkg-query, sudo and python3 are stand-ins that keep a log."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hpe_edge.cuda.version_table import cuda_bindings_for

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "jetson_install.sh"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a Jetson runs Linux")
HEAD = "# R{0} (release), REVISION: {1}, GCID: 1, BOARD: generic, EABI: aarch64\n"


class Jetson:
    def __init__(self, folder: Path) -> None:
        self.root, self.clone, self.bin, self.log = (folder / name for name in ("root", "clone", "bin", "log"))
        for path in (self.root / "etc", self.root / "usr/local/cuda/bin", self.clone / "tools", self.bin):
            path.mkdir(parents=True)
        shutil.copy(SCRIPT, self.clone / "tools")
        self.log.touch()
        self.packages(*["nvidia-opencv", "python3-libnvinfer", "g++", "python3-dev", "python3-venv"])
        self.program(self.root / "usr/local/cuda/bin/nvcc", "")
        self.program(self.bin / "sudo", f'echo "sudo $*" >>{self.log}')
        python = f'echo "python $*" >>{self.log}; [ "$3" = list ] && cat {folder}/pip 2>/dev/null; true'
        make = f"mkdir -p .venv/bin && cp {folder}/python .venv/bin/python && cp {folder}/python .venv/bin/hpe-edge"
        self.program(folder / "python", python)
        self.program(self.bin / "python3", f'echo "python3 $*" >>{self.log}; {make}')
        self.pip = folder / "pip"

    def release(self, major: int, minor: str) -> None:
        (self.root / "etc/nv_tegra_release").write_text(HEAD.format(major, minor))

    def packages(self, *names: str) -> None:
        cases = "".join(f"{name}) echo -n installed ;;\n" for name in names)
        self.program(self.bin / "dpkg-query", f'case "${{@: -1}}" in\n{cases}*) exit 1 ;;\nesac')

    @staticmethod
    def program(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"ROOT": str(self.root), "PATH": f"{self.bin}:{os.environ['PATH']}"}
        command = ["bash", str(self.clone / "tools/jetson_install.sh"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def jetson(tmp_path: Path) -> Jetson:
    return Jetson(tmp_path)


def test_looks_before_it_acts(jetson: Jetson) -> None:
    jetson.release(36, "4.3")
    jetson.packages("g++", "python3-dev", "python3-venv")
    done = jetson()
    assert done.returncode == 0, done.stderr
    assert jetson.log.read_text() == "" and not (jetson.clone / ".venv").exists()
    assert "would run  sudo apt-get install -y nvidia-opencv python3-libnvinfer\n" in done.stdout
    assert "would run  python3 -m venv --system-site-packages .venv\n" in done.stdout


def test_runs_its_steps_and_again_only_what_is_left(jetson: Jetson) -> None:
    jetson.release(36, "4.3")
    assert jetson("--yes").returncode == 0
    lines = jetson.log.read_text().splitlines()
    assert lines[0] == "python3 -m venv --system-site-packages .venv"
    bindings = str(Requirement(cuda_bindings_for("12.6") or "")).replace(" ", "")
    assert lines[1].startswith("python -m pip install . numpy>=1.23,<2 onnx onnxruntime cuda-bindings")
    assert Requirement(lines[1].split()[-1]) == Requirement(bindings)
    (jetson.clone / ".venv/pyvenv.cfg").write_text("include-system-site-packages = true\n")
    jetson.pip.write_text("numpy==1.26.4\nopencv-python-headless==4.14.0.94\n")
    done = jetson()
    assert "venv --system" not in done.stdout
    assert "would run  .venv/bin/python -m pip uninstall -y opencv-python-headless\n" in done.stdout


def test_jetpack_7(jetson: Jetson) -> None:
    jetson.release(38, "2.1")
    (jetson.root / "usr/local/cuda/bin/nvcc").unlink()
    done = jetson()
    assert "sudo apt-get install -y nvidia-jetpack\n" in done.stdout
    assert f"'{(cuda_bindings_for('13.0') or '')}'" in done.stdout


@pytest.mark.parametrize(("major", "minor", "why"), [(35, "4.1", "JetPack 5"), (41, "1.0", "not known")])
def test_other_releases_are_refused(jetson: Jetson, major: int, minor: str, why: str) -> None:
    jetson.release(major, minor)
    done = jetson("--yes")
    assert done.returncode == 1 and why in done.stderr and jetson.log.read_text() == ""


def test_elsewhere(jetson: Jetson) -> None:
    done = jetson("--yes")
    assert done.returncode == 1 and "no Jetson" in done.stderr


def test_an_environment_that_sees_nothing_is_refused(jetson: Jetson) -> None:
    jetson.release(36, "4.3")
    (jetson.clone / ".venv/bin").mkdir(parents=True)
    shutil.copy(jetson.pip.parent / "python", jetson.clone / ".venv/bin/python")
    (jetson.clone / ".venv/pyvenv.cfg").write_text("include-system-site-packages = false\n")
    done = jetson("--yes")
    assert done.returncode == 1 and "does not see JetPack's" in done.stderr and jetson.log.read_text() == ""


def test_a_step_that_fails_ends_it(jetson: Jetson) -> None:
    jetson.release(36, "4.3")
    jetson.packages()
    jetson.program(jetson.bin / "sudo", "exit 100")
    done = jetson("--yes")
    assert done.returncode == 1 and "this step failed" in done.stderr and jetson.log.read_text() == ""
