"""A source tree without the compiled module says what to do, and the runtime imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, cwd: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *flags, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)


def source_tree(folder: Path) -> None:
    """Lay down a package without the compiled module, of which only the import of that matters."""
    ops = folder / "hpe_edge" / "ops"
    ops.mkdir(parents=True)
    (ops / "native.py").write_text((ROOT / "hpe_edge" / "ops" / "native.py").read_text())
    (ops / "__init__.py").touch()
    (folder / "hpe_edge" / "__init__.py").touch()


def test_a_shadowing_source_tree_is_named(tmp_path: Path) -> None:
    source_tree(tmp_path)
    (tmp_path / "CMakeLists.txt").touch()
    # -S keeps an editable install's import hook out.
    result = run("import hpe_edge.ops.native", tmp_path, "-S")
    assert result.returncode != 0
    assert "pip install -e ." in result.stderr and str(tmp_path) in result.stderr


def test_an_incomplete_installation_is_named(tmp_path: Path) -> None:
    """The package is on no index, so its name alone would install nothing."""
    source_tree(tmp_path)
    said = run("import hpe_edge.ops.native", tmp_path, "-S").stderr
    assert "`pip install --force-reinstall` with the checkout or the wheel" in said


def test_importing_the_runtime_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("numpy", "cv2", "torch", "onnx", "tensorrt", "onnxruntime", "openvino", "aiohttp", "export", "benchmarks")
    result = run(f"import sys, hpe_edge; print([m for m in {heavy!r} if m in sys.modules])", tmp_path)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_public_names_are_listed_and_found(tmp_path: Path) -> None:
    """In a fresh interpreter, where nothing has been imported on demand yet."""
    result = run(
        "import hpe_edge; assert dir(hpe_edge) == sorted(hpe_edge.__all__); from hpe_edge import *;"
        "print([name for name in hpe_edge.__all__ if name not in globals()], PoseEngine.__name__)",
        tmp_path,
    )
    assert result.stdout.strip() == "[] PoseEngine", result.stdout + result.stderr


def test_an_unknown_name_is_no_attribute(tmp_path: Path) -> None:
    result = run("import hpe_edge; print(hasattr(hpe_edge, 'PoseEngines'))", tmp_path)
    assert result.stdout.strip() == "False", result.stdout + result.stderr
