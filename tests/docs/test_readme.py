"""README and documents: their figures are those of the committed benchmark runs, and CI finds the commands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hpe_edge.models import DEFAULT, FOLDER

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def results(suite: str) -> list[dict[str, Any]]:
    document = json.loads((ROOT / "benchmarks" / "results" / f"amd-epyc-{suite}.json").read_text())
    assert document["environment"]["git"]["dirty"] is False and document["quick"] is False
    return document["results"]


def rows(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in result["rows"]}


def crop_line(result: dict[str, Any]) -> str:
    p, by = result["parameters"], rows(result)
    ratios = " | ".join(f"{by[name]['ratio']['median']:.1f}" for name in ("opencv", "opencv best", "numpy"))
    return f"| crop, {p['box']} box to {p['size']}² | {by['hpe_edge']['time_us']['median']:.1f} µs | {ratios} |"


@pytest.mark.parametrize("size", [112, 224])
@pytest.mark.parametrize("box", ["60 px", "130 px", "400 px"])
def test_crop_figures(size: int, box: str) -> None:
    wanted = {"size": size, "faces": 1, "box": box, "resampling": "bilinear"}
    (line,) = (crop_line(r) for r in results("ops") if r["parameters"] == wanted)
    assert line in README


def test_decode_figure() -> None:
    (by,) = (rows(r) for r in results("ops") if r["name"] == "decode" and r["parameters"]["faces"] == 64)
    time, ratio = by["hpe_edge"]["time_us"]["median"], by["numpy"]["ratio"]["median"]
    assert f"| decode, 64 faces of 3 x 66 bins | {time:.1f} µs | | | {ratio:.1f} |" in README


def test_engine_figures() -> None:
    engine = results("engine")
    (by,) = (rows(r) for r in engine if r["name"] == "engine" and r["parameters"]["faces"] == 1)
    assert f"adds {by['backend']['first_minus_this_us']['median']:.0f} µs" in README
    (memory,) = (r for r in engine if r["name"] == "memory")
    assert memory["figures"]["growth_kb"] == 0 and memory["parameters"]["calls"] == 100_000
    assert "100,000 calls leave the resident memory as it was" in README


def test_accuracy_figures() -> None:
    by_crop = {r["parameters"]["crop"]: r["figures"] for r in results("accuracy") if r["name"] == "accuracy"}
    own = by_crop["the model's own"]
    cells = " | ".join(f"{own[f'{angle}_mae_deg']:.2f}°" for angle in ("yaw", "pitch", "roll", "mean"))
    assert f"its default: square of 1.25 times the box | {cells} |" in README
    assert f"without it the error is {by_crop['square of 1 times the box']['mean_mae_deg']:.2f}°" in README


def test_rectification_figures() -> None:
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    figures = {
        (p["outline"], p["frame"].split()[0], p["off_axis_deg"]): r["figures"]
        for r in results("rectification")
        for p in [r["parameters"]]
    }

    def cell(outline: str, frame: str, degrees: int, what: str) -> str:
        found = figures[outline, frame, degrees]
        return f"{found[f'{what}_mean_deg']:.2f} / {found[f'{what}_p95_deg']:.2f}"

    for degrees in (0, 5, 10, 15, 20, 25):
        far = [cell("68 landmarks", "1920", degrees, what) for what in ("without_camera", "with_camera")]
        near = cell("68 landmarks", "640", degrees, "with_camera")
        assert f"| {degrees}° | {far[0]} | {far[1]} | {near} |" in page


VIDEO = (ROOT / "docs" / "video.md").read_text(encoding="utf-8")


def test_smoothing_figures() -> None:
    figures = {(r["parameters"]["what"], r["parameters"]["setting"]): r["figures"] for r in results("smoothing")}

    def jitter(what: str, setting: str = "as it is") -> str:
        by = figures[what, setting]
        return f"{by['jitter_before_deg']:.2f}° to {by['jitter_after_deg']:.2f}°, {by['cut_percent']:.0f} % less"

    def lag(setting: str) -> str:
        return f"{figures['known turns', setting]['mean_lag_frames']:.2f} frames"

    assert f"| the video, seven faces | {jitter('the video')} |" in VIDEO
    assert f"| known turns with the video's noise | {jitter('known turns')} | {lag('as it is')} |" in VIDEO
    assert f"| known rest with the video's noise | {jitter('known rest')} | |" in VIDEO
    ignored = f"{jitter('known turns', 'sigma ignored')} | {lag('sigma ignored')}"
    assert f"| known turns, sigma ignored | {ignored} |" in VIDEO
    by = figures["known turns", "as it is"]
    assert f"{by['cut_percent']:.0f} % less jitter on known motion" in README
    assert f"at a lag of {by['mean_lag_frames']:.1f} frames" in README


def test_pipeline_figures() -> None:
    timed, stages = results("video")
    ratio = rows(timed)["loop"]["ratio"]
    said = f"**{ratio['median']:.2f} times** as long ({ratio['p10']:.2f} to {ratio['p90']:.2f})"
    assert said in VIDEO
    least = min(value for name, value in stages["figures"].items() if name.endswith("_accounted_percent"))
    assert f"make up its life to within {100 - least:.1f} %" in VIDEO


def test_endurance_figures() -> None:
    (result,) = results("endurance")
    by = result["figures"]
    assert by["frames"] == 100_000 and by["threads_left"] == by["files_left"] == 0
    assert f"{by['growth_kb']:+.0f} KB of resident memory" in VIDEO


def test_precision_figures() -> None:
    page = (ROOT / "docs" / "precision.md").read_text(encoding="utf-8")
    document = results("precision")
    forms = {r["parameters"]["file"]: r for r in document if r["name"] == "precision"}
    times = {name: row["ratio"]["median"] for r in document if r["name"] == "network" for name, row in rows(r).items()}
    networks = ("lightweight", "fsanet-1x1", "fsanet-var")
    for name in [f"{network}{suffix}" for network in networks for suffix in ("", "-fp16", "-int8")]:
        found = forms[name]["figures"]
        mae, size = f"{found['mean_mae_deg']:.2f}°", f"{found['bytes'] / 1e3:.0f} kB"
        if name in networks:
            assert f"| {name} | {mae} | | | | {size} | 1 |" in page
            continue
        before = forms[name.rpartition("-")[0]]["figures"]["mean_mae_deg"]
        assert abs(found["mean_mae_deg"] - before) <= 0.10 and found["change_mean_deg"] <= 0.7
        changes = " | ".join(f"{found[f'change_{what}_deg']:.2f}°" for what in ("mean", "p99", "worst"))
        marked = f"{name}, `--auto`" if name == "fsanet-var-int8" else name
        assert f"| {marked} | {mae} | {changes} | {size} | {times[name]:.1f} |" in page
    whole = [forms[f"{network}-{kind}"]["figures"] for network in networks for kind in ("fp16", "int8")]
    errors = [forms[network]["figures"]["mean_mae_deg"] for network in networks for _ in range(2)]
    fp16, int8 = (max(found["change_mean_deg"] for found in part) for part in (whole[::2], whole[1::2]))
    worst = max(found["change_worst_deg"] for found in whole)
    grown = max(found["mean_mae_deg"] - error for found, error in zip(whole, errors, strict=True))
    said = (
        f"by up to {fp16:.2f}° on average, INT8 by up to {int8:.1f}° (single faces by up to {worst:.1f}°), and their "
    )
    assert f"{said}error grows by up to {grown:.2f}°" in " ".join(README.split())
    for network in networks:
        found = forms[f"{network}-fp16"]["figures"]
        cells = [f"{found[f'gate_{what}_deg']:.2f}°" for what in ("mean", "p99", "worst")]
        assert found["gate_faces"] == 256
        assert f"| {network}-fp16 | {' | '.join(cells)} |" in page
    for method, suffix in (("percentile", "int8"), ("minmax", "minmax"), ("entropy", "entropy")):
        (line,) = (line for line in page.splitlines() if line.startswith(f"| `{method}`"))
        for network in ("lightweight", "fsanet-1x1"):
            form = forms[f"{network}-{suffix}"]
            found = [form["figures"][f"{what}_deg"] for what in ("mean_mae", "change_mean", "gate_p99")]
            assert " | " + ", ".join(f"{value:.2f}°" for value in found) + " |" in line
            assert form["parameters"]["ranges"] == f"ranges by {method} on faces, 256 faces"


CARD_FILE = FOLDER / "README.md"
CARD = CARD_FILE.read_text(encoding="utf-8")
BOXES_OF = {"landmarks": "landmarks", "haar": "Haar", "yunet_n_640_640": "YuNet"}
ANGLES = ("yaw", "pitch", "roll")


def error_line(result: dict[str, Any]) -> str:
    """A row of the card's table of errors."""
    p, by = result["parameters"], result["figures"]
    cells = [f"{by[f'{name}_mae_deg']:.2f}°" for name in (*ANGLES, "mean")]
    cells += [f"{by[f'mean_mae_deg_yaw_{band}']:.1f}°" for band in ("0_to_30", "30_to_60", "60_to_180")]
    cells += [f"{by['rotation_deg']:.1f}°", f"{by['rotation_deg_yaw_60_to_180']:.1f}°"]
    return f"| {p['model']} | {BOXES_OF[p['boxes']]} | {by['faces']} | {' | '.join(cells)} |"


