"""A frame and its boxes, checked and ready for the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.camera import Camera
from hpe_edge.errors import InputError
from hpe_edge.ops.crop import CropNormalize, check_homographies
from hpe_edge.ops.frames import AnyFrame, FrameColor, check_boxes, frame_planes
from hpe_edge.ops.rectify import Views, look_at
from hpe_edge.poses import Poses

if TYPE_CHECKING:
    from hpe_edge.ops.gpu_frames import GpuFrame


class Request:
    """Checked arguments of one call, made by :meth:`hpe_edge.PoseEngine.request`; :meth:`hpe_edge.PoseEngine.many` runs
    several.

    All arguments are checked here, so that an invalid one does not fail the others of its batch. The frame is kept by
    reference and must not be overwritten before its poses are returned; boxes are copied.

    Attributes:
        count: the number of faces.
        boxes: float32 ``[N, 4]``, a copy of those given.
        scores, ids: ``[N]`` of the faces, for the poses; None if unknown.
        planes: the frame, from :func:`hpe_edge.ops.frames.frame_planes`.
        color: its pixel format.
        on_gpu: the frame in memory of the engine's GPU; the host must not read ``planes`` then. None for host memory.
    """

    __slots__ = ("_crop", "_views", "boxes", "color", "count", "ids", "on_gpu", "planes", "scores")

    def __init__(
        self,
        crop: CropNormalize,
        frame: AnyFrame,
        boxes: ArrayLike,
        color: FrameColor,
        camera: Camera | None,
        on_gpu: GpuFrame | None = None,
        *,
        scores: NDArray[np.float32] | None = None,
        ids: NDArray[np.int64] | None = None,
    ) -> None:
        """
        Args:
            crop: of the engine.
            frame, boxes, color, camera: see :meth:`hpe_edge.PoseEngine.__call__`.
            on_gpu: the frame in memory of the engine's GPU, if it is there.
            scores, ids: of the faces, if known; not checked.

        Raises:
            InputError: an invalid frame, box or camera.
            BackendError: the frame is on a GPU and cannot be fetched.
        """
        self.boxes = check_boxes(boxes).copy()
        self.count = len(self.boxes)
        self.scores, self.ids = scores, ids
        plane, chroma = frame_planes(frame if on_gpu is None else on_gpu.planes, color)
        # Own views: if the owner reshaped its array in place, the original would be read beyond its end.
        self.planes = (plane[:], None if chroma is None else chroma[:])
        self.color = color
        self.on_gpu = on_gpu
        self._crop = crop
        self._views: Views | None = None
        if camera is not None:
            if not isinstance(camera, Camera):
                raise InputError(f"camera must be a hpe_edge.Camera, got {type(camera).__name__}")
            views = look_at(camera, self.boxes, crop.crop, crop.input.size)
            self._views = Views(views.rotations, check_homographies(views.homographies))

    def part(self, start: int, stop: int) -> Request:
        """Return the request of the faces from ``start`` to before ``stop``, in the same frame."""
        part = Request.__new__(Request)
        part.boxes, part.count = self.boxes[start:stop], stop - start
        part.scores = None if self.scores is None else self.scores[start:stop]
        part.ids = None if self.ids is None else self.ids[start:stop]
        part.planes, part.color, part.on_gpu, part._crop = self.planes, self.color, self.on_gpu, self._crop
        views = self._views
        part._views = None if views is None else Views(views.rotations[start:stop], views.homographies[start:stop])
        return part

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the frame in pixels."""
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
            self._crop.crop_checked(self.planes, self.boxes, out, self.color)
        else:
            self._crop.warp_checked(self.planes, self._views.homographies, out, self.color)

    def finish(self, poses: Poses) -> None:
        """Transform estimates of the crops to the frame's camera, in place; sigma is not changed."""
        if self._views is not None:
            self._views.turn_back(poses.angles, poses.rotation)
