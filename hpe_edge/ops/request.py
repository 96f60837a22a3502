"""A frame and its boxes, checked and ready for the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        planes: the frame, from :func:`hpe_edge.ops.frames.frame_planes`.
        color: its pixel format.
        on_gpu: the frame in memory of the engine's GPU; the host must not read ``planes`` then. None for host memory.
    """

    __slots__ = ("_boxes", "_crop", "_views", "color", "count", "on_gpu", "planes")

    def __init__(
        self,
        crop: CropNormalize,
        frame: AnyFrame,
        boxes: ArrayLike,
        color: FrameColor,
        camera: Camera | None,
        on_gpu: GpuFrame | None = None,
    ) -> None:
        """
        Args:
            crop: of the engine.
            frame, boxes, color, camera: see :meth:`hpe_edge.PoseEngine.__call__`.
            on_gpu: the frame in memory of the engine's GPU, if it is there.

        Raises:
            InputError: an invalid frame, box or camera.
            BackendError: the frame is on a GPU and cannot be fetched.
        """
        self._boxes = check_boxes(boxes).copy()
        self.count = len(self._boxes)
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
            views = look_at(camera, self._boxes, crop.crop, crop.input.size)
            self._views = Views(views.rotations, check_homographies(views.homographies))

    def part(self, start: int, stop: int) -> Request:
        """Return the request of the faces from ``start`` to before ``stop``, in the same frame."""
        part = Request.__new__(Request)
        part._boxes, part.count = self._boxes[start:stop], stop - start
        part.planes, part.color, part.on_gpu, part._crop = self.planes, self.color, self.on_gpu, self._crop
        views = self._views
        part._views = None if views is None else Views(views.rotations[start:stop], views.homographies[start:stop])
        return part

    @property
    def warped(self) -> bool:
        """True if the faces are cropped by homographies."""
        return self._views is not None

    @property
    def places(self) -> NDArray[Any]:
        """Boxes float32 ``[N, 4]`` of the faces, or homographies float64 ``[N, 3, 3]`` if they are warped."""
        return self._boxes if self._views is None else self._views.homographies

    def is_for(self, crop: CropNormalize) -> bool:
        """Return True if the request was made for this crop object."""
        return self._crop is crop

    def crop_into(self, out: NDArray[Any]) -> None:
        """Crop all faces into the network's input, ``[N, 3, size, size]``."""
        if self._views is None:
            self._crop.crop_checked(self.planes, self._boxes, out, self.color)
        else:
            self._crop.warp_checked(self.planes, self._views.homographies, out, self.color)

    def finish(self, poses: Poses) -> None:
        """Transform estimates of the crops to the frame's camera, in place; sigma is not changed."""
        if self._views is not None:
            self._views.turn_back(poses.angles, poses.rotation)
