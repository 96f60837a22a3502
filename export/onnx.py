"""Export a head-pose checkpoint to ONNX: ``python -m export.onnx CHECKPOINT``, or :func:`export` and :func:`adopt`.

The weights are read safely, the family is recognised, the graph is exported and simplified, the spec is stored in it,
and the angles are compared with PyTorch's on real faces before the file appears under its name.

Imports that take seconds are inside functions, so that Ctrl-C works from the start.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import add_gate_options, add_landmark_limit, keywords, positive, print_model, print_report, step_parser
from export.step import (
    ExportReport,
    Notes,
    PathLike,
    Reporter,
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
    from export.graph.write_onnx import Exportable
    from hpe_edge.spec import Crop

_FROZEN = ".pb"  # a TensorFlow graph
_DYNAMIC = 0  # batch size
_PACKAGES = ("torch", "onnx", "onnxsim")
_SQUARE = {"extend": "extended to a square", "shrink": "cut to a square about its centre", "none": "not squared"}


def export(
    checkpoint: PathLike | Sequence[PathLike],
    *,
    output: PathLike | None = None,
    arch: str | Sequence[str] = (),
    batch: int | None = None,
    pose_only: bool = False,
    trust: bool = False,
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> ExportReport:
    """Export a checkpoint to ONNX and verify its angles.

    Args:
        checkpoint: trained weights: .pth, .pt, .pkl, .tar, .chkpt, .safetensors, Keras .h5, TensorFlow Lite .tflite or
            a frozen TensorFlow graph .pb. Several become an ensemble that averages their outputs.
        output: the ONNX file to write; an existing one is replaced. None: the architecture's name with .onnx, in the
            current folder.
        arch: the architecture, see :func:`export.zoo.names`; one for all checkpoints or one for each. Recognised from
            the weights where it is left out.
        batch: a fixed batch size from 1 to 1024; None for any.
        pose_only: leave out landmarks and their visibility, and the layers that only they need.
        trust: run code that a checkpoint holds, where reading needs it; only for files from someone you trust.
        images: picture, folder of pictures or video whose faces the accuracy gate runs on; None takes two bundled
            photos.
        boxes: CSV of the face boxes in ``images``; None detects the faces.
        limits: limits of the accuracy gate, over the defaults: worst 0.01 degrees, and 0.001 of the box's side between
            landmarks.
        report: takes each stage's name and lines.

    Returns:
        The file, its spec and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        HpeEdgeError: the checkpoint, the images or the output cannot be used; nothing was written.
    """
    _need_packages()
    from export import zoo
    from export.checkpoints.network import load_network
    from hpe_edge.errors import InputError

    paths = [Path(checkpoint)] if isinstance(checkpoint, str | Path) else [Path(path) for path in checkpoint]
    archs = [arch] if isinstance(arch, str) else [*arch]
    if not paths:
        raise InputError("name the checkpoint to convert; --list shows the known architectures")
    if len(archs) not in (0, 1, len(paths)):
        raise InputError(
            f"{len(archs)} --arch for {len(paths)} checkpoints: give one for each, in their order, or one for all"
        )
    if batch is not None and not 1 <= batch <= 1024:
        raise InputError(f"the batch size must be from 1 to 1024, got {batch}")
    files = _Files(output, images, boxes, [("CHECKPOINT", path) for path in paths])
    notes = Notes(report)
    network: Exportable
    if paths[0].suffix.lower() == _FROZEN:
        from export.frozen_graph.frozen_network import frozen_network

        if len(paths) > 1 or not archs:
            raise InputError(f"a frozen graph is one checkpoint, and its arch must be named: --arch mnn {paths[0]}")
        network = frozen_network(paths[0], zoo.get(archs[0]), notes, heads=not pose_only)
    else:
        network = load_network(paths, archs, trust=trust, report=notes, heads=not pose_only)
    return _write(network, files, batch, limits, notes)


def adopt(
    model: PathLike,
    *,
    arch: str | None = None,
    spec: PathLike | None = None,
    checkpoint: PathLike | None = None,
    output: PathLike | None = None,
    dynamic_batch: bool = False,
    python: PathLike | None = None,
    trust: bool = False,
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> ExportReport:
    """Adopt an ONNX file that was exported elsewhere: match its outputs to a family, and store the spec in a copy.

    Args:
        model: the ONNX file; or the .xml of an OpenVINO IR model, whose copy is one too and runs with OpenVINO; or a
            TensorFlow Lite model, which tf2onnx converts.
        arch: its architecture, see :func:`export.zoo.names`; an ONNX file does not name it.
        spec: in place of ``arch``, a JSON file that describes a network of no known family; :func:`template` makes one
            to start from. Without both, a bundled spec is taken where the names of the file's outputs show which.
        checkpoint: its original weights, as the gate's reference; None: the unchanged file.
        dynamic_batch: make a fixed batch dynamic, where the graph allows it; otherwise the file keeps its batch.
        python: Python of an environment with tf2onnx and TensorFlow, for a TensorFlow Lite model; None: this one.
        output, trust, images, boxes, limits, report: see :func:`export`.

    Returns:
        The file, its spec and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        HpeEdgeError: the model, the checkpoint, the images or the output cannot be used; nothing was written.
    """
    _need_packages()
    from export import zoo
    from export.adoption import adopt as adoption
    from export.adoption.from_tflite import onnx_of_tflite
    from export.adoption.recognise import bundled_spec_of
    from export.adoption.spec_file import read_spec_file
    from export.adoption.wanted import FamilyReading, FileReading, Wanted
    from export.checkpoints.network import load_network
    from hpe_edge.errors import InputError
    from hpe_edge.spec import Origin

    described = optional_path(spec)
    if arch is not None and described is not None:
        raise InputError("give either arch, a known architecture, or spec, a JSON file that describes the network")
    weights = optional_path(checkpoint)
    if weights is not None and arch is None:
        raise InputError("a checkpoint is compared by its family: give arch, not spec")
    source = Path(model)
    is_tflite = _is_tflite(source, optional_path(python))
    if arch is None and described is None:
        if is_tflite:
            raise InputError(f"{source} does not show which network it is; give its arch or a spec")
        described = bundled_spec_of(source)
    inputs = [("CHECKPOINT", weights), ("--adopt", Path(model)), ("--spec", described)]
    files = _Files(output, images, boxes, inputs, ".xml" if Path(model).suffix.lower() == ".xml" else ".onnx")
    notes = Notes(report)
    network = None if weights is None or arch is None else load_network([weights], [arch], trust=trust, report=notes)
    if described is not None:
        wanted: Wanted = FileReading(described, read_spec_file(described))
    else:
        wanted = FamilyReading(zoo.get(arch or ""))
    if is_tflite:
        with tempfile.TemporaryDirectory() as folder:
            converted = onnx_of_tflite(source, optional_path(python), Path(folder))
            notes("converted", converted.notes)
            adopted = adoption.adopt(converted.path, wanted, network, notes, dynamic_batch=dynamic_batch, source=source)
        adopted = replace(adopted, spec=replace(adopted.spec, origin=converted.origin))
        return _write(adopted, files, None, limits, notes)
    if Path(model).suffix.lower() == ".xml":
        from export.adoption.openvino_ir import adopt_ir

        if network is not None or dynamic_batch:
            raise InputError("an OpenVINO IR model is compared with itself and keeps its batch: leave the others out")
        ir = files.output(wanted.spec(Origin("", "")).architecture)
        return adopt_ir(Path(model), wanted, ir, notes, images=files.images, boxes=files.boxes, limits=limits)
    adopted = adoption.adopt(Path(model), wanted, network, notes, dynamic_batch=dynamic_batch)
    return _write(adopted, files, None, limits, notes)


def _is_tflite(model: Path, python: Path | None) -> bool:
    """True for a TensorFlow Lite model.

    Raises:
        InputError: ``python`` is given for another one, or is no file.
    """
    from hpe_edge.errors import InputError
    from hpe_edge.files.file_type import file_type

    found = file_type(model)
    is_tflite = found is not None and found.key == "tflite"
    if python is not None and not is_tflite:
        raise InputError("python names the environment that converts a TensorFlow Lite model, and this is none")
    if python is not None and not python.is_file():
        raise InputError(f"python must be the Python of an environment, got {python}")
    return is_tflite


def template(model: PathLike, *, arch: str | None = None) -> str:
    """A spec for :func:`adopt` to start from, as JSON: what the file shows, and a family's where one is named.

    Args:
        model: the ONNX file.
        arch: fills in this architecture's normalisation, crop and decode.

    Raises:
        HpeEdgeError: the model cannot be used.
    """
    _need_packages()
    from export.adoption.template import template as made

    return made(Path(model), arch)


class _Files:
    """Checked file arguments: the output, the gate's images and boxes, and the inputs that must not be replaced."""

    def __init__(
        self,
        output: PathLike | None,
        images: PathLike | None,
        boxes: PathLike | None,
        sources: Sequence[tuple[str, Path | None]],
        suffix: str = ".onnx",
    ) -> None:
        self._suffix = suffix
        self.images, self.boxes = optional_path(images), optional_path(boxes)
        check_boxes(self.images, self.boxes)
        self._output = optional_path(output)
        self._inputs = [*sources, ("--images", self.images), ("--boxes", self.boxes)]
        if self._output is not None:
            check_output(self._output, (self._suffix,), self._inputs)

    def output(self, architecture: str) -> Path:
        """The output path, by default named after the architecture."""
        if self._output is not None:
            return self._output
        out = Path(f"{architecture.replace(' ', '')}{self._suffix}")
        check_output(out, (self._suffix,), self._inputs)
        return out


