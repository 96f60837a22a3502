"""Constant frame rate that keeps the times of a video file, for annotated copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.opencv.lazy import cv2
from hpe_edge.sources.frame import Source

Float64Array = NDArray[np.float64]

_USUAL_RATES = (12.0, 15.0, 24.0, 25.0, 30.0, 50.0, 60.0, 90.0, 120.0, 240.0)
_STEADY = 0.75  # largest distance of a frame from its place at a constant rate, in frames
_ROUNDING = 0.02  # of intervals in whole milliseconds
_MOST_DROPPED = 0.005  # of the frames, at a rate that is called sufficient
_REORDERED_S, _JUMP_S = 1.0, 10.0  # packets come in decoding order; larger steps are those of the clock


@dataclass(frozen=True)
class Rate:
    """Frame rate of an annotated copy.

    Attributes:
        fps: frames per second.
        by_time: frames are repeated where their times ask for it; otherwise each is written once.
    """

    fps: float
    by_time: bool


def rate_of(source: Source) -> Rate:
    """Return the rate for a source: a live one keeps real time; a video file is searched for its frames' times.

    The search reads the packets and decodes none.
    """
    path = getattr(source, "path", None)
    if source.live or path is None:
        return Rate(source.fps, source.live)
    times_s = _packet_times(str(path), source.fps)
    return Rate(source.fps, False) if len(times_s) < 2 else fitting_rate(times_s, source.fps)


def fitting_rate(times_s: Float64Array, fps: float) -> Rate:
    """Return the rate for frames at rising times ``[N]``, N > 1: the announced one if it fits or loses no frame."""
    if _off(times_s, fps) <= _STEADY:
        return Rate(fps, False)
    span_s = times_s[-1] - times_s[0]
    if span_s <= 0:
        return Rate(fps, False)
    fitted = (len(times_s) - 1) / span_s
    if _off(times_s, fitted) <= _STEADY:
        return Rate(round(fitted, 3), False)
    steps_s = np.diff(times_s)
    short_s = float(steps_s[steps_s <= 1.5 * np.quantile(steps_s, 0.05)].mean())  # a mean, as they are rounded
    fastest = min(1 / max(short_s, 1e-6), _USUAL_RATES[-1])
    own = next((usual for usual in _USUAL_RATES if abs(usual / fastest - 1) < _ROUNDING), round(fastest, 3))
    for rate in (fps, own, *(usual for usual in _USUAL_RATES if usual > fitted)):
        places = np.floor((times_s - times_s[0]) * rate + 0.5)
        if len(times_s) - len(np.unique(places)) <= _MOST_DROPPED * len(times_s):
            break
    return Rate(rate, True)


def _off(times_s: Float64Array, fps: float) -> float:
    return float(np.abs((times_s - times_s[0]) * fps - np.arange(len(times_s))).max())


def _packet_times(path: str, fps: float) -> Float64Array:
    """Return the times of a file's packets in order; steps of its clock become one frame."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    parts: list[list[float]] = [[]]
    try:
        latest = 0.0
        while capture.isOpened() and capture.grab():
            time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if parts[-1] and not -_REORDERED_S <= time_s - latest <= _JUMP_S:
                parts.append([])
            latest = time_s if not parts[-1] else max(latest, time_s)
            parts[-1].append(time_s)
    finally:
        capture.release()
    joined: list[Float64Array] = []
    at_s = 0.0
    for part in parts:
        own = np.sort(np.array(part))
        if len(own):
            joined.append(own - own[0] + at_s)
            at_s = float(joined[-1][-1]) + 1 / fps
    return np.concatenate(joined) if joined else np.zeros(0)
