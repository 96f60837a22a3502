"""The suite of region operations: every alternative answers alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import benchmarks.regions.region_ops
from benchmarks.__main__ import main


@pytest.fixture(autouse=True)
def few_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks.regions.region_ops, "BOXES", (1, 40))


def test_every_alternative_is_timed(tmp_path: Path) -> None:
    out = tmp_path / "regions.json"
    assert main(["regions", "--quick", "--json", str(out)]) == 0
    results = json.loads(out.read_text())["results"]
    assert [(each["name"], each["parameters"]["boxes"]) for each in results] == [
        (name, count) for count in (1, 40) for name in ("RoIAlign", "suppression")
    ]
    for each in results:
        assert {"hpe_edge", "onnxruntime"} <= {row["name"] for row in each["rows"]}


def test_another_answer_is_noticed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    suppress = benchmarks.regions.region_ops.suppress
    monkeypatch.setattr(benchmarks.regions.region_ops, "suppress", lambda *given: np.roll(suppress(*given), 1))
    assert main(["regions", "--quick"]) == 1
    assert "suppression" in capsys.readouterr().err