def sigma_line(result: dict[str, Any]) -> str:
    """A row of the card's table of sigma."""
    name, by = result["parameters"]["of"], result["figures"]
    within = " | ".join(f"{by[f'within_{k}_sigma_percent']:.0f} %" for k in (1, 2))
    return f"| {name} | {by['spearman']:.2f} | {by['rms_error_deg']:.1f}° | {by['rms_sigma_deg']:.1f}° | {within} |"


def form_line(result: dict[str, Any]) -> str:
    """A row of the card's table of FP16 and INT8."""
    p, by = result["parameters"], result["figures"]
    changes = " | ".join(f"{by[f'change_{what}_deg']:.2f}°" for what in ("mean", "p99", "worst"))
    return f"| {p['file']} | {by['mean_mae_deg']:.2f}° | {changes} | {by['bytes'] / 1e3:.0f} kB |"


def test_card_figures() -> None:
    document = results("card")
    errors = {(r["parameters"]["model"], r["parameters"]["boxes"]): r for r in document if r["name"] == "error"}
    assert {boxes for _, boxes in errors} == set(BOXES_OF)
    assert {model for model, _ in errors} == {DEFAULT.stem, "lightweight", "fsanet"}
    for result in errors.values():
        assert error_line(result) in CARD
    own = [r for r in document if r["name"] == "sigma" and r["parameters"]["model"] == DEFAULT.stem]
    for result in own[1:]:
        assert sigma_line(result) in CARD
    said = " ".join(CARD.split())
    assert f"the rank correlation is {own[0]['figures']['spearman']:.2f}" in said
    sixths = [r["figures"]["rms_error_deg"] for r in document if r["name"] == "calibration"][
        :6
    ]  # of the first one's yaw
    assert f"the yaw's error is {sixths[0]:.1f}°, in the most doubtful {sixths[-1]:.1f}° (RMS)" in said
    landmarks, haar, yunet = (errors[DEFAULT.stem, boxes]["figures"] for boxes in BOXES_OF)
    assert f"| at most 3.9°, landmark boxes | {landmarks['mean_mae_deg']:.2f}° |" in CARD
    assert f"| at most 10°, the same beyond 60° of yaw | {landmarks['mean_mae_deg_yaw_60_to_180']:.1f}° |" in CARD
    more = [by["mean_mae_deg"] - by["mean_mae_deg_of_these_with_landmarks"] for by in (yunet, haar)]
    wanted = "with the boxes of YuNet and of Haar at most 0.4° more than with the landmarks' of the same faces"
    assert f"| {wanted} | {more[0]:+.2f}°, {more[1]:+.2f}° |" in CARD
    assert f"{yunet['faces']} by YuNet, {haar['faces']} by Haar" in said
    others = (errors[name, "landmarks"]["figures"]["mean_mae_deg_yaw_60_to_180"] for name in ("lightweight", "fsanet"))
    assert "its teachers have {:.1f}° and {:.1f}°".format(*others) in said


