"""Checks of the options against each other, before anything is opened."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from hpe_edge.cli.run.run_options import RunOptions
from hpe_edge.errors import InputError
from hpe_edge.sources.open_source import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_file_name

_EXCLUDE = (
    ("--boxes", "--detector"),
    ("--boxes", "--detect-every"),
    ("--boxes", "--min-score"),
    ("--boxes", "--min-face"),
    ("--boxes", "--detect-size"),
    ("--boxes", "--detect-stretch"),
    ("--camera-fov", "--intrinsics"),
    ("--neutral", "--mount"),
)
_NEED = (("--boxes-from", "--boxes"), ("--away-after", "--zones"), ("--events", "--zones"))


def check_alternatives(options: RunOptions) -> None:
    """Refuse options that exclude each other, or that lack the one that they belong to.

    Raises:
        InputError: there are such options.
    """
    given = {
        "--boxes": options.boxes is not None,
        "--boxes-from": options.boxes_from is not None,
        "--detector": options.detector is not None,
        "--min-score": options.min_score is not None,
        "--min-face": options.min_face is not None,
        "--detect-size": options.detect_size is not None,
        "--detect-stretch": options.detect_stretch,
        "--detect-every": options.detect_every > 1,
        "--camera-fov": options.camera_fov is not None,
        "--intrinsics": options.intrinsics is not None,
        "--neutral": options.neutral is not None,
        "--mount": options.mount is not None,
        "--zones": options.zones is not None,
        "--away-after": options.away_after is not None,
        "--events": options.events is not None,
    }
    for one, other in _EXCLUDE:
        if given[one] and given[other]:
            raise InputError(f"{one} and {other} exclude each other; leave one out")
    for one, other in _NEED:
        if given[one] and not given[other]:
            raise InputError(f"{one} needs {other}; give both, or leave it out")
    if options.neutral_per is not None and not isinstance(options.neutral, float):
        raise InputError("--neutral-per is for a neutral pose that is learned; give --neutral learn, or leave it out")
    if options.raw is None and options.pixels is not None:
        raise InputError("--pixels is the format of --raw frames; give --raw WxH@FPS as well")
    if options.raw is None and options.live:
        raise InputError("--live is for --raw frames of a camera; cameras and streams always are live")
    printed = options.on_stdout()
    if options.summary == "json":
        printed.append("--summary json")
    if len(printed) > 1:
        raise InputError(f"{' and '.join(printed)} both write to standard output; name a file for one")


def check_names(options: RunOptions) -> None:
    """Refuse an output that is an input or another output, and records with a picture's or video's extension.

    Raises:
        InputError: there is such a name.
    """
    taken = [("--model", options.model), ("--boxes", options.boxes), ("--zones", options.zones)]
    taken += [(name, Path(text)) for name, text in _maybe_files(options).items() if text is not None]
    if isinstance(options.neutral, Path):
        taken.append(("--neutral", options.neutral))
    for source in options.sources:
        if is_file_name(source):
            taken.append(("SOURCE", Path(source)))
        elif source.startswith("file://"):
            taken.append(("SOURCE", Path(unquote(urlsplit(source).path))))
    for option, path in (
        ("-o", options.output),
        ("--csv", options.csv),
        ("--jsonl", options.jsonl),
        ("--events", options.events),
        ("--mcap", options.mcap),
        ("--profile", options.profile),
    ):
        if path is None or isinstance(path, str):
            continue
        for other, name in taken:
            if name is not None and _same(path, name):
                raise InputError(f"{option} and {other} name the same file {path}; choose another name for {option}")
        taken.append((option, path))
        text = option in ("--csv", "--jsonl", "--events")
        if text and path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES:
            raise InputError(f"{option} writes text, got the name {path} of a picture or video; did you mean -o?")


def _maybe_files(options: RunOptions) -> dict[str, str | None]:
    """Return options that take the name of a file or something else."""
    return {"--detector": options.detector, "--boxes-from": options.boxes_from, "--intrinsics": options.intrinsics}


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve() or (a.exists() and b.exists() and a.samefile(b))
