"""Compare models without labels: ``python -m export.compare A.onnx B.onnx --teacher T --images FOLDER``.

The measures are agreement with the teachers on held-out faces and consistency under changes whose effect is known. They
choose among runs of ``export.distill``: labelled photos that choose cannot judge any more. In Python: :func:`compare`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.cli import print_report, step_parser
from export.step import PathLike, Reporter, check_output, need, optional_path, quiet, write_bytes
from export.teaching.material import LANDMARKS, TeacherLike, add_material_options, checked_material
from hpe_edge.errors import InputError
from hpe_edge.util.atomic import Pending
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell


def compare(
    models: Sequence[PathLike],
    *,
    teachers: TeacherLike | Sequence[TeacherLike],
    images: PathLike | Sequence[PathLike],
    boxes: PathLike | None = None,
    boxes_from: str = LANDMARKS,
    detectors: Sequence[PathLike] = (),
    output: PathLike | None = None,
    report: Reporter = quiet,
) -> list[dict[str, Any]]:
    """Measure models on the faces that ``export.distill`` with the same teachers and images holds out.

    Args:
        models: exported ONNX models or checkpoints of known families; each is compared with the first.
        teachers, images, boxes, boxes_from, detectors: see :func:`export.distill.train`; the folder distill_cache in
            the current folder keeps faces and the teachers' looks.
        output: JSON file to write; None writes none.
        report: takes each stage's name and lines.

    Returns:
        One record per model, see :func:`export.judging.judgement.judge`.

    Raises:
        HpeEdgeError: a model, a teacher, the images, the boxes or the output cannot be used.
    """
    need("torch", "comparing")
    from export.distillation.lesson import held_out_faces
    from export.judging.judgement import judge, table
    from export.judging.measures import measure
    from export.teaching.teachers import open_teacher

    if not models:
        raise InputError("name at least one model")
    material = checked_material(teachers, images, boxes, boxes_from, detectors)
    out = optional_path(output)
    if out is not None:
        check_output(out, (".json",), material.inputs)
    pending = None if out is None else Pending(out)  # refused before the work begins
    try:
        faces = held_out_faces(material, Path("distill_cache"), report)
        paths = [Path(each) for each in models]
        measured = [measure(open_teacher(path), faces) for path in paths]
        records = judge([path.name for path in paths], measured, faces)
        report("judgement", table(records))
        if pending is not None:
            write_bytes(pending, f"{json.dumps(records, indent=1)}\n".encode())
            pending.commit()
    finally:
        if pending is not None:
            pending.discard()
    return records


def main(argv: list[str] | None = None, program: str = "python -m export.compare") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        compare(**vars(_parse(argv, program)), report=print_report)

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Compare models by their agreement with teachers on held-out faces, and by their consistency.",
        "Exit status: 0 done, 1 a failure, 2 wrong usage, 128 + n stopped by signal n.",
    )
    parser.add_argument(
        "models", type=Path, nargs="+", metavar="MODEL", help="exported ONNX model or checkpoint of a known family"
    )
    add_material_options(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.json", help="JSON file to write the figures to")
    return parser.parse_args(argv)  # type: ignore[no-any-return]


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
