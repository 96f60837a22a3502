"""The step ``export.deepstream``: a folder for NVIDIA DeepStream."""

from __future__ import annotations

import argparse
import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import add_folder_options, add_gate_options, add_limit_options, keywords, print_report, step_parser
from export.step import Notes, PathLike, Reporter, byte_size, check_boxes, need, optional_path, quiet, shell_path
from hpe_edge.backends.tensorrt.plan_file import library_of
from hpe_edge.errors import InputError
from hpe_edge.util.atomic import Pending, output_error
from hpe_edge.util.shell import run_in_shell

if TYPE_CHECKING:
    from export.gate.comparison import Comparison, Limits
    from hpe_edge.boxes.box_fit import BoxesFrom
    from hpe_edge.spec import ModelSpec

MAX_BATCH, GIE_ID, DETECTOR_ID = 16, 2, 1

_FILES = Path(__file__).parent / "files"
_COPIED = ("head_pose_probe.py", "head_pose_app.py", "parser/CMakeLists.txt", "parser/head_pose_parser.cpp")
_ADVICE = "Please report the family and these figures; --worst-deg sets another limit"


@dataclass(frozen=True)
class DeepStreamReport:
    """A folder that was written.

    Attributes:
        path: of the folder.
        spec: of the variant in it, which takes levels and gives degrees.
        gate: its poses compared with the original's.
        size_bytes: of all files.
        notes: everything reported, ``"stage: line"``.
    """

    path: Path
    spec: ModelSpec
    gate: Comparison
    size_bytes: int
    notes: tuple[str, ...] = ()


