"""The accuracy gate: poses of two variants of a model compared on the same crops, in degrees, against limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.gate.comparison import (
    ALL,
    CONFIDENT,
    DOUBTFUL,
    PLAIN,
    Comparison,
    Figures,
    LandmarkFigures,
    Limits,
    Worst,
    figure_name,
)
from hpe_edge.backends.base import Backend
from hpe_edge.errors import ModelError
from hpe_edge.geometry import geodesic_deg, wrap_deg
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.poses import Poses
from hpe_edge.spec import Crop, ModelSpec

# From crops [N, 3, size, size] to the network's outputs, one array per name of the spec's outputs.
Runner = Callable[[NDArray[Any]], list[NDArray[np.float32]]]

_BANDS = ("|yaw| < 30", "|yaw| 30..60", "|yaw| > 60")
_ANGLES = ("yaw", "pitch", "roll")
_WORST = 12  # crops that the report shows
_MOST_DOUBTFUL = 0.5  # share of the crops that may be left out
_VISIBLE = 0.5  # and above
_SAME_DEG = 0.01  # a smaller spread counts as constant output; even untrained networks spread by 0.3 and more


def compare(
    reference: Poses,
    candidate: Poses,
    *,
    compared: str,
    source: str,
    limits: Limits,
    names: Sequence[str] = (),
    kinds: Sequence[str] = (),
) -> Comparison:
    """Compare two sets of poses of the same faces; a NaN in either fails at any limit, so does a landmark in one alone.

    Limits do not apply to crops that both call doubtful, see :attr:`hpe_edge.Poses.doubtful`. There the distribution of
    a circular head has no direction, and the rounding of a camera alone turns the mean by tens of degrees. Where more
    than half of the crops are doubtful, the limits apply to all.
    Bands are by the yaw of ``reference``; ``compared`` and ``source`` name the models and the crops in the report,
    ``names`` and ``kinds`` each crop, see :class:`export.gate.comparison.Faces`.
    """
    kinds = kinds or [PLAIN] * len(reference)
    names = names or [f"crop {row}" for row in range(len(reference))]
    distance = geodesic_deg(reference.rotation, candidate.rotation)
    apart = np.abs(wrap_deg(candidate.angles.astype(np.float64) - reference.angles.astype(np.float64)))
    rows = {ALL: Figures.of(distance)}
    doubtful = reference.doubtful & candidate.doubtful & ~_nan_rows(reference) & ~_nan_rows(candidate)
    if doubtful.mean() > _MOST_DOUBTFUL:
        doubtful[:] = False  # too little else to judge by
    if doubtful.any():
        rows |= {CONFIDENT: Figures.of(distance[~doubtful]), DOUBTFUL: Figures.of(distance[doubtful])}
    if len(found := list(dict.fromkeys(kinds))) > 1:
        rows |= {kind: Figures.of(distance[np.array(kinds) == kind]) for kind in found}
    turned = np.abs(reference.yaw)
    band = (turned >= 30).astype(int) + (turned > 60)
    rows |= {label: Figures.of(distance[band == i]) for i, label in enumerate(_BANDS) if (band == i).any()}
    rows |= {label: Figures.of(apart[:, i]) for i, label in enumerate(_ANGLES)}
    failures = [
        f"{int(bad.sum())} of {len(bad)} crops are NaN in the {which}: the network overflows or its weights are damaged"
        for which, bad in (("reference", _nan_rows(reference)), ("candidate", _nan_rows(candidate)))
        if bad.any()
    ]
    whole = rows.get(CONFIDENT, rows[ALL])
    failures += [
        f"{figure_name(name)} {getattr(whole, name):.4g} degrees, allowed {limit:g}"
        for name, limit in limits.as_dict().items()
        if getattr(whole, name) > limit
    ]
    points = _landmark_figures(reference[~doubtful], candidate[~doubtful])
    if points is not None:
        failures += [
            f"{name.replace('_', ' ')} {100 * getattr(points, name):.4g} % of the box's side, allowed {100 * limit:g}"
            for name, limit in limits.of_landmarks().items()
            if not getattr(points, name) <= limit
        ]
    ranked = np.where(doubtful, -1.0, np.nan_to_num(distance, nan=np.inf))
    moved = np.argsort(-ranked, kind="stable")[:_WORST]
    labels = tuple(names[row] if kinds[row] == PLAIN else f"{names[row]}, {kinds[row]}" for row in moved)
    worst = Worst(
        moved, labels, np.asarray(distance[moved], np.float64), select(reference, moved), select(candidate, moved)
    )
    return Comparison(compared, source, rows, limits, tuple(failures), worst, points)


def box_sides(crop: Crop) -> float:
    """Side of a crop in sides of the face box that it was made of, where that box is a square."""
    left, top, right, bottom = crop.margins
    return 1 + max(left + right, top + bottom)


def _landmark_figures(reference: Poses, candidate: Poses) -> LandmarkFigures | None:
    """Figures of landmarks in sides of the box; None where a set has none. A NaN on both sides is no difference."""
    if not reference.landmarks.size or reference.landmarks.shape != candidate.landmarks.shape:
        return None
    apart = np.hypot(*np.moveaxis(reference.landmarks.astype(np.float64) - candidate.landmarks, -1, 0))
    lost = [np.isnan(poses.landmarks).any(axis=-1) for poses in (reference, candidate)]
    apart[lost[0] & lost[1]] = 0.0
    apart[lost[0] ^ lost[1]] = math.inf
    seen = [poses.visibility >= _VISIBLE for poses in (reference, candidate)]
    changed = math.nan if np.isnan(reference.visibility).all() else float((seen[0] != seen[1]).mean())
    # Not interpolated, which would make NaN of an infinite distance.
    p99 = np.percentile(apart, 99, method="higher")
    return LandmarkFigures(float(apart.mean()), float(p99), float(apart.max()), changed)


def sigma_change(reference: Poses, candidate: Poses) -> NDArray[np.float64]:
    """Median change of the sigmas of yaw, pitch and roll, ``[3]``, as fractions of the reference's; NaN without."""
    if np.isnan(reference.sigma).all() or np.isnan(candidate.sigma).all():
        return np.full(3, np.nan)
    ratio = candidate.sigma.astype(np.float64) / np.maximum(reference.sigma.astype(np.float64), 1e-6)
    return np.asarray(np.median(ratio, axis=0) - 1, np.float64)


