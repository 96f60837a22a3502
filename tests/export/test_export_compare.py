"""hpe-edge export compare: models against each other, without labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rule_weights import State

from export import compare as step
from export.compare import compare
from hpe_edge.cli.main import main
from hpe_edge.errors import InputError
from hpe_edge.samples import BOXES, FOLDER


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of faces is made in the current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def other(lightweight_state: State, tmp_path: Path) -> Path:
    """The teacher's weights with another bias of yaw, roll or pitch."""
    changed = {key: value.clone() for key, value in lightweight_state.items()}
    name = next(key for key in changed if key.endswith("bias") and changed[key].shape == (66,))
    changed[name] += torch.linspace(-3, 3, 66)
    torch.save(changed, tmp_path / "other.pth")
    return tmp_path / "other.pth"


def test_the_command_compares_with_the_first_model(
    checkpoint: Path,
    other: Path,
    exported: Callable[..., Path],
    lightweight_state: State,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = exported("same", lightweight_state)
    options = ["--teacher", str(checkpoint), "--images", str(FOLDER), "--boxes", str(BOXES), "-o", "figures.json"]
    assert main(["export", "compare", str(checkpoint), str(same), str(other), *options]) == 0
    records = json.loads((tmp_path / "figures.json").read_text())
    assert [each["model"] for each in records] == ["weights.pth", "same.onnx", "other.pth"]
    assert [each["faces"] for each in records] == [1, 1, 1]  # one of two pictures is held out
    first, second, third = (each["measures"]["from the teachers"]["mean_deg"] for each in records)
    assert second == pytest.approx(first, abs=0.05)
    assert abs(third - first) > 0.5
    for each, own in zip(records, (first, second, third), strict=True):
        assert each["difference"]["mean_deg"] == pytest.approx(own - first, abs=0.002)
    printed = capsys.readouterr().out
    assert "same.onnx" in printed and f"{third:.2f}" in printed
    assert (tmp_path / "distill_cache").is_dir()


def test_a_model_and_a_teacher_are_needed(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="at least one model"):
        compare([], teachers=checkpoint, images=FOLDER, boxes=BOXES)
    assert step.main([str(checkpoint), "--images", str(FOLDER)]) == 2
    assert "--teacher" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["-o", "figures.txt"], 2, ".json"),
        (["-o", "nowhere/figures.json"], 1, "nowhere"),
    ],
)
def test_outputs_that_cannot_be_written(
    options: list[str],
    status: int,
    message: str,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["--teacher", str(checkpoint), "--images", str(FOLDER), "--boxes", str(BOXES)]
    assert step.main([str(checkpoint), *given, *options]) == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / "distill_cache").exists()  # before the work began


def test_a_missing_model_is_named(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--teacher", str(checkpoint), "--images", str(FOLDER), "--boxes", str(BOXES)]
    assert step.main(["nothing.onnx", *given, "-o", str(tmp_path / "figures.json")]) == 1
    assert "nothing.onnx" in capsys.readouterr().err
    assert not list(tmp_path.glob("*figures*"))
