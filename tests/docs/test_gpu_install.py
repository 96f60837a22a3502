"""Installation on GPUs and Jetsons: pages and Dockerfiles agree with the table of versions and pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hpe_edge.cuda.version_table import (
    JETPACKS,
    ONNX_RUNTIME_GPU,
    cuda_bindings_for,
    dotted,
    onnx_runtime_for,
)

ROOT = Path(__file__).resolve().parents[2]
JETSON, GPU = (ROOT / "docs" / page for page in ("guides/jetson.md", "gpu.md"))
JETSON_IMAGE, X86_IMAGE = (ROOT / "docker" / f"{name}.Dockerfile" for name in ("jetson", "x86"))


def rows(page: Path, first: str) -> list[list[str]]:
    """The rows of the table whose first column is called ``first``."""
    table = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]


def requirements(text: str) -> list[str]:
    """Arguments of the pip commands of a page or a Dockerfile, without quotes."""
    commands = re.findall(r"pip install (.*)", text)
    return [
        word.strip("'\"")
        for line in commands
        for word in re.findall(r"'[^']*'|\"[^\"]*\"|[^\s#\\]+", line.split("  #")[0])
    ]


def dependencies() -> list[Requirement]:
    text = re.search(r"^dependencies = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    assert text is not None
    return [Requirement(each) for each in re.findall(r'^ +"(.*)",$', text[1], re.MULTILINE)]


def test_the_jetson_guide_has_the_table() -> None:
    assert rows(JETSON, "JetPack") == [
        [each.releases, dotted(each.l4t), each.modules, each.ubuntu, each.python, each.cuda, each.cudnn, each.tensorrt]
        for each in JETPACKS
    ]


def test_the_gpu_page_has_the_table() -> None:
    assert rows(GPU, "onnxruntime-gpu from") == [
        [dotted(row.first), dotted(row.python), str(row.cuda), str(row.cudnn), row.tensorrt_range]
        for row in ONNX_RUNTIME_GPU
    ]
    named = requirements(GPU.read_text())
    for cuda in ("12.8", "13.0"):
        assert onnx_runtime_for(cuda, "3.12") in named
    assert ">=1.22,<1.24" in (onnx_runtime_for("13.0", "3.10") or "") and ">=1.22,<1.24" in GPU.read_text()


@pytest.mark.parametrize("path", [JETSON, JETSON_IMAGE])
def test_a_jetson_keeps_jetpacks_opencv(path: Path) -> None:
    """Nothing that is installed brings an OpenCV: hpe_edge depends on none, and its extras are left out."""
    text = path.read_text()
    named = requirements(text.split("## Versions")[0])
    assert "--system-site-packages" in text and "nvidia-opencv" in text
    assert not [each for each in (*named, *map(str, dependencies())) if "opencv" in each or each.startswith(".[")]
    given = {Requirement(each).name: Requirement(each) for each in named if re.match(r"[a-z]", each)}
    assert given["numpy"].specifier.contains("1.26.4") and not given["numpy"].specifier.contains("1.21.5")
    assert not given["numpy"].specifier.contains("2.0.0")
    assert str(given["cuda-bindings"]) == str(Requirement(cuda_bindings_for("12.6") or ""))


def test_the_container_for_x86_takes_what_fits() -> None:
    text = X86_IMAGE.read_text()
    for base, extra, cuda in (("13.0.2", "tensorrt", "13.0"), ("12.8.1", "tensorrt-cu12", "12.8")):
        assert f"BASE=nvcr.io/nvidia/cuda:{base}-devel-ubuntu24.04" in text
        assert f"EXTRA={extra}\n" in text
        assert f"ONNX_RUNTIME='{onnx_runtime_for(cuda, '3.12')}'" in text
        assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert 'pip install "/src[$EXTRA,video]" onnx "$ONNX_RUNTIME"' in text


def test_the_guide_names_the_images() -> None:
    base = re.search(r"^ARG BASE=nvcr\.io/nvidia/(\S+)$", JETSON_IMAGE.read_text(), re.MULTILINE)
    assert base is not None and f"`{base[1]}`" in JETSON.read_text()
    for path in (JETSON_IMAGE, X86_IMAGE):
        assert f"docker/{path.name}" in JETSON.read_text()
