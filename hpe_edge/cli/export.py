"""Command export: one step of the build-time tools, from checkpoint to deployable file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hpe_edge.util.export_package import load_step
from hpe_edge.util.shell import CommandParser

STEPS = {  # name -> summary
    "onnx": "convert a PyTorch or Keras checkpoint to ONNX",
    "picture": "convert a whole-picture checkpoint, which finds faces and poses at once",
    "fp16": "convert a model to FP16",
    "int8": "quantize a model to INT8 with calibration images",
    "native": "convert a model for native code, which needs no runtime library",
    "trt": "build a TensorRT engine",
    "triton": "write a model repository for NVIDIA's Triton server",
    "deepstream": "write a folder for NVIDIA DeepStream",
    "browser": "write a page that runs a model in the browser",
    "edge": "convert a model for ncnn, MNN, OpenVINO, TensorFlow Lite or RKNN",
    "sigma": "calibrate a model's sigma",
    "distill": "train a smaller model from a larger one",
    "compare": "compare models without labels, by their teachers and by consistency",
    "detector": "train the face detector",
}
_DESCRIPTION = """\
Convert, quantize, compile, compare and train models. Every conversion ends with the accuracy gate: it compares its
result with its input, in degrees, on real face crops, and writes nothing where they differ by more than the limit.
"""
_EPILOG = """\
examples:
  hpe-edge export onnx CHECKPOINT -o model.onnx
  hpe-edge export int8 model.onnx --help

The steps need PyTorch and ONNX: pip install 'hpe-edge[export]'.
`python -m export.STEP` is equivalent unless the current folder holds an export.py or an export folder.
"""


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge export``; returns the step's exit status."""
    parser = CommandParser(prog="hpe-edge export", description=_DESCRIPTION, epilog=_EPILOG)
    steps = parser.add_subparsers(dest="step", metavar="STEP")
    for name, summary in STEPS.items():
        steps.add_parser(name, help=summary, add_help=False)
    step = parser.parse_args(argv[:1]).step
    if step is None:
        parser.error(f"a STEP is needed: {', '.join(STEPS)}")
    run: Callable[..., int] = load_step(step).main
    return run(list(argv[1:]), program=f"hpe-edge export {step}")
