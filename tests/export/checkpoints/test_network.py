"""Networks from checkpoints: what is reported of the weights, and options that do not go together."""

from __future__ import annotations

import pytest
import torch

from export import zoo
from export.checkpoints.network import load_network
from export.onnx import main
from export.step import Notes, quiet
from hpe_edge.errors import ModelError


@pytest.fixture
def of(tmp_path):
    """A checkpoint with the keys and shapes of a family."""

    def write(name: str, **more: torch.Tensor):
        state = {key: torch.zeros(shape) for key, shape in zoo.get(name).layouts[0].items()}
        torch.save({**state, **more}, tmp_path / f"{name}.pth")
        return tmp_path / f"{name}.pth"

    return write


def test_other_weights_than_asked_for_are_told_what_they_are(of):
    with pytest.raises(ModelError, match=r"fsanet-var\.pth: .* not fsanet-1x1's .*they fit fsanet-var, fsanet180-var"):
        load_network([of("fsanet-var")], ["fsanet-1x1"], trust=False, report=quiet)


def test_twins_are_named_with_the_file(of):
    with pytest.raises(ModelError, match=r"fsanet-var\.pth: .*\n  --arch fsanet-var: .*\n  --arch fsanet180-var: "):
        load_network([of("fsanet-var")], [], trust=False, report=quiet)


@pytest.mark.parametrize(("name", "word"), [("hybrid", "heads of 66, 18, 6 and 2 bins"), ("6drepnet2", "fc_finetune")])
def test_what_is_not_exported_is_reported(of, name, word):
    notes = Notes(quiet)
    load_network([of(name)], [], trust=False, report=notes)
    assert word in "".join(line for line in notes.lines if "left out" in line)


def test_ensemble_reports_what_it_leaves_out_and_what_is_there_twice(of):
    path, notes = of("mhpnet"), Notes(quiet)
    network = load_network([path, path], [], trust=False, report=notes)
    lines = [line for line in notes.lines if line.startswith("ensemble: ")]
    assert any("left out: the output mask" in line for line in lines)
    assert any("more than once" in line for line in lines)
    assert network.spec.outputs == ("logits",)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--list", "x.pth"], "--list takes no other options"),
        (["--list", "--arch", "hopenet"], "--list takes no other options"),
        (["--adopt", "x.onnx", "--arch", "hopenet", "--trust"], "--trust applies to a CHECKPOINT"),
        ([], "name the CHECKPOINT"),
    ],
)
def test_options_that_do_not_go_together(capsys, argv, message):
    assert main(argv) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("stop", [KeyboardInterrupt, BrokenPipeError])
def test_a_stop_after_the_file_is_there_is_no_failure(checkpoint, tmp_path, monkeypatch, capsys, stop):
    def interrupted(stage, lines):
        if stage == "written":
            raise stop

    monkeypatch.setattr("export.cli.print_report", interrupted)
    out = tmp_path / "out.onnx"
    assert main([str(checkpoint), "-o", str(out)]) == 0
    assert out.exists()
    assert "nothing was written" not in capsys.readouterr().err


def test_a_name_like_an_option_can_be_pasted(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([str(checkpoint), "--output=-o.onnx"]) == 0
    assert "--model ./-o.onnx" in capsys.readouterr().out


def test_a_name_that_is_not_utf8_is_refused_at_once(checkpoint, tmp_path, capsys):
    assert main([str(checkpoint), "-o", f"{tmp_path}/nu\udcff.onnx"]) == 2
    said = capsys.readouterr()
    assert "UTF-8" in said.err
    assert "graph" not in said.out