def check_reference(poses: Poses, name: str) -> None:
    """Refuse a reference that is NaN or constant: anything would pass against it.

    Raises:
        ModelError: its poses are NaN, or the same for all crops.
    """
    if _nan_rows(poses).any():
        raise ModelError(f"the reference ({name}) gives NaN; use other weights")
    if (poses.angles.std(axis=0) < _SAME_DEG).all():
        raise ModelError(
            f"the reference ({name}) gives one pose for all faces: its weights are damaged or untrained; use others"
        )


def poses_of(run: Runner, spec: ModelSpec, crops: NDArray[Any], batch: int) -> Poses:
    """Poses of all crops, run in batches of ``batch`` and decoded as inference decodes.

    Fewer crops than ``batch`` are repeated to fill one: an engine would run them in a smaller batch size. Landmarks are
    in sides of the box, see :func:`box_sides`.
    """
    if 0 < len(crops) < batch:
        return select(poses_of(run, spec, np.resize(crops, (batch, *crops.shape[1:])), batch), np.arange(len(crops)))
    decode = DecodeHeads(spec)
    limit = None if spec.sigma is None else spec.sigma.limit_deg
    poses = decode.room(len(crops), max_sigma=math.inf if limit is None else limit)
    for at in range(0, len(crops), batch):
        decode(run(crops[at : at + batch]), poses.part(at, at + batch))
    landmarks, _ = poses.marks
    if landmarks is not None:
        landmarks *= np.float32(box_sides(spec.crop))
    return poses


def select(poses: Poses, rows: NDArray[Any]) -> Poses:
    """The poses of some of the faces."""
    return poses[rows]


def backend_runner(backend: Backend) -> Runner:
    """A runner for a backend of the runtime; at most ``backend.max_batch`` crops at a time."""
    context = backend.context()

    def run(crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        context.input(len(crops))[...] = crops
        return context.run(len(crops))

    return run


def _nan_rows(poses: Poses) -> NDArray[np.bool_]:
    rows = np.concatenate([poses.angles, poses.rotation.reshape(len(poses), 9)], axis=1)
    return np.asarray(np.isnan(rows).any(axis=1), np.bool_)
