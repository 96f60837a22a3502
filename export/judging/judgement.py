"""Several models by the same measures, with intervals, each compared with the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.distillation.views import Pool
from export.judging.measures import AGREEMENT, Measured
from export.teaching.arrays import SEED
from hpe_edge.geometry import zxy_from_rotation

_BANDS = (("|yaw| < 30", 0.0, 30.0), ("|yaw| 30..60", 30.0, 60.0), ("|yaw| > 60", 60.0, 181.0))
_DRAWS = 1000
_LEAST_FACES = 10  # in a band


def judge(names: Sequence[str], measured: Sequence[Measured], faces: Pool) -> list[dict[str, Any]]:
    """One record per model: for each measure mean, p95, p99 and worst in degrees; slopes; differences.

    ``*_low`` and ``*_high`` are 95 % bootstrap intervals over the faces; ``difference`` is the mean distance from the
    teachers minus the first model's on the same faces.
    """
    yaw = np.abs(zxy_from_rotation(faces.labels.rotations)[:, 0])
    first = measured[0].distances[AGREEMENT]
    records = []
    for name, each in zip(names, measured, strict=True):
        apart = each.distances[AGREEMENT]
        bands = {
            label: _figures(apart[inside])
            for label, low, high in _BANDS
            if (inside := (yaw >= low) & (yaw < high)).sum() >= _LEAST_FACES
        }
        records.append(
            {
                "model": name,
                "faces": len(apart),
                "measures": {what: _figures(values) for what, values in each.distances.items()},
                "bands": bands,
                "slopes": slopes(each, faces),
                "difference": _interval(apart - first),
            }
        )
    return records


def table(records: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of a table: a column for each model, mean and 99th percentile of each measure."""
    rows = [["degrees, mean / p99", *(each["model"] for each in records)]]
    for what in records[0]["measures"]:
        cells = [each["measures"][what] for each in records]
        rows.append([what, *(f"{cell['mean_deg']:.2f} / {cell['p99_deg']:.1f}" for cell in cells)])
    for band in records[0]["bands"]:
        cells = [each["bands"][band] for each in records]
        rows.append([f"{AGREEMENT}, {band}", *(f"{cell['mean_deg']:.2f} / {cell['p99_deg']:.1f}" for cell in cells)])
    for band in records[0]["slopes"]:
        cells = [each["slopes"][band] for each in records]
        rows.append([f"slopes of yaw, pitch, {band}", *(f"{cell['yaw']:.2f}, {cell['pitch']:.2f}" for cell in cells)])
    change = [each["difference"] for each in records]
    rows.append(
        [
            f"{AGREEMENT}, minus the first",
            *(f"{each['mean_deg']:+.2f} ({each['mean_low']:+.2f} to {each['mean_high']:+.2f})" for each in change),
        ]
    )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def slopes(measured: Measured, faces: Pool) -> dict[str, dict[str, float]]:
    """Slopes of the estimated yaw and pitch over the consensus's, by band; below 1 the model shrinks angles."""
    want, got = zxy_from_rotation(faces.labels.rotations), zxy_from_rotation(measured.rotations)
    yaw, found = np.abs(want[:, 0]), {}
    for label, low, high in _BANDS:
        inside = (yaw >= low) & (yaw < high)
        if inside.sum() >= _LEAST_FACES:
            side = np.sign(want[inside, 0])  # turned to either side, the same slope
            found[label] = {
                "yaw": _slope(want[inside, 0] * side, got[inside, 0] * side),
                "pitch": _slope(want[inside, 1], got[inside, 1]),
            }
    return found


def _slope(want: NDArray[np.float64], got: NDArray[np.float64]) -> float:
    return round(float(np.polyfit(want, got, 1)[0]), 3)


def _figures(values: NDArray[np.float64]) -> dict[str, float]:
    return _interval(values) | {
        "p95_deg": round(float(np.percentile(values, 95)), 3),
        "p99_deg": round(float(np.percentile(values, 99)), 3),
        "worst_deg": round(float(values.max()), 3),
    }


def _interval(values: NDArray[np.float64]) -> dict[str, float]:
    draws = np.random.default_rng(SEED).integers(0, len(values), (_DRAWS, len(values)))
    means = values[draws].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return {
        "mean_deg": round(float(values.mean()), 3),
        "mean_low": round(float(low), 3),
        "mean_high": round(float(high), 3),
    }
