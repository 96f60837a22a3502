"""Step ``export.browser``: its function and its command."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import add_folder_options, add_gate_options, add_limit_options, keywords, print_report, step_parser
from export.step import Notes, PathLike, Reporter, byte_size, check_boxes, need, optional_path, quiet, shell_path
from hpe_edge.util.shell import run_in_shell

if TYPE_CHECKING:
    from export.gate.comparison import Comparison, Limits
    from hpe_edge.spec import ModelSpec


@dataclass(frozen=True)
class PageReport:
    """A page that was written.

    Attributes:
        path: its folder, for any server of files; ``page/index.html`` in it is the page.
        spec: the model's.
        gate: the accuracy gate's comparison of ONNX Runtime Web with ONNX Runtime.
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
    detector: PathLike | None = None,
    images: PathLike | None = None,
    boxes: PathLike | None = None,
    limits: Limits | None = None,
    report: Reporter = quiet,
) -> PageReport:
    """Write a page that runs a model in the browser, and verify its angles with ONNX Runtime Web.

    The network's file is copied unchanged. The gate runs it in Node, by the same WebAssembly that browsers run.

    Args:
        model: an ONNX file of ``export.onnx``, ``export.fp16`` or ``export.int8``; None takes the embedded model.
        output: the folder to write, new or empty.
        detector: file of a face detector of ``export.detector``; None takes the embedded one.
        images: picture, folder of pictures or video whose faces the accuracy gate runs on; None takes two bundled
            photos.
        boxes: CSV of the face boxes in ``images``; None detects the faces.
        limits: limits of the accuracy gate in degrees, over the defaults: worst 0.01; FP16's for an FP16 model, INT8's
            for an INT8 model.
        report: takes each stage's name and lines.

    Returns:
        The folder and the gate's figures.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        ModelError: ONNX Runtime Web cannot load the model, or ``detector`` is none.
        BackendError: Node or ONNX Runtime Web is not installed.
        HpeEdgeError: the model, the images or the output cannot be used; nothing was written.
    """
    need("onnx", "reading a model")
    from export.browser.make_page import make_page
    from export.gate.comparison import Limits
    from export.quantize.quantized_model import model_or_default
    from hpe_edge.models import FACE_DETECTOR

    notes = Notes(report)
    path, seen, csv = model_or_default(model, notes), optional_path(images), optional_path(boxes)
    finder = FACE_DETECTOR if detector is None else Path(detector)
    check_boxes(seen, csv)
    spec, gate = make_page(path, Path(output), finder, seen, csv, limits or Limits(), notes)
    folder = Path(output).resolve()
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    return PageReport(folder, spec, gate, size, notes.lines)


def main(argv: list[str] | None = None, program: str = "python -m export.browser") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        written = export(**keywords(_parse(argv, program)), report=print_report)
        with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):  # the folder is complete
            print_report("written", [f"{written.path}, {byte_size(written.size_bytes)}"])
            folder = shell_path(written.path)
            print_report("next", [f"python -m http.server -d {folder}, then open http://localhost:8000/page/"])

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Write a page that runs a model in the browser, and verify with ONNX Runtime Web on real faces that the angles "
        "did not change.",
    )
    add_folder_options(parser)
    parser.add_argument(
        "--detector",
        type=Path,
        metavar="FILE",
        help="face detector of hpe-edge export detector (default: the embedded one)",
    )
    check = parser.add_argument_group("the accuracy gate")
    add_gate_options(check)
    add_limit_options(check)
    return parser.parse_args(argv)  # type: ignore[no-any-return]
