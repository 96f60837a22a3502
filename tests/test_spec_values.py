"""Values of a spec: the edges of every range, and what counts as a number."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tiny_model import tiny_spec

from hpe_edge import ModelError, ModelSpec
from hpe_edge.spec import AngleHead, BinHead, Crop, Input, Rot6dDecode, SigmaCalibration

INPUT = Input(size=64, color="RGB", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
HEAD = BinHead("logits", 0, -99.0, 3.0, 66)
CIRCLE = BinHead("logits", 0, -180.0, 3.0, 120, circular=True)
SIGMA = SigmaCalibration(1.0, 1.0, 1.0, 30, "test", labelled=True)

Build = Callable[[Any], object]


def margin(side: int) -> Build:
    return lambda value: Crop(margins=tuple(value if k == side else 0.0 for k in range(4)))  # type: ignore[arg-type]


ACCEPTED: list[tuple[str, Build, list[Any]]] = [
    *[(f"margin {side}", margin(side), [-100 + 99.5, 100.0, 0, -0.999]) for side in range(4)],
    ("fill", lambda v: Crop(fill=(v, 0, 255)), [0, 255, 127.5]),
    ("size", lambda v: replace(INPUT, size=v), [1, 4096]),
    ("scale", lambda v: replace(INPUT, scale=v), [1e-6, 1, 1e29]),
    ("mean", lambda v: replace(INPUT, mean=(v, 0.0, 0.0)), [-1e29, 1e29, 0]),
    ("std", lambda v: replace(INPUT, std=(v, 1.0, 1.0)), [1e-29, 1e9]),
    ("count", lambda v: replace(HEAD, count=v), [1, 4096]),
    ("column", lambda v: replace(HEAD, column=v), [0, (1 << 20) - 1]),
    ("step", lambda v: replace(HEAD, step_deg=v), [-3.0, 1e-9]),
    ("circle", lambda v: replace(CIRCLE, step_deg=v), [3.0, -3.0, 3.0 * (1 + 5e-7)]),
    ("factor", lambda v: AngleHead("logits", 0, v), [-1.0, 57.3, 1e-9]),
    ("signs", lambda v: Rot6dDecode("m", signs=(v, 1, -1)), [1, -1]),
    ("sigma", lambda v: replace(SIGMA, pitch=v), [1e-3, 1e3]),
    ("limit", lambda v: replace(SIGMA, limit_deg=v), [None, 1e-9, 180.0]),
]

REFUSED: list[tuple[str, Build, list[Any]]] = [
    *[(f"margin {side}", margin(side), [-100.5, 100.5, -1.0, math.nan, math.inf, "1", None, []]) for side in range(4)],
    ("fill", lambda v: Crop(fill=(v, 0, 255)), [-1, 256, 255.5, math.nan, "a", None]),
    ("size", lambda v: replace(INPUT, size=v), [0, 4097, -1, 64.0, True, "64", None]),
    ("color", lambda v: replace(INPUT, color=v), ["rgb", "GRAY", "", None]),
    ("dtype", lambda v: replace(INPUT, dtype=v), ["float64", "int8", "", None]),
    ("scale", lambda v: replace(INPUT, scale=v), [0, -1, math.nan, math.inf, 1e30]),
    ("mean", lambda v: replace(INPUT, mean=(v, 0.0, 0.0)), [1e30, -1e30, math.nan, math.inf, "0"]),
    ("std", lambda v: replace(INPUT, std=(v, 1.0, 1.0)), [0, -1, 9e-31, math.nan, math.inf, True]),
    ("count", lambda v: replace(HEAD, count=v), [0, -1, 4097]),
    ("column", lambda v: replace(HEAD, column=v), [-1, 1 << 20]),
    ("step", lambda v: replace(HEAD, step_deg=v), [0, math.nan, math.inf]),
    ("first", lambda v: replace(HEAD, first_deg=v), [math.nan, math.inf]),
    ("circle", lambda v: replace(CIRCLE, step_deg=v), [3.0 * (1 + 1e-5), 3.01, 2.99, -2.99]),
    ("factor", lambda v: AngleHead("logits", 0, v), [0, math.nan, math.inf]),
    ("signs", lambda v: Rot6dDecode("m", signs=(v, 1, -1)), [0, 0.5, 2, math.nan]),
    ("sigma", lambda v: replace(SIGMA, pitch=v), [0, 9.9e-4, 1001, -1, math.nan, math.inf]),
    ("limit", lambda v: replace(SIGMA, limit_deg=v), [0, -1, math.nan, math.inf]),
    (
        "several margins",
        lambda v: Crop(margins=v),
        [(0, 0, 0), (0,) * 5, 1.0, (-100.5, 0, 100, 0), (0, 100, 0, -100.5), (-0.6, 0, -0.4, 0), (0, -0.6, 0, -0.4)],
    ),
]


@pytest.mark.parametrize(
    ("build", "value"), [pytest.param(build, v, id=f"{name} {v}") for name, build, values in ACCEPTED for v in values]
)
def test_values_at_the_edge_of_their_range_are_accepted(build: Build, value: object) -> None:
    build(value)


@pytest.mark.parametrize(
    ("build", "value"), [pytest.param(build, v, id=f"{name} {v}") for name, build, values in REFUSED for v in values]
)
def test_values_beyond_their_range_are_refused(build: Build, value: object) -> None:
    with pytest.raises(ModelError):
        build(value)


@pytest.mark.parametrize("margins", [0.25, 1, (0.25, 0.5, 0.75, 1.0)])
def test_margins_of_one_number_are_for_all_sides(margins: Any) -> None:
    crop = Crop(margins=(9.0,) * 4, clip=True, fill=(1.0, 2.0, 3.0)).with_margins(margins)
    assert crop == Crop(margins=margins if isinstance(margins, tuple) else (margins,) * 4, clip=True, fill=(1, 2, 3))
    assert all(type(side) is float for side in crop.margins)


def changed(place: str, value: str) -> str:
    """JSON of a spec with another value, written as JSON, at a place such as ``"input.size"``."""
    plain = json.loads(tiny_spec().to_json())
    inner: Any = plain
    *path, last = place.split(".")
    for name in path:
        inner = inner[name]
    inner[int(last) if isinstance(inner, list) else last] = "HERE"
    return json.dumps(plain).replace('"HERE"', value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("input.scale", "true"),
        ("input.scale", '"1"'),
        ("input.scale", "null"),
        ("input.scale", "[1]"),
        ("input.scale", "1e300"),
        ("input.scale", "NaN"),
        ("input.scale", "Infinity"),
        ("input.size", "64.0"),
        ("input.size", "true"),
        ("input.size", '"64"'),
        ("input.size", "9007199254740992"),
        ("input.name", "7"),
        ("input.name", "true"),
        ("input.mean", "[0, 0]"),
        ("input.mean", "[0, 0, 0, 0]"),
        ("input.mean", "[0, 0, true]"),
        ("input.mean", '"000"'),
        ("input.mean", "0"),
        ("crop.clip", "0"),
        ("crop.clip", '"true"'),
        ("crop.clip", "null"),
        ("origin.tools", "[]"),
        ("origin.tools", '"x"'),
        ("origin.tools", "7"),
        ("origin.tools", '{"a": 1}'),
        ("outputs", '"logits"'),
        ("outputs", "[1]"),
        ("decode", "[]"),
        ("decode", "null"),
        ("decode.kind", "null"),
        ("decode.kind", "[]"),
        ("decode.kind", "{}"),
        ("decode.yaw", "null"),
        ("decode.yaw.circular", "1"),
        ("decode.yaw.count", "66.0"),
        ("gate", "[]"),
        ("sigma", "7"),
        ("format", "1.0"),
        ("format", "true"),
        ("format", '"1"'),
        ("format", "0"),
        ("format", "3"),
        ("format", "-1"),
        ("format", "null"),
    ],
)
def test_a_value_of_another_type_is_refused(place: str, value: str) -> None:
    text = changed(place, value)
    json.loads(text)  # it is JSON as Python reads it
    with pytest.raises(ModelError):
        ModelSpec.from_json(text)


@pytest.mark.parametrize(
    ("place", "value"), [("input.scale", "1"), ("input.mean.0", "0"), ("decode.yaw.step_deg", "3")]
)
def test_a_whole_number_is_a_number(place: str, value: str) -> None:
    ModelSpec.from_json(changed(place, value))


@pytest.mark.parametrize("text", ["[" * 200_000, '{"format":' * 200_000, '{"format": 1, "format": 1}', "", "[]", "7"])
def test_what_is_no_document_is_refused_in_words(text: str) -> None:
    with pytest.raises(ModelError, match="export the model again"):
        ModelSpec.from_json(text)


@pytest.mark.parametrize("field", ["tools", "limits"])
def test_maps_of_other_things_name_their_place(field: str) -> None:
    gate = '{"compared": "a", "source": "b", "faces": 1, "mean_deg": 0, "p99_deg": 0, "worst_deg": 0, "limits": 7}'
    place, value = ("origin.tools", "7") if field == "tools" else ("gate", gate)
    with pytest.raises(ModelError, match=rf"{field} must be an object"):
        ModelSpec.from_json(changed(place, value))


def test_the_precision_is_that_of_the_last_step() -> None:
    from hpe_edge.spec import Quantization

    steps = tuple(Quantization(kind, "a.onnx", "0") for kind in ("int8", "int8+fp16"))
    assert replace(tiny_spec(), quantizations=steps).precision == "int8+fp16"
    assert replace(tiny_spec(), exported_precision="fp16").precision == "fp16"


def test_a_field_under_its_old_and_its_new_name_is_refused() -> None:
    """An earlier version called it reductions; a file that has both would keep one of them silently."""
    text = tiny_spec().to_json()
    ModelSpec.from_json(text.replace('"quantizations"', '"reductions"'))
    with pytest.raises(ModelError, match="unknown field 'reductions'"):
        ModelSpec.from_json(text.replace('"quantizations"', '"reductions": [], "quantizations"'))


def test_whole_numbers_are_those_that_every_reader_of_json_holds() -> None:
    gate = '{"compared": "a", "source": "b", "faces": NUMBER, "mean_deg": 0, "p99_deg": 0, "worst_deg": 0}'
    most = (1 << 53) - 1
    read = ModelSpec.from_json(changed("gate", gate.replace("NUMBER", str(most))))
    assert read.gate is not None and read.gate.faces == most
    for number in (most + 1, -most - 1):
        with pytest.raises(ModelError, match="faces must be a whole number below"):
            ModelSpec.from_json(changed("gate", gate.replace("NUMBER", str(number))))
