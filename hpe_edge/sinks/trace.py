"""A picture of what the threads did when: the last moments of a run, a row for each thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.pipeline.stopwatch import Span, Stopwatch
from hpe_edge.util.atomic import Pending, output_error

Image = NDArray[np.uint8]

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _BAR, _BOTTOM = 1600, 110, 30, 90, 70, 46, 60
_SHOWN_S = 1.0
_PAPER, _INK, _GRID = (255, 255, 255), (40, 40, 40), (222, 222, 222)
_COLORS = {  # BGR
    "read": (178, 114, 0),
    "detect": (0, 94, 213),
    "track": (167, 121, 204),
    "crop": (66, 228, 240),
    "infer": (115, 158, 0),
    "decode": (203, 192, 255),
    "filter": (90, 90, 90),
    "draw": (0, 159, 230),
    "write": (233, 180, 86),
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


class TimelineFile:
    """The timeline as a PNG, drawn when the run is over. Implements :class:`hpe_edge.sinks.sink.Sink`."""

    def __init__(self, path: Path, watch: Stopwatch) -> None:
        """
        Args:
            path: where to.
            watch: of the run.

        Raises:
            InputError: the name does not end in .png.
            OutputError: the place cannot be written to.
        """
        if path.suffix.lower() != ".png":
            raise InputError(f"a timeline is a PNG file, got the name {path}; let it end in .png")
        self._path, self._watch = path, watch
        self.pending: Pending | None = Pending(path)
        self._temp = self.pending.temp

    def write(self, result: Result) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`; the stopwatch knows already."""

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        try:
            self._temp.write_bytes(cv2.imencode(".png", draw_timeline(list(self._watch.spans)))[1].tobytes())
        except OSError as error:
            raise output_error(self._path, error) from None

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""


def draw_timeline(spans: Sequence[Span]) -> Image:
    """Draw the last second of the spans; a bar's number is that of its frame.

    Returns:
        uint8 ``[H, W, 3]``, BGR.
    """
    end_s = max((span.end_s for span in spans), default=0.0)
    start_s = max(end_s - _SHOWN_S, min((span.start_s for span in spans), default=0.0))
    threads = list(
        dict.fromkeys(span.thread for span in sorted(spans, key=lambda span: list(_COLORS).index(span.stage)))
    )
    height = _TOP + _ROW * len(threads) + _BOTTOM
    image = np.full((height, _WIDTH, 3), _PAPER, np.uint8)
    scale = (_WIDTH - _LEFT - _RIGHT) / max(end_s - start_s, 1e-6)

    def column(time_s: float) -> int:
        return round(_LEFT + (time_s - start_s) * scale)

    _legend(image)
    step_s = next(step for step in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0) if (end_s - start_s) / step <= 10)
    for tick in range(int((end_s - start_s) / step_s + 1e-9) + 1):
        x = column(start_s + tick * step_s)
        cv2.line(image, (x, _TOP - 10), (x, height - _BOTTOM), _GRID, 1)
        cv2.putText(image, f"{tick * step_s * 1000:g} ms", (x - 20, height - 25), _FONT, 0.5, _INK, 1, cv2.LINE_AA)
    for row, thread in enumerate(threads):
        top = _TOP + row * _ROW
        cv2.putText(image, thread, (12, top + _BAR // 2 + 6), _FONT, 0.6, _INK, 1, cv2.LINE_AA)
        for span in spans:
            if span.thread == thread and span.end_s >= start_s:
                _bar(image, span, (column(max(span.start_s, start_s)), column(span.end_s)), top)
    return image


def _bar(image: Image, span: Span, columns: tuple[int, int], top: int) -> None:
    left, right = columns
    cv2.rectangle(image, (left, top), (max(left, right - 1), top + _BAR), _COLORS[span.stage], cv2.FILLED)
    text = str(span.frame)
    (width, _), _ = cv2.getTextSize(text, _FONT, 0.45, 1)
    if span.frame >= 0 and width + 4 < right - left:
        at = ((left + right - width) // 2, top + _BAR // 2 + 5)
        cv2.putText(image, text, at, _FONT, 0.45, _PAPER, 1, cv2.LINE_AA)


def _legend(image: Image) -> None:
    cv2.putText(image, "The end of the run, by thread; numbers are frames", (12, 28), _FONT, 0.7, _INK, 1, cv2.LINE_AA)
    x = 12
    for stage, color in _COLORS.items():
        cv2.rectangle(image, (x, 44), (x + 18, 60), color, cv2.FILLED)
        cv2.putText(image, stage, (x + 26, 58), _FONT, 0.55, _INK, 1, cv2.LINE_AA)
        x += 120
