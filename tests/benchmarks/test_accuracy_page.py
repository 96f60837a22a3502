"""docs/accuracy.md: its tables are those of the committed runs, and of what is kept as published."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suites.accuracy import DATASETS
from benchmarks.suites.published import PUBLISHED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
ANGLES = ("yaw", "pitch", "roll", "mean")

# The original pipelines' record of the same 195 photos, in the order of ANGLES.
ORIGINALS = {
    ("lightweight", "square of 1.3 times the box, whole pixels"): (3.3671, 4.6390, 3.5187, 3.8416),
    ("lightweight", "square of 1.5 times the box, whole pixels"): (3.8367, 5.0093, 3.7095, 4.1852),
    ("fsanet", "HopeNet's margins"): (3.6246, 5.4109, 3.7549, 4.2634),
}
BOXES_OF = {"landmarks": "landmarks", "haar": "Haar", "yunet_n_640_640": "YuNet"}


def results(name: str) -> list[dict[str, Any]]:
    document = json.loads((ROOT / "benchmarks" / "results" / f"amd-epyc-{name}.json").read_text())
    assert document["environment"]["git"]["dirty"] is False and document["quick"] is False
    found: list[dict[str, Any]] = document["results"]
    return found


def of(name: str, kind: str) -> list[dict[str, Any]]:
    return [result for result in results(name) if result["name"] == kind]


def cells(values: Any, digits: int = 2) -> str:
    return " | ".join(f"{value:.{digits}f}°" for value in values)


def reproduced_lines() -> list[str]:
    """For each crop of an original: its record, and each form's errors on the same windows."""
    lines = []
    for (model, crop), original in ORIGINALS.items():
        lines.append(f"| {model}, the original | {crop} | {cells(original)} |")
        for result in of(f"accuracy-{model}", "accuracy"):
            if result["parameters"]["crop"] == crop:
                figures = result["figures"]
                found = cells(figures[f"{angle}_mae_deg"] for angle in ANGLES)
                lines.append(f"| {result['parameters']['form']}, here | {crop} | {found} |")
    return lines


def difference_lines() -> list[str]:
    lines = []
    for model in ("lightweight", "fsanet"):
        errors = {
            (result["parameters"]["form"], result["parameters"]["crop"]): result["figures"]
            for result in of(f"accuracy-{model}", "accuracy")
        }
        for result in of(f"accuracy-{model}", "difference"):
            p, by = result["parameters"], result["figures"]
            own = errors[p["form"], p["crop"]]
            name = "mean_mae_minus_first_deg"
            interval = f"{own['mean_mae_deg_low']:.2f}° to {own['mean_mae_deg_high']:.2f}°"
            change = f"{by[name]:+.3f}° | {by[f'{name}_low']:+.3f}° to {by[f'{name}_high']:+.3f}°"
            lines.append(f"| {p['form']} | {p['crop']} | {own['mean_mae_deg']:.2f}° | {interval} | {change} |")
    return lines


def detector_lines() -> list[str]:
    lines = []
    for result in of("accuracy-aflw2000", "accuracy"):
        p, by = result["parameters"], result["figures"]
        interval = f"{by['mean_mae_deg_low']:.2f}° to {by['mean_mae_deg_high']:.2f}°"
        found = cells([by["mean_mae_deg"], by["geodesic_median_deg"], by["geodesic_p99_deg"]])
        mean, rest = found.split(" | ", 1)
        lines.append(
            f"| {BOXES_OF[p['boxes']]} | {p['form']} | {by['faces']} | {by['missed']} | {mean} | {interval} | {rest} |"
        )
    return lines


def published_lines() -> list[str]:
    lines = []
    for row in PUBLISHED:
        about = f"{row.protocol} | {row.trained_on} | {row.source}"
        lines.append(f"| {row.data} | {row.method}, {row.year} | {cells(row.mae_deg)} | {about} |")
    return lines


TABLES = (reproduced_lines, difference_lines, detector_lines, published_lines)


@pytest.mark.parametrize("lines", TABLES, ids=lambda lines: lines.__name__)
def test_tables(lines: Any) -> None:
    rows = lines()
    assert len(rows) >= 4
    assert "\n".join(rows) in PAGE


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


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.search(r"@[A-Z]+@", PAGE)
