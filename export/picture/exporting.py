"""Step ``export.picture``: its function and its command.

Imports that take seconds are inside functions, so that Ctrl-C works from the start.
"""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from export.cli import add_images_option, positive, print_report, step_parser
from export.step import Notes, PathLike, Reporter, byte_size, check_output, need, optional_path, quiet, shell_path
from hpe_edge.util.shell import run_in_shell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from export.picture.picture_gate import PictureLimits
    from hpe_edge.picture.picture_spec import PictureSpec

_PACKAGES = ("torch", "onnx", "onnxsim")
_MOST_PICTURES = 32  # of the gate


@dataclass(frozen=True)
class PictureReport:
    """Result of the export.

    Attributes:
        path: the file that was written.
        spec: as stored in it, with the gate's figures.
        size_bytes: of the file.
        notes: everything reported, ``"stage: line"``.
    """

    path: Path
    spec: PictureSpec
    size_bytes: int
    notes: tuple[str, ...] = ()


def export(
    checkpoint: PathLike,
    *,
    mean: PathLike,
    deviation: PathLike,
    points: PathLike,
    output: PathLike = "img2pose.onnx",
    shorter: int | None = None,
    longer: int | None = None,
    proposals: int | None = None,
    trust: bool = False,
    images: PathLike | None = None,
    limits: PictureLimits | None = None,
    report: Reporter = quiet,
) -> PictureReport:
    """Export img2pose to ONNX and verify its faces.

    Args:
        checkpoint: the published weights (ResNet-18).
        mean, deviation: .npy files of its repository, with the pose's mean and standard deviation.
        points: the .npy file of the head's 68 landmarks, ``reference_3d_68_points_trans.npy`` there.
        output: the file to write; an existing one is replaced.
        shorter, longer: sides in pixels that a picture is scaled to; None: 400 and 1400.
        proposals: most regions that are looked at; fewer are faster. None: 1000.
        trust: run code that a checkpoint holds, where reading needs it; only for files from someone you trust.
        images: picture, folder of pictures or video that the gate runs on; None takes the bundled photos.
        limits: of the gate; None: worst 0.01 degrees, translation 1e-4, one face in a hundred found by one side alone.
        report: takes each stage's name and lines.

    Raises:
        PictureGateFailed: the faces differ by more than the limits, or there are none; nothing was written.
        HpeEdgeError: a file cannot be used; nothing was written.
    """
    for name in _PACKAGES:
        need(name, "exporting")
    import onnx

    from export.checkpoints.load import load_checkpoint
    from export.picture.img2pose_spec import LONGER, PROPOSALS, SHORTER, img2pose_spec, read_numbers
    from export.picture.img2pose_weights import load_networks
    from export.picture.picture_gate import PictureLimits, compare_faces
    from export.picture.torch_networks import TorchNetworks
    from export.picture.two_graphs import to_onnx
    from hpe_edge.picture.picture_engine import PictureEngine
    from hpe_edge.spec import METADATA_KEY, Origin
    from hpe_edge.util.atomic import Pending
    from hpe_edge.version import __version__

    notes, out = Notes(report), Path(output)
    files = [("CHECKPOINT", Path(checkpoint)), ("--mean", Path(mean)), ("--deviation", Path(deviation))]
    check_output(out, (".onnx",), [*files, ("--points", Path(points)), ("--images", optional_path(images))])
    loaded = load_checkpoint(Path(checkpoint), trust=trust, report=notes)
    notes("checkpoint", [f"{loaded.path}, sha256 {loaded.sha256[:12]}...", *loaded.notes])
    networks = load_networks(loaded.state)
    versions = {name: str(need(name, "exporting").__version__) for name in _PACKAGES}
    spec = img2pose_spec(
        Origin(loaded.path.name, loaded.sha256, {"hpe_edge": __version__, **versions}),
        mean=read_numbers(Path(mean), (6,), "the pose's mean"),
        deviation=read_numbers(Path(deviation), (6,), "the pose's standard deviation"),
        points=read_numbers(Path(points), (68, 3), "the head's landmarks"),
        shorter=shorter or SHORTER,
        longer=longer or LONGER,
        proposals=proposals or PROPOSALS,
    )
    pending = Pending(out)
    try:
        model = to_onnx(*networks)
        notes("graph", [f"two networks, {len(model.graph.node)} nodes, {byte_size(model.ByteSize())}"])

        def save() -> None:
            onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
            pending.temp.write_bytes(model.SerializeToString())

        save()
        source, pictures = _pictures(optional_path(images))
        reference = PictureEngine.of_networks(spec, TorchNetworks(*networks))
        wanted = [reference.find(picture) for picture in pictures]
        with PictureEngine(pending.temp) as engine:
            found = [engine.find(picture) for picture in pictures]
        gate = compare_faces(
            wanted, found, compared="onnx with pytorch", source=source, limits=limits or PictureLimits()
        )
        notes(
            "gate",
            [
                f"{gate.faces} faces of {gate.pictures} pictures ({source}), {gate.one_sided} found by one side alone",
                f"rotation mean {gate.mean_deg:.2g}, worst {gate.worst_deg:.2g} degrees; translation worst "
                f"{gate.worst_translation:.1g} of its length",
            ],
        )
        spec = replace(spec, gate=gate)
        save()
        pending.commit()
    finally:
        pending.discard()
    return PictureReport(out, spec, out.stat().st_size, notes.lines)