def export(
    model: PathLike | None = None,
    *,
    output: PathLike,
    boxes_from: BoxesFrom | None = None,
    face_class: int | None = None,
    max_batch: int = MAX_BATCH,
    gie_id: int = GIE_ID,
    detector_id: int = DETECTOR_ID,
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> DeepStreamReport:
    """Write a folder for DeepStream: model, configuration, probes and the source of a parser library.

    Args:
        model: an ONNX file of ``export.onnx``, ``export.fp16`` or ``export.int8``; None takes the embedded model.
        output: the folder to write, new or empty.
        boxes_from: the detector in the pipeline, see :class:`hpe_edge.PoseEngine`. None: its boxes reach from chin to
            eyebrows.
        face_class: its class of faces, such as 2 of PeopleNet. None: all its objects are faces.
        max_batch: most faces of one run of the network, 1 to 1024.
        gie_id, detector_id: gie-unique-id of the pose model and of the detector.
        images: picture, folder of pictures or video whose faces the accuracy gate runs on; None takes two bundled
            photos.
        boxes: CSV of the face boxes in ``images``; None detects the faces.
        limits: limits of the accuracy gate in degrees, over the defaults of the model's precision.
        report: takes each stage's name and lines.

    Returns:
        The folder, and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        HpeEdgeError: the model, an argument or the output cannot be used; nothing was written.
    """
    need("onnx", "writing a folder for DeepStream")
    from export.deepstream.levels_graph import float32_layers, in_levels
    from export.deepstream.nvinfer_config import ONNX_FILE, SPEC_FILE, Place, nvinfer_config, probe_settings
    from export.gate.comparison import FP16_LIMITS, INT8_LIMITS, ONNX_LIMITS, Limits
    from export.gate.crops import faces_of_models
    from export.gate.verify import Check
    from export.graph.trace import batch as fixed_batch
    from export.quantize.quantized_model import model_or_default, read_exported, write_verified
    from hpe_edge.boxes.box_fit import box_fit

    notes = Notes(report)
    path, seen, csv = model_or_default(model, notes), optional_path(images), optional_path(boxes)
    check_boxes(seen, csv)
    _check_numbers(max_batch, gie_id, detector_id, face_class)
    if library_of(path) is not None:
        raise InputError(f"{path} is an engine; take the ONNX file that it was built from")
    fit = box_fit("landmarks" if boxes_from is None else boxes_from)
    folder = Pending(Path(output), folder=True)
    written = Pending(folder.temp / ONNX_FILE)
    try:
        original = read_exported(path, notes)
        if (fixed := fixed_batch(original.model)) is not None:
            raise InputError(
                f"{path} has a fixed batch of {fixed}, but DeepStream's batches hold as many faces as there are; "
                "export it again without --batch"
            )
        variant, spec = in_levels(original.model, original.spec)
        layers = float32_layers(variant)
        notes("graph", [f"{len(variant.graph.node)} nodes, with normalisation and decode"])
        own, levels = faces_of_models([(spec.crop, original.spec.input), (spec.crop, spec.input)], seen, csv)
        notes("faces", [levels.source, *levels.notes])
        defaults = {"fp32": ONNX_LIMITS, "fp16": FP16_LIMITS}.get(spec.precision, INT8_LIMITS)
        check = Check("deepstream with onnx", levels, (limits or Limits()).over(defaults), _ADVICE, notes)
        spec, (gate, *_) = write_verified(original.poses(own.crops), variant, spec, check, written)
        written.commit()
        place = Place(max_batch, gie_id, detector_id, face_class)
        texts = {
            SPEC_FILE: spec.to_json(indent=2),
            "head_pose.txt": nvinfer_config(spec, place, layers),
            "head_pose.json": probe_settings(original.spec, place, fit),
        }
        _write(folder, texts)
        folder.commit()
    finally:
        written.discard()
        folder.discard()
    notes("deepstream", _remarks(original.spec, given=boxes_from is not None))
    size = sum(each.stat().st_size for each in folder.path.rglob("*") if each.is_file())
    return DeepStreamReport(folder.path, spec, gate, size, notes.lines)


def _check_numbers(max_batch: int, gie_id: int, detector_id: int, face_class: int | None) -> None:
    if not 1 <= max_batch <= 1024:
        raise InputError(f"--max-batch must be 1 to 1024 faces, got {max_batch}")
    if min(gie_id, detector_id) < 1 or gie_id == detector_id:
        raise InputError(f"--gie-id and --detector-id must be two numbers above 0, got {gie_id} and {detector_id}")
    if face_class is not None and face_class < 0:
        raise InputError(f"--face-class must be 0 or more, got {face_class}")


def _write(folder: Pending, texts: dict[str, str]) -> None:
    try:
        for name, text in texts.items():
            (folder.temp / name).write_text(text, encoding="utf-8")
        for name in _COPIED:
            (folder.temp / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(_FILES / name, folder.temp / name)
    except OSError as error:
        raise output_error(folder.path, error) from None


def _remarks(spec: ModelSpec, *, given: bool) -> list[str]:
    lines = ["not run on DeepStream; the folder follows its documentation"]
    if not given:
        lines.append("the detector's boxes are taken to reach from chin to eyebrows; --boxes-from names another one's")
    if spec.upright is not None:
        lines.append("nvinfer turns no crops: a face rolled by more than 15 degrees is estimated as it lies")
    if spec.crop.resampling == "antialias":
        lines.append("nvinfer shrinks large faces by plain bilinear sampling, the model's own crop by an average")
    if any(spec.crop.fill) and not spec.crop.clip:
        lines.append("outside the frame nvinfer fills with black, the model's own crop with another colour")
    return lines


def main(argv: list[str] | None = None, program: str = "python -m export.deepstream") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        written = export(**keywords(_parse(argv, program)), report=print_report)
        with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):  # the folder is complete
            print_report("written", [f"{written.path}, {byte_size(written.size_bytes)}"])
            app = shell_path(written.path / "head_pose_app.py")
            print_report("next", [f"python3 {app} URI --detector FACE_DETECTOR.txt, where DeepStream is"])

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Write a folder for NVIDIA DeepStream: the model with normalisation and decode in its graph, the configuration "
        "of a secondary nvinfer, probes in Python and the source of a parser library.",
    )
    add_folder_options(parser)
    parser.add_argument(
        "--boxes-from",
        metavar="NAME",
        help="the detector in the pipeline, or a .json file of hpe-edge fit-boxes (default: its boxes reach from chin "
        "to eyebrows)",
    )
    parser.add_argument(
        "--face-class", type=int, metavar="N", help="the detector's class of faces (default: all its objects)"
    )
    counts = (
        ("--max-batch", MAX_BATCH, "most faces of a run of the network"),
        ("--gie-id", GIE_ID, "gie-unique-id of the pose model"),
        ("--detector-id", DETECTOR_ID, "gie-unique-id of the detector"),
    )
    for option, default, about in counts:
        parser.add_argument(option, type=int, metavar="N", default=default, help=f"{about} (default: {default})")
    add_gate_options(parser)
    add_limit_options(parser)
    return parser.parse_args(argv)  # type: ignore[no-any-return]
