"""ModelSpec: one JSON form, read strictly."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tiny_model import tiny_spec

from hpe_edge import ModelError, ModelSpec
from hpe_edge.cli.describe import describe
from hpe_edge.spec import (
    AngleHead,
    AnglesDecode,
    BinHead,
    Crop,
    GateResult,
    Input,
    MatrixDecode,
    Quantization,
    QuaternionDecode,
    Rot6dDecode,
    SigmaCalibration,
)

SPEC = tiny_spec()
GATE = GateResult("onnx with pytorch", "sample", 64, 1e-6, 2e-6, 3e-6, {"worst_deg": 0.01})
QUANTIZED = (
    Quantization("int8", "a.onnx", "0" * 64, ("/head/Gemm",), "entropy", {"onnx": "1.2"}, GATE),
    Quantization("int8+fp16", "b.onnx", "1" * 64),
)
SIGMA = SigmaCalibration(0.4, 0.5, 0.25, 195, "labels.csv", True, 12.5)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        replace(SPEC, gate=GATE),
        replace(SPEC, quantizations=QUANTIZED),
        replace(SPEC, sigma=SIGMA),
        replace(SPEC, sigma=replace(SIGMA, labelled=False, limit_deg=None)),
        replace(SPEC, decode=Rot6dDecode("logits"), crop=Crop(resampling="antialias", fill=(1, 2, 3), clip=True)),
        replace(SPEC, decode=MatrixDecode("logits", 3), crop=Crop(square="shrink")),
        replace(SPEC, decode=QuaternionDecode("logits", 3, (1, -1, -1)), crop=Crop(square="none")),
        replace(SPEC, decode=AnglesDecode(*(AngleHead("logits", i, -1.5) for i in range(3)))),
        replace(SPEC, outputs=("logits", "extra")),
    ],
)
def test_json_round_trip(spec: ModelSpec) -> None:
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert ModelSpec.from_json(spec.to_json(indent=2)) == spec
    assert next(iter(json.loads(spec.to_json()))) == "format"


def test_precision_is_that_of_the_last_step() -> None:
    assert replace(SPEC, exported_precision="fp16").precision == "fp16"
    assert SPEC.precision == "fp32"
    assert replace(SPEC, quantizations=QUANTIZED[:1]).precision == "int8"
    assert replace(SPEC, quantizations=QUANTIZED).precision == "int8+fp16"


def test_info_says_what_it_was_made_from_and_what_stayed() -> None:
    said = describe(replace(SPEC, quantizations=QUANTIZED))
    assert f"to int8 from a.onnx, sha256 {'0' * 64}; entropy; kept in float32: /head/Gemm" in said
    assert f"to int8+fp16 from b.onnx, sha256 {'1' * 64}" in said


def test_info_says_if_and_how_sigma_was_calibrated() -> None:
    assert "not calibrated" in describe(SPEC)
    said = describe(replace(SPEC, sigma=SIGMA))
    assert "yaw 0.4, pitch 0.5, roll 0.25, from labels of 195 faces: labels.csv" in said
    assert "above 12.5 degrees" in said
    assert "no limit" in describe(replace(SPEC, sigma=replace(SIGMA, limit_deg=None)))
    assert "sigma" not in describe(replace(SPEC, decode=Rot6dDecode("logits")))


def test_the_written_form_stays_readable() -> None:
    """A file written by the first version must load in every later one."""
    text = (
        '{"format": 1, "architecture": "lightweight", "input": {"size": 224, "color": "RGB", "scale": 0.0039215686,'
        '"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "name": "image", "dtype": "float32"},'
        '"outputs": ["logits"], "crop": {"margins": [0.1, 0.1, 0.1, 0.1], "square": "extend", "clip": false,'
        '"fill": [0.0, 0.0, 0.0], "resampling": "bilinear"}, "decode": {"kind": "bins",'
        '"yaw": {"output": "logits", "column": 0, "first_deg": -97.5, "step_deg": 3.0, "count": 66, "circular": false},'
        '"pitch": {"output": "logits", "column": 66, "first_deg": -97.5, "step_deg": 3.0, "count": 66},'
        '"roll": {"output": "logits", "column": 132, "first_deg": -97.5, "step_deg": 3, "count": 66}},'
        '"origin": {"checkpoint": "model-b66.pkl", "sha256": "00", "tools": {"torch": "2.13.0"}}, "gate": null}'
    )
    spec = ModelSpec.from_json(text)
    assert (spec.architecture, spec.decode.yaw.first_deg, spec.input.mean[0]) == ("lightweight", -97.5, 0.485)
    assert spec.sigma is None


def test_names_of_earlier_versions_are_read() -> None:
    plain = json.loads(replace(SPEC, quantizations=QUANTIZED).to_json())
    plain["reductions"] = plain.pop("quantizations")
    for step in plain["reductions"]:
        step["numbers"] = step.pop("precision")
    del plain["exported_precision"], plain["origin"]["merged"]
    assert ModelSpec.from_json(json.dumps(plain)) == replace(SPEC, quantizations=QUANTIZED)


def test_a_rotation_head_without_signs_is_6drepnets() -> None:
    spec = ModelSpec.from_json(edited("decode", value={"kind": "rot6d", "output": "logits", "column": 0}))
    assert spec.decode == Rot6dDecode("logits", 0, (1.0, 1.0, 1.0))


def calibrated(name: str, value: object) -> str:
    return edited("sigma", value={**json.loads(replace(SPEC, sigma=SIGMA).to_json())["sigma"], name: value})


def edited(*path: object, value: object = None, remove: bool = False) -> str:
    plain = json.loads(SPEC.to_json())
    node = plain
    for key in path[:-1]:
        node = node[key]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("{", "not JSON"),
        ("[1]", "no format number"),
        ("{}", "no format number"),
        (edited("format", value="1"), "no format number"),
        (edited("format", value=3), "upgrade hpe_edge"),
        (edited("format", value=0), "never existed"),
        (edited("surprise", value=1), "unknown field 'surprise'"),
        (edited("input", "surprise", value=1), "spec.input has the unknown field"),
        (edited("decode", "yaw", "surprise", value=1), "spec.decode.yaw has the unknown field"),
        (edited("crop", remove=True), "spec lacks the field 'crop'"),
        (edited("decode", "yaw", "first_deg", remove=True), "spec.decode.yaw lacks the field 'first_deg'"),
        (edited("decode", "kind", value="guess"), "spec.decode.kind must be one of bins"),
        (edited("decode", value=[]), "spec.decode must be an object"),
        (edited("input", "size", value=224.5), "spec.input.size must be int"),
        (edited("input", "size", value=True), "spec.input.size must be int"),
        (edited("input", "size", value=0), "1..4096"),
        (edited("input", "color", value="GRB"), "RGB, BGR"),
        (edited("input", "mean", value=[0, 0]), "a list of 3"),
        (edited("input", "mean", value=[0, 0, "a"]), r"spec.input.mean\[2\] must be a number"),
        (edited("input", "std", value=[1, 1, 0]), "positive"),
        (edited("input", "scale", value=float("nan")), "finite"),
        (edited("input", "dtype", value="float64"), "float32, float16, uint8"),
        (edited("input", "dtype", value="uint8"), "scale 1, mean 0"),
        (edited("crop", "margins", value=[-0.5, 0, -0.5, 0]), "leave nothing"),
        (edited("crop", "fill", value=[0, 0, 256]), "0..255"),
        (
            edited("crop", "square", value=True),
            "spec.crop.square must be one of extend, shrink, none, got True; export",
        ),
        (edited("crop", "square", value="grow"), "extend, shrink, none, got 'grow'"),
        (edited("crop", "square", value=["extend"]), "extend, shrink, none"),
        (edited("decode", value={"kind": "rot6d", "output": "logits", "signs": [1, 1]}), "signs must be a list of 3"),
        (edited("decode", value={"kind": "rot6d", "output": "logits", "signs": [1, 1, 0.5]}), "signs must be 1 or -1"),
        (edited("decode", value={"kind": "quaternion", "column": 0}), "lacks the field 'output'"),
        (edited("crop", "resampling", value="nearest"), "bilinear, antialias"),
        (edited("outputs", value="logits"), "a list"),
        (edited("outputs", value=["other"]), "reads output 'logits'"),
        (edited("decode", "yaw", "count", value=0), "1..4096 bins"),
        (edited("decode", "yaw", "step_deg", value=0), "step"),
        (edited("decode", "yaw", "circular", value=True), "360"),
        (edited("origin", "tools", value={"a": 1}), "spec.origin.tools.a must be str"),
        (edited("gate", value={"compared": "x"}), "spec.gate lacks"),
        (edited("format", value=True), "no format number"),
        (edited("decode", "kind", value=[]), "spec.decode.kind must be one of"),
        (edited("input", "scale", value=10**400), "a finite number"),
        (edited("input", "std", value=[1, 1, 1e-300]), "float32's range"),
        (edited("crop", "margins", value=[1e9, 0, 0, 0]), "100 at most"),
        (edited("outputs", value=["logits", "logits"]), "different names"),
        (edited("decode", value={"kind": "rot6d", "output": "logits", "column": -8}), "first column"),
        (edited("decode", value={"kind": "matrix", "output": "logits", "column": -50_000_000}), "first column"),
        (edited("decode", "yaw", "column", value=-1), "first column"),
        ('{"format": 1, "architecture": "a", "architecture": "b"}', "names a field twice"),
        (edited("sigma", value={"yaw": 0.5}), "spec.sigma lacks the field 'pitch'"),
        (calibrated("surprise", 1), "spec.sigma has the unknown field"),
        (calibrated("pitch", "0.5"), "spec.sigma.pitch must be a number"),
        (calibrated("roll", 0), "from 0.001 to 1000"),
        (calibrated("labelled", 1), "spec.sigma.labelled must be bool"),
        (calibrated("limit_deg", 0), "above 0"),
        (calibrated("limit_deg", "12"), "spec.sigma.limit_deg must be a number"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, fragment: str) -> None:
    with pytest.raises(ModelError, match=fragment):
        ModelSpec.from_json(text)


def test_values_are_checked_in_python_too() -> None:
    with pytest.raises(ModelError):
        Crop(margins=(0.0, 0.0, 0.0))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="must be 4 numbers"):
        Crop(margins=0.25)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="whole pixels"):
        Input(size=8.0, color="RGB", scale=1, mean=(0, 0, 0), std=(1, 1, 1))  # type: ignore[arg-type]
    assert Crop(margins=[0, 0, 0, 0]) == Crop() and hash(Crop(margins=[0, 0, 0, 0])) == hash(Crop())  # type: ignore[arg-type]
    with pytest.raises(ModelError):
        Input(size=10, color="RGB", scale=-1, mean=(0, 0, 0), std=(1, 1, 1))
    with pytest.raises(ModelError):
        BinHead("x", -1, 0, 1, 3)
    with pytest.raises(ModelError, match=r"crop\.square must be one of extend, shrink, none, got True"):
        Crop(square=True)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"decode\.signs must be 1 or -1"):
        QuaternionDecode("x", signs=(1, 1, 0))
    with pytest.raises(ModelError):
        AngleHead("x", 0, 0.0)
    with pytest.raises(ModelError, match="rot6d gives no sigma"):
        replace(SPEC, decode=Rot6dDecode("logits"), sigma=SIGMA)
    with pytest.raises(ModelError, match="above 0"):
        replace(SIGMA, limit_deg=float("nan"))


@pytest.mark.parametrize("number", [1 << 53, -(1 << 53), 10**400, 10**5000], ids=["53 bits", "-53 bits", "400", "5000"])
@pytest.mark.parametrize("place", [("input", "size"), ("decode", "yaw", "count"), ("decode", "yaw", "column")])
def test_whole_numbers_that_no_library_holds_are_refused(place: tuple[str, ...], number: int) -> None:
    plain = json.loads(tiny_spec().to_json())
    inner = plain
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = "HERE"
    with pytest.raises(ModelError) as caught:
        ModelSpec.from_json(json.dumps(plain).replace('"HERE"', digits(number)))
    assert len(str(caught.value)) < 600


def digits(number: int) -> str:
    """Decimal digits of any number; str refuses more than 4,300."""
    text = ""
    sign, number = ("-", -number) if number < 0 else ("", number)
    while number:
        number, low = divmod(number, 10**1000)
        text = f"{low:01000d}{text}" if number else f"{low}{text}"
    return sign + (text or "0")
