"""Identities of faces over time, from their boxes alone.

A detection is assigned to the face whose predicted box is nearest in position and size. Only boxes are used, so two
people of the same size who pass close by each other may swap identities, and a person who returns after ``survive_s``
gets a new one. All limits are in seconds and in sizes of the face, so they hold for any frame rate and resolution.

Centre, width and height follow a Kalman filter with velocities that decay within a second unless they are observed (an
integrated Ornstein-Uhlenbeck process), so that the box of an occluded face does not drift away.

Source: Kalman filter and linear assignment as in Bewley et al., Simple Online and Realtime Tracking, 2016; low-score
detections in a second round as in Zhang et al., ByteTrack, 2022, arXiv:2110.06864. Motion model and distance are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError
from hpe_edge.faces.assignment import assign
from hpe_edge.ops.frames import check_boxes
from hpe_edge.poses import NO_ID

Float64Array = NDArray[np.float64]

# In sizes of the face, the root of its box's area. Fitted to the seven faces of a 720p classroom video with YuNet's
# boxes, by the likelihood of the box 1, 5 and 10 frames ahead: the optima were 0.015, 0.4 and 0.8. The values below
# allow for noisier detectors and faster people.
_NOISE = 0.02  # standard deviation of a detected centre, width or height
_SPEED = 0.6  # standard deviation of their velocities, per second
_FADE_S = 0.8  # time constant of the velocities

# Gate radius of detections around the prediction, in sizes: half a size is an IoU of 1/3 for equal boxes. It grows with
# the prediction's uncertainty up to one size, the distance of adjacent faces.
_REACH, _REACH_PER_SIGMA, _FARTHEST = 0.5, 2.0, 1.0

_ROUNDING_S = 1e-6  # times of frames are sums of fractions

_FACE = np.dtype(
    [
        ("id", np.int64),
        ("first_s", np.float64),
        ("seen_s", np.float64),
        ("place", np.float64, 4),  # centre x, centre y, width, height in pixels
        ("speed", np.float64, 4),  # of these, per second
        # Variance of place, covariance, variance of speed, in squared sizes; equal for all four.
        ("spread", np.float64, 3),
        ("roll", np.float32),  # degrees, NaN for unknown
    ]
)


@dataclass(frozen=True)
class Tracks:
    """Faces at one time.

    Attributes:
        ids: int64 ``[N]``, from 0; -1 for a face without an identity (yet).
        boxes: float32 ``[N, 4]``: x1 y1 x2 y2 in pixels.
        rolls: float32 ``[N]``: in-plane rolls in degrees, as last told to :meth:`Tracker.carry`; NaN for unknown ones.
    """

    ids: NDArray[np.int64]
    boxes: NDArray[np.float32]
    rolls: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


class Tracker:
    """Tracker of faces across frames; one per video or camera.

    >>> tracker = Tracker()
    >>> tracks = tracker.update(frame.time_s, boxes)
    >>> tracks = tracker.predict(next_frame.time_s)   # for a frame without detection

    A new face gets its identity once it was seen for ``confirm_s``, which excludes single false detections; faces of
    the first frame get theirs at once. Identities count up from 0 and are never reused.

    Times may repeat or jump ahead. A step back, as in a looped file, resets the faces.
    """

    def __init__(self, *, survive_s: float = 1.0, confirm_s: float = 0.1, high_score: float = 0.6) -> None:
        """
        Args:
            survive_s: longest time that a hidden face keeps its identity; at least the time between two updates.
            confirm_s: time for which a new face must be seen to get its identity; 0: at once.
            high_score: detections below it can only continue a face of the last update that no other detection
                continues; they start no new face.

        Raises:
            InputError: a time that is negative or not finite, or a score that is NaN.
        """
        for name, value in (("survive_s", survive_s), ("confirm_s", confirm_s)):
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} must be 0 or more seconds, got {value!r}")
        if math.isnan(high_score):
            raise InputError("high_score must be a number, got nan")
        self._survive_s, self._confirm_s, self._high_score = survive_s, confirm_s, high_score
        self._faces = np.zeros(0, _FACE)
        self._rows = np.zeros(0, np.intp)  # face of each row that was returned last, -1 for none
        self._time_s: float | None = None
        self._next_id = 0

    def update(self, time_s: float, boxes: ArrayLike, scores: ArrayLike | None = None) -> Tracks:
        """Update the faces with the detections of a frame.

        Args:
            time_s: of the frame, in seconds from any start.
            boxes: ``[N, 4]`` numbers x1 y1 x2 y2 in pixels. N may be 0.
            scores: ``[N]``, of the detector; NaN for none, which counts as high.

        Returns:
            A row for each given box, in their order: its identity and its filtered box. A low-score box that continues
            no face has the identity -1 and is not changed.

        Raises:
            InputError: a time that is not finite, boxes as in :func:`hpe_edge.ops.frames.check_boxes`, or scores that
                are not ``[N]``.
        """
        given, now = check_boxes(boxes), _checked_time(time_s)
        doubtful = self._doubtful(scores, len(given))
        faces, last_s = self._faces_at(now), self._time_s
        detected = _places(given)

        similarity = _similarity(faces, detected)
        face_of = np.full(len(given), -1)
        rows, columns = assign(np.where(doubtful, 0, similarity))
        face_of[columns] = rows
        waiting = (faces["seen_s"] == last_s) & (faces["id"] >= 0)
        waiting[rows] = False
        rows, columns = assign(np.where(doubtful & waiting[:, None], similarity, 0))
        face_of[columns] = rows

        found, new = face_of >= 0, (face_of < 0) & ~doubtful
        _correct(faces, face_of[found], detected[found])
        faces["seen_s"][face_of[found]] = now
        face_of[new] = len(faces) + np.arange(np.count_nonzero(new))
        faces = np.concatenate([faces, _newly_seen(detected[new], now, known=last_s is None or now < last_s)])
        self._give_ids(faces, now)

        named = face_of >= 0
        ids, shown = np.full(len(given), NO_ID), given.copy()
        rolls = np.full(len(given), np.nan, np.float32)
        of = face_of[named]
        ids[named], shown[named], rolls[named] = faces["id"][of], _boxes(faces["place"][of]), faces["roll"][of]
        false_alarm = (faces["id"] == NO_ID) & (now - faces["seen_s"] > self._confirm_s)
        moved_to = np.where(false_alarm, -1, np.cumsum(~false_alarm) - 1)
        self._rows = np.where(named, moved_to[face_of] if len(faces) else -1, -1)
        self._faces, self._time_s = faces[~false_alarm], now
        return Tracks(ids, shown, rolls)

    def predict(self, time_s: float) -> Tracks:
        """Predict the boxes of the last update's faces at another time; they do not change.

        Args:
            time_s: of the frame. Before the last update, or more than ``survive_s`` after it, there are no faces.

        Returns:
            A row for each face, including those without an identity.

        Raises:
            InputError: a time that is not finite.
        """
        now = _checked_time(time_s)
        faces = self._faces_at(now)
        seen = faces["seen_s"] == self._time_s
        self._rows = np.flatnonzero(self._alive(now))[seen]
        faces = faces[seen]
        return Tracks(faces["id"].copy(), _boxes(faces["place"]), faces["roll"].copy())

    def cut(self) -> None:
        """Forget the faces: a new scene begins with the next update, whose faces get new identities at once."""
        self._faces = self._faces[:0]
        self._rows = np.zeros(0, np.intp)
        self._time_s = None

    def carry(self, rolls_deg: NDArray[np.float32]) -> None:
        """Remember the in-plane rolls of the rows that the last :meth:`update` or :meth:`predict` returned.

        Args:
            rolls_deg: ``[N]``; NaN leaves a face's roll as it is.

        Raises:
            InputError: not one number per row.
        """
        if rolls_deg.shape != self._rows.shape:
            raise InputError(
                f"there must be one roll per row of the last tracks, {len(self._rows)}, got {rolls_deg.shape}"
            )
        known = (self._rows >= 0) & ~np.isnan(rolls_deg)
        self._faces["roll"][self._rows[known]] = rolls_deg[known]

    def _faces_at(self, now: float) -> NDArray[np.void]:
        """Return the faces that are alive at a time, moved to their predicted positions."""
        faces = self._faces[self._alive(now)]
        if len(faces):
            assert self._time_s is not None
            _move(faces, now - self._time_s)
        return faces

    def _alive(self, now: float) -> NDArray[np.bool_]:
        if self._time_s is None or now < self._time_s:
            return np.zeros(len(self._faces), np.bool_)
        alive: NDArray[np.bool_] = now - self._faces["seen_s"] <= self._survive_s + _ROUNDING_S
        return alive

    def _give_ids(self, faces: NDArray[np.void], now: float) -> None:
        ripe = (faces["id"] == NO_ID) & (faces["seen_s"] == now) & (now - faces["first_s"] >= self._confirm_s)
        count = np.count_nonzero(ripe)
        faces["id"][ripe] = self._next_id + np.arange(count)
        self._next_id += count

    def _doubtful(self, scores: ArrayLike | None, count: int) -> NDArray[np.bool_]:
        if scores is None:
            return np.zeros(count, np.bool_)
        numbers = np.asarray(scores, np.float64)
        if numbers.shape != (count,):
            raise InputError(f"there must be one score per box, got shape {numbers.shape} for {count} boxes")
        doubtful: NDArray[np.bool_] = numbers < self._high_score
        return doubtful


def _newly_seen(places: Float64Array, now: float, known: bool) -> NDArray[np.void]:
    """Create faces at rest; ``known`` ones get their identity without confirmation."""
    faces = np.zeros(len(places), _FACE)
    faces["id"] = NO_ID
    faces["first_s"] = -math.inf if known else now
    faces["seen_s"] = now
    faces["place"] = places
    faces["spread"] = _NOISE**2, 0.0, _SPEED**2
    faces["roll"] = np.nan
    return faces


def _move(faces: NDArray[np.void], seconds: float) -> None:
    """Predict in place: velocities v decay as exp(-t / T), driven by noise that keeps their deviation at _SPEED.

    x(t) = x + v T (1 - exp(-t / T)); the integral of the noise is added to the covariance of x and v.
    """
    left = math.exp(-seconds / _FADE_S)
    way = _FADE_S * (1 - left)
    faces["place"] += way * faces["speed"]
    faces["place"][:, 2:] = np.maximum(faces["place"][:, 2:], 1.0)
    faces["speed"] *= left
    place, both, speed = faces["spread"].T
    noise = _SPEED**2 * np.array(
        [_FADE_S * (2 * seconds - _FADE_S * (3 - 4 * left + left**2)), _FADE_S * (1 - left) ** 2, 1 - left**2]
    )
    moved = [place + 2 * way * both + way**2 * speed, left * (both + way * speed), left**2 * speed]
    faces["spread"] = np.stack(moved, axis=1) + noise


def _correct(faces: NDArray[np.void], rows: NDArray[np.intp], seen: Float64Array) -> None:
    """Correct in place: update of the Kalman filter with the detections."""
    place, both, speed = faces["spread"][rows].T
    place_gain, speed_gain = place / (place + _NOISE**2), both / (place + _NOISE**2)
    off = seen - faces["place"][rows]
    faces["place"][rows] += place_gain[:, None] * off
    faces["speed"][rows] += speed_gain[:, None] * off
    faces["spread"][rows] = np.stack(
        [(1 - place_gain) * place, (1 - place_gain) * both, speed - speed_gain * both], axis=1
    )


def _similarity(faces: NDArray[np.void], detected: Float64Array) -> Float64Array:
    """Return gate radius minus distance per pair, ``[faces, detections]``, in sizes of the face; 0 beyond the gate."""
    expected = faces["place"]
    size = (_size(expected)[:, None] + _size(detected)) / 2
    distance = np.linalg.norm(expected[:, None] - detected, axis=-1) / size
    reach = np.minimum(_REACH + _REACH_PER_SIGMA * np.sqrt(faces["spread"][:, 0]), _FARTHEST)
    within: Float64Array = np.maximum(reach[:, None] - distance, 0)
    return within


def _size(places: Float64Array) -> Float64Array:
    size: Float64Array = np.sqrt(places[:, 2] * places[:, 3])
    return size


def _places(boxes: NDArray[np.float32]) -> Float64Array:
    x1, y1, x2, y2 = boxes.astype(np.float64).T
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=1)


def _boxes(places: Float64Array) -> NDArray[np.float32]:
    x, y, width, height = places.T
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    return corners.astype(np.float32)


def _checked_time(time_s: float) -> float:
    if not math.isfinite(time_s):
        raise InputError(f"faces are followed over time, so time_s must be finite, got {time_s!r}; pictures have none")
    return float(time_s)
