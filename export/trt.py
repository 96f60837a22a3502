"""Build a TensorRT engine: ``python -m export.trt MODEL.onnx``, or :func:`build`.

The engine is built for the GPU and with the TensorRT of this machine, and its angles are compared with ONNX Runtime's
on real faces before it appears under its name. One of TensorRT-RTX (``--rtx``) needs no GPU here and is verified by the
GPU that loads it first.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from export.cli import add_gate_options, add_limit_options, keywords, positive, print_model, print_report, step_parser
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
    compare_layers: bool = False,
    layer_tolerance: float | None = None,
    workspace_mb: int | None = None,
    level: int | None = None,
    version_compatible: bool = False,
    hardware: Literal["same-gpu", "same-capability", "ampere-plus", "turing"] | None = None,
    dla_core: int | None = None,
    input_format: Literal["linear", "hwc8"] = "linear",
    rtx: bool = False,
    arch: str | None = None,
    trust: bool = False,
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> ExportReport:
    """Build a TensorRT engine for this machine's GPU and verify its angles, or one of TensorRT-RTX for other GPUs.

    Args:
        model: an ONNX file of ``export.onnx``, ``export.fp16`` or ``export.int8``; or a checkpoint, which is exported
            first; None takes the embedded model.
        output: the engine to write, and its description beside it; existing ones are replaced. None: the model's name
            with .engine (TensorRT-RTX: .rtx), in the current folder.
        precision: ``"fp16"`` allows FP16 kernels, the outputs stay FP32; ``"int8"`` needs a file of ``export.int8``.
        batch: least, optimal and largest batch size, from 1 to 1024; one number stands for all three; None is
            1, 4, 16, or the ONNX file's fixed batch. The engine runs these and the powers of two between them. Kernels
            are tuned for each size up to the optimal one, which takes its time, and for the largest.
        device: ``"cuda"`` or ``"cuda:INDEX"``.
        layers: report the engine's layers, their types and kernels; makes the plan larger.
        compare_layers: build another engine, with each layer as an output, and report the first one that drifts from
            ONNX Runtime's, and those that add most; see :mod:`export.inspection.drift`.
        layer_tolerance: drift to report, a fraction of a layer's root mean square; None is 0.001 for FP32, 0.02 for
            FP16, 0.1 for INT8.
        workspace_mb: memory that a layer may use; None for all.
        level: builder optimization level, 0 to 5; None is TensorRT's default.
        version_compatible: newer versions of TensorRT run the engine, too.
        hardware: GPUs that run the engine: of the same name (None), of the same compute capability, or all from Ampere
            on. With ``rtx`` all from Ampere on (None), or Turing.
        dla_core: the DLA core for layers that can use one, the GPU for the others; needs ``precision="fp16"`` and one
            batch size.
        input_format: memory layout of the input. ``"linear"``: planes in the ONNX file's type, which other programs
            write as well. ``"hwc8"``: FP16 pixels of 8 channels (TensorRT's kHWC8), which hpe_edge's crop writes, so
            that the engine casts and pads nothing; needs FP16 or INT8 and no DLA.
        rtx: build with TensorRT-RTX, for GeForce and RTX. No GPU is needed. The gate compares the graph that the
            builder gets; the engine is verified by each kind of GPU that loads it, with the crops in
            ``<engine>.gate.npz``. ``device``, ``workspace_mb``, ``level``, ``version_compatible``
            and ``dla_core`` do not apply.
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
    from export.tensorrt.make_rtx import check_rtx, make_rtx_engine
    from export.tensorrt.settings import Settings
    from hpe_edge.backends.tensorrt.plan_file import library_of

    if dla_core is not None and precision != "fp16":
        raise InputError("--dla needs --fp16: a DLA computes neither in FP32 nor from QuantizeLinear nodes")
    if input_format == "hwc8" and precision == "fp32":
        raise InputError("--input-format hwc8 is FP16: add --fp16, or --int8 for a file of hpe-edge export int8")
    if input_format == "hwc8" and dla_core is not None:
        raise InputError("--input-format hwc8 is for the GPU: a DLA has other formats; leave one of them out")
    if compare_layers and dla_core is not None:
        raise InputError("--compare-layers is for engines on the GPU alone: a DLA fuses most layers; leave --dla out")
    if compare_layers and rtx:
        raise InputError("--compare-layers runs the layers on a GPU, which --rtx does without; leave one of them out")
    if layer_tolerance is not None and not compare_layers:
        raise InputError("--layer-tolerance needs --compare-layers")
    if layer_tolerance is not None and not layer_tolerance > 0:
        raise InputError(f"--layer-tolerance must be above 0, got {layer_tolerance!r}")
    check_boxes(optional_path(images), optional_path(boxes))
    settings = Settings(
        precision=precision,
        profile=(batch, batch, batch) if isinstance(batch, int) else batch,
        workspace_mb=workspace_mb,
        level=level,
        version_compatible=version_compatible,
        hardware=hardware or ("ampere-plus" if rtx else "same-gpu"),
        dla_core=dla_core,
        input_format=input_format,
    )
    if rtx:
        check_rtx(settings, device)
    elif hardware == "turing":
        raise InputError("--hardware turing is for --rtx; TensorRT builds for the GPU that it runs on")
    elif output is not None and library_of(Path(output)) == "tensorrt-rtx":
        raise InputError(f"{output} names an engine of TensorRT-RTX: add --rtx, or let the name end in .engine")
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
        compare_layers=compare_layers,
        layer_tolerance=layer_tolerance,
    )
    notes = Notes(report)
    make = make_rtx_engine if rtx else make_engine
    return make(model_or_default(model, notes), request, settings, notes)


def main(argv: list[str] | None = None, program: str = "python -m export.trt") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        print_model(build(**keywords(_parse(argv, program)), report=print_report))

    return run_in_shell(program, command)


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
        "with .engine, in the current folder; with --rtx .rtx, and X.rtx.gate.npz beside it)",
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
    parser.add_argument(
        "--compare-layers",
        action="store_true",
        help="build another engine, with each layer as an output, and name the first layer that drifts from ONNX "
        "Runtime's, and those that add most",
    )
    parser.add_argument(
        "--layer-tolerance",
        type=positive,
        metavar="FRACTION",
        help="drift to name a layer for, as a fraction of its root mean square (default: 0.001 for FP32, 0.02 for "
        "FP16, 0.1 for INT8)",
    )
    parser.add_argument(
        "--rtx",
        action="store_true",
        help="build with TensorRT-RTX, for GeForce and RTX GPUs, also on a machine without one; the GPU that loads the "
        "engine first verifies it",
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
        choices=("same-gpu", "same-capability", "ampere-plus", "turing"),
        help="GPUs that run the engine: those of the same name (default), of the same compute capability, or all from "
        "Ampere on; the latter may be slower. With --rtx: all from Ampere on (default), or turing",
    )
    build.add_argument(
        "--dla",
        dest="dla_core",
        type=_core,
        metavar="CORE",
        help="use this DLA core where a layer can, the GPU elsewhere; needs --fp16 and one --batch",
    )
    build.add_argument(
        "--input-format",
        choices=("linear", "hwc8"),
        default="linear",
        help="linear: planes in the ONNX file's type (default); hwc8: FP16 pixels of 8 channels as the crop writes "
        "them, without a cast and padding in the engine; needs --fp16 or --int8",
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
