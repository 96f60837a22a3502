"""The suite ``accuracy`` against the record of the original pipelines, on the same photos and crops."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main as benchmark
from export.onnx import export

LARGEST_DEG = 0.05


@pytest.fixture(scope="module")
def fsanet(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published FSA-Net, the mean of both branches."""
    out, folder = tmp_path_factory.mktemp("fsanet") / "fsanet.onnx", data / "checkpoints" / "fsanet"
    names = ("fsa1x1-08082020.chkpt", "fsavar-09082020.chkpt")
    return export([folder / name for name in names], arch=("fsanet-1x1", "fsanet-var"), output=out).path


def check(data: Path, model: Path, crops: dict[str, str], out: Path) -> None:
    """The errors on the 195 photos; ``crops`` names the stored ones by ours."""
    labels = data / "aflw2000_dev" / "labels.csv"
    run = ["accuracy", "--model", str(model), "--labels", str(labels), "--crops", *crops, "--json", str(out)]
    assert benchmark(run) == 0
    stored = json.loads((data / "reference_aflw2000.json").read_text())["mae_deg"]
    results: Sequence[dict[str, Any]] = json.loads(out.read_text())["results"]
    found = [result["figures"] for result in results if result["name"] == "accuracy"]
    for figures, name in zip(found, crops.values(), strict=True):
        assert (figures["faces"], figures["missed"], figures["left_out"]) == (195, 0, 0)
        for angle in ("yaw", "pitch", "roll", "mean"):
            assert figures[f"{angle}_mae_deg"] == pytest.approx(stored[name][angle], abs=LARGEST_DEG), (name, angle)


def test_lightweight(data: Path, published: Path, tmp_path: Path) -> None:
    crops = {"whole-1.3": "lightweight/square1.3", "whole-1.5": "lightweight/square1.5"}
    check(data, published, crops, tmp_path / "out.json")


def test_fsanet(data: Path, fsanet: Path, tmp_path: Path) -> None:
    check(data, fsanet, {"hopenet": "fsanet_mean/hopenet_exact"}, tmp_path / "out.json")
