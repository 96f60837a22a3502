"""docs/conventions.md: its tables of families are the zoo's, and what it says a trap costs is what it costs."""

from __future__ import annotations

import csv
import importlib
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from export import zoo
from hpe_edge import Crop, ModelSpec, PoseEngine
from hpe_edge.geometry import geodesic_deg, matrix_from_labels, rotation_from_euler
from hpe_edge.spec import METADATA_KEY

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "conventions.md").read_text(encoding="utf-8")

Array = np.ndarray


def test_tables_are_what_the_zoo_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    table = importlib.import_module("family_table")
    assert table.filled(PAGE) == PAGE, "run python docs/family_table.py"


@pytest.mark.parametrize("table", ["outputs", "inputs", "crops"])
def test_every_family_stands_in_every_table_once(table: str) -> None:
    rows = section(table)
    assert Counter(name for row in rows for name in re.findall(r"`([\w-]+)`", row[0])) == Counter(zoo.names())


# As the repositories' own code has it, not as the zoo does.
@pytest.mark.parametrize(
    ("family", "table", "said"),
    [
        ("hopenet", "outputs", "k·3 − 99, lower edges"),
        ("lightweight", "outputs", "k·3 − 97.5, centres"),
        ("ehpnet", "outputs", "62 bins, k·3 − 93, lower edges"),
        ("hybrid", "outputs", "198 bins, k·1 − 99"),
        ("whenet", "outputs", "yaw: 120 bins, k·3 − 180, lower edges, circular mean; pitch, roll: 66 bins"),
        ("lightweight", "outputs", "roll, yaw, pitch"),
        ("6drepnet", "outputs", "Rz(roll) Ry(yaw) Rx(pitch)"),
        ("ehpnet", "inputs", "112 × 112 BGR | (level − 127.5) / 128"),
        ("hopenet", "inputs", "224 × 224 RGB | (level / 255 − mean) / std"),
        ("fsanet180-var", "inputs", "64 × 64 RGB | (level / 256 − mean) / std"),
        ("opal23-6d", "inputs", "128 × 128 BGR | level / 255"),
        ("hopenet", "crops", "0.4, 0.4, 0.56, 0.168"),
    ],
)
def test_what_the_tables_say(family: str, table: str, said: str) -> None:
    (row,) = (row for row in section(table) if f"`{family}`" in row[0])
    assert said in " | ".join(row)


def section(table: str) -> list[list[str]]:
    """Cells of each row of a table, without the header."""
    lines = PAGE.partition(f"<!-- {table} table -->\n")[2].partition("<!--")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def photos(data: Path) -> tuple[list[Array], list[list[float]], Array]:
    """Pictures, tight boxes, and labels [N, 3] of yaw, pitch, roll."""
    with (data / "aflw2000_dev" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    return (
        [cv2.imread(str(data / "aflw2000_dev" / row["file"])) for row in rows],
        [[float(row[side]) for side in ("x1", "y1", "x2", "y2")] for row in rows],
        np.array([[float(row[angle]) for angle in ("yaw", "pitch", "roll")] for row in rows]),
    )


def test_what_the_traps_cost(
    published: Path, photos: tuple[list[Array], list[list[float]], Array], tmp_path: Path
) -> None:
    pictures, boxes, labels = photos

    def estimate(engine: PoseEngine, color: str = "BGR") -> Array:
        each = [engine(picture, [box], color=color).angles for picture, box in zip(pictures, boxes, strict=True)]
        return np.concatenate(each).astype(np.float64)

    def normalised(scale: float, mean: float) -> Array:
        model = onnx.load(published)
        (said,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
        spec = ModelSpec.from_json(said.value)
        said.value = replace(spec, input=replace(spec.input, scale=scale, mean=(mean,) * 3, std=(1.0,) * 3)).to_json()
        onnx.save(model, str(tmp_path / "normalised.onnx"))
        return estimate(PoseEngine(tmp_path / "normalised.onnx", upright=None))

    def grown(margin: float) -> Array:
        return estimate(PoseEngine(published, crop=Crop(margins=(margin,) * 4), upright=None))

    engine = PoseEngine(published, upright=None)
    right = estimate(engine)
    costs = {
        "None": right,
        "Bins off by half a step": right - 1.5,
        "Red and blue swapped": estimate(engine, "RGB"),
        "Mean and std left out": normalised(1 / 255, 0.0),
        "Levels scaled to −1..1": normalised(1 / 127.5, 1.0),
        "No margin round the box": grown(0.0),
        "1.5 times the box": grown(0.25),
        "Roll, yaw, pitch read as": right[:, [2, 0, 1]],
        "Yaw and pitch swapped": right[:, [1, 0, 2]],
        "Roll with the other sign": right * [1, 1, -1],
        "Pitch with the other sign": right * [1, -1, 1],
        "Yaw with the other sign": right * [-1, 1, 1],
    }
    for trap, wrong in costs.items():
        moved = geodesic_deg(rotation_from_euler(right), rotation_from_euler(wrong)).mean()
        (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {trap}"))
        said_error, said_moved = (float(cell.strip(" °")) for cell in line.strip("|").split("|")[1:])
        # Instruction sets round differently in the network.
        assert np.abs(wrong - labels).mean() == pytest.approx(said_error, abs=0.011), trap
        assert moved == pytest.approx(said_moved, abs=0.02), trap


def test_what_the_other_matrix_costs(photos: tuple[list[Array], list[list[float]], Array]) -> None:
    labels = photos[2]
    r, yaw = rotation_from_euler(labels), np.abs(labels[:, 0])
    plain = geodesic_deg(r, matrix_from_labels(labels, "ZYX"))
    order = geodesic_deg(r, matrix_from_labels(labels * [1, -1, 1], "ZYX"))
    assert f"| {plain.mean():.1f}° on average, {plain.max():.0f}° at worst |" in PAGE
    below, above = order[yaw < 30].mean(), order[yaw > 60].mean()
    assert f"| {order.mean():.1f}° on average; {below:.1f}° below 30° of yaw, {above:.0f}° above 60° |" in PAGE
