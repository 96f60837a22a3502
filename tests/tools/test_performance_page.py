"""docs/performance.md and README's table are what the committed runs say."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.schema import Part
from benchmarks.harness.timing import Result, Row, Spread
from benchmarks.report.tables import Table
from tools.page_tables import accuracy_tables, model_tables, pipeline_tables
from tools.performance_page import ACCURACY, GPU, PAGE, README, RESULTS, main, markers

BEGIN, END = markers("performance")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with what the pages are made of."""
    shutil.copytree(ROOT / RESULTS, tmp_path / RESULTS)
    (tmp_path / PAGE).parent.mkdir()
    for path in (PAGE, README, ACCURACY, GPU):
        shutil.copy(ROOT / path, tmp_path / path)
    return tmp_path


def test_both_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_every_run_is_named_with_its_commit_and_command() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    for path in (ROOT / RESULTS).glob("*.json"):
        plain = json.loads(path.read_text())
        assert f"(../{RESULTS.as_posix()}/{path.name})" in page
        assert plain["environment"]["git"]["commit"][:12] in page


def test_figures_of_the_page_are_those_of_the_files() -> None:
    """Looked up in the plain JSON."""
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    for result in json.loads((ROOT / RESULTS / "intel-xeon-ops.json").read_text())["results"]:
        if result["name"] == "decode":
            by = {row["name"]: row for row in result["rows"]}
            time, ratio = by["hpe_edge"]["time_us"]["median"], by["numpy"]["ratio"]["median"]
            assert f"of 3 x 66 bins | {time:.1f} µs | | | {ratio:.1f} |" in page


def test_links_of_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / PAGE).read_text(encoding="utf-8")):
        assert (ROOT / PAGE.parent / target).exists(), target


@pytest.mark.parametrize(
    ("path", "figure"),
    [(PAGE, r"\| [\d.]+ µs \|"), (README, r"112² \| [\d.]+ µs \| OpenCV"), (ACCURACY, r"[\d.]+° \| [\d.]+° \|")],
)
def test_a_changed_file_is_noticed_and_mended(
    copy: Path, path: Path, figure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], copy) == 0
    text = (copy / path).read_text()
    measured = re.search(figure, text)
    assert measured is not None
    (copy / path).write_text(text.replace(measured[0], "| 0 |"))
    assert main(["--check"], copy) == 1
    assert str(path) in capsys.readouterr().out
    assert main([], copy) == 0
    assert (copy / path).read_text() == text


def test_a_new_run_is_noticed(copy: Path) -> None:
    shutil.copy(copy / RESULTS / "intel-xeon-ops.json", copy / RESULTS / "other-ops.json")
    assert main(["--check"], copy) == 1
    assert main([], copy) == 0
    assert (copy / PAGE).read_text().count("| decode, 64 faces of 3 x 66 bins |") == 2