def _write(source: Exportable, files: _Files, batch: int | None, limits: Limits | None, notes: Notes) -> ExportReport:
    from export.gate.comparison import ONNX_LIMITS, Limits
    from export.gate.verify import report_passed
    from export.graph.write_onnx import write_verified
    from hpe_edge.util.atomic import Pending

    out = files.output(source.spec.architecture)
    pending = Pending(out)
    try:
        allowed = (limits or Limits()).over(ONNX_LIMITS)
        spec, comparisons = write_verified(
            source, pending, batch=batch, images=files.images, boxes=files.boxes, limits=allowed, report=notes
        )
        report_passed(comparisons, notes)
        notes("crop", [*_describe_crop(spec.crop), source.crop_note])
        return commit(out, [pending], spec, comparisons[0], notes)
    finally:
        pending.discard()


def _describe_crop(crop: Crop) -> list[str]:
    """Describe a crop in two lines."""
    sides = ", ".join(f"{side} {m:g}" for side, m in zip(("left", "top", "right", "bottom"), crop.margins, strict=True))
    steps = [_SQUARE[crop.square]] + ["cut at the frame's edges"] * crop.clip + [crop.resampling]
    return [f"a tight face box, grown by {sides} of its size;", ", ".join(steps)]


def _need_packages() -> None:
    for name in _PACKAGES:
        need(name, "exporting")


