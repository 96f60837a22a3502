"""Plot of angles over time: a panel per angle, a colour per face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpe_edge.drawing.strokes import OKABE_ITO, Color, Image
from hpe_edge.errors import InputError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.sinks.read_records import read_series
from hpe_edge.util.atomic import Pending, output_error

WIDTH, HEIGHT = 1600, 1050
_LEFT, _RIGHT, _TOP, _BOTTOM, _BETWEEN = 90, 190, 90, 75, 36  # pixels around and between the panels
_ROW = 28  # of the legend
_INK, _GRID, _PAPER = (40, 40, 40), (222, 222, 222), (255, 255, 255)
# Grey and wine stand for black and for yellow, which white drowns; BGR.
_COLORS: tuple[Color, ...] = (*OKABE_ITO, (90, 90, 90), (60, 30, 110))
_STEPS_DEG = (1, 2, 5, 10, 15, 30, 45, 60, 90)
_LEAST_SPAN_DEG = 20.0  # so that the jitter of a still face does not fill the panel
_MARGIN = 0.04  # of the span, above and below the curves
_GAP = 5.0  # in usual intervals between records; a longer one is not bridged by a line
_SUBPIXEL_BITS = 4
_DOT = 4  # pixels from its centre; a pose with no other before or after it


@dataclass(frozen=True)
class Curve:
    """Angles of one face.

    Attributes:
        label: for the legend.
        time_s: ``[T]``, never falling.
        angles_deg: ``[T, 3]`` yaw, pitch, roll. NaN leaves a gap.
        color: index; curves with the same one share a colour.
        faint: drawn thin and pale, below the others.
    """

    label: str
    time_s: NDArray[np.floating]
    angles_deg: NDArray[np.floating]
    color: int
    faint: bool = False


def plot_records(path: Path) -> Image:
    """Plot the records of ``hpe-edge run``; see :func:`hpe_edge.sinks.read_records.read_series`.

    Raises:
        SourceError: it cannot be read.
    """
    curves = [Curve(f"face {one.id}", one.time_s, one.poses.angles, one.id) for one in read_series(path)]
    return draw_curves(curves, f"Head poses in {path.name}")


def save_png(path: Path, image: Image) -> None:
    """Write a picture; an existing file is replaced when the new one is complete.

    Raises:
        InputError: the name does not end in .png.
        OutputError: the file cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"a plot is a PNG file, got the name {path}; let it end in .png")
    pending = Pending(path)
    try:
        pending.temp.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        pending.commit()
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        pending.discard()


def draw_curves(curves: Sequence[Curve], title: str) -> Image:
    """Draw the angles.

    Args:
        curves: in the order of the legend, which lists as many as fit.
        title: one line of ASCII, which is what OpenCV's fonts hold; other characters become question marks.

    Returns:
        uint8 ``[HEIGHT, WIDTH, 3]``, BGR.
    """
    image = np.full((HEIGHT, WIDTH, 3), _PAPER, np.uint8)
    _write(image, title, (_LEFT, 36), 0.8)
    time_s = _span([one.time_s for one in curves], least=1e-3)
    panel_height = (HEIGHT - _TOP - _BOTTOM - 2 * _BETWEEN) // 3
    for at, name in enumerate(("yaw", "pitch", "roll")):
        top = _TOP + at * (panel_height + _BETWEEN)
        low, high = _span([one.angles_deg[:, at] for one in curves], least=_LEAST_SPAN_DEG)
        margin = _MARGIN * (high - low)
        panel = _Panel(image, (top, top + panel_height), time_s, (low - margin, high + margin))
        panel.draw_grid(f"{name} (degrees)", last=at == 2)
        for one in sorted(curves, key=lambda curve: not curve.faint):
            panel.draw_line(one, at)
    _draw_legend(image, curves)
    return image


