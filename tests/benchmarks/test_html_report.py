"""The HTML report in a real browser: complete, silent on the network, readable on a phone and in the dark."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from chromium import PROGRAM, Browser, wait_until

from benchmarks.__main__ import main
from benchmarks.harness.schema import Document, read_document
from benchmarks.report.charts import charts
from benchmarks.report.html_report import page
from benchmarks.report.page_tables import digest
from benchmarks.report.tables import budget_table, tables

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'hpe-edge[benchmarks]'")

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
FILES = [RESULTS / f"amd-epyc-{name}.json" for name in ("ops", "engine", "accuracy", "cameras")]
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return [read_document(path) for path in FILES]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert main(["report", *map(str, FILES), "--html", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with Browser(tmp_path_factory.mktemp("chromium")) as opened:
        for domain in ("Network", "Log"):
            opened.call(f"{domain}.enable")
        yield opened


def visit(tab: Browser, path: Path) -> tuple[list[str], list[Any]]:
    """Open a file; addresses that it asked for, and complaints on the console."""
    tab.open("about:blank")
    wait_until(lambda: tab.evaluate("document.URL") == "about:blank")
    tab.events.clear()
    tab.open(path.as_uri())
    tab.wait_for(f"document.URL === {json.dumps(path.as_uri())} && document.readyState === 'complete'")
    asked = [
        event["params"]["request"]["url"] for event in tab.events if event["method"] == "Network.requestWillBeSent"
    ]
    complaints = [
        event["params"]
        for event in tab.events
        if event["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    ]
    return [url for url in asked if not url.startswith("data:")], complaints


def test_no_request_and_no_complaint(tab: Browser, report: Path) -> None:
    assert visit(tab, report) == ([report.as_uri()], [])


def test_a_page_that_asks_and_complains_is_noticed(tab: Browser, report: Path) -> None:
    """The same eyes on a page that is not complete in itself."""
    path = report.with_name("other.html")
    path.write_text('<!DOCTYPE html><img src="http://127.0.0.1:9/x.png"><script>console.error("no")</script>')
    asked, complaints = visit(tab, path)
    assert "http://127.0.0.1:9/x.png" in asked
    assert len(complaints) >= 1


def test_the_policy_stops_what_would_be_fetched(tab: Browser, report: Path) -> None:
    path = report.with_name("spoiled.html")
    path.write_text(report.read_text().replace("</main>", '<img src="http://127.0.0.1:9/x.png" alt="x"></main>'))
    _, complaints = visit(tab, path)
    assert "Content Security Policy" in str(complaints)


def test_everything_is_there(tab: Browser, report: Path, documents: list[Document]) -> None:
    visit(tab, report)
    captions = tab.evaluate("[...document.querySelectorAll('table caption')].map((each) => each.textContent)")
    wanted = []
    for document in documents:
        wanted.append("What it ran on")
        for part in document.parts:
            wanted += [budget_table(part.budget).title] * bool(part.budget)
            wanted += [table.title for table in (*digest(part), *tables(part))]
    assert captions == wanted
    text = tab.evaluate("document.body.textContent")
    for document in documents:
        assert document.environment["hardware"]["cpu"] in text
        assert document.environment["git"]["commit"][:12] in text
        assert " ".join(document.command) in text
        for part in document.parts:
            for result in part.results:
                assert all(row.what in text for row in result.rows)
                assert all(name in text for name in result.figures)
            assert all(line.found in text for line in part.budget)


def test_pictures_are_shown_and_described(tab: Browser, report: Path, documents: list[Document]) -> None:
    visit(tab, report)
    wanted = [chart for document in documents for chart in charts(document)]
    assert len(wanted) >= 4
    shown = tab.evaluate("[...document.images].map((each) => [each.alt, each.naturalWidth])")
    assert [alt for alt, _ in shown] == [chart.alt for chart in wanted]
    assert all(width > 600 for _, width in shown)


@pytest.mark.parametrize("metrics", [PHONE, {**PHONE, "width": 1280, "mobile": False}], ids=["phone", "desktop"])
def test_the_page_is_never_wider_than_the_screen(tab: Browser, report: Path, metrics: dict[str, Any]) -> None:
    tab.call("Emulation.setDeviceMetricsOverride", **metrics)
    visit(tab, report)
    tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= metrics["width"]
    assert tab.evaluate("getComputedStyle(document.body).fontSize") == "16px"
    tab.call("Emulation.clearDeviceMetricsOverride")


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours as the browser says them."""

    def luminance(color: str) -> float:
        values = [float(v) / 255 for v in color[color.index("(") + 1 : -1].split(",")[:3]]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(tab: Browser, report: Path, scheme: str) -> None:
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    assert visit(tab, report)[1] == []
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    for selector in ("body", "thead th", "nav a", "caption"):
        ink = tab.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color")
        assert contrast(ink, paper) >= 4.5, selector
    source = tab.evaluate("document.images[0].currentSrc")
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(source.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    assert (np.median(picture) < 128) == (scheme == "dark")
    tab.call("Emulation.setEmulatedMedia", features=[])


def test_headings_and_heads_of_tables(tab: Browser, report: Path) -> None:
    visit(tab, report)
    assert tab.evaluate("document.documentElement.lang") == "en"
    assert tab.evaluate("document.querySelectorAll('h1').length") == 1
    levels = tab.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((each) => Number(each.tagName[1]))")
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert tab.evaluate("[...document.querySelectorAll('th')].every((each) => each.scope)")
    assert tab.evaluate("[...document.querySelectorAll('nav a')].every((a) => document.querySelector(a.hash))")


def test_what_comes_from_a_file_is_no_markup(tmp_path: Path) -> None:
    plain = json.loads(FILES[2].read_text())
    plain["command"] = ["<script>alert(1)</script>"]
    plain["results"][0]["parameters"]["model"] = '"><img src=x onerror=alert(1)>'
    plain["environment"]["hardware"]["cpu"] = "<b>bold</b>"
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(plain))
    shown = page([read_document(path)], [[]])
    assert "<script>" not in shown and "<img src=x" not in shown and "<b>" not in shown
    assert "&lt;script&gt;" in shown


