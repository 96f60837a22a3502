"""Model ``…_frame``: frames and boxes in, poses out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.engine import PoseEngine
from hpe_edge.errors import HpeEdgeError, InputError
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.triton.layout import ANGLES, BOXES, DOUBTFUL, FRAME, KEYPOINTS, ROTATION, SIGMA
from hpe_edge.triton.python_backend import Server
from hpe_edge.triton.served_network import ServedNetwork


class FrameModel:
    """Poses of the faces of frames. The faces of all requests of a batch run together."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Open the engine over the served network.

        Raises:
            HpeEdgeError: see :class:`~hpe_edge.triton.python_backend.Server` and
                :class:`~hpe_edge.triton.served_network.ServedNetwork`.
        """
        self._server = Server(args)
        self._engine = PoseEngine.of_backend(ServedNetwork(self._server))

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer a batch of requests."""
        frames: list[Request] = []
        answers: dict[int, Any] = {}
        asked: dict[int, slice] = {}  # rows of the frames
        for index, request in enumerate(requests):
            try:
                own = self._frames(request)
            except HpeEdgeError as error:
                answers[index] = self._server.failure(error)
                continue
            asked[index] = slice(len(frames), len(frames) + len(own))
            frames += own
        try:
            found = self._engine.many(frames)
        except HpeEdgeError as error:
            answers |= {index: self._server.failure(error) for index in asked}
            asked = {}
        for index, rows in asked.items():
            answers[index] = self._server.response(columns(found[rows]))
        return [answers[index] for index in range(len(requests))]

    def _frames(self, request: Any) -> list[Request]:
        images = self._server.read(request, FRAME, np.uint8, 4)
        boxes = self._server.read(request, BOXES, np.float32, 3)
        if len(images) != len(boxes):
            raise InputError(f"there must be boxes for each frame, got {len(images)} frames and {len(boxes)} of boxes")
        points = self._server.optional(request, KEYPOINTS)
        if points is None:
            return [self._engine.request(image, own) for image, own in zip(images, boxes, strict=True)]
        if len(points) != len(boxes):
            raise InputError(f"{KEYPOINTS} are those of {BOXES}, got those of {len(points)} and {len(boxes)} frames")
        return [
            self._engine.request(image, own, keypoints=its)
            for image, own, its in zip(images, boxes, points, strict=True)
        ]


def columns(found: Sequence[Poses]) -> dict[str, NDArray[Any]]:
    """Return the outputs of frames with as many faces each."""
    return {
        ANGLES: np.stack([poses.angles for poses in found]),
        SIGMA: np.stack([poses.sigma for poses in found]),
        ROTATION: np.stack([poses.rotation for poses in found]),
        DOUBTFUL: np.stack([poses.doubtful for poses in found]),
    }
