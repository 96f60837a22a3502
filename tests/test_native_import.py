"""A source tree without the compiled module says what to do, and the runtime imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(code: str, cwd: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *flags, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)


def test_a_shadowing_source_tree_is_named(tmp_path: Path) -> None:
    (tmp_path / "hpe_edge").mkdir()
    for file in ("native.py", "__init__.py"):
        source = (ROOT / "hpe_edge" / file).read_text()
        # The package's own imports would need the rest of the tree: the first one is what matters.
        text = source if file == "native.py" else "import hpe_edge.native\n"
        (tmp_path / "hpe_edge" / file).write_text(text)
    (tmp_path / "CMakeLists.txt").touch()
    # -S keeps an editable install's import hook out.
    result = run("import hpe_edge", tmp_path, "-S")
    assert result.returncode != 0
    assert "pip install -e ." in result.stderr and str(tmp_path) in result.stderr


def test_an_incomplete_installation_is_named(tmp_path: Path) -> None:
    """The package is on no index, so its name alone would install nothing."""
    (tmp_path / "hpe_edge").mkdir()
    (tmp_path / "hpe_edge" / "__init__.py").touch()
    (tmp_path / "hpe_edge" / "native.py").write_text((ROOT / "hpe_edge" / "native.py").read_text())
    said = run("import hpe_edge.native", tmp_path, "-S").stderr
    assert "`pip install --force-reinstall` with the checkout or the wheel" in said


def test_importing_the_runtime_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("torch", "onnx", "tensorrt", "onnxruntime", "cv2", "export", "benchmarks")
    result = run(f"import sys, hpe_edge; print([m for m in {heavy!r} if m in sys.modules])", tmp_path)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
