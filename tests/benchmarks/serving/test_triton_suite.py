"""The suite of the Triton server, on the real one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.serving import triton
from benchmarks.serving.triton_server import PYTHON_VARIABLE, TritonServer
from hpe_edge import BackendError


def test_an_environment_without_a_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="pip install nvidia-pytriton"):
        TritonServer([], tmp_path, python=tmp_path / "bin" / "python")


@pytest.mark.skipif(PYTHON_VARIABLE not in os.environ, reason="needs the Triton server of nvidia-pytriton")
def test_calls_and_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tritonclient.grpc")
    monkeypatch.setattr(triton, "SIZES", ((512, 512),))
    monkeypatch.setattr(triton, "FACES", (2,))
    path = tmp_path / "triton.json"
    server = os.environ[PYTHON_VARIABLE]
    assert main(["triton", "--quick", "--server", server, "--clients", "4", "--json", str(path)]) == 0
    document = json.loads(path.read_text())
    single, load = document["results"]
    assert [row["name"] for row in single["rows"]] == ["engine", "Triton"]
    assert single["rows"][1]["differences"]["angles_deg"]["largest"] < 1e-3
    figures = load["figures"]
    assert figures["wrong"] == 0 and figures["network_faces"] == 4 * triton.QUICK_REQUESTS
    assert figures["network_runs"] <= figures["network_faces"] and figures["p99_ms"] >= figures["p50_ms"] > 0
