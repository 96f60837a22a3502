"""Lag of a live stream that is decoded slower than it comes."""

from __future__ import annotations

import math
from collections import deque

_DRIFT = 2e-4  # of the camera's clock against ours; quartz keeps 1e-4
_JUMP_S = 10.0  # of the stream's time: its clock was set


class Lag:
    """Seconds by which frames come late, beyond the least delay so far.

    The delay of a frame is the time of its arrival minus its time in the stream, whose offset is unknown. Bursts, as of
    the segments of HLS, are no lag: the least of the last seconds counts.
    """

    def __init__(self, window_s: float) -> None:
        """
        Args:
            window_s: how long a lag must last; longer than the pauses between bursts.
        """
        self._window_s = window_s
        self.reset()

    def reset(self) -> None:
        """Start anew, for a connection that was opened again."""
        self._least_s, self._stream_s = math.inf, -math.inf
        self._recent: deque[tuple[float, float]] = deque()

    def __call__(self, now_s: float, stream_s: float) -> float:
        """Return the lag in seconds; 0 until it has lasted.

        Args:
            now_s: arrival of a frame, on any monotonic clock.
            stream_s: its time in the stream; a stream without times (0, or one that steps) has no lag.
        """
        if stream_s <= 0 or not 0 < stream_s - self._stream_s <= _JUMP_S:
            self.reset()
            self._stream_s = stream_s
            return 0.0
        delay_s = now_s - stream_s
        drift_s = _DRIFT * (stream_s - self._stream_s)
        self._least_s = min(self._least_s + drift_s, delay_s)
        self._stream_s = stream_s
        self._recent.append((now_s, delay_s))
        if now_s - self._recent[0][0] < self._window_s:
            return 0.0
        while len(self._recent) > 1 and now_s - self._recent[1][0] >= self._window_s:
            self._recent.popleft()
        return max(0.0, min(delay for _, delay in self._recent) - self._least_s)
