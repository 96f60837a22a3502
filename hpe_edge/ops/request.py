"""A frame and its boxes, checked and ready for the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.camera import Camera
from hpe_edge.errors import InputError
from hpe_edge.ops.crop import CropNormalize, check_homographies
from hpe_edge.ops.frames import AnyFrame, CheckedPlanes, FrameColor, GpuFrame, frame_planes
from hpe_edge.ops.rectify import Facing, Views, facing
from hpe_edge.ops.turns import roll_from_keypoints, second_pass, undo_turns
from hpe_edge.poses import Poses
from hpe_edge.spec import Upright
from hpe_edge.upright.keypoint_roll import check_keypoints


class Request:
    """Checked arguments of one call, made by :meth:`hpe_edge.PoseEngine.request`; :meth:`hpe_edge.PoseEngine.many` runs
    several.

    All arguments are checked here, so that an invalid one does not fail the others of its batch. The frame is kept by
    reference and must not be overwritten before its poses are returned; boxes are copied.

    Attributes:
        count: the number of faces.
        boxes: float32 ``[N, 4]``, a copy of those given.
        scores, ids: ``[N]`` of the faces, for the poses; None if unknown.
        turns: float32 ``[N]``, turn of each crop in degrees; 0 for a face of unknown roll. None if no crop is turned.
        planes: a frame in host memory, from :func:`hpe_edge.ops.frames.frame_planes`; not set for others.
        color: its pixel format.
        on_gpu: the frame in memory of the engine's GPU. None for host memory.
    """

    planes: CheckedPlanes

    __slots__ = ("_crop", "_facing", "_views", "boxes", "color", "count", "ids", "on_gpu", "planes", "scores", "turns")

    def __init__(
        self,
        crop: CropNormalize,
        frame: AnyFrame,
        boxes: NDArray[np.float32],
        color: FrameColor,
        camera: Camera | None,
        on_gpu: GpuFrame | None = None,
        *,
        scores: NDArray[np.float32] | None = None,
        ids: NDArray[np.int64] | None = None,
        upright: Upright | None = None,
        keypoints: ArrayLike | None = None,
        rolls: NDArray[np.float32] | None = None,
    ) -> None:
        """
        Args:
            crop: of the engine.
            frame, color, camera, keypoints: see :meth:`hpe_edge.PoseEngine.__call__`.
            boxes: of :func:`hpe_edge.ops.frames.check_boxes`.
            on_gpu: the frame in memory of the engine's GPU, if it is there.
            scores, ids: of the faces, if known; not checked.
            upright: of the engine.
            rolls: ``[N]`` in degrees, NaN for unknown, of faces without key points, if known; not checked.

        Raises:
            InputError: an invalid frame, key point or camera.
            BackendError: the frame is on a GPU and cannot be fetched.
        """
        self.boxes = boxes.copy()
        self.count = len(self.boxes)
        self.scores, self.ids = scores, ids
        if on_gpu is None:
            plane, chroma = frame_planes(frame, color)
            # Own views: if the owner reshaped its array in place, the original would be read beyond its end.
            self.planes = (plane[:], None if chroma is None else chroma[:])
        self.color = color
        self.on_gpu = on_gpu
        self._crop = crop
        self._facing: Facing | None = None
        self._views: Views | None = None
        points = None if keypoints is None else check_keypoints(keypoints, self.count)
        if camera is not None:
            if not isinstance(camera, Camera):
                raise InputError(f"camera must be a hpe_edge.Camera, got {type(camera).__name__}")
            self._facing = facing(camera, self.boxes)
        self.turns = None if upright is None else self._turns(points, rolls)
        self._look()

    def _turns(
        self, keypoints: NDArray[np.float32] | None, rolls: NDArray[np.float32] | None
    ) -> NDArray[np.float32] | None:
        turns = rolls
        if keypoints is not None:
            turns = roll_from_keypoints(keypoints if self._facing is None else self._facing.points(keypoints))
            if rolls is not None:
                turns = np.where(np.isnan(turns), rolls, turns)
        if turns is None:
            return None
        turns = np.where(np.isfinite(turns), turns, np.float32(0))
        return turns if turns.any() else None

    def _look(self) -> None:
        if self._facing is None:
            return
        views = self._facing.views(self._crop.crop, self._crop.input.size, self.turns)
        self._views = Views(views.rotations, check_homographies(views.homographies))

    def part(self, start: int, stop: int) -> Request:
        """Return the request of the faces from ``start`` to before ``stop``, in the same frame."""
        return self._select(slice(start, stop))

    def turned(self, rows: NDArray[np.integer], turns_deg: NDArray[np.float32]) -> Request:
        """Return the request of some faces, whose crops are turned by other turns."""
        part = self._select(rows)
        part.turns = turns_deg
        part._look()
        return part

    def second_pass(self, poses: Poses) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the faces that still are rolled in their crops, as the finished poses say, and their rolls.

        See :func:`hpe_edge.ops.turns.second_pass`; the rolls are those in the crops before their turns.
        """
        rotations = poses.rotation if self._facing is None else self._facing.in_views(poses.rotation)
        return second_pass(self.turns, rotations)

    def _select(self, rows: slice | NDArray[np.integer]) -> Request:
        part = Request.__new__(Request)
        part.boxes = self.boxes[rows]
        part.count = len(part.boxes)
        part.scores = None if self.scores is None else self.scores[rows]
        part.ids = None if self.ids is None else self.ids[rows]
        part.turns = None if self.turns is None else self.turns[rows]
        part.color, part.on_gpu, part._crop = self.color, self.on_gpu, self._crop
        if self.on_gpu is None:
            part.planes = self.planes
        part._facing = None if self._facing is None else self._facing.select(rows)
        part._views = None if self._views is None else self._views.select(rows)
        return part

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the frame in pixels."""
        if self.on_gpu is not None:
            return self.on_gpu.fields[-2:]
        height, width = self.planes[0].shape[:2]
        return width, height

    @property
    def warped(self) -> bool:
        """True if the faces are cropped by homographies."""
        return self._views is not None

    @property
    def places(self) -> NDArray[Any]:
        """Boxes float32 ``[N, 4]`` of the faces, or homographies float64 ``[N, 3, 3]`` if they are warped."""
        return self.boxes if self._views is None else self._views.homographies

    def is_for(self, crop: CropNormalize) -> bool:
        """Return True if the request was made for this crop object."""
        return self._crop is crop

    def crop_into(self, out: NDArray[Any]) -> None:
        """Crop all faces into the network's input, ``[N, 3, size, size]``."""
        if self._views is None:
            self._crop.crop_checked(self.planes, self.boxes, out, self.color, self.turns)
        else:
            self._crop.warp_checked(self.planes, self._views.homographies, out, self.color)

    def finish(self, poses: Poses) -> None:
        """Transform estimates of the crops to the frame's camera, in place, and landmarks to its pixels.

        Sigma is not changed.
        """
        if self.turns is not None:
            undo_turns(poses.angles, poses.rotation, self.turns)
        if self._views is not None:
            self._views.turn_back(poses.angles, poses.rotation)
        landmarks, _ = poses.marks
        if landmarks is not None:
            self._to_frame(landmarks)

    def _to_frame(self, landmarks: NDArray[np.float32]) -> None:
        """Map points ``[N, L, 2]`` of the crops, whose corners are (0, 0) and (1, 1), to the frame's pixels."""
        if self._views is not None:
            landmarks[...] = self._views.points(landmarks, self._crop.input.size)
            return
        maps = self._crop.maps(self.boxes, self.turns, self.size_wh)
        landmarks[...] = landmarks @ np.swapaxes(maps[:, :, :2], 1, 2) + maps[:, None, :, 2]
