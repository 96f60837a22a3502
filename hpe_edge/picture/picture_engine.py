"""PictureEngine: one call from a picture to the boxes and poses of all its faces."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.camera import Camera
from hpe_edge.errors import BackendError
from hpe_edge.faces.detector import check_min_score
from hpe_edge.faces.face_finder import bgr_frame
from hpe_edge.geometry import euler_from_rotation
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.frames import AnyFrame, FrameColor
from hpe_edge.ops.regions import roi_align
from hpe_edge.picture.picture_faces import PictureFaces
from hpe_edge.picture.picture_spec import STRIDES, PictureInput, PictureSpec
from hpe_edge.picture.place_faces import PlacedFaces, place_faces
from hpe_edge.picture.proposals import level_of, propose
from hpe_edge.picture.split_file import split_file
from hpe_edge.picture.two_networks import PictureBackend, TwoNetworks, open_networks
from hpe_edge.poses import Poses

_PADDED = 32  # sides of the first network's input are multiples of it
_TOGETHER = 256  # regions of one run of the second network; more do not fit the caches, and take memory


class PictureEngine:
    """A whole-picture model, ready to run: it finds the faces and their poses itself.

    >>> engine = PictureEngine("img2pose.onnx")
    >>> poses = engine(frame)
    >>> poses.boxes, poses.scores, poses.rotation, poses.translation

    Poses are those in the frame's camera, which is assumed to have its axis in the middle and a focal length of width +
    height pixels, see :meth:`camera`. Translations are metres for a head as large as ``spec.faces`` takes it to be; a
    picture does not tell a small head from a far one.

    Calls are stateless and thread-safe. An engine pickles as its arguments.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        device: str = "cpu",
        backend: PictureBackend | None = None,
        threads: int | None = None,
        min_score: float | None = None,
    ) -> None:
        """Load a model.

        Args:
            model: an ONNX file of ``hpe-edge export picture``.
            device: ``"cpu"``.
            backend: ``"onnxruntime"``, the default, or ``"openvino"``.
            threads: CPU threads of one call; None leaves it to the backend (all cores).
            min_score: faces of a lower score are dropped, 0 to 1; None: the model's own threshold.

        Raises:
            ModelNotFoundError: no such file.
            ModelError: no whole-picture model, or a damaged one.
            BackendError: the backend is not installed.
            InputError: an invalid argument.
        """
        self._arguments: dict[str, Any] | None = {
            "model": model,
            "device": device,
            "backend": backend,
            "threads": threads,
            "min_score": min_score,
        }
        path = Path(model)
        file = split_file(path)
        self.spec: PictureSpec = file.spec
        self.device = device
        self.min_score = check_min_score(min_score, self.spec.faces.min_score)
        self._networks: TwoNetworks | None = open_networks(path, file, device, backend, threads)

    @classmethod
    def of_networks(cls, spec: PictureSpec, networks: TwoNetworks) -> PictureEngine:
        """Make an engine of loaded networks, such as those of a training library; it does not pickle."""
        engine = cls.__new__(cls)
        engine._arguments = None
        engine.spec, engine.device, engine.min_score = spec, "cpu", spec.faces.min_score
        engine._networks = networks
        return engine

    def __call__(self, frame: AnyFrame, *, color: FrameColor = "BGR") -> Poses:
        """Find the faces of a frame and their poses.

        Args:
            frame: uint8 ``[H, W, 3]``, as OpenCV reads it, or of another format, see
                :meth:`hpe_edge.PoseEngine.__call__`.
            color: pixel format of the frame.

        Returns:
            Poses from left to right, with scores and translations; their boxes are those of the projected landmarks,
            chin to eyebrows, and their sigma is NaN.

        Raises:
            InputError: an invalid frame.
            BackendError: the backend failed, or the engine is closed.
        """
        return self.find(frame, color=color).poses

    def find(self, frame: AnyFrame, *, color: FrameColor = "BGR") -> PictureFaces:
        """Find the faces as a detector does, with their poses; see :meth:`__call__`.

        Returns:
            Faces whose ``drawn`` boxes are the model's own: of the projected landmarks, grown, and with the forehead.
        """
        networks = self._networks
        if networks is None:
            raise BackendError("the engine is closed; make a new PictureEngine")
        picture = bgr_frame(frame, color)
        planes, size_hw = resized(picture, self.spec.input)
        *levels, logits, shifts = networks.first(planes)
        regions = propose(logits, shifts, planes.shape[2:], size_hw, self.spec.proposals)
        maps = [(np.ascontiguousarray(level), 1 / stride) for level, stride in zip(levels, STRIDES, strict=True)]
        places = level_of(regions)
        scores, numbers = np.empty((len(regions), 2), np.float32), np.empty((len(regions), 6), np.float32)
        for start in range(0, len(regions), _TOGETHER):
            some = slice(start, start + _TOGETHER)
            scores[some], numbers[some] = networks.second(roi_align(maps, places[some], regions[some]))
        placed = place_faces(regions, scores, numbers, size_hw, self.spec.faces)
        return _faces(placed, self.min_score, np.divide(picture.shape[:2], size_hw), self.spec.faces.unit_m)

    def camera(self, width: int, height: int) -> Camera:
        """Return the camera that poses of frames of this size in pixels refer to."""
        return Camera(width + height, width + height, width / 2, height / 2)

    def warmup(self) -> None:
        """Run on an empty picture, so that the first real call does not allocate."""
        side = self.spec.input.shorter
        self.find(np.zeros((side, side, 3), np.uint8))

    def close(self) -> None:
        """Free the model; a later call raises BackendError, closing twice is harmless."""
        self._networks = None

    def __enter__(self) -> PictureEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        if self._arguments is None:
            raise BackendError("an engine of loaded networks cannot be pickled; make one in each process")
        return _made, (self._arguments,)

    def __repr__(self) -> str:
        runtime = "closed" if self._networks is None else self._networks.runtime
        return f"PictureEngine({self.spec.architecture}, {runtime} on {self.device})"


