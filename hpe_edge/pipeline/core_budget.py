"""Distribution of processor cores over the threads of a run."""

from __future__ import annotations

from dataclasses import dataclass

WARMUP_FACES = 4  # used to measure the pose network's fastest batch size
_MOST_DETECT_WORKERS = 4  # each keeps a frame in memory


@dataclass(frozen=True)
class CoreShare:
    """Cores by task.

    Attributes:
        detect_workers: number of frames in detection at the same time.
        detect_threads: threads of each detection.
        pose_threads: threads of the pose network.
    """

    detect_workers: int
    detect_threads: int
    pose_threads: int


def share_cores(cores: int, *, several_detectors: bool) -> CoreShare:
    """Distribute the cores.

    A network runs faster on several frames at once than with several threads on each.

    Args:
        cores: number of usable cores.
        several_detectors: a detector may process several frames at once; boxes of a file need no cores.
    """
    workers = min(cores, _MOST_DETECT_WORKERS) if several_detectors else 1
    # Neural detectors need most cores; reading, drawing and encoding need about one in any case.
    return CoreShare(workers, max(1, cores // workers), max(1, cores // (4 if several_detectors else 2)))
