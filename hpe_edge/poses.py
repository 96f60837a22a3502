"""Poses of N faces as a struct of arrays, and one face's pose as a row of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.geometry import near_gimbal, quaternion_from_rotation

if TYPE_CHECKING:
    from hpe_edge.camera import Camera
    from hpe_edge.drawing.style import Style

Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]
Index = slice | NDArray[Any] | Sequence[int] | Sequence[bool]

Value = float | int | bool | list[Any] | None

NO_ID = -1  # of a face that is not tracked


@dataclass(frozen=True)
class Pose:
    """Pose of one face: a row of :class:`Poses`, as plain numbers.

    Attributes:
        yaw, pitch, roll: degrees. Yaw > 0: the face turns to the left of the image; pitch > 0: it looks up; roll > 0:
            it tilts clockwise in the image.
        sigma: standard deviations of yaw, pitch, roll in degrees; NaN where the model's head has no distribution.
        rotation: float32 ``[3, 3]``, head to OpenCV's camera frame.
        quaternion: w x y z of ``rotation``.
        box: x1 y1 x2 y2 in pixels, chin to eyebrows; NaN if unknown.
        score: of the detector; NaN if unknown.
        id: identity over time; -1 if the face is not tracked.
        doubtful: see :attr:`Poses.doubtful`.
        landmarks: float32 ``[L, 2]``, see :attr:`Poses.landmarks`.
        visibility: float32 ``[L]``, see :attr:`Poses.visibility`.
        translation: x y z of the head in OpenCV's camera frame, see :attr:`Poses.translation`; None if unknown.
    """

    yaw: float
    pitch: float
    roll: float
    sigma: tuple[float, float, float]
    rotation: Float32Array = field(repr=False, compare=False)
    quaternion: tuple[float, float, float, float]
    box: tuple[float, float, float, float]
    score: float
    id: int
    doubtful: bool
    landmarks: Float32Array = field(repr=False, compare=False)
    visibility: Float32Array = field(repr=False, compare=False)
    translation: tuple[float, float, float] | None = None


class Poses:
    """Poses of N faces, in the order of their boxes.

    >>> for pose in poses:
    ...     print(pose.yaw, pose.box)
    >>> poses[0].pitch, poses[~poses.doubtful], poses.to_rows()

    Attributes:
        angles: float32 ``[N, 3]``: yaw, pitch, roll in degrees. Yaw > 0: the face turns to the left of the image;
            pitch > 0: it looks up; roll > 0: it tilts clockwise in the image.
        sigma: float32 ``[N, 3]``: standard deviation of each angle in degrees; NaN where the model's head has no
            distribution.
        rotation: float32 ``[N, 3, 3]``: head to OpenCV's camera frame, R = Rx(-pitch) Ry(yaw) Rz(roll).
        max_sigma: limit of :attr:`sigma_rms` in degrees beyond which a pose is doubtful; infinite for no limit.

    The arrays belong to this object. A face with a NaN in the network's output for the pose is NaN throughout, but for
    its landmarks; others are not affected.
    """

    # Checked once, here: decode writes into these arrays without another check. None stands for unknown: the arrays of
    # NaN and -1 are made only when they are read.
    __slots__ = (
        "_angles",
        "_boxes",
        "_ids",
        "_landmarks",
        "_rotation",
        "_scores",
        "_sigma",
        "_stretched",
        "_translation",
        "_visibility",
        "max_sigma",
    )

    _boxes: Float32Array | None
    _scores: Float32Array | None
    _ids: Int64Array | None
    _stretched: NDArray[np.bool_]
    _landmarks: Float32Array | None
    _visibility: Float32Array | None
    _translation: Float32Array | None
    max_sigma: float

    def __init__(
        self,
        angles: Float32Array,
        sigma: Float32Array,
        rotation: Float32Array,
        *,
        boxes: Float32Array | None = None,
        scores: Float32Array | None = None,
        ids: Int64Array | None = None,
        landmarks: Float32Array | None = None,
        visibility: Float32Array | None = None,
        translation: Float32Array | None = None,
        max_sigma: float = math.inf,
    ) -> None:
        """Wrap arrays of the shapes above, and below for the others; None for unknown ones.

        Raises:
            InputError: one is not a writeable, C-contiguous array of its type, or they do not fit each other.
        """
        count = len(angles)
        self._angles = _checked("angles", angles, (count, 3))
        self._sigma = _checked("sigma", sigma, (count, 3))
        self._rotation = _checked("rotation", rotation, (count, 3, 3))
        self._boxes = None if boxes is None else _checked("boxes", boxes, (count, 4))
        self._scores = None if scores is None else _checked("scores", scores, (count,))
        if ids is not None and (ids.shape != (count,) or ids.dtype != np.int64):
            raise InputError(f"ids must be an int64 array {(count,)}, got {ids.dtype} {ids.shape}")
        self._ids = ids
        points = -1 if landmarks is None or landmarks.ndim < 2 else landmarks.shape[1]
        self._landmarks = None if landmarks is None else _checked("landmarks", landmarks, (count, points, 2))
        self._visibility = None if visibility is None else _checked("visibility", visibility, (count, points))
        self._translation = None if translation is None else _checked("translation", translation, (count, 3))
        self._stretched = np.zeros(count, np.bool_)
        self.max_sigma = max_sigma

    @classmethod
    def empty(
        cls,
        count: int,
        *,
        landmarks: int = 0,
        visibility: bool = False,
        boxes: Float32Array | None = None,
        scores: Float32Array | None = None,
        ids: Int64Array | None = None,
        max_sigma: float = math.inf,
    ) -> Poses:
        """Allocate uninitialised poses of ``count`` faces; the other arrays are kept and not checked.

        Args:
            count: number of faces.
            landmarks: landmarks of each face.
            visibility: with theirs.
            boxes, scores, ids, max_sigma: see the class.
        """
        poses = cls.__new__(cls)
        poses._angles = np.empty((count, 3), np.float32)
        poses._sigma = np.empty((count, 3), np.float32)
        poses._rotation = np.empty((count, 3, 3), np.float32)
        poses._boxes, poses._scores, poses._ids, poses._translation = boxes, scores, ids, None
        poses._stretched = np.zeros(count, np.bool_)
        poses._landmarks = np.empty((count, landmarks, 2), np.float32) if landmarks else None
        poses._visibility = np.empty((count, landmarks), np.float32) if visibility else None
        poses.max_sigma = max_sigma
        return poses

    def at(self, boxes: Float32Array, ids: Int64Array | None) -> Poses:
        """Return these poses with other boxes and identities; the estimates are shared."""
        moved = self._select(slice(None))
        moved._boxes, moved._ids = boxes, ids
        return moved

    def part(self, start: int, stop: int) -> Poses:
        """Return a view of the faces from ``start`` to before ``stop``."""
        return self._select(slice(start, stop))

    def take(self, rows: NDArray[np.integer], other: Poses) -> None:
        """Replace the estimates of some faces by those of ``other``, which has as many; boxes, scores and ids stay."""
        self._angles[rows], self._sigma[rows], self._rotation[rows] = other._angles, other._sigma, other._rotation
        self._stretched[rows] = other._stretched
        if self._landmarks is not None:
            self._landmarks[rows] = other._landmarks
        if self._visibility is not None:
            self._visibility[rows] = other._visibility

    def copy(self) -> Poses:
        """Return poses with arrays of their own."""
        poses = Poses(
            self._angles.copy(),
            self._sigma.copy(),
            self._rotation.copy(),
            boxes=None if self._boxes is None else self._boxes.copy(),
            scores=None if self._scores is None else self._scores.copy(),
            ids=None if self._ids is None else self._ids.copy(),
            landmarks=None if self._landmarks is None else self._landmarks.copy(),
            visibility=None if self._visibility is None else self._visibility.copy(),
            translation=None if self._translation is None else self._translation.copy(),
            max_sigma=self.max_sigma,
        )
        poses._stretched[:] = self._stretched
        return poses

    @property
    def arrays(self) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Angles, sigma and rotation, to be filled by a backend."""
        return self._angles, self._sigma, self._rotation

    @property
    def marks(self) -> tuple[Float32Array | None, Float32Array | None]:
        """Landmarks and their visibility, to be filled by a backend; None where there are none."""
        return self._landmarks, self._visibility

    @property
    def angles(self) -> Float32Array:
        """float32 ``[N, 3]``: yaw, pitch, roll in degrees."""
        return self._angles

    @property
    def sigma(self) -> Float32Array:
        """float32 ``[N, 3]``: standard deviations of yaw, pitch, roll in degrees."""
        return self._sigma

    @property
    def rotation(self) -> Float32Array:
        """float32 ``[N, 3, 3]``: head to camera."""
        return self._rotation

    @property
    def boxes(self) -> Float32Array:
        """float32 ``[N, 4]``: x1 y1 x2 y2 in pixels, chin to eyebrows; NaN if unknown."""
        return np.full((len(self), 4), np.nan, np.float32) if self._boxes is None else self._boxes

    @property
    def scores(self) -> Float32Array:
        """float32 ``[N]``: scores of the detector; NaN if unknown."""
        return np.full(len(self), np.nan, np.float32) if self._scores is None else self._scores

    @property
    def ids(self) -> Int64Array:
        """int64 ``[N]``: identities over time; -1 for a face that is not tracked."""
        return np.full(len(self), NO_ID, np.int64) if self._ids is None else self._ids

    @property
    def landmarks(self) -> Float32Array:
        """float32 ``[N, L, 2]``: x y in pixels of the frame, as boxes count them: (0, 0) is the frame's corner.

        L is 0 for a model without landmarks.
        """
        return np.empty((len(self), 0, 2), np.float32) if self._landmarks is None else self._landmarks

    @property
    def visibility(self) -> Float32Array:
        """float32 ``[N, L]``: of each landmark, 0 hidden to 1 visible; NaN if unknown."""
        if self._visibility is None:
            return np.full((len(self), self.landmarks.shape[1]), np.nan, np.float32)
        return self._visibility

    @property
    def translation(self) -> Float32Array:
        """float32 ``[N, 3]``: x y z of the head in OpenCV's camera frame, in metres; NaN if unknown.

        Whole-picture models say it, see :class:`hpe_edge.PictureEngine`.
        """
        return np.full((len(self), 3), np.nan, np.float32) if self._translation is None else self._translation

    @property
    def yaw(self) -> Float32Array:
        """float32 ``[N]``, degrees."""
        return self.angles[:, 0]

    @property
    def pitch(self) -> Float32Array:
        """float32 ``[N]``, degrees."""
        return self.angles[:, 1]

    @property
    def roll(self) -> Float32Array:
        """float32 ``[N]``, degrees."""
        return self.angles[:, 2]

    @property
    def quaternion(self) -> Float32Array:
        """float32 ``[N, 4]``: w x y z with w >= 0, of ``rotation``."""
        return quaternion_from_rotation(self.rotation).astype(np.float32)

    @property
    def gimbal(self) -> NDArray[np.bool_]:
        """bool ``[N]``: |yaw| is within 1e-3 rad of 90 degrees, so pitch and roll are not unique; use ``rotation``."""
        return near_gimbal(self.angles)

    @property
    def sigma_rms(self) -> Float32Array:
        """float32 ``[N]``: root mean square of the three angles' sigma in degrees."""
        rms: Float32Array = np.sqrt(np.square(self._sigma).mean(axis=1))
        return rms

    @property
    def doubtful(self) -> NDArray[np.bool_]:
        """bool ``[N]``: the box probably holds no face, or one that the model cannot judge.

        :attr:`sigma_rms` exceeds :attr:`max_sigma`, or the pose is NaN.
        """
        with np.errstate(invalid="ignore"):
            exceeds = self.sigma_rms > self.max_sigma  # False where there is no sigma
        doubtful: NDArray[np.bool_] = exceeds | np.isnan(self._angles).any(axis=1)
        return doubtful

    @property
    def stretched(self) -> NDArray[np.bool_]:
        """bool ``[N]``: the crop was so dark or flat that its contrast was stretched before the network saw it.

        See :mod:`hpe_edge.ops.stretch`.
        """
        return self._stretched

    def to_rows(self) -> list[dict[str, Value]]:
        """Return a dict of plain numbers per face, as for ``pandas.DataFrame(poses.to_rows())``.

        Keys are those of the command line's records: ``x1 y1 x2 y2 score id yaw_deg pitch_deg roll_deg yaw_sigma_deg
        pitch_sigma_deg roll_sigma_deg doubtful qw qx qy qz``, ``x_m y_m z_m`` where translations are known, and
        ``landmarks`` and ``visibility``, lists, of a model that has them. Unknown values are None.
        """
        parts = [self.boxes, self.scores[:, None], self.angles, self.sigma, self.quaternion]
        columns = np.concatenate(parts if self._translation is None else [*parts, self._translation], axis=1)
        rows: list[dict[str, Value]] = []
        for numbers, identity, doubtful in zip(
            columns.tolist(), self.ids.tolist(), self.doubtful.tolist(), strict=True
        ):
            known = [number if math.isfinite(number) else None for number in numbers]
            row: dict[str, Value] = dict(zip(_BOX_KEYS, known, strict=False))
            row["id"] = None if identity == NO_ID else identity
            row.update(zip(_ANGLE_KEYS, known[5:], strict=False))
            row["doubtful"] = doubtful
            row.update(zip(_LAST_KEYS, known[11:], strict=False))
            rows.append(row)
        for name, values in (("landmarks", self._landmarks), ("visibility", self._visibility)):
            for row, value in zip(rows, () if values is None else values, strict=values is not None):
                row[name] = plain_numbers(value)
        return rows

    def draw(self, frame_bgr: NDArray[np.uint8], *, style: Style = "axes", camera: Camera | None = None) -> None:
        """Draw the poses into a frame, uint8 ``[H, W, 3]``, in place; doubtful ones are pale.

        Args:
            frame_bgr, style, camera: see :func:`hpe_edge.draw_poses`.

        Raises:
            InputError: a frame that cannot be drawn on, an unknown style, or poses without boxes.
        """
        from hpe_edge.drawing.draw_faces import draw_faces

        if self._boxes is None and len(self):
            raise InputError("these poses have no boxes to draw at; those of a PoseEngine have")
        draw_faces(
            frame_bgr,
            self.boxes,
            self._angles,
            self._sigma,
            self._rotation,
            ids=self.ids,
            doubtful=self.doubtful,
            landmarks=self.landmarks,
            visibility=self.visibility,
            style=style,
            camera=camera,
        )

    def __len__(self) -> int:
        return len(self._angles)

    def __iter__(self) -> Iterator[Pose]:
        columns = (self._angles, self._sigma, self.quaternion, self.boxes, self.scores, self.ids, self.doubtful)
        landmarks, visibility = self.landmarks, self.visibility
        for i, (angles, sigma, quaternion, box, score, identity, doubtful) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            rotation, (yaw, pitch, roll) = self._rotation[i], angles
            vectors = tuple(sigma), rotation, tuple(quaternion), tuple(box)
            translation = None if self._translation is None else tuple(self._translation[i].tolist())
            points = landmarks[i], visibility[i]
            yield Pose(yaw, pitch, roll, *vectors, score, identity, doubtful, *points, translation)

    @overload
    def __getitem__(self, index: int) -> Pose: ...
    @overload
    def __getitem__(self, index: Index) -> Poses: ...
    def __getitem__(self, index: int | Index) -> Pose | Poses:
        """Return one face's :class:`Pose`, or the :class:`Poses` of a slice, a mask or a list of indices.

        Raises:
            IndexError: there is no such face.
        """
        if isinstance(index, (int, np.integer)):
            count = len(self)
            if not -count <= index < count:
                raise IndexError(f"there is no face {index}: these are poses of {count}")
            at = int(index) % count
            return next(iter(self._select(slice(at, at + 1))))
        return self._select(index if isinstance(index, slice) else np.asarray(index, _index_type(index)))

    def _select(self, rows: slice | NDArray[Any]) -> Poses:
        part = Poses.__new__(Poses)
        part._angles, part._sigma, part._rotation = self._angles[rows], self._sigma[rows], self._rotation[rows]
        part._boxes = None if self._boxes is None else self._boxes[rows]
        part._scores = None if self._scores is None else self._scores[rows]
        part._ids = None if self._ids is None else self._ids[rows]
        part._translation = None if self._translation is None else self._translation[rows]
        part._stretched = self._stretched[rows]
        part._landmarks = None if self._landmarks is None else self._landmarks[rows]
        part._visibility = None if self._visibility is None else self._visibility[rows]
        part.max_sigma = self.max_sigma
        return part

    def __repr__(self) -> str:
        rows = ", ".join(f"(yaw {y:.1f}, pitch {p:.1f}, roll {r:.1f})" for y, p, r in self.angles[:4])
        return f"Poses({len(self)}: {rows}{', ...' if len(self) > 4 else ''})"


_BOX_KEYS = ("x1", "y1", "x2", "y2", "score")
_ANGLE_KEYS = ("yaw_deg", "pitch_deg", "roll_deg", "yaw_sigma_deg", "pitch_sigma_deg", "roll_sigma_deg")
_LAST_KEYS = ("qw", "qx", "qy", "qz", "x_m", "y_m", "z_m")


def plain_numbers(values: NDArray[Any]) -> list[Any]:
    """Convert an array to nested lists, None for what is not finite."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    known: list[Any] = plain.tolist()
    return known


def _index_type(index: Index) -> type | None:
    return np.intp if not isinstance(index, slice) and len(index) == 0 else None  # an empty list is float64


def _checked(name: str, array: Float32Array, shape: tuple[int, ...]) -> Float32Array:
    flags = array.flags
    if array.shape != shape or array.dtype != np.float32 or not flags.c_contiguous or not flags.writeable:
        raise InputError(
            f"{name} must be a writeable, C-contiguous float32 array {shape}, got {array.dtype} {array.shape}"
        )
    return array
