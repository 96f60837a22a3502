"""Rows of the command ``hpe-edge run``, and those on Ray without the last row of each URI."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hpe_edge.cli.main import main
from hpe_edge.sinks.records import COLUMNS

Row = dict[str, Any]


def rows_of_run(source: Path, to: Path, *options: object) -> list[Row]:
    assert main(["run", str(source), "--jsonl", str(to), "--quiet", *map(str, options)]) == 0
    return [json.loads(line) for line in to.read_text().splitlines()]


def face_rows(rows: Iterable[Row], uri: str) -> list[Row]:
    """The rows of one URI as ``hpe-edge run`` has them, by frame and face."""
    found = [{name: row[name] for name in COLUMNS} for row in rows if row["uri"] == uri and row["face"] is not None]
    return sorted(found, key=lambda row: (row["frame"], row["face"]))


def end_rows(rows: Iterable[Row], uri: str) -> list[Row]:
    return [row for row in rows if row["uri"] == uri and row["face"] is None]
