"""Specs read in JavaScript against ModelSpec: the same values, and the same refusals."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from js_calls import Js, JsError
from specs import SPECS
from test_c_spec import REFUSED, mutated
from tiny_model import write_tiny_model

from hpe_edge import ModelError, ModelSpec


@pytest.fixture
def js(node_js: Js) -> Js:
    """Node alone: reading JSON is not a browser's matter, and there are thousands of calls."""
    return node_js


@pytest.mark.parametrize("name", SPECS)
def test_specs_are_read_as_in_python(js: Js, name: str) -> None:
    text = SPECS[name].to_json()
    read = js("readSpec", text=text)
    assert ModelSpec.from_json(json.dumps({"format": 1, **read})) == SPECS[name]


def test_fields_that_are_left_out_get_their_defaults(js: Js) -> None:
    plain = json.loads(SPECS["bins"].to_json())
    for name in ("gate", "quantizations", "exported_precision", "sigma", "upright"):
        del plain[name]
    plain["crop"] = {}
    del plain["decode"]["order"], plain["decode"]["yaw"]["circular"]
    read = js("readSpec", text=json.dumps(plain))
    assert ModelSpec.from_json(json.dumps({"format": 1, **read})) == ModelSpec.from_json(json.dumps(plain))


@pytest.mark.parametrize("text", REFUSED)
def test_specs_that_python_refuses(js: Js, text: str) -> None:
    if names_a_field_twice(text):
        pytest.skip("JSON.parse takes the last of two fields")
    with pytest.raises(JsError) as failed:
        js("readSpec", text=text)
    assert failed.value.name == "ModelError" and len(str(failed.value)) > 20


def names_a_field_twice(text: str) -> bool:
    found = False

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        found |= len(dict(pairs)) != len(pairs)
        return dict(pairs)

    try:
        json.loads(text, object_pairs_hook=note)
    except ValueError:
        return False
    return found


@pytest.mark.parametrize("seed", range(20))
def test_changed_specs_are_judged_as_in_python(js: Js, seed: int) -> None:
    rng = random.Random(seed)
    verdicts = []
    for _ in range(100):
        text = json.dumps(mutated(json.loads(rng.choice(list(SPECS.values())).to_json()), rng))
        if any(number in text for number in (".0", "e+")):
            text = json.dumps(json.loads(text, parse_float=whole_or_float))  # JavaScript does not tell 1.0 from 1
        verdicts.append((takes_in_python(text), takes(js, text), text))
    assert [text for python, other, text in verdicts if python != other] == []
    assert len({python for python, _, _ in verdicts}) == 2


def whole_or_float(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def takes_in_python(text: str) -> bool:
    """True of specs of poses; format 2 is for landmarks, which JavaScript does not give."""
    try:
        ModelSpec.from_json(text)
    except ModelError:
        return False
    return bool(json.loads(text)["format"] != 2)


def takes(js: Js, text: str) -> bool:
    try:
        js("readSpec", text=text)
    except JsError as error:
        assert error.name == "ModelError", error
        return False
    return True


def test_the_spec_of_a_file(js: Js, tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "a.onnx")
    assert js("specOfFile", file=path.read_bytes())["architecture"] == "tiny"
    bare = write_tiny_model(tmp_path / "b.onnx", spec=None)
    with pytest.raises(JsError, match="has no spec; add one with") as failed:
        js("specOfFile", file=bare.read_bytes())
    assert failed.value.name == "NoSpecError"


@pytest.mark.parametrize("content", [b"\xff" * 40, b"<!DOCTYPE html>", b"\x0a\xff\xff\xff\xff\x7f", b"\x07"])
def test_files_that_are_no_models(js: Js, content: bytes) -> None:
    with pytest.raises(JsError, match="not an ONNX model, or is cut off"):
        js("specOfFile", file=content)


def test_a_model_that_is_cut_off(js: Js, tmp_path: Path) -> None:
    whole = write_tiny_model(tmp_path / "a.onnx").read_bytes()
    for length in range(1, len(whole), 97):
        with pytest.raises(JsError) as failed:
            js("specOfFile", file=whole[:length])
        assert failed.value.name in ("ModelError", "NoSpecError")
