"""Documents fit the schema and are read back unchanged; documents of schema 1 are read, too."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.harness.schema import json_schema, read_document, to_json
from hpe_edge import SourceError

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema: pip install 'hpe-edge[test]'")

# The word that ends a figure's or a field's name, and says its unit or that it is a number of things.
UNITS = (
    "_us",
    "_ms",
    "_s",
    "_seconds",
    "_kb",
    "_mb",
    "_bytes",
    "_mhz",
    "_celsius",
    "_deg",
    "_percent",
    "_mj",
    "_per_second",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schema") / "engine.json"
    assert main(["engine", "--quick", "--calls", "3", "--json", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def validate() -> Callable[[Any], None]:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate


def test_a_run_fits_the_schema(written: Path, validate: Callable[[Any], None]) -> None:
    validate(json.loads(written.read_text()))


def test_a_run_is_read_as_it_was_written(written: Path) -> None:
    assert to_json(read_document(written)) == written.read_text()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("warnings"),
        lambda d: d.update(schema=1),
        lambda d: d.update(extra=1),
        lambda d: d["results"][0].pop("suite"),
        lambda d: d["results"][0]["rows"][0]["time_us"].pop("p90"),
        lambda d: d["results"][0]["rows"][0]["time_us"].update(median="fast"),
        lambda d: d["results"][-1]["figures"].update(growth_kb="none"),
        lambda d: d["environment"].pop("git"),
        lambda d: d["conditions"].update(steal_percent="none"),
        lambda d: d["conditions"]["before"].pop("clocks"),
    ],
)
def test_the_schema_refuses(written: Path, validate: Callable[[Any], None], spoil: Callable[[Any], None]) -> None:
    document = json.loads(written.read_text())
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def test_the_units_are_said() -> None:
    for unit in UNITS:
        assert unit in json_schema()["description"], unit


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_documents_are_read(path: Path, validate: Callable[[Any], None]) -> None:
    plain, document = json.loads(path.read_text()), read_document(path)
    assert document.source == str(path)
    assert document.suite == plain["suite"]
    results = [result for part in document.parts for result in part.results]
    assert [result.name for result in results] == [result["name"] for result in plain["results"]]
    assert [dict(result.figures) for result in results] == [result["figures"] for result in plain["results"]]
    medians = [row.time_us.median for result in results for row in result.rows]
    assert medians == [row["time_us"]["median"] for result in plain["results"] for row in result["rows"]]
    if plain["schema"] == 1:
        assert document.warnings == [] and document.conditions == {}
    else:
        validate(plain)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "is not JSON, or was cut off"),
        ('{"schema": 2, "suite": "ops", "resul', "is not JSON, or was cut off"),
        ("\xff\xfe", "is not JSON"),
        ("[1, 2]", "is not a benchmark's document"),
        ('{"format": 1}', "is not a benchmark's document"),
        ('{"schema": 3, "results": []}', "has schema 3, this hpe_edge reads 1 to 2"),
        ('{"schema": 0, "results": []}', "has schema 0"),
        ('{"schema": 2, "results": []}', "lacks a part of its schema 2 (KeyError('suite'))"),
        ('{"schema": 1, "suite": "ops", "budget": [], "results": [{"rows": [{}]}]}', "lacks a part of its schema 1"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, fragment: str) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError, match=r"other\.json") as refused:
        read_document(path)
    assert fragment in str(refused.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read the benchmark .*none.json: No such file"):
        read_document(tmp_path / "none.json")


def test_a_document_of_several_suites(written: Path, tmp_path: Path) -> None:
    plain = json.loads(written.read_text())
    other = copy.deepcopy(plain["results"][0])
    plain["results"].append({**other, "suite": "ops"})
    plain["parts"].append({"suite": "ops", "seconds": 1.5, "skipped": "", "failed": "it stopped"})
    plain["parts"].append({"suite": "cuda", "seconds": None, "skipped": "there is no GPU", "failed": ""})
    path = tmp_path / "several.json"
    path.write_text(json.dumps(plain))
    engine, ops, cuda = read_document(path).parts
    assert len(engine.results) == 4 and len(engine.budget) == 2
    assert len(ops.results) == 1 and not ops.budget
    assert (ops.seconds, ops.failed, cuda.skipped) == (1.5, "it stopped", "there is no GPU")
