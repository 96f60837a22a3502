"""JSON documents of runs: written in schema 2, read in schemas 1 and 2.

``python -m benchmarks.harness.schema`` prints schema 2 as JSON Schema. It is made from the classes here, in
:mod:`benchmarks.harness.timing` and in :mod:`hpe_edge.bench.machine_state`; see also
:func:`hpe_edge.bench.environment.environment`.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from benchmarks.harness.suite import BudgetLine
from benchmarks.harness.timing import Difference, Result, Row, Spread
from hpe_edge.bench.machine_state import Conditions
from hpe_edge.errors import SourceError

SCHEMA = 2
_ABOUT = (
    "Times are of one call. Units end the names: _us, _ms and _s or _seconds; _bytes, _kb (1024 bytes), _mb (1024 kb); "
    "_mhz; _celsius; _deg, degrees of angle; _percent; _mj, millijoules; _per_second."
)


@dataclass(frozen=True)
class Part:
    """One suite of a run: results in the order of measuring, limits, and why it was skipped or failed, else empty."""

    suite: str
    results: Sequence[Result] = ()
    budget: Sequence[BudgetLine] = ()
    seconds: float | None = None
    skipped: str = ""
    failed: str = ""


@dataclass(frozen=True)
class Document:
    """A run of one suite, or of several, whose name then is ``"all"``.

    The date is when it ended, ISO 8601 with the time zone. In schema 1 ``environment`` has no GPUs, no board and fewer
    versions, and ``conditions`` is empty. ``source`` is the file that it was read from.
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
    """Return the date of a document that ends now."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def to_json(document: Document) -> str:
    """Convert a document to schema 2, in which results and limits of all parts stand in one list each."""
    plain: dict[str, Any] = {"schema": SCHEMA}
    plain |= {each.name: getattr(document, each.name) for each in fields(document) if each.name != "source"}
    parts = [(part.suite, asdict(part)) for part in document.parts]
    for name in ("results", "budget"):
        plain[name] = [{"suite": suite, **each} for suite, part in parts for each in part.pop(name)]
    plain["parts"] = [part for _, part in parts]
    return json.dumps(plain, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_document(path: Path) -> Document:
    """Read a file that a run wrote with ``--json``.

    Raises:
        SourceError: there is no such file, it is truncated, no benchmark, or of a newer schema.
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
        known = f"this hpe_edge reads 1 to {SCHEMA}; read it with the version that wrote it"
        raise SourceError(f"{path} has schema {plain['schema']}, {known}")
    try:
        return _document(plain, str(path))
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{path} lacks a part of its schema {plain['schema']} ({error!r}); make it again") from None


def _document(plain: Mapping[str, Any], source: str) -> Document:
    # A document of schema 1 has one suite, not repeated in its results.
    parts = plain.get("parts") or [{"suite": plain["suite"], "seconds": None, "skipped": "", "failed": ""}]
    names = ("suite", "date", "command", "quick", "environment")
    return Document(
        **{name: plain[name] for name in names},
        conditions=plain.get("conditions", {}),
        warnings=plain.get("warnings", []),
        parts=[
            Part(
                results=[
                    _result(each) for each in plain["results"] if each.get("suite", part["suite"]) == part["suite"]
                ],
                budget=[
                    BudgetLine(each["what"], each["limit"], each["found"], each["met"])
                    for each in plain["budget"]
                    if each.get("suite", part["suite"]) == part["suite"]
                ],
                **{name: part[name] for name in ("suite", "seconds", "skipped", "failed")},
            )
            for part in parts
        ],
        source=source,
    )


def _result(plain: Mapping[str, Any]) -> Result:
    rows = [_row(row) for row in plain["rows"]]
    return Result(plain["name"], plain["parameters"], rows, plain["skipped"], plain["figures"])


def _row(plain: Mapping[str, Any]) -> Row:
    spreads: dict[str, Any] = {name: Spread(**plain[name]) for name in ("time_us", "ratio", "first_minus_this_us")}
    spreads["differences"] = {name: Difference(**found) for name, found in plain["differences"].items()}
    return Row(**{**plain, **spreads})


def json_schema() -> dict[str, Any]:
    """Make schema 2 as JSON Schema (draft 2020-12) from the classes."""
    part = {name: schema for name, schema in _fields(Part).items() if name not in ("results", "budget")}
    properties = {
        **{name: schema for name, schema in _fields(Document).items() if name != "source"},
        "schema": {"const": SCHEMA},
        "environment": _object({name: {"type": "object"} for name in ("hardware", "software", "git", "threads")}),
        "conditions": _of_type(Conditions),
        "parts": {"type": "array", "items": _object(part)},
    }
    for name, kind in (("results", Result), ("budget", BudgetLine)):
        properties[name] = {"type": "array", "items": _object({"suite": {"type": "string"}, **_fields(kind)})}
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "description": f"Schema {SCHEMA}. {_ABOUT}"}
    return {**about, **_object(properties)}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an object that has exactly these properties."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _fields(kind: Any) -> dict[str, Any]:
    return {name: _of_type(hint) for name, hint in get_type_hints(kind).items()}


def _of_type(hint: Any) -> dict[str, Any]:
    if is_dataclass(hint) or is_typeddict(hint):
        return {"description": " ".join((hint.__doc__ or "").split()), **_object(_fields(hint))}
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of_type(each) for each in inner]}
    if origin in (list, Sequence):
        return {"type": "array", "items": _of_type(inner[0])}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _of_type(inner[1])}
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return {"type": names[hint]} if hint in names else {}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
