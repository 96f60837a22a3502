"""One run as data: what its JSON file holds, written in schema 2 and read in all schemas that there were.

``schema-2.json`` beside this file describes the document field by field, with units.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.harness.suite import BudgetLine
from benchmarks.harness.timing import Difference, Result, Row, Spread
from hpe_edge.errors import SourceError

SCHEMA = 2
SCHEMA_FILE = Path(__file__).with_name("schema-2.json")


@dataclass(frozen=True)
class Part:
    """What one suite of a run found.

    Attributes:
        suite: its name.
        results: in the order in which they came.
        budget: its limits, and what was found.
        seconds: how long it ran; None in documents of schema 1.
        skipped: why it could not run here; empty where it ran.
        failed: why it was broken off; empty where it was not.
    """

    suite: str
    results: Sequence[Result] = ()
    budget: Sequence[BudgetLine] = ()
    seconds: float | None = None
    skipped: str = ""
    failed: str = ""


@dataclass(frozen=True)
class Document:
    """A run of one suite or of several.

    Attributes:
        suite: as on the command line; ``"all"`` for several.
        date: when it ended, ISO 8601 with the time zone.
        command: the command line, word by word.
        quick: whether it only was to show that it works.
        environment: see :func:`benchmarks.harness.environment.environment`. Schema 1 has no GPUs, no board, fewer
        versions.
        conditions: see :meth:`benchmarks.harness.machine_state.Watch.conditions`; empty in schema 1.
        warnings: why figures may be worse than the machine allows.
        parts: by suite.
        source: the file that it was read from; empty for a run that was not read.
    """

    suite: str
    date: str
    command: Sequence[str]
    quick: bool
    environment: Mapping[str, Any]
    conditions: Mapping[str, Any]
    warnings: Sequence[str]
    parts: Sequence[Part]
    source: str = field(default="", compare=False)


def now() -> str:
    """The date of a document that ends now."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def to_json(document: Document) -> str:
    """The document in schema 2, schema number first."""
    plain = {
        "schema": SCHEMA,
        "suite": document.suite,
        "date": document.date,
        "command": list(document.command),
        "quick": document.quick,
        "environment": document.environment,
        "conditions": document.conditions,
        "warnings": list(document.warnings),
        "parts": [
            {"suite": part.suite, "seconds": part.seconds, "skipped": part.skipped, "failed": part.failed}
            for part in document.parts
        ],
        "results": [{"suite": part.suite, **asdict(result)} for part in document.parts for result in part.results],
        "budget": [{"suite": part.suite, **asdict(line)} for part in document.parts for line in part.budget],
    }
    return json.dumps(plain, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_document(path: Path) -> Document:
    """Read a file that a run wrote with ``--json``.

    Raises:
        SourceError: there is no such file, it is cut off, something else, or of a newer schema.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"cannot read the benchmark {path}: {error.strerror or error}") from None
    except ValueError as error:  # no JSON, or no text
        raise SourceError(
            f"{path} is not JSON, or was cut off ({error}); name a file that python -m benchmarks wrote with --json"
        ) from None
    if not isinstance(plain, dict) or not isinstance(plain.get("schema"), int) or "results" not in plain:
        raise SourceError(f"{path} is not a benchmark's document; name a file that python -m benchmarks wrote")
    if not 1 <= plain["schema"] <= SCHEMA:
        raise SourceError(
            f"{path} has schema {plain['schema']}, this hpe_edge reads 1 to {SCHEMA}; "
            "read it with the version that wrote it"
        )
    try:
        return _document(plain, str(path))
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{path} lacks a part of its schema {plain['schema']} ({error!r}); make it again") from None


def _document(plain: Mapping[str, Any], source: str) -> Document:
    # In schema 1 a document was of one suite, which was not said again in its results.
    said = plain.get("parts") or [{"suite": plain["suite"], "seconds": None, "skipped": "", "failed": ""}]
    parts = [
        Part(
            part["suite"],
            [_result(each) for each in plain["results"] if each.get("suite", part["suite"]) == part["suite"]],
            [_budget(each) for each in plain["budget"] if each.get("suite", part["suite"]) == part["suite"]],
            part["seconds"],
            part["skipped"],
            part["failed"],
        )
        for part in said
    ]
    return Document(
        plain["suite"],
        plain["date"],
        plain["command"],
        plain["quick"],
        plain["environment"],
        plain.get("conditions", {}),
        plain.get("warnings", []),
        parts,
        source,
    )


def _budget(plain: Mapping[str, Any]) -> BudgetLine:
    return BudgetLine(plain["what"], plain["limit"], plain["found"], plain["met"])


def _result(plain: Mapping[str, Any]) -> Result:
    rows = [_row(row) for row in plain["rows"]]
    return Result(plain["name"], plain["parameters"], rows, plain["skipped"], plain["figures"])


def _row(plain: Mapping[str, Any]) -> Row:
    time_us, ratio, minus_us = (Spread(**plain[name]) for name in ("time_us", "ratio", "first_minus_this_us"))
    differences = {name: Difference(**found) for name, found in plain["differences"].items()}
    said = plain["name"], plain["what"], plain["runs"], plain["calls_per_run"]
    return Row(*said, time_us, ratio, minus_us, differences)
