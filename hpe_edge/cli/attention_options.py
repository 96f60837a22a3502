"""Neutral pose, zones and events of a run by its options."""

from __future__ import annotations

from pathlib import Path

from hpe_edge.attention.learner import NeutralLearner
from hpe_edge.attention.meter import AttentionMeter, Neutral
from hpe_edge.attention.mount import CameraMount
from hpe_edge.attention.neutral import NeutralPose
from hpe_edge.attention.zone import load_zones
from hpe_edge.cli.run.run_options import RunOptions
from hpe_edge.errors import InputError
from hpe_edge.sources.frame import Source


def open_meter(options: RunOptions) -> AttentionMeter | None:
    """Create the meter that the options ask for; None without any.

    Raises:
        InputError: invalid zones or angles.
        SourceError: a file of zones or of a neutral pose cannot be read.
    """
    if options.neutral is None and options.mount is None and options.zones is None:
        return None
    zones = () if options.zones is None else load_zones(options.zones)
    given = {} if options.away_after is None else {"after_s": options.away_after}
    return AttentionMeter(_neutral(options), zones, **given)


def check_meter(options: RunOptions, source: Source) -> None:
    """Refuse options of time and identity for pictures, and without tracking.

    Raises:
        InputError: there is such an option.
    """
    learned = isinstance(options.neutral, float)
    for option, wanted in (("--neutral learn", learned), ("--events", options.events is not None)):
        if not wanted:
            continue
        if source.kind != "video":
            raise InputError(f"{option} follows faces over time: it needs a video, camera or stream, got {source.name}")
        of_all = option != "--events" and options.neutral_per == "mount"
        if not options.track and not of_all:
            raise InputError(f"{option} needs tracked faces; leave out --no-track")


def learn_s(options: RunOptions) -> float | None:
    """Return the time for which a neutral pose is learned; None if none is."""
    return options.neutral if isinstance(options.neutral, float) else None


def _neutral(options: RunOptions) -> Neutral | None:
    given = options.neutral
    if options.mount is not None:
        return CameraMount(*options.mount)
    if given is None or isinstance(given, Path):
        return None if given is None else NeutralPose.load(given)
    if isinstance(given, float):
        return NeutralLearner(given, per=options.neutral_per or "person")
    return NeutralPose.from_angles(given)