def test_card_figures_of_short_forms() -> None:
    forms = [r for r in results("card-precision") if r["name"] == "precision"]
    assert [r["parameters"]["file"] for r in forms] == [f"{DEFAULT.stem}{suffix}" for suffix in ("", "-fp16", "-int8")]
    for result in forms:
        assert form_line(result) in CARD


def test_card_time() -> None:
    (by,) = (rows(r) for r in results("card-engine") if r["name"] == "engine" and r["parameters"]["faces"] == 1)
    for document in (CARD, README):
        assert f"{by['session.run']['time_us']['median'] / 1e3:.2f} ms" in " ".join(document.split())


def test_the_embedded_models_figures_in_the_readme() -> None:
    by = {
        r["parameters"]["model"]: r["figures"]
        for r in results("card")
        if r["name"] == "error" and r["parameters"]["boxes"] == "landmarks"
    }
    own, one, other = (by[model] for model in (DEFAULT.stem, "lightweight", "fsanet"))
    said = " ".join(README.split())
    assert f"{DEFAULT.stat().st_size / 1e3:.0f} kB" in said and f"{DEFAULT.stat().st_size / 1e3:.0f} kB" in CARD
    assert (
        f"errs by {own['mean_mae_deg']:.2f}° on average (its teachers by {one['mean_mae_deg']:.2f}° and "
        f"{other['mean_mae_deg']:.2f}°), by {own['mean_mae_deg_yaw_60_to_180']:.1f}° where the face is turned by more "
        "than 60°"
    ) in said


