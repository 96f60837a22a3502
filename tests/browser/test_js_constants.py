"""The rules' constants in JavaScript are those of Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import export.browser
from hpe_edge.faces.grids import anchor_free, embedded, looks, region_schedule
from hpe_edge.faces.grids.embedded import EmbeddedDetector
from hpe_edge.ops import turns
from hpe_edge.ops.native import native
from hpe_edge.upright import search

FOLDER = Path(export.browser.__file__).parent / "js"
CONSTANTS: dict[str, dict[str, object]] = {
    "stretch": {
        "SMALL_RANGE": native.STRETCH["SMALL_RANGE"],
        "PERCENTILES": [native.STRETCH["LOW_PERCENT"] / 100, native.STRETCH["HIGH_PERCENT"] / 100],
        "FLAT": native.STRETCH["FLAT"],
        "SAMPLES": native.STRETCH["SAMPLES"],
        "TRIMMED": 1 / native.STRETCH["TRIMMED"],
        "WIDER": native.STRETCH["WIDER"],
        "FEWEST": 1 / native.STRETCH["FEWEST"],
        "BLENDED": native.STRETCH["BLENDED"],
    },
    "search": {
        "ASK_AGAIN_SIGMA_DEG": search.ASK_AGAIN_SIGMA_DEG,
        "LOOKS": search._LOOKS,
        "SURER": search._SURER,
        "ALIKE_DEG": search._ALIKE_DEG,
    },
    "upright": {"SECOND_PASS_ROLL_DEG": turns.SECOND_PASS_ROLL_DEG},
    "looks": {
        "MULTIPLE": EmbeddedDetector.MULTIPLE,
        "LONGEST_SIDE": EmbeddedDetector.LONGEST_SIDE,
        "SMALL": anchor_free._SMALL,
        "WIDE_SIDE": looks._WIDE_SIDE,
        "WIDE_MARGIN": looks._WIDE_MARGIN,
        "WIDE_LEAST": anchor_free._WIDE_LEAST,
        "UNSURE": EmbeddedDetector.UNSURE,
        "INNER": looks._INNER,
        "SAME": looks._SAME,
        "CLEARLY": looks._CLEARLY,
    },
    "detector": {
        "STRIDES": list(EmbeddedDetector.STRIDES),
        "SCORE": EmbeddedDetector.SCORE,
        "NMS_IOU": EmbeddedDetector.NMS_IOU,
        "MOST_CANDIDATES": anchor_free.MOST_CANDIDATES,
        "REGION_SIDE": embedded._REGION_SIDE,
    },
    "region_schedule": {
        "EVERY": region_schedule.EVERY,
        "REACH": region_schedule._REACH,
        "FASTEST": region_schedule._FASTEST,
        "MOST_REGIONS": region_schedule._MOST_REGIONS,
    },
}


@pytest.mark.parametrize("file", CONSTANTS)
def test_constants_are_those_of_python(file: str) -> None:
    text = (FOLDER / f"{file}.js").read_text(encoding="utf-8")
    found = dict(re.findall(r"^(?:export )?const ([A-Z_]+) = ([\[\]\d., ]+);", text, re.MULTILINE))
    assert {name: eval(found[name]) for name in CONSTANTS[file]} == CONSTANTS[file]
    assert EmbeddedDetector.UNSURE == EmbeddedDetector.TURNED_SCORE and EmbeddedDetector.WIDE_LOOK == "always"