def _pictures(path: Path | None) -> tuple[str, list[NDArray[np.uint8]]]:
    """The gate's pictures and their name; of more than 32 the first ones."""
    from hpe_edge.errors import SourceError
    from hpe_edge.samples import FOLDER
    from hpe_edge.sources.open_source import open_source

    source = open_source(FOLDER if path is None else path)
    try:
        pictures = [frame.image for frame, _ in zip(source, range(_MOST_PICTURES), strict=False)]
    finally:
        source.close()
    if not pictures:
        raise SourceError(f"{path} has no picture for the gate; name others with --images")
    return "the bundled photos" if path is None else path.name, pictures


def main(argv: list[str] | None = None, program: str = "python -m export.picture") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        from export.picture.picture_gate import PictureLimits

        given = vars(_parse(argv, program))
        names = {"worst_deg", "worst_translation", "one_sided"}
        asked = {name: given.pop(name) for name in names}
        limits = replace(PictureLimits(), **{name: value for name, value in asked.items() if value is not None})
        written = export(**given, limits=limits, report=print_report)
        with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):  # the file is complete
            print_report("written", [f"{written.path}, {byte_size(written.size_bytes)}"])
            print_report("next", [f"hpe-edge run PICTURE --model {shell_path(written.path)} -o posed.jpg"])

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Convert a whole-picture model, img2pose, to an ONNX file that finds faces and their poses without a detector, "
        "and verify on real pictures that its faces did not change.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="the published weights, .pth")
    for name, what in (
        ("mean", "the pose's mean, a .npy file of the weights' repository"),
        ("deviation", "the pose's standard deviation, likewise"),
        ("points", "the head's 68 landmarks, likewise: reference_3d_68_points_trans.npy"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE.npy", required=True, help=what)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.onnx", default=Path("img2pose.onnx"), help="the file to write"
    )
    parser.add_argument(
        "--shorter", type=int, metavar="PIXELS", help="shorter side of the scaled picture (default 400)"
    )
    parser.add_argument("--longer", type=int, metavar="PIXELS", help="largest longer side of it (default 1400)")
    parser.add_argument("--proposals", type=int, metavar="N", help="most regions that are looked at (default 1000)")
    parser.add_argument("--trust", action="store_true", help="run code in the checkpoint, where reading needs it")
    add_images_option(
        parser, help="picture, folder of pictures, or video that the gate runs on (default: the bundled photos)"
    )
    parser.add_argument("--worst-deg", type=positive, metavar="DEG", help="largest turn of a face (default 0.01)")
    parser.add_argument(
        "--worst-translation", type=positive, metavar="PART", help="largest shift of a face in its distance (1e-4)"
    )
    parser.add_argument(
        "--one-sided", type=positive, metavar="PART", help="largest part of the faces found by one side alone (0.01)"
    )
    given: argparse.Namespace = parser.parse_args(argv)
    return given
