"""The suite of native code, with FP32 alone."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.__main__ import main
from hpe_edge._native import network_isa_names


def test_every_path_beside_onnx_runtime(tmp_path: Path) -> None:
    path = tmp_path / "native.json"
    assert main(["native", "--quick", "--json", str(path)]) == 0
    results = json.loads(path.read_text())["results"]
    for name, what, tolerance in (("one face", "degrees", 0.01), ("one frame", "scores", 1e-3)):
        found = [each for each in results if each["name"] == name]
        assert [each["parameters"]["path"] for each in found] == network_isa_names()
        for result in found:
            assert {"onnxruntime fp32", "native fp32"} <= {row["name"] for row in result["rows"]}
            assert "native int8" in result["skipped"]
            own = next(row for row in result["rows"] if row["name"] == "native fp32")
            assert own["differences"][what]["largest"] < tolerance
    (whole,) = (each for each in results if each["name"] == "frame to angles")
    assert whole["rows"][0]["name"] == "plain pipeline" and len(whole["rows"]) == 4
