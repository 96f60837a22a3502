"""Export a head-pose checkpoint to ONNX: ``python -m export.onnx CHECKPOINT``.

Reads the weights safely, recognises the family, exports and simplifies the graph, writes the spec into it, and proves
on real faces that the angles are PyTorch's before the file appears under its name.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from export import zoo
from export.faces import Faces, gate_faces
from export.gate import ONNX_LIMITS, GateFailed, Limits, Report, Runner, backend_runner, compare, poses_of, select
from hpe_edge.atomic import Pending
from hpe_edge.backends.onnxruntime import OnnxRuntimeBackend
from hpe_edge.errors import BackendError, HpeEdgeError
from hpe_edge.spec import Crop, ModelSpec, Origin
from hpe_edge.version import __version__

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

    from export.checkpoint import Checkpoint
    from export.zoo.family import Family

_PACKAGES = ("torch", "onnx", "onnxsim")
_BATCH = 8  # faces that PyTorch and a dynamic ONNX take at once in the gate
_ALONE = 16  # faces that are also run one at a time


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0 done, 1 a failure, 3 the gate failed, 130 interrupted. Wrong usage exits with 2.
    """
    args = _parse(argv)
    try:
        _need_packages()
        _export(args)
    except GateFailed as error:
        print(
            f"error: {error}; nothing was written. Please report the family and these figures; --worst-deg sets "
            "another limit",
            file=sys.stderr,
        )
        return 3
    except HpeEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m export.onnx",
        description="Convert a head-pose checkpoint to an ONNX model that hpe-edge runs, and prove on real faces that "
        "the angles did not change.",
        epilog="Exit status: 0 done, 1 a failure, 2 wrong usage, 3 the angles changed by more than the limit.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="PyTorch weights: .pkl, .pth, .pt, .tar")
    parser.add_argument(
        "--arch",
        choices=zoo.names(),
        metavar="NAME",
        help=f"architecture family: {', '.join(zoo.names())}; by default it is recognised from the weights",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="the ONNX file to write (default: NAME.onnx)")
    parser.add_argument(
        "--batch",
        type=_batch,
        default=None,
        metavar="N",
        help="faces per run: 'dynamic' for any number (default), or a fixed number, which some accelerators need",
    )
    parser.add_argument(
        "--faces",
        type=Path,
        metavar="PATH",
        help="picture, folder of pictures, or video whose faces the check runs on (default: two bundled photos)",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help="face boxes for --faces: x1,y1,x2,y2 in pixels, and file or (video) frame (default: faces are detected)",
    )
    parser.add_argument(
        "--worst-deg",
        type=_positive,
        default=ONNX_LIMITS.worst_deg,
        metavar="DEG",
        help="largest difference to PyTorch that passes, in degrees (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    if args.boxes is not None and args.faces is None:
        parser.error("--boxes says where the faces are in --faces; name those pictures, too")
    if args.output is not None and args.output.suffix != ".onnx":
        parser.error(f"-o must name a file that ends in .onnx, got {args.output}")
    return args


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"must be 'dynamic' or a number from 1 to 1024, got {text!r}")
    return int(text)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < np.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


def _need_packages() -> None:
    for name in _PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise BackendError(
                f"exporting needs {name}, which cannot be imported here ({error}); run: pip install 'hpe-edge[export]'"
            ) from None


def _export(args: argparse.Namespace) -> None:
    from export.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(args.checkpoint)
    _say("checkpoint", f"{checkpoint.path}, sha256 {checkpoint.sha256[:12]}...", *checkpoint.notes)
    family = _find_family(checkpoint, args.arch)
    net = family.load(checkpoint.state)
    out: Path = args.output or Path(f"{family.name}.onnx")
    pending = Pending(out)
    try:
        spec, reports = _build(checkpoint, family, net, args, pending)
        replaced = out.exists()
        pending.commit()
    finally:
        pending.discard()
    _say("gate", *reports[0].table().splitlines(), *(report.line() for report in reports[1:]))
    _say("crop", *_describe_crop(spec.crop))
    _say("written", f"{out}{', in place of the file that was there' if replaced else ''}")
    _say("next", f"hpe-edge run PICTURE --model {out} -o posed.jpg")


def _find_family(checkpoint: Checkpoint, asked: str | None) -> Family:
    family = zoo.get(asked) if asked else zoo.recognise(checkpoint.state)
    why = "as asked for" if asked else f"recognised: all {len(family.expected)} keys and shapes are its own"
    drops = [f"left out: {drop.why}" for drop in family.dropped(checkpoint.state)]
    _say("family", f"{family.name} ({why})", family.title, family.source, f"accuracy: {family.published}", *drops)
    return family


def _build(
    checkpoint: Checkpoint, family: Family, net: nn.Module, args: argparse.Namespace, pending: Pending
) -> tuple[ModelSpec, list[Report]]:
    """Write the finished model, not yet under its name; GateFailed where it does not do what the network does."""
    from export import graph

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
    _say("faces", f"{len(faces.crops)} crops of {faces.source}", *faces.notes)
    reports = _gate(net, pending.temp, spec, faces, Limits(worst_deg=args.worst_deg))
    spec = replace(spec, gate=reports[0].result())
    graph.save(model, spec, pending)
    return spec, reports


def _tools(model: ModelProto) -> dict[str, str]:
    versions = {name: str(importlib.import_module(name).__version__) for name in (*_PACKAGES, "onnxruntime")}
    producer = f"{model.producer_name} {model.producer_version}"
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    return {"hpe_edge": __version__, **versions, "producer": producer, "opset": str(opset)}


def _gate(net: nn.Module, path: Path, spec: ModelSpec, faces: Faces, limits: Limits) -> list[Report]:
    """The file against the torch module, and against itself with each face alone.

    Raises:
        GateFailed: either differs by more than the limits.
    """
    backend = OnnxRuntimeBackend(path)
    run = backend_runner(backend)
    together = poses_of(run, spec, faces.crops, backend.max_batch)
    torch_poses = poses_of(_torch_runner(net), spec, faces.crops, _BATCH)
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
            print(report.table())
            raise GateFailed(report)
    return reports


def _torch_runner(net: nn.Module) -> Runner:
    import torch

    def run(crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            return [net(torch.from_numpy(crops)).numpy()]

    return run


def _say(what: str, *lines: str) -> None:
    """One step of the report: a word, then its lines, indented alike."""
    for i, line in enumerate(lines):
        print(f"{what if i == 0 else '':<12}{line}", flush=True)


def _describe_crop(crop: Crop) -> list[str]:
    sides = ", ".join(f"{side} {m:g}" for side, m in zip(("left", "top", "right", "bottom"), crop.margins, strict=True))
    steps = ["extended to a square"] * crop.square + ["cut at the frame's edges"] * crop.clip + [crop.resampling]
    return [f"a tight face box, grown by {sides} of its size;", ", ".join(steps)]


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


if __name__ == "__main__":
    sys.exit(main())
