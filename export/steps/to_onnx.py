"""The work of ``python -m export.onnx``, step by step; each says what it did on standard output."""

from __future__ import annotations

import argparse
import contextlib
import importlib
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from onnx import ModelProto

from export.checkpoints.network import load_network
from export.cli.output_path import as_typed, check_output
from export.cli.report import describe_crop, say, say_passed, size
from export.gate.crops import Faces, gate_faces
from export.gate.gate import Limits, Report
from export.graph import trace as graph
from export.steps.adopt import adopt
from export.steps.verify import prove
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec
from hpe_edge.util.atomic import Pending
from hpe_edge.version import __version__

_TOOLS = ("torch", "onnx", "onnxsim", "onnxruntime")


class Exportable(Protocol):
    """What becomes an ONNX file: a checkpoint's network, several averaged, or someone else's ONNX file."""

    @property
    def spec(self) -> ModelSpec:
        """What it will be run with; the tools and the gate's result are still to come."""

    @property
    def crop_note(self) -> str:
        """How well the crop is known, for people."""

    @property
    def compared(self) -> str:
        """What the gate compares, such as ``"onnx with pytorch"``."""

    def to_onnx(self, batch: int | None) -> ModelProto:
        """The graph, not yet simplified, for a fixed batch or, None, any."""

    def reference(self, faces: Faces) -> Poses:
        """What it says of the faces in its original form."""


def convert(args: argparse.Namespace) -> None:
    """Do what the command line asks for.

    Raises:
        HpeEdgeError: whatever is wrong with the checkpoint, the faces or the places; nothing was written.
        GateFailed: the angles changed; nothing was written.
    """
    network = load_network(args.checkpoint, args.arch, trust=args.trust) if args.checkpoint else None
    source: Exportable | None = adopt(args.adopt, args.arch[0], network) if args.adopt else network
    assert source is not None  # the command line asks for one of the two
    out: Path = args.output or Path(f"{source.spec.architecture.replace(' ', '')}.onnx")
    given = [("CHECKPOINT", path) for path in args.checkpoint]
    check_output(out, [*given, ("--adopt", args.adopt), ("--faces", args.faces), ("--boxes", args.boxes)])
    pending = Pending(out)
    try:
        limits = Limits(worst_deg=args.worst_deg)
        spec, reports = write_proven(source, args.batch or None, args.faces, args.boxes, limits, pending)
        say_passed(reports)
        say("crop", *describe_crop(spec.crop), source.crop_note)
        replaced = out.exists()
        pending.commit()
    finally:
        pending.discard()
    # The file is there: whoever stops listening or waiting now changes nothing about that.
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        say("written", f"{out}{', in place of the file that was there' if replaced else ''}")
        say("next", f"hpe-edge run PICTURE --model {as_typed(out)} -o posed.jpg")


def write_proven(
    source: Exportable, batch: int | None, faces: Path | None, boxes: Path | None, limits: Limits, pending: Pending
) -> tuple[ModelSpec, list[Report]]:
    """Write the finished model, not yet under its name.

    Args:
        source: what becomes an ONNX file.
        batch: a fixed batch; None for any.
        faces, boxes: see :func:`export.gate.crops.gate_faces`.
        limits: what passes.
        pending: where it is written.

    Raises:
        HpeEdgeError: the graph cannot be written, or there are no faces.
        GateFailed: it does not do what its original does.
    """
    raw = source.to_onnx(batch)
    model = graph.simplify(raw)
    say(
        "graph",
        f"opset {graph.opset(model)}, batch {graph.batch(model) or 'dynamic'}; simplified from {len(raw.graph.node)} "
        f"nodes ({size(raw.ByteSize())}) to {len(model.graph.node)} ({size(model.ByteSize())})",
    )
    spec = replace(source.spec, origin=replace(source.spec.origin, tools=_tools(model)))
    graph.save(model, spec, pending)
    seen = gate_faces(spec.crop, spec.input, faces, boxes)
    say("faces", seen.source, *seen.notes)
    reports = prove(source.reference(seen), source.compared, pending.temp, spec, seen, limits)
    spec = replace(spec, gate=reports[0].result())
    graph.save(model, spec, pending)
    return spec, reports


def _tools(model: ModelProto) -> dict[str, str]:
    versions = {name: str(importlib.import_module(name).__version__) for name in _TOOLS}
    producer = f"{model.producer_name} {model.producer_version}".strip()
    return {"hpe_edge": __version__, **versions, "producer": producer, "opset": str(graph.opset(model))}
