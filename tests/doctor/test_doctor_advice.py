"""The doctor's steps, taken on a machine on which packages start as the real ones do: afterwards the feature works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from pip_machine import RELEASES, PipMachine

from hpe_edge.doctor.abilities import Ability, abilities
from hpe_edge.doctor.report import look

ROOT = Path(__file__).resolve().parents[2]
CUDA, ORT_TENSORRT, RUN_ENGINES = (
    "run models on a GPU with CUDA",
    "run models with TensorRT in ONNX Runtime",
    "run TensorRT engines",
)


def can(machine: PipMachine, name: str) -> Ability:
    return next(ability for ability in abilities(look(machine)) if ability.name == name)


def mend(machine: PipMachine, name: str) -> str:
    """Take the steps until the feature works; returns the reasons."""
    reasons = []
    for _ in range(4):
        ability = can(machine, name)
        if ability.able:
            return "; ".join(reasons)
        for lack in ability.lacks:
            reasons.append(lack.why)
            machine.follow(lack.todo)
    raise AssertionError(f"{name} still does not work: {'; '.join(reasons)}")


@pytest.mark.parametrize(
    ("driver", "python", "installed"),
    [
        ("13.0", "3.12.3", ("onnxruntime-gpu", "tensorrt-cu13")),  # TensorRT 11: libnvinfer.so.11
        ("13.0", "3.12.3", ("onnxruntime-gpu", "tensorrt-cu13<10.14")),
        ("12.8", "3.12.3", ("onnxruntime-gpu", "tensorrt-cu13")),  # both for a newer driver
        ("12.8", "3.12.3", ("onnxruntime-gpu<1.27",)),
        ("12.4", "3.10.12", ("onnxruntime-gpu", "tensorrt-cu12")),
        ("12.4", "3.10.12", ("onnxruntime-gpu", "tensorrt-cu12<10.9")),
        ("13.0", "3.10.12", ("onnxruntime-gpu",)),
        ("13.2", "3.14.0", ("onnxruntime-gpu<1.19",)),
    ],
)
def test_onnx_runtimes_tensorrt_works_after_the_advice(driver: str, python: str, installed: tuple[str, ...]) -> None:
    assert "TensorRT" in mend(PipMachine(driver, python, *installed), ORT_TENSORRT)


def test_the_tensorrt_that_does_not_fit_is_named() -> None:
    (lack,) = can(PipMachine("13.0", "3.12.3", "onnxruntime-gpu", "tensorrt-cu13"), ORT_TENSORRT).lacks
    assert "needs TensorRT >=10.14,<11, got 11.4.0.106" in lack.why and "libnvinfer.so.10" in lack.why
    assert "pip install 'tensorrt-cu13>=10.14,<11'" in lack.todo


def test_a_driver_that_is_too_old_for_everything() -> None:
    machine = PipMachine("11.4", "3.10.12", "onnxruntime-gpu", "cuda-bindings<12")
    for name in (CUDA, ORT_TENSORRT, RUN_ENGINES):
        assert any("update the driver" in step for lack in can(machine, name).lacks for step in lack.todo)


@pytest.mark.parametrize(
    ("driver", "bindings", "reason"),
    [
        ("12.8", "==12.8.0", "cuda-bindings 12.8.0 is older than 12.9.10"),
        ("12.8", "==12.9.0", "cuda-bindings 12.9.0 is older than 12.9.10"),
        ("12.8", "==13.5.0", "cuda-bindings 13.5.0 is newer than CUDA 12.8"),
        ("13.0", "==12.9.1", "cuda-bindings 12.9.1 is older than 12.9.10"),
        ("12.2", "==12.9.10", ""),
        ("13.0", "==12.9.10", ""),
        ("13.2", "==13.0.3", ""),
    ],
)
def test_cuda_bindings_fit_the_driver_and_release_the_gil(driver: str, bindings: str, reason: str) -> None:
    machine = PipMachine(
        driver, "3.12.3", "onnxruntime-gpu<1.27", f"tensorrt-cu{driver[:2]}", f"cuda-bindings{bindings}"
    )
    said = mend(machine, RUN_ENGINES)
    assert reason in said and bool(said) == bool(reason)


def test_a_tensorrt_for_a_newer_driver() -> None:
    machine = PipMachine("12.8", "3.12.3", "onnxruntime-gpu<1.27", "tensorrt-cu13", "cuda-bindings<13")
    assert "built for CUDA 13, the driver supports up to 12.8" in mend(machine, RUN_ENGINES)
    assert "tensorrt-cu12" in machine.installed and "tensorrt-cu13" not in machine.installed


@pytest.mark.parametrize(("extra", "driver"), [("tensorrt", "13.0"), ("tensorrt-cu12", "12.4")])
def test_the_extra_serves_engines_and_onnx_runtime(extra: str, driver: str) -> None:
    text = (ROOT / "pyproject.toml").read_text()
    listed = re.search(rf"^{extra} = \[(.*)\]$", text, re.MULTILINE)
    assert listed is not None
    onnx_runtime = "onnxruntime-gpu" if driver >= "13" else "onnxruntime-gpu<1.27"
    machine = PipMachine(driver, "3.12.3", onnx_runtime, *re.findall(r'"([^"]+)"', listed[1]))
    assert can(machine, RUN_ENGINES).able and can(machine, ORT_TENSORRT).able


def test_every_extra_takes_a_cuda_bindings_that_releases_the_gil() -> None:
    requirements = [
        Requirement(text) for text in re.findall(r'"(cuda-bindings[^"]*)"', (ROOT / "pyproject.toml").read_text())
    ]
    assert len(requirements) >= 3
    for requirement in requirements:
        taken = [version for version in RELEASES["cuda-bindings"] if requirement.specifier.contains(version)]
        assert taken and min(map(Version, taken)) >= Version("12.9.10"), str(requirement)
