"""Zones: named polygons of relative yaw and pitch, and their file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.attention.limits import checked_number
from hpe_edge.attention.neutral import read_json
from hpe_edge.attention.polygon import crossing_edges, signed_distance
from hpe_edge.errors import InputError, SourceError

Float64Array = NDArray[np.float64]

_MOST_YAW, _MOST_PITCH = 180.0, 90.0
_FLAT = 1e-6  # square degrees


@dataclass(frozen=True)
class Zone:
    """Directions of the head, as a polygon of relative yaw and pitch. Its outline belongs to it.

    >>> Zone("road", [(-15, -12), (15, -12), (15, 12), (-15, 12)])

    Angles are those of the relative pose: yaw > 0, the head is turned to the person's right; pitch > 0, it looks up.
    A polygon does not reach across yaw 180; a zone behind the person is two.

    Attributes:
        name: of the zone.
        polygon: at least three corners (yaw, pitch) in degrees, in order, |yaw| up to 180 and |pitch| up to 90. A last
            corner that equals the first is left out.
        watched: outside of all watched zones a person is inattentive, which gives events. A zone that is not watched is
            only named.

    Raises:
        InputError: no name, a polygon with fewer corners, one out of range, or one whose outline crosses itself.
    """

    name: str
    polygon: Sequence[tuple[float, float]]
    watched: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"a zone needs a name, got {self.name!r}")
        if not isinstance(self.watched, bool):
            raise InputError(f"watched of zone {self.name!r} must be true or false, got {self.watched!r}")
        object.__setattr__(self, "polygon", _checked_polygon(self.name, self.polygon))  # the dataclass is frozen

    def distance(self, angles_deg: NDArray[np.floating]) -> Float64Array:
        """Return the distance in degrees to the zone's outline, negative outside of the zone.

        Args:
            angles_deg: ``[N, 2]`` or more columns: yaw, pitch in degrees.

        Returns:
            float64 ``[N]``; yaw 180 and -180 are one. NaN for NaN.
        """
        points = np.asarray(angles_deg, np.float64)[:, :2]
        corners = np.array(self.polygon)
        turned = points + np.array([[[-360.0, 0.0]], [[0.0, 0.0]], [[360.0, 0.0]]])
        nearest: Float64Array = signed_distance(turned.reshape(-1, 2), corners).reshape(3, -1).max(axis=0)
        return nearest


def load_zones(path: Path | str) -> tuple[Zone, ...]:
    """Read zones from a JSON file.

    Its form is ``{"zones": [{"name": "road", "polygon": [[yaw, pitch], ...], "watched": true}, ...]}``; ``watched`` may
    be left out.

    Raises:
        SourceError: the file cannot be read or has another form, or a zone is not valid.
    """
    path = Path(path)
    form = '{"zones": [{"name": "road", "polygon": [[yaw, pitch], ...]}, ...]}'
    plain = read_json(path, f"zones: {form}")
    if not isinstance(plain, dict) or plain.keys() != {"zones"} or not isinstance(plain["zones"], list):
        raise SourceError(f"{path} holds no zones; its form must be {form}")
    zones = []
    for number, one in enumerate(plain["zones"], start=1):
        if not isinstance(one, dict) or not {"name", "polygon"} <= one.keys() <= {"name", "polygon", "watched"}:
            raise SourceError(f"{path}, zone {number}: must have name, polygon and, if you like, watched, got {one!r}")
        try:
            zones.append(Zone(**one))
        except InputError as error:
            raise SourceError(f"{path}, zone {number}: {error}") from None
    try:
        return checked_zones(zones)
    except InputError as error:
        raise SourceError(f"{path}: {error}") from None


def checked_zones(zones: Iterable[Zone]) -> tuple[Zone, ...]:
    """Return the zones as a tuple.

    Raises:
        InputError: two have one name, or one is not a Zone.
    """
    result = tuple(zones)
    for zone in result:
        if not isinstance(zone, Zone):
            raise InputError(f"zones must be hpe_edge.Zone, or read from a file by load_zones, got {zone!r}")
    names = [zone.name for zone in result]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"zones must have different names, got {', '.join(twice)} more than once")
    return result


def _checked_polygon(name: str, polygon: Any) -> tuple[tuple[float, float], ...]:
    where = f"zone {name!r}"
    try:
        pairs = [tuple(corner) for corner in polygon]
    except TypeError:
        pairs = [()]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"the polygon of {where} must be a list of corners (yaw, pitch) in degrees, got {polygon!r}")
    corners = [
        (
            checked_number(f"yaw of corner {number} of {where}", yaw, -_MOST_YAW, _MOST_YAW),
            checked_number(f"pitch of corner {number} of {where}", pitch, -_MOST_PITCH, _MOST_PITCH),
        )
        for number, (yaw, pitch) in enumerate(pairs, start=1)
    ]
    if len(corners) > 1 and corners[0] == corners[-1]:
        corners.pop()
    if len(corners) < 3:
        raise InputError(f"the polygon of {where} must have at least three corners, got {len(corners)}")
    for number, (corner, following) in enumerate(itertools.pairwise(corners), start=1):
        if corner == following:
            raise InputError(f"corners {number} and {number + 1} of {where} are the same; leave one out")
    table = np.array(corners)
    crossing = crossing_edges(table)
    if crossing is not None:
        one, other = (f"from corner {k + 1} to {(k + 1) % len(corners) + 1}" for k in crossing)
        raise InputError(
            f"the outline of {where} touches itself: the edge {one} meets that {other}; list the corners in the order "
            "around the zone"
        )
    x, y = table.T
    area = math.fsum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2
    if abs(area) < _FLAT:
        raise InputError(f"the corners of {where} are on a line; a zone needs an area")
    return tuple(corners)
