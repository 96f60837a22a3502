"""hpe-edge info."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_helpers import command, shell
from tiny_model import tiny_spec

from hpe_edge import PoseEngine
from hpe_edge.cli.main import main
from hpe_edge.models import DEFAULT_NAME


def test_info(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command("info", model)) == 0
    said = capsys.readouterr().out
    for fragment in ("tiny", "64 x 64", "RGB", "66 bins", "-99", "96", "logits[66:132]", "+10%"):
        assert fragment in said, fragment
    assert main(command("info", model, "--json")) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(tiny_spec().to_json())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_info_where_standard_error_takes_nothing() -> None:
    done = shell("$HPE 2>/dev/full", "info", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["architecture"] == "student-v2"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_info_of_the_embedded_model(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", *options]) == 0
    said = capsys.readouterr()
    assert DEFAULT_NAME in said.err
    if options:
        assert json.loads(said.out)["architecture"] == "student-v2"
    else:
        assert "student-v2" in said.out


def test_the_embedded_model_has_a_name_that_a_file_can_take_from_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["info"]) == 0
    described = capsys.readouterr().out
    assert main(["info", "student-v2"]) == 0
    assert capsys.readouterr().out == described
    with PoseEngine("student-v2") as engine:
        assert engine.spec.architecture == "student-v2"
    Path("student-v2").mkdir()
    assert main(["info", "student-v2"]) == 1
    assert "student-v2 is a folder" in capsys.readouterr().err
    assert main(["info", "student-v3"]) == 1
    assert "there is no model student-v3" in capsys.readouterr().err