@pytest.mark.parametrize("change", [{"quick": True}, {"environment": {"git": {"commit": "0" * 40, "dirty": True}}}])
def test_runs_that_nobody_could_make_again(
    copy: Path, change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / RESULTS / "intel-xeon-ops.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert main([], copy) == 2
    assert "intel-xeon-ops.json" in capsys.readouterr().err


def test_a_readme_without_marks(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / README).write_text("# hpe_edge\n")
    assert main([], copy) == 2
    assert BEGIN in capsys.readouterr().err
    assert (copy / README).read_text() == "# hpe_edge\n"


def test_text_round_the_marks_stays(copy: Path) -> None:
    (copy / README).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main([], copy) == 0
    text = (copy / README).read_text()
    assert text.startswith(f"before\n{BEGIN}\n") and text.endswith(f"{END}\nafter\n")
    assert "old" not in text and " µs |" in text


def test_wrong_usage() -> None:
    assert main(["--speed"]) == 2


def test_markdown() -> None:
    shown = Table("What", ("", "a|b"), [("x", "1"), ("y\nz", "")]).markdown()
    assert shown == "What:\n\n| | a\\|b |\n|---|---|\n| x | 1 |\n| y z | |\n"


def row(name: str, us: float, ratio: float) -> Row:
    spread = Spread(ratio, ratio * 0.8, ratio * 1.25)
    return Row(name, "", 15, 1, Spread(us, us, us), spread, Spread(0, 0, 0), {})


def test_the_pipelines_tables() -> None:
    by = {"model": "lightweight", "size": 224, "scene": "photos", "threads": 1}
    stages = {"crop_us": 100.0, "infer_us": 800.0, "total_us": 1000.0, "copy_us": 0.0}
    part = Part(
        "pipeline",
        [
            Result("one face", {**by, "faces": 1}, [row("plain", 2000.0, 1.0), row("openvino cpu", 500.0, 0.25)]),
            Result(
                "stages",
                {**by, "case": "one face", "alternative": "openvino cpu", "faces": 1},
                figures={**stages, "roofline_crop_us": 50.0, "roofline_infer_us": 300.0},
            ),
            Result("8 cameras", {**by, "faces": 16}, [row("plain", 9000.0, 1.0)]),
            Result("around", {"stage": "filter", "faces": 7, "threads": "all"}, figures={"filter_us": 20.0}),
        ],
    )
    faster, where, around = pipeline_tables(part)
    assert list(faster.columns) == ["", "plain", "openvino cpu"]
    assert list(map(list, faster.rows)) == [
        ["one face (1 in all), 1 thread", "2.00 ms", "4.00 (3.20 to 5.00)"],
        ["8 cameras (16 in all), 1 thread", "9.00 ms", ""],
    ]
    assert list(where.columns) == ["", "crop", "infer", "other", "total", "roofline of crop and network"]
    assert list(where.rows[0][1:]) == ["100 µs", "800 µs", "100 µs", "1.00 ms", "350 µs"]
    assert list(around.rows) == [("filter, 7 faces", "20.0 µs")]


def test_the_models_tables() -> None:
    by: dict[str, str | int] = {
        "model": "ehpnet",
        "weights": "untrained",
        "file": "ehpnet.onnx",
        "size": 112,
        "backend": "openvino",
        "device": "cpu",
        "numbers": "fp32",
        "floats": "bf16",
        "threads": 1,
        "callers": 2,
    }

    def run(batch: int, faces: float) -> Result:
        figures = {"p50_ms": 1.0, "p90_ms": 1.5, "p99_ms": None, "faces_per_second": faces}
        return Result("run", {**by, "batch": batch}, figures={**figures, "share_of_peak_percent": 40.0})

    cost: dict[str, float | None] = {"gflop_per_face": 0.91, "mb_per_face": 48.0, "flop_per_byte": 19.0}
    part = Part(
        "model",
        [
            Result("peaks", {"threads": 1}, figures={"triad_gbytes_per_s": 12.5, "numpy_fp32_gflops": 100.0}),
            *(run(batch, faces) for batch, faces in ((1, 900.0), (2, 1100.0), (4, 1000.0))),
            Result("run", {**by, "batch": 16}, skipped={"openvino": "too many"}),
            *(
                Result("cost", {"file": "ehpnet.onnx", "layers": layers}, figures=cost)
                for layers in ("all", "Conv 3x3")
            ),
        ],
    )
    runs, costs, peaks = model_tables(part)
    assert list(costs.rows) == [("ehpnet.onnx", "0.91", "48", "19")]
    assert runs.title == "ehpnet.onnx (ehpnet, 112², untrained weights)"
    what = "openvino cpu fp32, floats in bf16, 2 callers of 1 thread each"
    assert list(runs.columns) == ["", "batch", "p50", "p90", "faces/s", "of the roofline"]
    assert list(map(list, runs.rows)) == [
        [what, "1", "1.00 ms", "1.50 ms", "900", "40 %"],
        [what, "2", "1.00 ms", "1.50 ms", "1100", "40 %"],
    ]
    assert list(peaks.rows) == [("triad_gbytes_per_s", "12.5"), ("numpy_fp32_gflops", "100")]


def test_the_accuracys_tables() -> None:
    names = [*(f"{angle}_mae_deg" for angle in ("yaw", "pitch", "roll", "mean")), "geodesic_mean_deg"]
    figures: dict[str, float | None] = {"faces": 195}
    for index, name in enumerate(names):
        figures |= {name: 3.0 + index, f"{name}_low": 2.5 + index, f"{name}_high": 3.5 + index}
    by = {"data": "AFLW2000", "boxes": "landmarks", "crop": "own", "model": "lightweight", "form": "int8"}
    published = {"data": "AFLW2000", "method": "HopeNet", "year": 2018, "protocol": "its own", "source": "its paper"}
    part = Part(
        "accuracy",
        [
            Result("accuracy", by, figures=figures),
            Result("band", {**by, "by": "yaw", "from_deg": 0, "to_deg": 30}, figures=figures),
            Result(
                "band", {**by, "by": "yaw", "from_deg": 30, "to_deg": 60}, figures={**figures, "mean_mae_deg": None}
            ),
            Result("published", published, figures=dict.fromkeys(names[:4], 6.0)),
        ],
    )
    whole, bands, others = accuracy_tables(part)
    assert list(whole.columns) == ["", "faces", "yaw", "pitch", "roll", "mean", "geodesic"]
    assert list(whole.rows[0]) == [
        "lightweight, int8, boxes landmarks, crop own",
        "195",
        "3.00 (2.50 to 3.50)",
        "4.00 (3.50 to 4.50)",
        "5.00 (4.50 to 5.50)",
        "6.00 (5.50 to 6.50)",
        "7.00 (6.50 to 7.50)",
    ]
    assert list(bands.columns) == ["", "0 to 30°", "30 to 60°"]
    assert list(bands.rows[0][1:]) == ["6.00 (5.50 to 6.50)", "unknown"]
    assert list(others.rows[0]) == ["HopeNet, 2018", "6.00", "6.00", "6.00", "6.00", "its own", "its paper"]
