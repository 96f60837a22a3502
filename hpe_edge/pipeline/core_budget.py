"""Processor cores shared among the threads of a run."""

from __future__ import annotations

from dataclasses import dataclass

WARMUP_FACES = 4  # on which the pose network's best batch is found out
_MOST_DETECT_WORKERS = 4  # each holds a frame


@dataclass(frozen=True)
class CoreShare:
    """Cores by task.

    Attributes:
        detect_workers: so many frames are searched for faces at the same time.
        detect_threads: for each of them.
        pose_threads: for the pose network.
    """

    detect_workers: int
    detect_threads: int
    pose_threads: int


def share_cores(cores: int, *, several_detectors: bool) -> CoreShare:
    """Share so many cores out.

    A network runs faster on several frames at once than with several threads on each.

    Args:
        cores: that may be used.
        several_detectors: whether the detector may work on several frames at once; OpenCV's cascade may not.
    """
    workers = min(cores, _MOST_DETECT_WORKERS) if several_detectors else 1
    # Where detectors are at work, they need most; reading, drawing and encoding need about a core in any case.
    return CoreShare(workers, max(1, cores // workers), max(1, cores // (4 if several_detectors else 2)))
