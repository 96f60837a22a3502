"""The log of a training and its curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from export.distillation.training_log import TrainingLog, draw_curves
from hpe_edge.errors import InputError, OutputError

LEARNED, KEPT = (178, 114, 0), (0, 94, 213)  # BGR


def record(step: int, learned: float = 1.0, kept: float = 2.0) -> dict[str, Any]:
    names = {"divergence": learned, "error_deg": learned, "kept_divergence": kept, "kept_error_deg": kept}
    return {"step": step, "views": 64 * step, **names}


def test_every_line_is_there_at_once(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.jsonl")
    for step in (1, 2):
        log.add(record(step))
        lines = (tmp_path / "log.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == log.records and len(lines) == step
        assert log.size_bytes == (tmp_path / "log.jsonl").stat().st_size
    log.close()


def test_a_resumed_log_keeps_what_was_saved(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.jsonl")
    log.add(record(1))
    size = log.size_bytes
    log.add(record(2))  # after the last checkpoint
    log.close()
    log = TrainingLog(tmp_path / "log.jsonl", size)
    assert log.records == [record(1)]
    log.add(record(3))
    log.close()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 3]


def test_a_new_log_replaces_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("from another run\n")
    log = TrainingLog(tmp_path / "log.jsonl")
    log.add(record(1))
    log.close()
    assert json.loads((tmp_path / "log.jsonl").read_text()) == record(1)


@pytest.mark.parametrize("content", [None, b'{"step": 1}\n'])
def test_a_log_that_is_shorter_than_the_checkpoint_says(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(InputError, match="remove its folder"):
        TrainingLog(tmp_path / "log.jsonl", 100)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        TrainingLog(tmp_path / "nowhere" / "log.jsonl")


def test_curves_fall_where_the_figures_fall(tmp_path: Path) -> None:
    """Learned figures fall from 8 to 1 and held-out ones rise from 1 to 8, so they cross."""
    records = [record(step, 8.0 ** (1 - step / 9), 8.0 ** (step / 9)) for step in range(10)]
    draw_curves(records, tmp_path / "curves.png")
    image = cv2.imread(str(tmp_path / "curves.png"))
    panel = image[: len(image) // 2, : image.shape[1] // 2], image[: len(image) // 2, image.shape[1] // 2 :]
    heights = [[np.nonzero((half == color).all(axis=2))[0].mean() for half in panel] for color in (LEARNED, KEPT)]
    (learned_left, learned_right), (kept_left, kept_right) = heights
    assert learned_left < kept_left - 20  # y grows downwards
    assert kept_right < learned_right - 20


@pytest.mark.parametrize("records", [[record(1)], [record(1, 0.0, 0.0), record(2, 0.0, 0.0)]])
def test_one_record_and_zeros_are_drawn(records: list[dict[str, Any]], tmp_path: Path) -> None:
    draw_curves(records, tmp_path / "curves.png")
    assert (cv2.imread(str(tmp_path / "curves.png")) != 255).any()
