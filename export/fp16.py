"""Convert an ONNX model to FP16: ``python -m export.fp16 IN.onnx -o OUT.onnx``, or :func:`convert`.

Inputs, outputs and the head stay float32. The result is compared with its original on real faces before it appears
under its name.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import (
    add_gate_options,
    add_limit_options,
    add_onnx_options,
    keywords,
    print_quantized,
    print_report,
    step_parser,
)
from export.step import (
    ExportReport,
    Notes,
    PathLike,
    Reporter,
    byte_size,
    check_boxes,
    check_output,
    commit,
    need,
    optional_path,
    quiet,
)
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell

if TYPE_CHECKING:
    from export.gate.comparison import Limits

_ADVICE = (
    "FP16 ends at 65504 and has 11 bits: keep a network with larger activations in float32, or use hpe-edge export "
    "int8; --mean-deg and --worst-deg set other limits"
)


def convert(
    model: PathLike | None = None,
    *,
    output: PathLike,
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> ExportReport:
    """Convert an ONNX model to FP16 and verify its angles.

    Args:
        model: an ONNX file of ``export.onnx`` or ``export.int8``; None takes the embedded model.
        output: the ONNX file to write; an existing one is replaced.
        images: picture, folder of pictures or video whose faces the accuracy gate runs on; None takes two bundled
            photos.
        boxes: CSV of the face boxes in ``images``; None detects the faces.
        limits: limits of the accuracy gate in degrees, over the defaults: mean 0.05, worst 0.3; INT8's for an INT8
            model.
        report: takes each stage's name and lines.

    Returns:
        The file, its spec and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        HpeEdgeError: the model, the images or the output cannot be used; nothing was written.
    """
    need("onnx", "converting a model")
    from export.gate.comparison import FP16_LIMITS, INT8_LIMITS, Limits
    from export.gate.crops import gate_faces
    from export.gate.verify import Check
    from export.graph.trace import opset
    from export.graph.weighted_layers import head_nodes
    from export.quantize import quantized_model
    from export.quantize.fp16_graph import losses, to_half
    from hpe_edge.spec import Precision, Quantization
    from hpe_edge.util.atomic import Pending

    notes = Notes(report)
    path = quantized_model.model_or_default(model, notes)
    out, seen, csv = Path(output), optional_path(images), optional_path(boxes)
    check_boxes(seen, csv)
    check_output(out, (".onnx",), [("the model", path), ("--images", seen), ("--boxes", csv)])
    original = quantized_model.read_original(path, notes)
    pending = Pending(out)
    try:
        half = to_half(original.model)
        kept = [node.name for node in head_nodes(half)]
        was_int8 = original.spec.precision == "int8"
        precision: Precision = "int8+fp16" if was_int8 else "fp16"
        spec = quantized_model.quantized_spec(original, Quantization(precision, "", "", tuple(kept)), half)
        notes(
            "graph", [f"opset {opset(half)}, {byte_size(half.ByteSize())}; the last {len(kept)} nodes are in float32"]
        )
        notes("rounded", [str(loss) for loss in losses(original.model, half)])
        faces = gate_faces(spec.crop, spec.input, seen, csv)
        notes("faces", [faces.source, *faces.notes])
        # FP16's rounding may move a value to the next INT8 level: an error as large as INT8's own.
        allowed = (limits or Limits()).over(INT8_LIMITS if was_int8 else FP16_LIMITS)
        check = Check(f"{precision} with {original.spec.precision}", faces, allowed, _ADVICE, notes)
        spec, comparisons = quantized_model.write_verified(original.poses(faces.crops), half, spec, check, pending)
        return commit(out, [pending], spec, comparisons[0], notes)
    finally:
        pending.discard()


def main(argv: list[str] | None = None, program: str = "python -m export.fp16") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        print_quantized(convert(**keywords(_parse(argv, program)), report=print_report))

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program, "Convert an ONNX model to FP16, and verify on real faces that the angles did not change."
    )
    add_onnx_options(parser, "export onnx or export int8")
    add_gate_options(parser)
    add_limit_options(parser)
    return parser.parse_args(argv)  # type: ignore[no-any-return]


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
