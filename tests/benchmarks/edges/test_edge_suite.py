"""The suite of converted models, on OpenVINO alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from benchmarks.__main__ import main
from benchmarks.edges import suite


def test_degrees_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="needs OpenVINO")
    monkeypatch.setattr(suite, "TARGETS", (("openvino-ir", False), ("openvino-ir", True), ("rknn", False)))
    model, path = write_tiny_model(tmp_path / "tiny.onnx"), tmp_path / "edge.json"
    assert main(["edge", "--quick", "--models", str(model), "--json", str(path)]) == 0
    full, half = json.loads(path.read_text())["results"]  # rknn is left out: its Python is not named
    assert (full["parameters"]["precision"], half["parameters"]["precision"]) == ("fp32", "fp16")
    for result in (full, half):
        figures = result["figures"]
        assert figures["worst_deg"] >= figures["mean_deg"] >= 0 and figures["bytes"] > 0
        assert figures["fastest_ms"] > 0 and figures["onnxruntime_ms"] > 0
    assert full["figures"]["passes"] == 1 and full["figures"]["worst_deg"] < 0.01
    assert half["figures"]["worst_deg"] > full["figures"]["worst_deg"]