def main(argv: list[str] | None = None, program: str = "python -m export.onnx") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""
    return run_in_shell(program, lambda: _command(argv, program))


def _command(argv: list[str] | None, program: str) -> None:
    given = keywords(_parse(argv, program))
    if given.pop("list"):
        _need_packages()
        from export.zoo import listing
        from hpe_edge.util.console import show

        show(listing())
        return
    checkpoints, archs = given.pop("checkpoint"), given.pop("arch")
    batch, adopted, only_template = given.pop("batch"), given.pop("adopt"), given.pop("template")
    described, python, pose_only = given.pop("spec"), given.pop("python"), given.pop("pose_only")
    if only_template:
        from hpe_edge.util.console import show

        show(template(adopted, arch=archs[0] if archs else None))
        return
    if adopted is None:
        written = export(
            checkpoints, arch=archs, batch=batch or None, pose_only=pose_only, **given, report=print_report
        )
    else:
        checkpoint = checkpoints[0] if checkpoints else None
        written = adopt(
            adopted,
            arch=archs[0] if archs else None,
            spec=described,
            checkpoint=checkpoint,
            dynamic_batch=batch == _DYNAMIC,
            python=python,
            **given,
            report=print_report,
        )
    print_model(written)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    from export import zoo
    from export.gate.comparison import ONNX_LIMITS

    parser = step_parser(
        program,
        "Convert a head-pose checkpoint to an ONNX model that hpe-edge runs, and verify on real faces that the angles "
        "did not change.",
    )
    parser.add_argument(
        "checkpoint",
        type=Path,
        nargs="*",
        metavar="CHECKPOINT",
        help="trained weights: .pth, .pt, .pkl, .tar, .chkpt, .safetensors, Keras .h5 (WHENet) or "
        "TensorFlow Lite .tflite (MediaPipe); several become an ensemble that averages their outputs",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="list the known architectures: input, heads, parameters, reported accuracy and source",
    )
    parser.add_argument(
        "--arch",
        action="append",
        default=[],
        choices=zoo.names(),
        metavar="NAME",
        help="architecture, see --list; by default it is recognised from the weights. With several checkpoints: one "
        "for each, in their order, or one for all",
    )
    parser.add_argument(
        "--adopt",
        type=Path,
        metavar="X.onnx",
        help="adopt an ONNX file exported elsewhere, of the architecture --arch or as --spec describes it, or one of a "
        "bundled spec; the gate compares it with CHECKPOINT if one is given, else with the unchanged file",
    )
    parser.add_argument(
        "--spec",
        type=Path,
        metavar="SPEC.json",
        help="with --adopt, in place of --arch: describes a network of no known family; --template prints one, and "
        "adas-0001, opentrack and opentrack-1 are bundled",
    )
    parser.add_argument(
        "--template",
        action="store_true",
        help="print a spec for --adopt X.onnx to complete, with --arch filled in from there, and write nothing",
    )
    parser.add_argument(
        "--python",
        type=Path,
        metavar="FILE",
        help="with --adopt of a TensorFlow Lite model: Python of an environment with tf2onnx and TensorFlow, which "
        "convert it (default: this Python)",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run the code that a checkpoint holds, where reading needs it; only for files from someone you trust",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the ONNX file to write; an existing one is replaced (default: the architecture's name with .onnx, in the "
        "current folder)",
    )
    parser.add_argument(
        "--batch",
        type=_batch,
        metavar="N",
        help="batch size: 'dynamic' for any (default), or a fixed number, which some accelerators need; with --adopt "
        "the file keeps its own, and 'dynamic' frees a fixed one",
    )
    parser.add_argument(
        "--pose-only",
        action="store_true",
        help="leave out landmarks and their visibility, and the layers that only they need",
    )
    add_gate_options(parser)
    add_landmark_limit(parser, "worst", "largest", ONNX_LIMITS.landmarks_worst)
    parser.add_argument(
        "--worst-deg",
        type=positive,
        default=ONNX_LIMITS.worst_deg,
        metavar="DEG",
        help="largest difference that passes, in degrees (default: %(default)s)",
    )
    args: argparse.Namespace = parser.parse_args(argv)
    _check(parser, args)
    return args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse options that contradict each other."""
    if args.list:
        if args.checkpoint or args.adopt or args.arch or args.output or args.spec or args.template:
            parser.error("--list takes no other options; leave them out")
        return
    if args.adopt is None and (args.spec or args.template):
        parser.error("--spec and --template apply to an ONNX file: name it with --adopt X.onnx")
    if args.adopt is None and args.python:
        parser.error("--python applies to a TensorFlow Lite model: name it with --adopt X.tflite")
    if args.template:
        if args.checkpoint or args.spec or args.output or len(args.arch) > 1:
            parser.error("--template takes --adopt X.onnx and at most one --arch; leave the others out")
        return
    if args.trust and not args.checkpoint:
        parser.error("--trust applies to a CHECKPOINT, and none is given; an ONNX file holds no code")
    if not args.checkpoint and args.adopt is None:
        parser.error("name the CHECKPOINT to convert; --list shows the known architectures")
    if args.spec is not None and (args.arch or args.checkpoint):
        parser.error("--spec describes a network of no known family; leave out --arch and CHECKPOINT")
    if args.adopt is not None and (len(args.arch) > 1 or len(args.checkpoint) > len(args.arch)):
        parser.error("--adopt takes one --arch, and with it at most one CHECKPOINT")
    if args.adopt is not None and args.pose_only:
        parser.error("--pose-only applies to a CHECKPOINT; the heads of an adopted file are those of its --spec")
    if args.adopt is not None and args.batch:
        parser.error("an adopted file keeps its batch size; only --batch dynamic applies to it")


def _batch(text: str) -> int:
    """Parse a batch size."""
    if text == "dynamic":
        return _DYNAMIC
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"must be 'dynamic' or a number from 1 to 1024, got {text!r}")
    return int(text)


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
