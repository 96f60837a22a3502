"""Model ``…_stream``: frames and boxes of cameras in, identities and smoothed poses out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.box_checks import BoxChecks
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import HpeEdgeError, InputError
from hpe_edge.faces.detector import Detections
from hpe_edge.faces.smoother import UNCALIBRATED_USUAL_DEG, PoseSmoother
from hpe_edge.faces.tracker import Tracker
from hpe_edge.ops.request import Request
from hpe_edge.triton.frame_model import columns
from hpe_edge.triton.layout import BOXES, CAMERAS_KEY, FRAME, IDLE_KEY, IDS, KEYPOINTS, SCORES, TIME
from hpe_edge.triton.python_backend import Server, ServingError
from hpe_edge.triton.served_network import ServedNetwork
from hpe_edge.upright.keypoint_roll import check_keypoints, roll_of_rotation

_GRACE = 1.5  # times the server's idle time: a frame may wait in its queue


@dataclass
class _Camera:
    """State of one camera between its frames."""

    tracker: Tracker
    smoother: PoseSmoother
    seen_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class _Asked:
    camera: _Camera
    time_s: float
    request: Request


class StreamModel:
    """Poses of tracked faces. One frame per request; a sequence of the server's is a camera.

    The frames that wait, of different cameras, run together. A camera's state lives in this process.
    """

    def initialize(self, args: Mapping[str, str]) -> None:
        """Open the engine over the served network.

        Raises:
            HpeEdgeError: see :class:`~hpe_edge.triton.python_backend.Server` and
                :class:`~hpe_edge.triton.served_network.ServedNetwork`.
        """
        self._server = Server(args)
        self._engine = PoseEngine.of_backend(ServedNetwork(self._server))
        self._check_boxes = BoxChecks()
        self._most = int(self._server.parameters[CAMERAS_KEY])
        self._forget_s = _GRACE * float(self._server.parameters[IDLE_KEY])
        calibrated = self._engine.spec.sigma is not None
        self._usual = {} if calibrated else {"sigma_usual_deg": UNCALIBRATED_USUAL_DEG}
        self._cameras: dict[int | str, _Camera] = {}

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer a batch of requests, each of another camera."""
        answers: dict[int, Any] = {}
        asked: dict[int, _Asked] = {}
        for index, request in enumerate(requests):
            try:
                asked[index] = self._asked(request)
            except HpeEdgeError as error:
                answers[index] = self._server.failure(error)
        try:
            found = self._engine.many([each.request for each in asked.values()])
        except HpeEdgeError as error:
            answers |= {index: self._server.failure(error) for index in asked}
            asked = {}
        for (index, each), poses in zip(asked.items(), found if asked else [], strict=True):
            each.camera.tracker.carry(roll_of_rotation(poses.rotation))
            steady = each.camera.smoother(each.time_s, poses.ids, poses)
            # Boxes are the tracker's: filtered, and predicted for a frame without detections.
            answers[index] = self._server.response(
                {**columns([steady]), IDS: steady.ids[None], BOXES: steady.boxes[None]}
            )
        for request in requests:
            if request.flags() & self._server.pb.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END:
                self._cameras.pop(request.correlation_id(), None)
        return [answers[index] for index in range(len(requests))]

    def _asked(self, request: Any) -> _Asked:
        images = self._server.read(request, FRAME, np.uint8, 4)
        times = self._server.read(request, TIME, np.float64, 2)
        if len(images) != 1 or times.shape != (1, 1):
            raise InputError(
                f"a request holds one frame of a camera and its time, got {len(images)} frames and times {times.shape}"
            )
        image, time_s = images[0], float(times[0, 0])
        if not math.isfinite(time_s):
            raise InputError(f"{TIME} must be seconds, got {time_s}")
        detected = self._detected(request, image)
        camera = self._camera(request)
        if detected is None:
            tracks = camera.tracker.predict(time_s)
            scores = np.full(len(tracks), np.nan, np.float32)
            detected = Detections(tracks.boxes, tracks.boxes, scores)
        else:
            tracks = camera.tracker.update(time_s, detected.boxes, detected.scores)
        faces = replace(detected, boxes=tracks.boxes, ids=tracks.ids, rolls=tracks.rolls)
        return _Asked(camera, time_s, self._engine.request(image, faces))

    def _detected(self, request: Any, image: NDArray[np.uint8]) -> Detections | None:
        """Return the faces of a request; None for a frame that was not searched."""
        boxes, scores, points = (self._server.optional(request, name) for name in (BOXES, SCORES, KEYPOINTS))
        if boxes is None:
            for name, given in ((SCORES, scores), (KEYPOINTS, points)):
                if given is not None:
                    raise InputError(f"{name} are those of {BOXES}, but there are none; send both or neither")
            return None
        if boxes.ndim != 3 or len(boxes) != 1:
            raise InputError(f"{BOXES} must be [1, N, 4] of one frame, got {list(boxes.shape)}")
        detected = Detections.from_boxes(boxes[0], None if scores is None else scores[0])
        height, width = image.shape[:2]
        self._check_boxes(detected.boxes, width, height, fitted=False)
        if points is None:
            return detected
        return replace(detected, keypoints=check_keypoints(points[0], len(detected)))

    def _camera(self, request: Any) -> _Camera:
        name, now_s = request.correlation_id(), time.monotonic()
        # The server ends an idle sequence without a word to its model.
        self._cameras = {key: each for key, each in self._cameras.items() if now_s - each.seen_s <= self._forget_s}
        if request.flags() & self._server.pb.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START:
            self._cameras.pop(name, None)
            if len(self._cameras) >= self._most:
                raise ServingError(
                    f"camera {name!r} is one too many: this model follows {self._most}, as its repository was written "
                    "(--cameras); end the sequence of another camera, or write the repository again for more",
                    self._server.pb.TritonError.UNAVAILABLE,
                )
            self._cameras[name] = _Camera(Tracker(), PoseSmoother(**self._usual))
        camera = self._cameras.get(name)
        if camera is None:
            raise ServingError(
                f"the faces of camera {name!r} are not known here: it was refused, or this model was started again "
                "since its sequence began, and identities would count from 0 anew; begin its sequence again "
                "(sequence_start)",
                self._server.pb.TritonError.UNAVAILABLE,
            )
        camera.seen_s = now_s
        return camera
