"""Make an ONNX model compute in FP16: ``python -m export.fp16 IN.onnx -o OUT.onnx``.

Inputs, outputs and the head that says the angles stay float32. The result is held against its original on real faces
before it appears under its name. This module holds the command line and the work, :mod:`export.quantize.fp16_graph`
the graph.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from export.cli.command import (
    add_faces_options,
    add_limit_options,
    answered,
    interrupt_on_signals,
    limits_of,
    take_default,
)

_EPILOG = (
    "Exit status: 0 done, 1 a failure, 2 wrong usage, 3 the angles changed by more than the limit, 128 + n stopped "
)
_ADVICE = (
    "FP16 ends at 65504 and has 11 bits: a network whose numbers leave that must stay in float32 (or use export.int8); "
    "--mean-deg and --worst-deg set other limits"
)


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0 done, 1 a failure, 2 wrong usage, 3 the gate failed, 128 + n stopped by signal n.
    """
    return answered(lambda: _parse(argv), _make, _ADVICE)


def _make(args: argparse.Namespace) -> None:
    from export.cli.packages import need

    need("onnx", "converting a model")
    from export.cli.output_path import check_output
    from export.cli.report import say, size
    from export.gate.crops import gate_faces
    from export.gate.gate import FP16_LIMITS, INT8_LIMITS
    from export.graph.trace import opset
    from export.graph.weighted_layers import head_nodes
    from export.quantize.fp16_graph import losses, to_half
    from export.steps.reduced import commit, prove_reduced, read_original, reduced
    from hpe_edge.spec import Numbers, Reduction
    from hpe_edge.util.atomic import Pending

    take_default(args)
    check_output(args.output, [("IN", args.model), ("--faces", args.faces), ("--boxes", args.boxes)])
    original = read_original(args.model)
    pending = Pending(args.output)
    try:
        half = to_half(original.model)
        lost = losses(original.model, half)
        kept = [node.name for node in head_nodes(half)]
        numbers: Numbers = "int8+fp16" if original.spec.numbers == "int8" else "fp16"
        spec = reduced(original, Reduction(numbers, "", "", tuple(kept)), half)
        say("graph", f"opset {opset(half)}, {size(half.ByteSize())}; the last {len(kept)} nodes are in float32")
        if lost:
            say("rounded", *map(str, lost))
        faces = gate_faces(spec.crop, spec.input, args.faces, args.boxes)
        say("faces", faces.source, *faces.notes)
        compared = f"{numbers} with {original.spec.numbers}"
        # What FP16 rounds differently may fall on another of INT8's levels: as far from its original as INT8 itself is.
        limits = limits_of(args, FP16_LIMITS if numbers == "fp16" else INT8_LIMITS)
        prove_reduced(original.poses(faces.crops), compared, half, spec, faces, limits, pending)
        commit(args.output, [pending], "--int8" if numbers == "int8+fp16" else "--fp16")
    finally:
        pending.discard()


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m export.fp16",
        description="Make an ONNX model compute in FP16, and prove on real faces that the angles did not change.",
        epilog="Exit status: 0 done, 1 a failure, 2 wrong usage, 3 the angles changed by more than the limit, 128 + n "
        "stopped by signal n.",
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="IN.onnx",
        help="made by export.onnx or export.int8 (default: the embedded model)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.onnx", required=True, help="the file to write; one there is replaced"
    )
    add_faces_options(parser)
    add_limit_options(parser)
    args = parser.parse_args(argv)
    if args.boxes is not None and args.faces is None:
        parser.error("--boxes says where the faces are in --faces; name those pictures, too")
    if args.output.suffix != ".onnx":
        parser.error(f"-o must name a file that ends in .onnx, got {args.output}")
    return args


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
