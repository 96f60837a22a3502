"""Reports in Markdown: complete, with their charts beside them, or not there at all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from benchmarks.__main__ import main
from benchmarks.harness.schema import Document, read_document
from benchmarks.report.charts import charts
from benchmarks.report.markdown import write_report
from benchmarks.report.tables import budget_table, tables
from hpe_edge.util.atomic import Pending

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'hpe-edge[benchmarks]'")

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
FILES = [
    RESULTS / name
    for name in ("intel-xeon-ops.json", "intel-xeon-engine.json", "amd-epyc-accuracy.json", "amd-epyc-cameras.json")
]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return [read_document(path) for path in FILES]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.md"
    assert main(["report", *map(str, FILES), "--report", str(path)]) == 0
    return path


def written(tmp_path: Path, *documents: Document) -> str:
    pending = Pending(tmp_path / "report.md")
    write_report(pending, documents)
    return pending.path.read_text(encoding="utf-8")


def test_everything_is_there(report: Path, documents: list[Document]) -> None:
    text = report.read_text(encoding="utf-8")
    for document in documents:
        assert document.environment["hardware"]["cpu"] in text
        assert document.environment["git"]["commit"][:12] in text
        assert " ".join(document.command) in text
        for part in document.parts:
            assert budget_table(part.budget).markdown() in text or not part.budget
            assert all(table.markdown() in text for table in tables(part))
            for result in part.results:
                assert all(row.what in text for row in result.rows)
                assert all(name in text for name in result.figures)


def test_pictures_lie_beside_the_report(report: Path, documents: list[Document]) -> None:
    wanted = [chart.title for document in documents for chart in charts(document)]
    shown = re.findall(r"!\[(.*)\]\((.*)\)", report.read_text(encoding="utf-8"))
    assert [title for title, _ in shown] == wanted and len(wanted) >= 4
    files = {name for _, name in shown}
    assert files | {report.name} == {path.name for path in report.parent.iterdir()}
    assert all(cv2.imread(str(report.parent / name)).shape[1] == 960 for name in files)


def test_a_file_holds_no_markup(tmp_path: Path) -> None:
    plain = json.loads(FILES[2].read_text())
    plain["command"] = ["<script>alert(1)</script>"]
    plain["results"][0]["parameters"]["model"] = "a|b<img src=x>"
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(plain))
    text = written(tmp_path, read_document(path))
    assert "<script>" not in text and "<img" not in text
    assert "&lt;script>" in text


def test_warnings_failures_and_skips_are_shown(tmp_path: Path, documents: list[Document]) -> None:
    (part,) = documents[0].parts
    parts = [replace(part, failed="the answers differ"), replace(part, suite="cuda", results=(), skipped="no GPU here")]
    text = written(tmp_path, replace(documents[0], warnings=["it throttles"], quick=True, parts=parts))
    for words in ("it throttles", "the answers differ", "no GPU here", "--quick"):
        assert words in text


def test_a_run_writes_json_and_report(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("run.json", "run.md")]
    assert main(["engine", "--quick", "--calls", "3", "--json", str(files[0]), "--report", str(files[1])]) == 0
    assert read_document(files[0]).conditions["before"].keys() >= {"load_average", "clocks"}
    assert "engine" in files[1].read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "run.md", "run-engine-engine-ratios.png"}


def test_without_matplotlib_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["engine", "--quick", "--report", str(tmp_path / "x.md"), "--json", str(tmp_path / "x.json")]) == 1
    shown = capsys.readouterr()
    assert "hpe-edge[benchmarks]" in shown.err
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.report.markdown.charts", stop)
    assert main(["report", str(FILES[1]), "--report", str(tmp_path / "x.md")]) == 130
    assert list(tmp_path.iterdir()) == []
    # A run's figures are not lost with it.
    files = [str(tmp_path / name) for name in ("x.json", "x.md")]
    assert main(["engine", "--quick", "--calls", "3", "--json", files[0], "--report", files[1]]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert read_document(tmp_path / "x.json").suite == "engine"


def test_the_command_alone_needs_no_matplotlib() -> None:
    code = "import sys, benchmarks.__main__; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=RESULTS.parents[1]).returncode == 0


def test_pending_files_of_all_kinds_are_removed(tmp_path: Path) -> None:
    """The first temporary file goes, too, where the second place cannot be written to."""
    assert main(["ops", "--quick", "--json", str(tmp_path / "x.json"), "--report", str(tmp_path / "no/x.md")]) == 1
    assert list(tmp_path.iterdir()) == []