class _Panel:
    """One pair of axes."""

    def __init__(
        self, image: Image, rows: tuple[int, int], time_s: tuple[float, float], span: tuple[float, float]
    ) -> None:
        self._image, self._rows, self._columns = image, rows, (_LEFT, WIDTH - _RIGHT)
        self._time_s, self._span = time_s, span

    def draw_grid(self, name: str, last: bool) -> None:
        (left, right), (top, bottom) = self._columns, self._rows
        low, high = self._span
        least = (high - low) / 7
        for value in _ticks(low, high, next((s for s in _STEPS_DEG if s >= least), _decimal_step(least))):
            y = round(float(self._y(np.array(value))))
            cv2.line(self._image, (left, y), (right, y), _GRID, 2 if value == 0 else 1)
            _write(self._image, f"{value:g}", (left - 10, y + 6), 0.55, right_aligned=True)
        start, end = self._time_s
        for value in _ticks(start, end, _decimal_step((end - start) / 8)):
            x = round(float(self._x(np.array(value))))
            cv2.line(self._image, (x, top), (x, bottom), _GRID, 1)
            if last:
                _write(self._image, f"{value:.10g}", (x, bottom + 24), 0.55, centered=True)  # ms after days
        cv2.rectangle(self._image, (left, top), (right, bottom), _INK, 1)
        _write(self._image, name, (left, top - 9), 0.6)
        if last:
            _write(self._image, "time (seconds)", ((left + right) // 2, bottom + 54), 0.6, centered=True)

    def draw_line(self, curve: Curve, at: int) -> None:
        if len(curve.time_s) == 0:
            return
        time_s, angle = np.asarray(curve.time_s, np.float64), np.asarray(curve.angles_deg[:, at], np.float64)
        steps = np.diff(time_s)
        usual = np.median(steps) if len(steps) else 0.0
        # A turn past 180 degrees is not a line across the panel.
        apart = ~(np.abs(np.diff(angle)) < 180) | (steps > _GAP * usual)
        points = np.stack([self._x(time_s), self._y(angle)], axis=1) * (1 << _SUBPIXEL_BITS)
        for run in np.split(points, np.flatnonzero(apart) + 1):
            if np.isfinite(run).all():
                _stroke(self._image, run, curve)

    def _x(self, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        (left, right), (start, end) = self._columns, self._time_s
        return left + (time_s - start) / (end - start) * (right - left)

    def _y(self, angle_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        (top, bottom), (low, high) = self._rows, self._span
        return bottom - (angle_deg - low) / (high - low) * (bottom - top)


def _draw_legend(image: Image, curves: Sequence[Curve]) -> None:
    left, rows = WIDTH - _RIGHT + 20, (HEIGHT - _TOP - _BOTTOM) // _ROW
    shown = curves if len(curves) <= rows else curves[: rows - 1]
    for at, curve in enumerate(shown):
        y = _TOP + at * _ROW + 10
        _stroke(image, np.array([[left, y], [left + 30, y]]) * (1 << _SUBPIXEL_BITS), curve)
        _write(image, curve.label, (left + 40, y + 6), 0.55)
    if len(shown) < len(curves):
        _write(image, f"and {len(curves) - len(shown)} more", (left, _TOP + len(shown) * _ROW + 16), 0.55)


def _stroke(image: Image, points: NDArray[np.floating], curve: Curve) -> None:
    """Draw points in 1 / 2**_SUBPIXEL_BITS pixels as a line; a single one becomes a dot."""
    color = _COLORS[curve.color % len(_COLORS)]
    if curve.faint:
        color = (_pale(color[0]), _pale(color[1]), _pale(color[2]))
    line = np.rint(points).astype(np.int32)
    thickness = 1 if curve.faint else 2
    if len(line) == 1:
        radius = (_DOT + thickness - 2) << _SUBPIXEL_BITS
        cv2.circle(image, line[0].tolist(), radius, color, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
    else:
        cv2.polylines(image, [line[:, None]], False, color, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _pale(level: int) -> int:
    return (level + 255) // 2


def _write(
    image: Image,
    text: str,
    at: tuple[int, int],
    scale: float,
    *,
    centered: bool = False,
    right_aligned: bool = False,
) -> None:
    ascii_text = text.encode("ascii", "replace").decode()
    (width, _), _ = cv2.getTextSize(ascii_text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = at[0] - (width // 2 if centered else width if right_aligned else 0)
    cv2.putText(image, ascii_text, (x, at[1]), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)


def _span(values: Sequence[NDArray[np.floating]], least: float) -> tuple[float, float]:
    """Return the range of all values, at least ``least`` wide; (0, least) if there are none."""
    finite = [part[np.isfinite(part)] for part in values]
    numbers = np.concatenate(finite) if finite else np.zeros(0)
    if numbers.size == 0:
        return 0.0, least
    low, high = float(numbers.min()), float(numbers.max())
    missing = max(least - (high - low), 0.0) / 2
    return low - missing, high + missing


def _ticks(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [at * step for at in range(first, last + 1)]


def _decimal_step(least: float) -> float:
    """Return the smallest of ..., 0.5, 1, 2, 5, 10, ... that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least * (1 - 1e-9))
