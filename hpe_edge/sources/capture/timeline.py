"""Timeline of a video whose container's clock may start anew.

Joined recordings (``cat a.ts b.ts``), discontinuities of HLS, wrapped counters and single wrong timestamps make the
clock of a container step. Times on the timeline never fall and never jump with it: a step counts as one frame.
"""

from __future__ import annotations

_USUAL_S, _USUAL_FRAMES = 1.0, 5.0  # steps up to the longer one need no second look
_JUMP_S = 10.0  # FFmpeg's limit (dts_delta_threshold) for containers without an index
_JUMP_INDEXED_S = 3600.0  # a screen recording or a motion-triggered camera may rest for long


class Timeline:
    """Times of a video's frames in seconds, made of the container's.

    A step back, or ahead by more than ten seconds (an hour, if the container has an index), is a new offset if the
    next frame goes on from there, and a stray timestamp if the next frame goes on from before. Either is one frame
    long. Repeated times are one frame apart as well, so a container without times gets those of its frame rate.

    Attributes:
        steps: number of steps so far; strays do not count.
        first_step: raw times before and after the first step, and the time on the timeline; None if there was none.
    """

    def __init__(self, fps: float, *, indexed: bool = False) -> None:
        """
        Args:
            fps: frames per second.
            indexed: the container has an index, so long pauses are the video's own.
        """
        self._frame_s = 1 / fps
        self._usual_s = max(_USUAL_S, _USUAL_FRAMES * self._frame_s)
        self._jump_s = max(_JUMP_INDEXED_S if indexed else _JUMP_S, 2 * self._usual_s)
        self._raw_s: float | None = None
        self._time_s = self._offset_s = 0.0
        self.steps = 0
        self.first_step: tuple[float, float, float] | None = None

    def unusual(self, raw_s: float) -> bool:
        """Return True if :meth:`place` needs the raw time of the frame after this one."""
        return self._raw_s is not None and not 0 <= raw_s - self._raw_s <= self._usual_s

    def place(self, raw_s: float, following_raw_s: float | None = None, lost: int = 0) -> float:
        """Return the time of the next frame.

        Args:
            raw_s: the container's time.
            following_raw_s: that of the frame after it; None at the end, or where :meth:`unusual` is false.
            lost: number of frames before this one that could not be decoded.
        """
        before_s = self._raw_s
        if before_s is None:
            self._raw_s, self._time_s = raw_s, raw_s if 0 <= raw_s <= self._jump_s else 0.0
            self._offset_s = self._time_s - raw_s
            return self._time_s
        ahead_s = raw_s - before_s
        frames_s = (1 + lost) * self._frame_s
        if self.unusual(raw_s) and self._is_stray(before_s, raw_s, following_raw_s):
            rest_s = self._frame_s if following_raw_s is None else (following_raw_s - before_s) / 2
            self._time_s += min(frames_s, rest_s)
            return self._time_s
        if ahead_s < 0 or ahead_s > self._jump_s:
            self.steps += 1
            self._time_s += frames_s
            self._offset_s = self._time_s - raw_s
            self.first_step = self.first_step or (before_s, raw_s, self._time_s)
        elif ahead_s == 0:
            self._time_s += frames_s
        else:
            self._time_s = max(self._time_s, raw_s + self._offset_s)
        self._raw_s = raw_s
        return self._time_s

    def _is_stray(self, before_s: float, raw_s: float, following_s: float | None) -> bool:
        """Return True if the clock goes on at the next frame as if this one were not there."""
        if following_s is None:
            return raw_s < before_s or raw_s - before_s > self._jump_s
        if not 0 <= following_s - before_s <= self._usual_s + self._frame_s:
            return False
        off_s = abs(following_s - before_s - 2 * self._frame_s), abs(following_s - raw_s - self._frame_s)
        return following_s < raw_s or off_s[0] < off_s[1]