def resized(picture_bgr: NDArray[np.uint8], input: PictureInput) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Scale, normalise and pad a picture.

    Args:
        picture_bgr: uint8 ``[H, W, 3]``.
        input: of the model.

    Returns:
        The first network's input ``[1, 3, H, W]``, and the scaled picture's height and width in it.
    """
    height, width = picture_bgr.shape[:2]
    scale = min(input.shorter / min(height, width), input.longer / max(height, width))
    size_hw = max(1, int(height * scale)), max(1, int(width * scale))
    levels = cv2.resize(picture_bgr.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    planes = np.zeros((1, 3, *(-(-side // _PADDED) * _PADDED for side in size_hw)), np.float32)
    for k, (mean, std) in enumerate(zip(input.mean, input.std, strict=True)):
        plane = levels[..., k if input.color == "BGR" else 2 - k]
        planes[0, k, : size_hw[0], : size_hw[1]] = (plane * np.float32(input.scale) - np.float32(mean)) / np.float32(
            std
        )
    return planes, size_hw


def _faces(placed: PlacedFaces, min_score: float, ratio_hw: NDArray[np.float64], unit_m: float) -> PictureFaces:
    """Scale boxes to the frame and translations to metres; drop low scores, and sort from left to right."""
    kept = np.flatnonzero(placed.scores > min_score)
    kept = kept[np.argsort(placed.drawn[kept, 0], kind="stable")]
    ratio = np.tile(ratio_hw[::-1], 2)
    boxes, drawn = ((each[kept] * ratio).astype(np.float32) for each in (placed.tight, placed.drawn))
    rotation, scores = placed.rotation[kept], placed.scores[kept]
    poses = Poses(
        np.ascontiguousarray(euler_from_rotation(rotation), np.float32),
        np.full((len(kept), 3), np.nan, np.float32),
        rotation.astype(np.float32),
        boxes=boxes,
        scores=scores,
        translation=(placed.translation[kept] * unit_m).astype(np.float32),
    )
    return PictureFaces(boxes, drawn, scores, poses=poses)


def _made(arguments: dict[str, Any]) -> PictureEngine:
    return PictureEngine(**arguments)