def test_the_card_says_what_was_run() -> None:
    """The seed, the views and the log of the run that made the weights."""
    log = [json.loads(line) for line in (ROOT / "docs" / "distillation" / "log.jsonl").read_text().splitlines()]
    said = " ".join(CARD.split())
    assert f"--views {log[-1]['views']}" in said
    seed = re.search(r"^SEED = (\d+)$", (ROOT / "export/distillation/scenes.py").read_text(), re.MULTILINE)
    assert seed is not None and f"seed {seed[1]}" in said
    assert f"{sum(record['seconds'] for record in log) / 60:.0f} minutes" in said
    assert f"by {log[-1]['kept_error_deg']:.2f}°" in said


@pytest.mark.parametrize("page", [CARD_FILE, ROOT / "README.md"], ids=["card", "README"])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_no_placeholder_is_left() -> None:
    assert "@" not in README
    assert "@" not in VIDEO
    assert "@" not in CARD


def test_commands_are_marked_for_ci() -> None:
    for mark in ("main command", "checkpoint command", "test command"):
        assert README.count(f"<!-- {mark} -->\n```sh\n") == 1


def test_camera_figures() -> None:
    text = (ROOT / "docs" / "cameras.md").read_text(encoding="utf-8")
    throughput, live = results("cameras")
    by, figures = rows(throughput), live["figures"]
    for name, what in (
        ("one at a time", "one frame at a time, one thread"),
        ("one at a time, all cores", "one frame at a time, the network on all cores"),
        ("a thread per camera", "a thread per camera at one engine of one thread"),
    ):
        assert f"| {what} | {by[name]['ratio']['median']:.2f} |" in text
    assert figures["answered_least"] == figures["answered_most"] == 1800
    assert not any(figures[name] for name in ("lost", "out_of_order", "failed", "wrong"))
    p50, p90, p99 = (
        max(value for name, value in figures.items() if name.endswith(f"_p{percent}_ms")) for percent in (50, 90, 99)
    )
    assert f"half came within\n{p50:.1f} ms, 90 % within {p90:.0f} ms, 99 % within {p99:.0f} ms" in text
    assert f"grew by {figures['growth_kb']:.0f} KB" in text
