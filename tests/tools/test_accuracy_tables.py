"""Figures of docs/accuracy.md; its tables are compared with the runs in test_performance_page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suites.accuracy import DATASETS
from tools.accuracy_tables import ANGLES, ORIGINALS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")


def results(name: str) -> list[dict[str, Any]]:
    files = (ROOT / "benchmarks" / "results").glob("*.json")
    (path,) = (path for path in files if path.stem.split("-", 2)[-1] == name)
    document = json.loads(path.read_text())
    assert document["environment"]["git"]["dirty"] is False and document["quick"] is False
    found: list[dict[str, Any]] = document["results"]
    return found


def of(name: str, kind: str) -> list[dict[str, Any]]:
    return [result for result in results(name) if result["name"] == kind]


def test_float32_and_int8_reproduce_the_originals() -> None:
    for (model, crop), original in ORIGINALS.items():
        found = [r for r in of(f"accuracy-{model}", "accuracy") if r["parameters"]["crop"] == crop]
        assert [result["parameters"]["numbers"] for result in found] == ["fp32", "int8"]
        for result in found:
            assert result["figures"]["mean_mae_deg"] == pytest.approx(original[3], abs=0.05)


def test_the_record_is_the_stored_one(data: Path) -> None:
    stored = json.loads((data / "reference_aflw2000.json").read_text())["mae_deg"]
    names = ("lightweight/square1.3", "lightweight/square1.5", "fsanet_mean/hopenet_exact")
    for name, original in zip(names, ORIGINALS.values(), strict=True):
        assert tuple(stored[name][angle] for angle in ANGLES) == original


def test_every_set_and_its_option_are_on_the_page() -> None:
    for dataset in DATASETS:
        assert f"| `{dataset.option}` |" in PAGE
