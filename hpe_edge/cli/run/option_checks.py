"""Checks of the options against each other, before anything is opened."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from hpe_edge.cli.run.run_options import RunOptions
from hpe_edge.errors import InputError
from hpe_edge.sources.open_source import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_file_name


def check_alternatives(options: RunOptions) -> None:
    """Refuse options that exclude each other.

    Raises:
        InputError: two such options were given, or one without the option that it belongs to.
    """
    given = {
        "--boxes": options.boxes is not None,
        "--detector": options.detector is not None,
        "--detect-every": options.detect_every > 1,
        "--camera-fov": options.camera_fov is not None,
        "--intrinsics": options.intrinsics is not None,
    }
    for one, other in (("--boxes", "--detector"), ("--boxes", "--detect-every"), ("--camera-fov", "--intrinsics")):
        if given[one] and given[other]:
            raise InputError(f"{one} and {other} exclude each other; leave one out")
    if options.raw is None and options.pixels is not None:
        raise InputError("--pixels is the format of --raw frames; give --raw WxH@FPS as well")


def check_names(options: RunOptions) -> None:
    """Refuse an output that is an input or another output, and records with a picture's or video's extension.

    Raises:
        InputError: there is such a name.
    """
    taken = {"--model": options.model, "--boxes": options.boxes, "--detector": options.detector}
    if is_file_name(options.source):
        taken["SOURCE"] = Path(options.source)
    elif options.source.startswith("file://"):
        taken["SOURCE"] = Path(unquote(urlsplit(options.source).path))
    if options.intrinsics is not None:
        taken["--intrinsics"] = Path(options.intrinsics)
    for option, path in (
        ("-o", options.output),
        ("--csv", options.csv),
        ("--jsonl", options.jsonl),
        ("--profile", options.profile),
    ):
        if path is None:
            continue
        for other, name in taken.items():
            if name is not None and _same(path, name):
                raise InputError(f"{option} and {other} name the same file {path}; choose another name for {option}")
        taken[option] = path
        if option in ("--csv", "--jsonl") and path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES:
            raise InputError(f"{option} writes text, got the name {path} of a picture or video; did you mean -o?")


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve() or (a.exists() and b.exists() and a.samefile(b))
