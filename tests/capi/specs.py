"""Specs with every field and every decode, for the tests of the C interface."""

from __future__ import annotations

from dataclasses import replace

from tiny_model import tiny_spec

from hpe_edge.spec import (
    AngleHead,
    AnglesDecode,
    BinHead,
    BinsDecode,
    Crop,
    GateResult,
    Input,
    MatrixDecode,
    ModelSpec,
    Quantization,
    QuaternionDecode,
    Rot6dDecode,
    SigmaCalibration,
)

SPEC = tiny_spec()
GATE = GateResult("onnx with pytorch", "sample", 64, 1e-6, 2e-6, 3e-6, {"worst_deg": 0.01})
STEPS = (
    Quantization("int8", "a.onnx", "0" * 64, ("/head/Gemm",), "entropy", {"onnx": "1.2"}, GATE),
    Quantization("int8+fp16", "b.onnx", "1" * 64),
)
SIGMA = SigmaCalibration(0.4, 0.5, 0.25, 195, "labels.csv", True, 12.5)
ZXY = replace(SPEC.decode, order="zxy")
CIRCULAR = BinsDecode(
    BinHead("logits", 0, -180.0, 3.0, 120, True),
    BinHead("logits", 120, 99.0, -3.0, 66),
    BinHead("more", 2, -99.0, 3.0, 66),
)
LEVELS = {"scale": 1.0, "mean": (0, 0, 0), "std": (1, 1, 1), "dtype": "uint8"}

SPECS: dict[str, ModelSpec] = {
    "bins": SPEC,
    "everything": replace(
        SPEC,
        architecture="naïve ☃ net",
        gate=GATE,
        quantizations=STEPS,
        sigma=SIGMA,
        upright="second-pass",
        exported_precision="fp16",
        outputs=("other", "logits"),
        crop=Crop((0.1, -0.2, 0.3, 0.45), "shrink", True, (1, 2.5, 255), "antialias"),
        input=replace(SPEC.input, color="BGR", name="picture", dtype="float16", size=37),
    ),
    "zxy": replace(SPEC, decode=ZXY, sigma=replace(SIGMA, limit_deg=None), upright="keypoints"),
    "circular": replace(SPEC, decode=CIRCULAR, outputs=("logits", "more"), crop=Crop(square="none")),
    "angles": replace(SPEC, decode=AnglesDecode(*(AngleHead("logits", 2 - i, (57.29578, -1, 3)[i]) for i in range(3)))),
    "rot6d": replace(SPEC, decode=Rot6dDecode("logits", 1)),
    "matrix": replace(SPEC, decode=MatrixDecode("logits", 3, (1, -1, -1)), input=Input(24, "BGR", **LEVELS)),
    "quaternion": replace(SPEC, decode=QuaternionDecode("logits", 2, (-1, 1, 1))),
}