def test_warnings_failures_and_skips_are_shown(documents: list[Document]) -> None:
    (part,) = documents[0].parts
    parts = [replace(part, failed="the answers differ"), replace(part, suite="cuda", results=(), skipped="no GPU here")]
    shown = page([replace(documents[0], warnings=["it throttles"], quick=True, parts=parts)], [[]])
    for words in ("Warning: it throttles", "Failed: the answers differ", "Skipped: no GPU here", "--quick"):
        assert words in shown


def test_a_run_writes_json_page_and_plots(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("run.json", "run.html", "plots")]
    options = [word for pair in zip(("--json", "--html", "--plots"), map(str, files), strict=True) for word in pair]
    assert main(["engine", "--quick", "--calls", "3", *options]) == 0
    assert read_document(files[0]).conditions["before"].keys() >= {"load_average", "clocks"}
    assert "engine" in files[1].read_text()
    (plot,) = files[2].iterdir()
    assert plot.name == "engine-engine-ratios.png"
    assert cv2.imread(str(plot)).shape[1] == 960


def test_without_matplotlib_it_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["engine", "--quick", "--html", str(tmp_path / "x.html"), "--json", str(tmp_path / "x.json")]) == 1
    shown = capsys.readouterr()
    assert "pip install 'hpe-edge[benchmarks]'" in shown.err
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.report.outputs.page", stop)
    assert main(["report", str(FILES[1]), "--html", str(tmp_path / "x.html")]) == 130
    assert list(tmp_path.iterdir()) == []
    # A run's figures are not lost with it.
    files = [str(tmp_path / name) for name in ("x.json", "x.html", "plots")]
    assert (
        main(["engine", "--quick", "--calls", "3", "--json", files[0], "--html", files[1], "--plots", files[2]]) == 130
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert read_document(tmp_path / "x.json").suite == "engine"


def test_the_command_alone_needs_no_matplotlib() -> None:
    code = "import sys, benchmarks.__main__; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=RESULTS.parents[1]).returncode == 0


def test_pending_files_of_all_kinds_are_removed(tmp_path: Path) -> None:
    """Where the second place cannot be written to, the first one's temporary file goes, too."""
    assert main(["report", str(FILES[1]), "--html", str(tmp_path / "x.html"), "--plots", str(tmp_path / "no/p")]) == 1
    assert list(tmp_path.iterdir()) == []
