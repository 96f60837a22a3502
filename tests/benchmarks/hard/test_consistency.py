"""The suite ``consistency``: dark faces are stretched, and a model that is blind to turns is seen to be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tiny_model import tiny_spec, write_tiny_model

from benchmarks.__main__ import main
from hpe_edge.spec import SigmaCalibration


def test_the_figures(tmp_path: Path, rng: np.random.Generator) -> None:
    plain = write_tiny_model(tmp_path / "plain.onnx")
    spec = replace(tiny_spec(), sigma=SigmaCalibration(1.0, 1.0, 1.0, 10, "by hand", labelled=False))
    calibrated = write_tiny_model(tmp_path / "calibrated.onnx", spec=spec)
    photos, things = tmp_path / "photos", tmp_path / "things"
    rows = ["file,x1,y1,x2,y2"]
    for i in range(6):
        photo = np.kron(rng.choice([0, 85, 170, 255], (12, 12, 3)), np.ones((10, 10, 1))).astype(np.uint8)
        for folder in (photos, things):
            folder.mkdir(exist_ok=True)
            cv2.imwrite(str(folder / f"{i}.png"), photo)
        rows.append(f"{i}.png,20,30,90,100")
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    out = tmp_path / "out.json"
    given = ["--faces", photos, tmp_path / "boxes.csv", "--empty", things, "--models", calibrated, plain]
    assert main(["consistency", "--quick", *map(str, given), "--json", str(out)]) == 0
    results = json.loads(out.read_text())["results"]
    light = {
        (r["parameters"]["model"], r["parameters"]["light"]): r["figures"] for r in results if r["name"] == "light"
    }
    day, dark = light["plain", "as it is"], light["plain", "5% of the light"]
    assert day["stretched_percent"] == 0 and day["least_range"] > 150
    assert dark["stretched_percent"] == 100
    assert dark["stretched_mean_deg"] < 0.4 * dark["network_alone_mean_deg"], dark
    turned = [(r["parameters"]["model"], r["parameters"]["search"]) for r in results if r["name"] == "turned"]
    assert turned == [("calibrated", "off"), ("calibrated", "on")]
    off = next(r["figures"] for r in results if r["name"] == "turned")
    assert off["beyond_30_percent"] == 75  # of the rolls 0, 90, 180 and 270
    empty = [r["figures"]["sure_percent"] for r in results if r["name"] == "no face"]
    assert len(empty) == 2
