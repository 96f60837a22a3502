"""Training targets of each face, the teachers' weighted mean, and batches of faces with them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from export.distillation import angle_grid
from export.distillation.arrays import BATCH, SEED, Batch, FaceSource, Float64Array, Image, Predictions, warp
from hpe_edge.errors import InputError
from hpe_edge.geometry import difference_deg, euler_from_rotation, euler_near, rotation_from_euler
from hpe_edge.spec import Crop, Input

_AGREEMENT_DEG = 10.0  # at this distance from the first teacher, the weight is 1 / e
_DEVIATION = math.sqrt(
    math.pi / 2
)  # of a normal distribution over its mean absolute error, which is robust to outliers


class Targets:
    """The mean of all teachers' distributions: equation 4 of EHPNet's paper, with weights.

    The first teacher has weight 1; another one's falls with its distance from the first. Scenes differ from the
    teachers' training data, and one that fails there would spoil the mean.

    Attributes:
        angles: float64 ``[N, 3]``, yaw, pitch, roll in degrees: the weighted mean.
    """

    def __init__(self, predictions: Sequence[Predictions], widths_deg: Sequence[NDArray[np.float64] | None]) -> None:
        """
        Args:
            predictions: of each teacher, in the order of the command.
            widths_deg: standard deviations ``[3]`` for each teacher without distributions.
        """
        self._predictions, self._widths = predictions, widths_deg
        first = predictions[0].angles.astype(np.float64)
        self._apart = [
            difference_deg(euler_near(rotation_from_euler(each.angles), first), first).astype(np.float32)
            for each in predictions
        ]
        weights = [_weights(apart) for apart in self._apart]
        moved = sum(weight * apart for weight, apart in zip(weights, self._apart, strict=True))
        self.angles = first + moved / sum(weights)

    def __len__(self) -> int:
        return len(self.angles)

    def distributions(self, faces: NDArray[np.intp]) -> NDArray[np.float32]:
        """``[B, 3, COUNT]`` about the angles of some of the faces."""
        total = np.zeros((len(faces), 3, angle_grid.COUNT))
        for each, width, apart in zip(self._predictions, self._widths, self._apart, strict=True):
            weight = _weights(apart[faces])[..., None]
            if each.distributions is not None:
                total += weight * each.distributions[faces]
            else:
                assert width is not None
                angles = self._predictions[0].angles[faces] + apart[faces]
                total += weight * angle_grid.narrow(angles, np.broadcast_to(width, angles.shape))
        return np.asarray(total / total.sum(axis=-1, keepdims=True), np.float32)

    @property
    def digest(self) -> str:
        """Hexadecimal; changes with any prediction."""
        content = hashlib.sha256()
        for each, width in zip(self._predictions, self._widths, strict=True):
            for array in (each.angles, each.distributions, width):
                if array is not None:
                    content.update(np.ascontiguousarray(array).data)
        return content.hexdigest()


class Batches:
    """Random batches of a face source with its targets.

    A step's batch depends on the seed and the step's number alone, so a resumed run sees the same batches.
    """

    def __init__(self, source: FaceSource, targets: Targets, crop: Crop, input: Input) -> None:
        """
        Args:
            source, targets: the faces, and their targets.
            crop, input: the student's; the crop's left margin is used on all sides.
        """
        self._source, self._targets = source, targets
        self._crop, self._input = crop, input

    def __call__(self, step: int) -> Batch:
        """The batch of a step: half of it mirrored, which changes the signs of yaw and roll."""
        rng = np.random.default_rng([SEED, step])
        plain = self.of(rng.integers(len(self._source), size=BATCH))
        mirrored = rng.random(BATCH) < 0.5
        return Batch(
            np.where(mirrored[:, None, None, None], plain.crops[..., ::-1], plain.crops),
            np.where(mirrored[:, None, None], angle_grid.mirrored(plain.distributions), plain.distributions),
            np.where(mirrored[:, None], plain.angles * np.array([-1, 1, -1], np.float32), plain.angles),
        )

    def of(self, which: NDArray[np.intp]) -> Batch:
        """A batch of some of the faces, not mirrored."""
        crops = np.stack([self._cut(number) for number in which.tolist()])
        crops = crops[..., :: -1 if self._input.color == "RGB" else 1].transpose(0, 3, 1, 2)
        angles = self._targets.angles[which].astype(np.float32)
        return Batch(np.ascontiguousarray(crops), self._targets.distributions(which), angles)

    def _cut(self, number: int) -> Image:
        """The crop by OpenCV: a third of the time of :mod:`hpe_edge.ops.crop`, equal to a level or two."""
        box, size = self._source.boxes[number].astype(np.float64), self._input.size
        side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * self._crop.margins[0])
        left, top = (box[:2] + box[2:] - side) / 2
        scale = side / size
        # cv2 counts from the centre of the first pixel.
        shift = (left + (scale - 1) / 2, top + (scale - 1) / 2)
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])
        return warp(self._source.image(number), matrix, size)


def _weights(apart_deg: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weights of predictions by their distance from the first teacher's."""
    return np.exp(-((apart_deg.astype(np.float64) / _AGREEMENT_DEG) ** 2))


def mean_of(predictions: Sequence[Predictions]) -> NDArray[np.float64]:
    """The mean rotation of the teachers' predictions, ``[N, 3, 3]``."""
    return mean_rotation(np.stack([rotation_from_euler(each.angles.astype(np.float64)) for each in predictions]))


def mean_rotation(rotations: Float64Array) -> Float64Array:
    """The rotation nearest to several in the chordal distance: ``[..., 3, 3]`` of ``[M, ..., 3, 3]``."""
    left, _, right = np.linalg.svd(rotations.sum(axis=0))
    left[..., 2] *= np.linalg.det(left @ right)[..., None]
    return np.asarray(left @ right)


def label_widths(predictions: Predictions, labels_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations ``[3]`` in degrees of a teacher's error on labelled faces ``[N, 3]``."""
    return _widths(mean_of([predictions]), labels_deg)


def disagreement_widths(predictions: Sequence[Predictions]) -> list[NDArray[np.float64]]:
    """Standard deviations ``[3]`` of each teacher without labels: its distance from the mean of the others.

    The distance contains the errors of both, so it is too wide rather than too narrow.

    Raises:
        InputError: there is only one teacher.
    """
    if len(predictions) < 2:
        raise InputError(
            "the uncertainty of a single teacher with plain angles is unknown; give labelled crops with --labels, or "
            "another teacher"
        )
    others = [euler_from_rotation(mean_of([*predictions[:i], *predictions[i + 1 :]])) for i in range(len(predictions))]
    return [_widths(mean_of([own]), rest) for own, rest in zip(predictions, others, strict=True)]


def _widths(rotations: NDArray[np.float64], reference_deg: NDArray[np.floating]) -> NDArray[np.float64]:
    apart = difference_deg(euler_near(rotations, reference_deg), reference_deg)
    return np.asarray(_DEVIATION * np.abs(apart).mean(axis=0))
