"""The page of the documentation: its example runs, and the built site holds the page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from js_calls import rgba
from test_js_engine import sample

from export.browser.runtime import find_node
from export.browser.site import page_files
from hpe_edge import PoseEngine
from hpe_edge.models import DEFAULT

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_runs_in_node(tmp_path: Path, runtime: Path, detector_file: Path) -> None:
    (example,) = re.findall(r"^```js\n(.*?)^```$", (ROOT / "docs" / "browser.md").read_text(), re.DOTALL | re.MULTILINE)
    frame = cv2.resize(sample("astronaut.jpg")[0], (320, 320))
    (tmp_path / "frame.rgba").write_bytes(rgba(frame).tobytes())
    shutil.copy(DEFAULT, tmp_path / "model.onnx")
    shutil.copy(detector_file, tmp_path / "face-detector.onnx")
    (tmp_path / "export").symlink_to(ROOT / "export")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "onnxruntime-web").symlink_to(runtime.parent)
    lines = "const data = await readFile('frame.rgba'), [width, height] = [320, 320];\n"
    shown = "console.log(JSON.stringify(poses.map(({ angles }) => angles)), yaw, pitch, roll);\n"
    (tmp_path / "example.mjs").write_text(example.replace("const frame =", f"{lines}const frame =") + shown)
    command = [find_node(), "--preserve-symlinks", "example.mjs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with PoseEngine(detector=detector_file) as engine:
        poses = engine(frame)
    assert len(poses) == done.stdout.count("],[") + 1 > 1


def test_the_site_holds_the_page(tmp_path: Path, runtime: Path) -> None:
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, content in page_files(runtime).items():
        built = tmp_path / "site" / "browser" / name
        if isinstance(content, Path):
            assert built.read_bytes() == content.read_bytes(), name
        else:
            assert built.read_text() == content, name
    assert 'src="page/index.html"' in (tmp_path / "site" / "browser" / "index.html").read_text()
