"""Finding the weights among what was saved with them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch_files import SMALL, saved

from export.checkpoints.load import load_checkpoint
from hpe_edge.errors import ModelError

OTHER = {"conv.weight": torch.zeros(2, 3)}


@pytest.mark.parametrize(
    "key",
    [
        "state_dict",
        "model_state_dict",
        "model",
        "net",
        "fpn_model",
        "state_dict_ema",
        "model_ema",
        "ema",
    ],
)
def test_wrapped_state_dict(tmp_path, key):
    path = tmp_path / "w.pth"
    torch.save({"epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}, key: SMALL}, path)
    checkpoint = load_checkpoint(path)
    assert list(checkpoint.state) == list(SMALL)
    assert checkpoint.notes == (f"weights found under {key!r}",)


@pytest.mark.parametrize("average", ["state_dict_ema", "model_ema", "ema"])
def test_of_several_the_plain_weights_are_taken_and_the_others_named(tmp_path, average):
    path = tmp_path / "w.pth"
    torch.save({average: OTHER, "model": SMALL}, path)
    checkpoint = load_checkpoint(path)
    assert torch.equal(checkpoint.state["conv.weight"], SMALL["conv.weight"])
    assert checkpoint.notes[0] == "weights found under 'model'"
    assert checkpoint.notes[1].startswith(f"other weights under '{average}' were ignored")


def test_what_lies_deeper_is_named_with_its_path(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"best_states": {"ema": OTHER, "model": SMALL}, "net": {"epoch": 1}, "ema": {"state_dict": OTHER}}, path)
    checkpoint = load_checkpoint(path)
    assert torch.equal(checkpoint.state["conv.weight"], SMALL["conv.weight"])
    assert checkpoint.notes[0] == "weights found under 'best_states' -> 'model'"
    assert "under 'best_states' -> 'ema', 'ema' -> 'state_dict' were ignored" in checkpoint.notes[1]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"epoch": 3, "pose_net": SMALL}, "'pose_net'"),
        ({"epoch": 3, "nets": {"student": SMALL}}, "'nets' -> 'student'"),
        ({"epoch": 3, "nets": {"a": {"b": {"weights_of_c": SMALL}}}}, "'nets' -> 'a' -> 'b' -> 'weights_of_c'"),
        ({"step": 1, "models": [{"loss": 0.5}, SMALL]}, "'models' -> 1"),
        ({"ema_of_net": OTHER, "net_of_epoch_3": SMALL}, "'net_of_epoch_3'"),
        ({"optim": {"state": {0: {"exp_avg": torch.zeros(3)}}}, "G": SMALL}, "'G'"),
    ],
)
def test_weights_are_found_under_any_key(tmp_path, value, place):
    (tmp_path / "w.pth").write_bytes(saved(value))
    checkpoint = load_checkpoint(tmp_path / "w.pth")
    assert torch.equal(checkpoint.state["conv.weight"], SMALL["conv.weight"])
    assert checkpoint.notes[0] == f"weights found under {place}"


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_of_several_state_dicts_the_one_that_fits_is_taken(tmp_path, order):
    (tmp_path / "w.pth").write_bytes(saved({key: SMALL if key == "first" else OTHER for key in order}))
    checkpoint = load_checkpoint(tmp_path / "w.pth", fits=lambda state: not state["conv.weight"].any())
    assert torch.equal(checkpoint.state["conv.weight"], OTHER["conv.weight"])
    assert checkpoint.notes == ("weights found under 'second'", checkpoint.notes[1])
    assert checkpoint.notes[1].startswith("other weights under 'first' were ignored")


def in_itself() -> dict[str, object]:
    value: dict[str, object] = {}
    value["model"] = value
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "holds no state dict but an empty dictionary"),
        ({"epoch": 1, "optimizer": {}}, "the keys epoch, optimizer"),
        ({"model": {"epoch": 1}}, "the keys model, with a dictionary with the keys epoch under 'model'"),
        ([torch.zeros(2)], "one list"),
        (torch.zeros(2), "one Tensor"),
        (in_itself(), "the keys model"),
    ],
)
def test_files_without_weights_are_described(tmp_path, value, message):
    (tmp_path / "w.pth").write_bytes(saved(value))
    with pytest.raises(ModelError, match=message):
        load_checkpoint(tmp_path / "w.pth")


def test_what_stands_among_the_weights_is_ignored_and_said(tmp_path):
    for name, value in {"w.pth": {**SMALL, "epoch": 3}, "deep.pth": {"model": {"epoch": 3, **SMALL}}}.items():
        (tmp_path / name).write_bytes(saved(value))
        checkpoint = load_checkpoint(tmp_path / name)
        assert list(checkpoint.state) == list(SMALL)
        assert checkpoint.notes[-1] == "epoch among the weights is no tensor and was ignored"


def test_a_wrapper_among_the_weights_comes_first_and_they_are_named(tmp_path):
    (tmp_path / "w.pth").write_bytes(saved({**SMALL, "ema": OTHER}))
    checkpoint = load_checkpoint(tmp_path / "w.pth")
    assert torch.equal(checkpoint.state["conv.weight"], OTHER["conv.weight"])
    assert checkpoint.notes[0] == "weights found under 'ema'"
    assert checkpoint.notes[1].startswith("other weights under no key were ignored")


@pytest.mark.parametrize(
    "value",
    [
        {"conv.weight": torch.ones(2, 3), "epoch": 3},
        {"loss": torch.ones(1), "steps": torch.ones(1), "epoch": 3},
    ],
)
def test_a_few_tensors_are_no_weights(tmp_path, value):
    (tmp_path / "w.pth").write_bytes(saved(value))
    with pytest.raises(ModelError, match="holds no state dict but a dictionary with the keys"):
        load_checkpoint(tmp_path / "w.pth")


def test_a_whole_model_without_weights_is_described(tmp_path):
    path = tmp_path / "w.pth"
    for value in (nn.ReLU(), {"model": nn.ReLU()}):
        path.write_bytes(saved(value))
        with pytest.raises(ModelError, match=r"holds no state dict but .*a whole model without weights \(ReLU\)"):
            load_checkpoint(path, trust=True)
    path.write_bytes(saved({"model": nn.ReLU(), "net": nn.Linear(2, 2)}))
    assert list(load_checkpoint(path, trust=True).state) == ["weight", "bias"]
