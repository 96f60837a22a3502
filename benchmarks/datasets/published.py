"""Published figures of others on these sets. None was measured by this project.

published.csv has the source of each (listed in docs/accuracy.md) and the known differences in boxes, photos and errors
from the protocol here. Protocols differ so much that a lower figure is not a better network: HeadPose+
(kuhnkeF/headposeplus, README) found HopeNet at 3.82 degrees on the frames of BIWI where FSA-Net was judged, against
4.89 in its own paper.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness.timing import Result

_ANGLES = ("yaw", "pitch", "roll", "mean")


def published_results(data: Sequence[str] | None = None) -> Iterator[Result]:
    """Yield the published figures on these sets, or on all."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if data is None or row["data"] in data:
                names = ("data", "method", "year", "trained_on", "protocol", "source")
                parameters: dict[str, str | int] = {name: row[name] for name in names}
                figures = {f"{angle}_mae_deg": float(row[angle]) for angle in _ANGLES}
                yield Result("published", {**parameters, "year": int(row["year"])}, figures=figures)
