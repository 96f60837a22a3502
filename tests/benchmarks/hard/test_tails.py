"""The suite ``tails``: the figures of a change that is known, by kind of face, and its limits."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_model import tiny_spec, write_tiny_model

from benchmarks.__main__ import main
from export.gate.hard_faces import KINDS
from hpe_edge.spec import Quantization


def moved(path: Path, off_deg: float, sha256: str) -> Path:
    """The tiny model in INT8, as it says, with its yaw bins moved."""
    spec = tiny_spec()
    yaw = replace(spec.decode.yaw, first_deg=spec.decode.yaw.first_deg + off_deg)
    step = Quantization("int8", "tiny.onnx", sha256, ("a", "b"), "by hand")
    return write_tiny_model(path, spec=replace(spec, decode=replace(spec.decode, yaw=yaw), quantizations=(step,)))


@pytest.mark.parametrize(("off_deg", "met"), [(2.0, [True, True]), (4.0, [False, True]), (6.0, [False, False])])
def test_every_kind_moves_by_the_known_angle(tmp_path: Path, rng: np.random.Generator, off_deg, met) -> None:
    model = write_tiny_model(tmp_path / "tiny.onnx")
    small = moved(tmp_path / "int8.onnx", off_deg, hashlib.sha256(model.read_bytes()).hexdigest())
    (tmp_path / "photos").mkdir()
    rows = ["file,x1,y1,x2,y2"]
    for i in range(6):
        photo = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((20, 20, 1))).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "photos" / f"{i}.png"), photo)
        rows += [f"{i}.png,20,30,90,100", f"{i}.png,5,5,10,10"]  # the second is too small
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    out = tmp_path / "out.json"
    given = ["--models", model, small, "--faces", tmp_path / "photos", tmp_path / "boxes.csv", "--copies", 5]
    assert main(["tails", "--quick", *map(str, given), "--json", str(out)]) == 0
    document = json.loads(out.read_text())
    *found, noise, timed = document["results"]
    by = {(each["parameters"]["file"], each["parameters"]["crops"]): each["figures"] for each in found}
    assert {kind for _, kind in by} == {"all crops", "all hard crops", "plain", *KINDS}
    faces = by["int8", "plain"]["number"]
    assert by["int8", "all hard crops"]["number"] == 5 * faces == sum(by["int8", kind]["number"] for kind in KINDS)
    for (file, kind), figures in by.items():
        for name in ("mean_deg", "p99_deg", "p999_deg", "worst_deg"):
            assert figures[name] == pytest.approx(off_deg if file == "int8" else 0, abs=1e-3), kind
    assert noise["name"] == "noise" and noise["figures"]["number"] == by["int8", "all crops"]["number"]
    assert 0 < noise["figures"]["worst_deg"] < 2
    assert [row["name"] for row in timed["rows"]] == ["tiny", "int8"]
    assert [line["met"] for line in document["budget"]] == met
