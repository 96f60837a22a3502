"""Engine and detector of a Ray actor, and its share of the cores."""

from __future__ import annotations

import os
import sys
from typing import Literal

from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.camera import Camera
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.faces.detector import DEFAULT_DETECTOR, Detector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.opencv.lazy import cv2
from hpe_edge.pipeline.core_budget import WARMUP_FACES
from hpe_edge.pipeline.opening import FaceOptions, share_of
from hpe_edge.spec import Upright


class Worker:
    """Engine and detector that one actor opens once and keeps.

    Attributes:
        engine: estimates the poses.
        detector: finds the faces.
        camera, drop_doubtful: see :func:`hpe_edge.track`.
        threads: cores to use; None for all.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        device: str | None = None,
        backend: BackendName | None = None,
        precision: Precision | None = None,
        max_sigma: float | None = None,
        upright: Upright | Literal["model"] | None = "model",
        detector: Detector | str | os.PathLike[str] = DEFAULT_DETECTOR,
        min_score: float | None = None,
        min_face: float | None = None,
        camera: Camera | float | None = None,
        drop_doubtful: bool = False,
        threads: int | None = None,
    ) -> None:
        """
        Args:
            model, device, backend, precision, max_sigma, upright: see :class:`hpe_edge.PoseEngine`. Files must be found
                on every machine.
            detector, min_score, min_face, camera, drop_doubtful: see :func:`hpe_edge.track`.
            threads: cores to use; None: as many as ``num_cpus`` reserves for the actor, all outside of Ray.

        Raises:
            HpeEdgeError: the model or detector cannot be opened.
        """
        if threads is not None and threads < 1:
            raise InputError(f"threads must be 1 or more, got {threads}")
        self.threads = assigned_cores() if threads is None else threads
        self.camera, self.drop_doubtful = camera, drop_doubtful
        if self.threads is not None:
            cv2.setNumThreads(self.threads)
        share = share_of(FaceOptions(detector=detector), self.threads)
        if isinstance(detector, (str, os.PathLike)):
            self.detector: Detector = open_detector(
                detector, threads=share.detect_threads, min_score=min_score, min_face=min_face
            )
        elif min_score is not None or min_face is not None:
            raise InputError("min_score and min_face are for detectors by name or file; set them in your own detector")
        else:
            self.detector = detector
        self.engine = PoseEngine(
            model,
            device=device,
            backend=backend,
            threads=share.pose_threads,
            precision=precision,
            max_sigma=max_sigma,
            upright=upright,
        )
        self.engine.warmup(WARMUP_FACES)


def assigned_cores() -> int | None:
    """Return the cores that Ray reserves for this actor or task, at least one; None outside of Ray."""
    ray = sys.modules.get("ray")  # a worker of Ray has it
    if ray is None or not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    if context.worker.mode != ray.WORKER_MODE:
        return None
    return max(1, int(context.get_assigned_resources().get("CPU", 0)))
