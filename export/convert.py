"""The work of ``python -m export.onnx``, step by step; each says what it did on standard output."""

from __future__ import annotations

import argparse
import importlib
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import nn

from export import graph, zoo
from export.checkpoint import Checkpoint, load_checkpoint
from export.faces import Faces, gate_faces
from export.gate import (
    GateFailed,
    Limits,
    Report,
    Runner,
    backend_runner,
    check_reference,
    compare,
    poses_of,
    select,
)
from export.zoo.family import Family
from hpe_edge.atomic import Pending
from hpe_edge.backends.onnxruntime import OnnxRuntimeBackend
from hpe_edge.errors import InputError, OutputError
from hpe_edge.info import SQUARE_IN_WORDS
from hpe_edge.spec import Crop, ModelSpec, Origin
from hpe_edge.version import __version__

_TOOLS = ("torch", "onnx", "onnxsim", "onnxruntime")
_BATCH = 8  # faces that PyTorch and a dynamic ONNX take at once in the gate
_ALONE = 16  # faces that are also run one at a time


def convert(args: argparse.Namespace) -> None:
    """Do what the command line asks for.

    Raises:
        HpeEdgeError: whatever is wrong with the checkpoint, the faces or the places; nothing was written.
        GateFailed: the angles changed; nothing was written.
    """
    checkpoint = _unprefixed(load_checkpoint(args.checkpoint))
    _say("checkpoint", f"{checkpoint.path}, sha256 {checkpoint.sha256[:12]}...", *checkpoint.notes)
    family = _find_family(checkpoint, args.arch)
    net = family.load(checkpoint.state)
    out: Path = args.output or Path(f"{family.name}.onnx")
    _check_output(out, args)
    pending = Pending(out)
    try:
        spec, reports = _build(checkpoint, family, net, args, pending)
        replaced = out.exists()
        pending.commit()
    finally:
        pending.discard()
    _say("gate", *reports[0].table().splitlines(), *(report.line() for report in reports[1:]))
    _say("crop", *_describe_crop(spec.crop), family.crop_note)
    _say("written", f"{out}{', in place of the file that was there' if replaced else ''}")
    _say("next", f"hpe-edge run PICTURE --model {shlex.quote(str(out))} -o posed.jpg")


def _unprefixed(checkpoint: Checkpoint) -> Checkpoint:
    prefix, state = zoo.strip_prefix(checkpoint.state)
    if not prefix:
        return checkpoint
    return replace(checkpoint, state=state, notes=(*checkpoint.notes, f"the prefix {prefix!r} is taken off every key"))


def _check_output(out: Path, args: argparse.Namespace) -> None:
    """The output would take the place of what it is made from."""
    for option, path in (("CHECKPOINT", args.checkpoint), ("--faces", args.faces), ("--boxes", args.boxes)):
        if path is not None and _same(out, path):
            raise InputError(f"the output and {option} are the same file {path}; name another output with -o")


def _same(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)  # links are followed
    except OSError:  # one of them is not there
        return False


def _find_family(checkpoint: Checkpoint, asked: str | None) -> Family:
    family = zoo.get(asked) if asked else zoo.recognise(checkpoint.state)
    why = "as asked for" if asked else f"recognised: all {len(family.expected)} keys and shapes are its own"
    drops = [f"left out: {drop.why}" for drop in family.dropped(checkpoint.state)]
    _say(
        "family",
        f"{family.name} ({why})",
        family.title,
        family.source,
        f"its authors report: {family.published}",
        *drops,
    )
    return family


def _build(
    checkpoint: Checkpoint, family: Family, net: nn.Module, args: argparse.Namespace, pending: Pending
) -> tuple[ModelSpec, list[Report]]:
    """Write the finished model, not yet under its name; GateFailed where it does not do what the network does."""
    raw = graph.trace(family.export_form(net), family.input, family.output, args.batch)
    model = graph.simplify(raw)
    _say(
        "graph",
        f"opset {graph.OPSET}, batch {args.batch or 'dynamic'}; simplified from {len(raw.graph.node)} nodes "
        f"({_size(raw.ByteSize())}) to {len(model.graph.node)} ({_size(model.ByteSize())})",
    )
    origin = Origin(checkpoint=checkpoint.path.name, sha256=checkpoint.sha256, tools=_tools(model))
    spec = family.spec(origin)
    graph.save(model, spec, pending)
    faces = gate_faces(spec.crop, spec.input, args.faces, args.boxes)
    _say("faces", faces.source, *faces.notes)
    reports = _gate(net, pending.temp, spec, faces, Limits(worst_deg=args.worst_deg))
    spec = replace(spec, gate=reports[0].result())
    graph.save(model, spec, pending)
    return spec, reports


def _tools(model: ModelProto) -> dict[str, str]:
    versions = {name: str(importlib.import_module(name).__version__) for name in _TOOLS}
    producer = f"{model.producer_name} {model.producer_version}"
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    return {"hpe_edge": __version__, **versions, "producer": producer, "opset": str(opset)}


def _gate(net: nn.Module, path: Path, spec: ModelSpec, faces: Faces, limits: Limits) -> list[Report]:
    """The file against the torch module, and against itself with each face alone.

    Raises:
        ModelError: the torch module's answers are NaN, or all the same.
        GateFailed: either differs by more than the limits.
    """
    torch_poses = poses_of(_torch_runner(net), spec, faces.crops, _BATCH)
    check_reference(torch_poses)
    backend = OnnxRuntimeBackend(path)
    run = backend_runner(backend)
    together = poses_of(run, spec, faces.crops, backend.max_batch)
    apart = np.linspace(0, len(faces.crops) - 1, _ALONE).round().astype(int)
    alone = poses_of(run, spec, faces.crops[apart], 1)
    reports = [
        compare(torch_poses, together, compared="onnx with pytorch", source=faces.source, limits=limits),
        compare(
            select(together, apart),
            alone,
            compared="a face alone with the same in a batch",
            source=faces.source,
            limits=limits,
        ),
    ]
    backend.close()
    for report in reports:
        if not report.passed:
            _say("gate", *report.table().splitlines())
            raise GateFailed(report)
    return reports


def _torch_runner(net: nn.Module) -> Runner:
    def run(crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            return [net(torch.from_numpy(crops)).numpy()]

    return run


def _say(what: str, *lines: str) -> None:
    """One step of the report: a word, then its lines, indented alike."""
    try:
        for i, line in enumerate(lines):
            print(f"{what if i == 0 else '':<12}{line}", flush=True)
    except BrokenPipeError:
        raise  # whoever reads has had enough, which is no error to be told
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror}") from None


def _describe_crop(crop: Crop) -> list[str]:
    sides = ", ".join(f"{side} {m:g}" for side, m in zip(("left", "top", "right", "bottom"), crop.margins, strict=True))
    steps = [SQUARE_IN_WORDS[crop.square]] + ["cut at the frame's edges"] * crop.clip + [crop.resampling]
    return [f"a tight face box, grown by {sides} of its size;", ", ".join(steps)]


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
