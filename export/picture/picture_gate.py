"""The gate of whole-picture models: faces of two variants are matched first, then compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpe_edge.boxes.overlap import iou
from hpe_edge.errors import HpeEdgeError
from hpe_edge.geometry import geodesic_deg
from hpe_edge.picture.picture_faces import PictureFaces
from hpe_edge.picture.picture_spec import PictureGate

SAME_FACE = 0.5  # least intersection over union of two boxes of one face


@dataclass(frozen=True)
class PictureLimits:
    """The largest differences that pass.

    Attributes:
        worst_deg: geodesic distance of a matched face's rotations.
        worst_translation: distance of its translations, relative to their length.
        one_sided: share of all faces that only one of the two finds. Rounding alone lifts a score over the threshold,
            or one of two overlapping boxes over the other.
    """

    worst_deg: float = 0.01
    worst_translation: float = 1e-4
    one_sided: float = 0.01


class PictureGateFailed(HpeEdgeError):
    """The faces differ by more than the limits allow; nothing was written.

    Attributes:
        gate: the figures.
    """

    exit_status = 3

    def __init__(self, gate: PictureGate, failures: Sequence[str]) -> None:
        """
        Args:
            gate: the figures.
            failures: a phrase for each limit that is exceeded.
        """
        super().__init__(
            f"the gate failed ({gate.compared}): {'; '.join(failures)}; nothing was written. Other pictures "
            "(--images) show whether one of them is the reason"
        )
        self.gate = gate


def compare_faces(
    reference: Sequence[PictureFaces],
    candidate: Sequence[PictureFaces],
    *,
    compared: str,
    source: str,
    limits: PictureLimits,
) -> PictureGate:
    """Compare the faces of the same pictures.

    A face of one is that of the other whose drawn box overlaps it most, by half or more; each is matched once.

    Args:
        reference, candidate: of each picture.
        compared, source: names of the models and of the pictures.
        limits: that apply.

    Raises:
        PictureGateFailed: a limit is exceeded, or no face was found.
    """
    degrees, shifts, one_sided = [], [], 0
    for one, other in zip(reference, candidate, strict=True):
        pairs = match_faces(one, other)
        one_sided += len(one) + len(other) - 2 * len(pairs)
        for i, j in pairs:
            degrees.append(float(geodesic_deg(one.poses.rotation[i], other.poses.rotation[j])))
            length = max(float(np.linalg.norm(one.poses.translation[i])), 1e-9)
            shifts.append(float(np.linalg.norm(one.poses.translation[i] - other.poses.translation[j])) / length)
    gate = PictureGate(
        compared=compared,
        source=source,
        pictures=len(reference),
        faces=len(degrees),
        one_sided=one_sided,
        mean_deg=float(np.mean(degrees)) if degrees else 0.0,
        worst_deg=max(degrees, default=0.0),
        worst_translation=max(shifts, default=0.0),
        limits={name: getattr(limits, name) for name in ("worst_deg", "worst_translation", "one_sided")},
    )
    failures = []
    if not degrees and not one_sided:
        failures.append(f"neither finds a face in {source}")
    # Written so that a NaN fails.
    if not gate.worst_deg <= limits.worst_deg:
        failures.append(f"worst {gate.worst_deg:.3g} degrees, limit {limits.worst_deg:g}")
    if not gate.worst_translation <= limits.worst_translation:
        failures.append(f"translation {gate.worst_translation:.2g}, limit {limits.worst_translation:g}")
    if one_sided > limits.one_sided * (len(degrees) + one_sided):
        failures.append(f"only one finds {one_sided} of {len(degrees) + one_sided} faces, limit {limits.one_sided:.1%}")
    if failures:
        raise PictureGateFailed(gate, failures)
    return gate


def match_faces(one: PictureFaces, other: PictureFaces) -> list[tuple[int, int]]:
    """Pair the faces of two variants of a model, those that overlap most first."""
    overlaps = iou(one.drawn, other.drawn)
    pairs: list[tuple[int, int]] = []
    while overlaps.size and overlaps.max() >= SAME_FACE:
        i, j = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        pairs.append((int(i), int(j)))
        overlaps[i], overlaps[:, j] = 0, 0
    return pairs
