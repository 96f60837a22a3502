"""The suite of the JavaScript library, in Node and in Chromium."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from chromium import PROGRAM
from grid_model import write_grid_model

from benchmarks.__main__ import main
from benchmarks.browser import suite
from export.browser.runtime import find_node, find_runtime
from hpe_edge import BackendError
from hpe_edge.faces.grids.embedded import EmbeddedDetector


@pytest.fixture
def ready() -> None:
    try:
        find_node(), find_runtime()
    except BackendError as error:
        if os.environ.get("HPE_EDGE_REQUIRE_BROWSER"):
            raise
        pytest.skip(f"needs Node and ONNX Runtime Web: npm ci ({error})")
    if PROGRAM is None:
        pytest.skip("needs a browser: apt-get install chromium")


@pytest.mark.usefixtures("ready")
def test_poses_and_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "COUNTS", (2,))
    detector = write_grid_model(tmp_path / "a.onnx", (1, 4, 10), 1, size_hw=None, strides=EmbeddedDetector.STRIDES)
    path = tmp_path / "browser.json"
    assert main(["browser", "--quick", "--detector", str(detector), "--json", str(path)]) == 0
    results = json.loads(path.read_text())["results"]
    places = {(r["parameters"]["where"], r["parameters"]["threads"]) for r in results}
    assert {("Node", 1), ("Chromium", 1)} <= places
    assert [r["name"] for r in results] == ["poses", "finding"] * len(places)
    for result in results:
        by = result["figures"]
        if result["name"] == "poses":
            assert 0 < by["largest_difference_deg"] < 0.01
            assert by["whole_median_ms"] >= by["whole_p10_ms"] > 0
        else:
            assert by["faces"] > 0 and by["frame_p10_ms"] > 0


@pytest.mark.usefixtures("ready")
def test_a_model_that_the_library_refuses_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "a.onnx"
    other.write_bytes(b"nonsense")
    assert main(["browser", "--quick", "--detector", str(other)]) == 1
    assert "not an ONNX model" in capsys.readouterr().err


def test_without_a_browser_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(BackendError, match="apt-get install chromium"):
        suite._in_chromium(suite._work(1, None), tmp_path, 1)
