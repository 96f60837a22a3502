"""Neutral pose: that of a head that looks straight ahead, as the camera sees it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError, SourceError
from hpe_edge.geometry import euler_from_rotation, euler_near, rotation_from_euler
from hpe_edge.util.atomic import Pending, output_error

Float64Array = NDArray[np.float64]

FORMAT = 1  # of the file

STEADY_DEG = 12.0  # the widest cluster that the learning looks for, see rotation_mode
_ROUNDED = 1e-3  # of a matrix with three digits after the point


class NeutralPose:
    """Pose of a head that looks straight ahead; relative angles are counted from it.

    With N the neutral pose and R a pose, both head to camera, the relative pose is N^T R. It is the identity for R = N,
    and a turn of the head by some yaw about its own neutral vertical axis is that yaw, wherever the camera stands.

    Attributes:
        rotation: float64 ``[3, 3]``, head to camera; read-only.
        spread_deg: of a learned pose: for half of the time the head was nearer to it than this. NaN otherwise.
        learned_s: of a learned pose: seconds of poses that it was learned from. NaN otherwise.
    """

    __slots__ = ("learned_s", "rotation", "spread_deg")

    def __init__(self, rotation: ArrayLike, *, spread_deg: float = math.nan, learned_s: float = math.nan) -> None:
        """
        Args:
            rotation: ``[3, 3]``, such as a row of ``poses.rotation``. Rounding, up to 0.001, is put right.
            spread_deg, learned_s: see above.

        Raises:
            InputError: not a rotation.
        """
        self.rotation = _checked_rotation(rotation)
        self.spread_deg, self.learned_s = float(spread_deg), float(learned_s)

    @classmethod
    def from_angles(cls, angles_deg: ArrayLike) -> NeutralPose:
        """Create a neutral pose from the angles that the engine reports for it.

        Args:
            angles_deg: yaw, pitch, roll in degrees.

        Raises:
            InputError: not three finite numbers.
        """
        angles = _numbers("the angles of a neutral pose", angles_deg)
        if angles.shape != (3,) or not np.isfinite(angles).all():
            raise InputError(f"a neutral pose has three finite angles, yaw, pitch, roll in degrees, got {angles_deg!r}")
        return cls(rotation_from_euler(angles))

    @classmethod
    def load(cls, path: Path | str) -> NeutralPose:
        """Read a pose that :meth:`save` wrote.

        Raises:
            SourceError: the file cannot be read, or is not such a file.
        """
        plain = read_json(Path(path), "a neutral pose")
        known = {"format", "rotation", "spread_deg", "learned_s"}
        if not isinstance(plain, dict) or plain.keys() != known:
            raise SourceError(f"{path} is not a neutral pose: an object with the fields {', '.join(sorted(known))}")
        if plain["format"] != FORMAT:
            raise SourceError(f"{path} has format {plain['format']!r}, this hpe_edge reads format {FORMAT}")
        try:
            spread_deg, learned_s = (math.nan if plain[n] is None else plain[n] for n in ("spread_deg", "learned_s"))
            return cls(plain["rotation"], spread_deg=spread_deg, learned_s=learned_s)
        except (InputError, TypeError, ValueError) as error:
            raise SourceError(f"{path} is not a neutral pose: {error}") from None

    def save(self, path: Path | str) -> None:
        """Write the pose as JSON.

        Raises:
            OutputError: the file cannot be written.
        """
        quality = {"spread_deg": self.spread_deg, "learned_s": self.learned_s}
        known = {name: value if math.isfinite(value) else None for name, value in quality.items()}
        text = json.dumps({"format": FORMAT, "rotation": self.rotation.tolist(), **known}) + "\n"
        pending = Pending(Path(path))
        try:
            pending.temp.write_text(text, encoding="utf-8")
            pending.commit()
        except OSError as error:
            pending.discard()
            raise output_error(path, error) from None

    @property
    def angles(self) -> Float64Array:
        """float64 ``[3]``: yaw, pitch, roll in degrees, as the engine reports them for this pose."""
        return euler_from_rotation(self.rotation).astype(np.float64)

    @property
    def steady(self) -> bool:
        """For at least half of the learned time the head was within 12 degrees of this pose; true if it was given."""
        return not self.spread_deg > STEADY_DEG

    def __repr__(self) -> str:
        yaw, pitch, roll = self.angles
        learned = f", learned in {self.learned_s:.1f} s, spread {self.spread_deg:.1f}" * math.isfinite(self.learned_s)
        return f"NeutralPose(yaw {yaw:.1f}, pitch {pitch:.1f}, roll {roll:.1f}{learned})"


def relative_rotation(neutral: Float64Array, rotation: ArrayLike) -> Float64Array:
    """Return N^T R, float64 ``[N, 3, 3]``, of neutral poses ``[N, 3, 3]`` and poses ``[N, 3, 3]``."""
    return np.swapaxes(neutral, -1, -2) @ np.asarray(rotation, np.float64)


def relative_angles(rotation: Float64Array) -> Float64Array:
    """Return yaw, pitch, roll ``[N, 3]`` in degrees of relative rotations ``[N, 3, 3]``.

    Of the two equivalent triples, the nearer to 0, 0, 0: a head that is turned by more than 90 degrees keeps its yaw.
    """
    return euler_near(rotation, np.zeros(3)).astype(np.float64)


def read_json(path: Path, expected: str) -> Any:
    """Read a JSON file.

    Args:
        path: of the file.
        expected: names the content, for messages.

    Raises:
        SourceError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}; name a file with {expected}") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is not JSON ({error}); it must hold {expected}") from None


def _checked_rotation(rotation: ArrayLike) -> Float64Array:
    given = _numbers("a neutral pose", rotation)
    if given.shape != (3, 3):
        raise InputError(f"a neutral pose is a rotation [3, 3] or three angles, got an array of shape {given.shape}")
    if not np.isfinite(given).all():
        raise InputError("a neutral pose must be finite, got NaN or infinity; take the pose of a face that has one")
    if np.abs(given @ given.T - np.eye(3)).max() > 2 * _ROUNDED or np.linalg.det(given) < 0:
        raise InputError(f"a neutral pose must be a rotation, orthonormal with determinant 1, got {given.tolist()}")
    left, _, right = np.linalg.svd(given)
    exact: Float64Array = left @ right
    exact.flags.writeable = False
    return exact


def _numbers(what: str, values: ArrayLike) -> Float64Array:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be numbers ({error})") from None
