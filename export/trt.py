"""Build a TensorRT engine: ``python -m export.trt MODEL.onnx``, or :func:`build`.

The engine is built for the GPU and with the TensorRT of this machine, and its angles are compared with ONNX Runtime's
on real faces before it appears under its name.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from export.cli import add_gate_options, add_limit_options, keywords, print_model, print_report, step_parser
from export.step import ExportReport, Notes, PathLike, Reporter, check_boxes, need, optional_path, quiet
from hpe_edge.errors import InputError
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell

if TYPE_CHECKING:
    from export.gate.comparison import Limits


def build(
    model: PathLike | None = None,
    *,
    output: PathLike | None = None,
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    batch: int | tuple[int, int, int] | None = None,
    device: str = "cuda",
    layers: bool = False,
    workspace_mb: int | None = None,
    level: int | None = None,
    version_compatible: bool = False,
    hardware: Literal["same-gpu", "same-capability", "ampere-plus"] = "same-gpu",
    dla_core: int | None = None,
    arch: str | None = None,
    trust: bool = False,
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> ExportReport:
    """Build a TensorRT engine for this machine's GPU and verify its angles.

    Args:
        model: an ONNX file of ``export.onnx``, ``export.fp16`` or ``export.int8``; or a checkpoint, which is exported
            first; None takes the embedded model.
        output: the engine to write, and its description beside it; existing ones are replaced. None: the model's name
            with .engine, in the current folder.
        precision: ``"fp16"`` allows FP16 kernels, the outputs stay FP32; ``"int8"`` needs a file of ``export.int8``.
        batch: least, optimal and largest batch size, from 1 to 1024; one number stands for all three; None is
            1, 4, 16, or the ONNX file's fixed batch. The engine runs these and the powers of two between them. Kernels
            are tuned for each size up to the optimal one, which takes its time, and for the largest.
        device: ``"cuda"`` or ``"cuda:INDEX"``.
        layers: report the engine's layers, their types and kernels; makes the plan larger.
        workspace_mb: memory that a layer may use; None for all.
        level: builder optimization level, 0 to 5; None is TensorRT's default.
        version_compatible: newer versions of TensorRT run the engine, too.
        hardware: GPUs that run the engine: of the same name, of the same compute capability, or all from Ampere on.
        dla_core: the DLA core for layers that can use one, the GPU for the others; needs ``precision="fp16"`` and one
            batch size.
        arch, trust: of a checkpoint, see :func:`export.onnx.export`.
        images, boxes: see :func:`export.onnx.export`.
        limits: limits of the accuracy gate in degrees, over the defaults of the precision.
        report: takes each stage's name and lines.

    Returns:
        The engine, its spec and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        HpeEdgeError: the model, the machine, the images or the output cannot be used; nothing was written.
        KeyboardInterrupt: stopped; nothing was written. Before TensorRT 10 the build goes on in its thread.
    """
    need("onnx", "building an engine")
    from export.gate.comparison import Limits
    from export.quantize.quantized_model import model_or_default
    from export.tensorrt.make_engine import Request, make_engine
    from export.tensorrt.settings import Settings

    if dla_core is not None and precision != "fp16":
        raise InputError("--dla needs --fp16: a DLA computes neither in FP32 nor from QuantizeLinear nodes")
    check_boxes(optional_path(images), optional_path(boxes))
    settings = Settings(
        precision=precision,
        profile=(batch, batch, batch) if isinstance(batch, int) else batch,
        workspace_mb=workspace_mb,
        level=level,
        version_compatible=version_compatible,
        hardware=hardware,
        dla_core=dla_core,
    )
    request = Request(
        model=optional_path(model),
        output=optional_path(output),
        device=device,
        layers=layers,
        arch=arch,
        trust=trust,
        images=optional_path(images),
        boxes=optional_path(boxes),
        limits=limits or Limits(),
    )
    notes = Notes(report)
    return make_engine(model_or_default(model, notes), request, settings, notes)


def main(argv: list[str] | None = None, program: str = "python -m export.trt") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        print_model(build(**keywords(_parse(argv, program)), report=print_report))

    return _leave(run_in_shell(program, command))


def _leave(status: int) -> int:
    """Return the status, or end the process at once where a build that TensorRT cannot stop still runs."""
    if any(thread.name == "build" for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(status)  # a normal exit would unload libraries in use
    return status


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Build a TensorRT engine for the GPU of this machine, and verify on real faces that the angles are those of "
        "the ONNX file.",
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL",
        help="an ONNX file of hpe-edge export onnx, fp16 or int8; or a checkpoint, which is exported first "
        "(default: the embedded model)",
    )
    precision = parser.add_mutually_exclusive_group()
    for name, what in (
        ("fp16", "allow FP16 kernels; the outputs stay FP32"),
        ("int8", "build the Q/DQ graph of hpe-edge export int8 in INT8"),
    ):
        precision.add_argument(f"--{name}", dest="precision", action="store_const", const=name, help=what)
    parser.set_defaults(precision="fp32")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="X.engine",
        help="the engine to write, and X.engine.json beside it; existing ones are replaced (default: the model's name "
        "with .engine, in the current folder)",
    )
    parser.add_argument(
        "--batch",
        type=_batch,
        metavar="MIN,OPT,MAX",
        help="least, optimal and largest batch size, or one number (default: 1,4,16, or the ONNX file's fixed batch). "
        "The engine runs these and the powers of two between; other batches are padded, larger ones split. Kernels are "
        "tuned for each size up to OPT, which takes its time, and for MAX",
    )
    parser.add_argument("--device", default="cuda", help="cuda (default) or cuda:INDEX")
    parser.add_argument(
        "--layers",
        action="store_true",
        help="print the engine's layers, their types and kernels; makes the plan larger",
    )
    _add_build_options(parser.add_argument_group("the build"))
    checkpoint = parser.add_argument_group("a checkpoint in place of an ONNX file")
    checkpoint.add_argument("--arch", metavar="NAME", help="its architecture, see hpe-edge export onnx --list")
    checkpoint.add_argument(
        "--trust",
        action="store_true",
        help="run the code that it holds, where reading needs it; see hpe-edge export onnx",
    )
    check = parser.add_argument_group("the accuracy gate")
    add_gate_options(check)
    add_limit_options(check)
    return parser.parse_args(argv)  # type: ignore[no-any-return]


def _add_build_options(build: argparse._ActionsContainer) -> None:
    build.add_argument(
        "--workspace",
        dest="workspace_mb",
        type=_megabytes,
        metavar="MB",
        help="memory that a layer may use (default: all there is)",
    )
    build.add_argument(
        "--level",
        type=int,
        choices=range(6),
        metavar="0-5",
        help="builder optimization level: 0 builds fastest, 5 runs fastest (default: TensorRT's own, 3)",
    )
    build.add_argument(
        "--version-compatible",
        action="store_true",
        help="newer versions of TensorRT run the engine, too; it may be slower",
    )
    build.add_argument(
        "--hardware",
        choices=("same-gpu", "same-capability", "ampere-plus"),
        default="same-gpu",
        help="GPUs that run the engine: those of the same name (default), of the same compute capability, or all from "
        "Ampere on; the latter may be slower",
    )
    build.add_argument(
        "--dla",
        dest="dla_core",
        type=_core,
        metavar="CORE",
        help="use this DLA core where a layer can, the GPU elsewhere; needs --fp16 and one --batch",
    )


def _batch(text: str) -> tuple[int, int, int]:
    """Parse batch sizes; one number stands for all three."""
    if re.fullmatch("[0-9]{1,4}(,[0-9]{1,4},[0-9]{1,4})?", text):
        numbers = [int(number) for number in text.split(",")]
        least, best, most = numbers if len(numbers) == 3 else numbers * 3
        if 1 <= least <= best <= most <= 1024:
            return least, best, most
    raise argparse.ArgumentTypeError(f"must be MIN,OPT,MAX, rising, or one number, from 1 to 1024, got {text!r}")


def _megabytes(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,6}", text):
        raise argparse.ArgumentTypeError(f"must be megabytes, a whole number from 1 on, got {text!r}")
    return int(text)


def _core(text: str) -> int:
    if not re.fullmatch("[0-9]", text):
        raise argparse.ArgumentTypeError(f"must be a DLA core's number, got {text!r}")
    return int(text)


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
