"""Command export: one step of the build-time tools, from checkpoint to deployable file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from hpe_edge.errors import BackendError
from hpe_edge.util.shell import CommandParser

STEPS = {  # name -> summary
    "onnx": "convert a PyTorch or Keras checkpoint to ONNX",
    "fp16": "convert a model to FP16",
    "int8": "quantize a model to INT8 with calibration images",
    "trt": "build a TensorRT engine",
    "sigma": "calibrate a model's sigma",
    "distill": "train a smaller model from a larger one",
    "compare": "compare models without labels, by their teachers and by consistency",
    "detector": "train the face detector",
}
_PACKAGES = ("torch", "onnx", "onnxsim", "safetensors", "h5py")
_DESCRIPTION = """\
Convert, quantize, compile, compare and train models. Every conversion ends with the accuracy gate: it compares its
result with its input, in degrees, on real face crops, and writes nothing where they differ by more than the limit.
"""
_EPILOG = """\
examples:
  hpe-edge export onnx CHECKPOINT -o model.onnx
  hpe-edge export int8 model.onnx --help

The steps need PyTorch and ONNX: pip install -c constraints.txt '.[export]', in the checkout.
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


def load_step(step: str) -> ModuleType:
    """Import ``export.STEP`` from the package that is installed beside hpe_edge.

    An ``export`` module elsewhere on the path, such as one in the current folder, is not imported.

    Raises:
        BackendError: the export package or one that it needs is missing.
    """
    _load_package()
    try:
        return importlib.import_module(f"export.{step}")
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise BackendError(
            f"hpe-edge export {step} needs {error.name}, which is not installed: run, in the checkout, "
            "pip install -c constraints.txt '.[export]'"
        ) from None


def _load_package() -> None:
    """Load the installed ``export`` package into ``sys.modules``, where its own modules find it."""
    folder = Path(__file__).resolve().parents[2] / "export"
    loaded = sys.modules.get("export")
    if loaded is not None and Path(loaded.__file__ or "").parent == folder:
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "export"]:
        del sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        "export", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None or not (folder / "__init__.py").is_file():
        raise BackendError(f"the export package is missing in {folder.parent}: install hpe-edge again")
    package = importlib.util.module_from_spec(spec)
    sys.modules["export"] = package
    spec.loader.exec_module(package)
