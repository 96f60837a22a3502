"""The comparison of two runs: what it calls worse, and what noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.harness.schema import Document, Part, to_json
from benchmarks.harness.timing import Result, Row, Spread
from benchmarks.report.compare import compare, describe
from hpe_edge import SourceError

ENVIRONMENT: dict[str, Any] = {
    "hardware": {
        "cpu": "Processor A",
        "machine": "x86_64",
        "cores": 4,
        "cores_usable": 4,
        "hpe_edge_isa_names": ["avx2", "baseline"],
        "gpus": [],
        "board": None,
    },
    "software": {"os": "Linux", "python": "3.11.7", "numpy": "2.0", "hpe_edge": "0.1.0", "onnxruntime": "1.20.0"},
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
}
OTHER_MACHINE = {**ENVIRONMENT, "hardware": {**ENVIRONMENT["hardware"], "cpu": "Processor B"}}


def spread(median: float, share: float = 0.02) -> Spread:
    return Spread(median, median * (1 - share), median * (1 + share))


def row(name: str, us: float, ratio: float = 1.0, share: float = 0.02) -> Row:
    return Row(name, "", 15, 1, spread(us, share), spread(ratio, share), spread(0.0), {})


def document(*results: Result, suite: str = "ops", environment: Any = ENVIRONMENT, **more: Any) -> Document:
    part = Part(suite, results, [], 1.0)
    plain = Document(suite, "2026-01-01T00:00:00+00:00", ["x"], False, environment, {}, [], [part])
    return dataclasses.replace(plain, **more)


def times(*rows: Row, size: int = 112) -> Result:
    return Result("crop", {"size": size}, rows)


def figures(values: Mapping[str, float | None]) -> Result:
    return Result("accuracy", {"model": "m"}, figures=values)


def verdicts(before: Document, now: Document) -> dict[str, str]:
    return {change.name: change.verdict for change in compare(before, now).changes}


@pytest.mark.parametrize(
    ("us", "share", "verdict"),
    [
        (100.0, 0.02, "same"),
        (104.9, 0.001, "same"),  # the intervals are apart, the medians are not
        (106.0, 0.02, "worse"),
        (106.0, 0.08, "same"),  # the intervals overlap
        (150.0, 0.20, "worse"),
        (94.0, 0.02, "better"),
        (50.0, 0.90, "better"),
    ],
)
def test_a_time(us: float, share: float, verdict: str) -> None:
    before, now = document(times(row("hpe_edge", 100.0))), document(times(row("hpe_edge", us, share=share)))
    assert verdicts(before, now) == {"hpe_edge": verdict}
    assert compare(before, now).worse == (verdict == "worse")


def test_on_other_hardware_ratios_count() -> None:
    before = document(times(row("hpe_edge", 10.0), row("opencv", 40.0, 4.0), row("numpy", 90.0, 9.0)))
    now = document(
        times(row("hpe_edge", 100.0), row("opencv", 300.0, 3.0), row("numpy", 1100.0, 11.0)), environment=OTHER_MACHINE
    )
    found = compare(before, now)
    assert {change.name: change.verdict for change in found.changes} == {"opencv": "worse", "numpy": "better"}
    said = describe(found)
    assert "DIFFERENT HARDWARE" in said.splitlines()[2]
    assert "processor differs: Processor A, 4 cores, avx2, baseline -> Processor B" in said
    assert "opencv: 4 (3.92 .. 4.08) -> 3 (2.94 .. 3.06) times the first row, -25%" in said


def test_on_other_hardware_a_ratio_of_parts_is_not_judged() -> None:
    before = document(times(row("engine", 10.0), row("decode", 1.0, 0.1)), suite="engine")
    now = document(times(row("engine", 10.0), row("decode", 2.0, 0.2)), suite="engine", environment=OTHER_MACHINE)
    assert verdicts(before, now) == {"decode": "changed"}


@pytest.mark.parametrize(
    ("name", "a", "b", "verdict"),
    [
        ("mean_mae_deg", 4.0, 4.0, "same"),
        ("mean_mae_deg", 4.0, 4.005, "same"),
        ("mean_mae_deg", 4.0, 4.02, "worse"),
        ("mean_mae_deg", 4.0, 3.9, "better"),
        ("mean_mae_deg", 4.0, None, "changed"),
        ("faces", 195, 190, "changed"),
        ("faces_per_second", 1000.0, 950.0, "same"),
        ("faces_per_second", 1000.0, 850.0, "worse"),
        ("faces_per_second", 1000.0, 1150.0, "better"),
        ("p50_ms", 2.0, 2.3, "worse"),
        ("p99_ms", 2.0, 9.0, "changed"),
        ("growth_kb", 0.0, 264.0, "same"),
        ("growth_kb", 0.0, 90_000.0, "worse"),
        ("energy_per_face_mj", 5.0, 4.0, "better"),
    ],
)
def test_a_figure(name: str, a: float, b: float | None, verdict: str) -> None:
    assert verdicts(document(figures({name: a})), document(figures({name: b}))) == {name: verdict}


@pytest.mark.parametrize(
    ("b", "verdict"),
    [((4.3, 3.9, 4.7), "same"), ((4.6, 4.3, 4.9), "worse"), ((3.4, 3.1, 3.7), "better"), ((4.6, 3.9, 5.5), "same")],
)
def test_a_figure_with_an_interval(b: tuple[float, float, float], verdict: str) -> None:
    def of(value: float, low: float, high: float) -> Document:
        return document(figures({"mean_mae_deg": value, "mean_mae_deg_low": low, "mean_mae_deg_high": high}))

    assert verdicts(of(4.0, 3.6, 4.4), of(*b)) == {"mean_mae_deg": verdict}
    assert "mean_mae_deg: 4 (3.6 .. 4.4) -> " in describe(compare(of(4.0, 3.6, 4.4), of(4.6, 4.3, 4.9)))


def test_on_other_hardware_errors_are_judged_and_times_are_not() -> None:
    before = document(figures({"mean_mae_deg": 4.0, "p50_ms": 2.0}))
    now = document(figures({"mean_mae_deg": 4.5, "p50_ms": 9.0}), environment=OTHER_MACHINE)
    assert verdicts(before, now) == {"mean_mae_deg": "worse", "p50_ms": "changed"}


def test_what_only_one_has() -> None:
    before = document(times(row("hpe_edge", 10.0), row("pillow", 30.0, 3.0)), times(row("hpe_edge", 9.0), size=64))
    now = document(times(row("hpe_edge", 10.0), row("numpy", 30.0, 3.0)), figures({"faces": 3}))
    found = compare(before, now)
    assert found.only_before == ["ops, crop: size 112: pillow", "ops, crop: size 64"]
    assert found.only_now == ["ops, crop: size 112: numpy", "ops, accuracy: model m"]
    assert not found.worse


def test_the_order_of_parameters_does_not_matter() -> None:
    a, b = Result("crop", {"size": 1, "faces": 2}, [row("x", 1.0)]), Result("crop", {"faces": 2, "size": 1}, [])
    assert compare(document(a), document(b)).only_now == []


def test_a_suite_that_fails_is_worse() -> None:
    before = document(times(row("hpe_edge", 10.0)))
    now = document(parts=[Part("ops", failed="answers differ")])
    found = compare(before, now)
    assert found.worse
    assert "the suite: failed: answers differ" in describe(found)
    with pytest.raises(SourceError):  # it failed before, too
        compare(now, now)


def test_nothing_in_common() -> None:
    with pytest.raises(SourceError, match="no case in common"):
        compare(document(times(row("hpe_edge", 10.0))), document(figures({"faces": 3})))


def test_the_first_lines_say_how_the_runs_differ() -> None:
    other = {
        **ENVIRONMENT,
        "software": {**ENVIRONMENT["software"], "onnxruntime": "1.21.0"},
        "git": {"commit": "f" * 40, "dirty": True},
    }
    before = document(figures({"faces": 3}), times(row("a", 1.0)))
    model = Result("accuracy", {"model": "other"}, figures={"faces": 3})
    now = document(model, times(row("a", 1.0)), environment=other, quick=True, warnings=["it was hot"])
    said = describe(compare(before, now)).partition("\n\n")[0]
    assert "hpe_edge differs: 0.1.0, commit 0123456789ab -> 0.1.0, commit ffffffffffff, with changes" in said
    assert "onnxruntime differs: onnxruntime 1.20.0 -> onnxruntime 1.21.0" in said
    assert "numpy" not in said and "DIFFERENT" not in said
    assert "models differ: m -> other" in said
    assert "now was run with --quick" in said
    assert "now: WARNING: it was hot" in said


def test_the_whole_is_summed_up() -> None:
    before = document(times(row("a", 10.0), row("b", 20.0, 2.0), row("c", 30.0, 3.0)))
    now = document(times(row("a", 11.0), row("b", 22.0, 2.0), row("c", 30.0, 2.7)))
    said = describe(compare(before, now))
    assert said.endswith("2 worse, 0 better, 1 the same within the noise\nover all 3 times the median change is +10.0%")


@pytest.mark.parametrize(("us", "status"), [(10.0, 0), (20.0, 3)])
def test_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str], us: float, status: int) -> None:
    for name, each in (("a", 10.0), ("b", us)):
        (tmp_path / f"{name}.json").write_text(to_json(document(times(row("hpe_edge", each)))))
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == status
    assert f"{int(status == 3)} worse" in capsys.readouterr().out


def test_exit_status_of_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "a.json"]) == 2
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 1
    assert "cannot read the benchmark" in capsys.readouterr().err
