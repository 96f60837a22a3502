"""Typed options of the commands run and serve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpe_edge.backends.options import BackendName, Precision
    from hpe_edge.drawing.draw_poses import Style
    from hpe_edge.sources.raw_stdin import PixelFormat


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Arguments of ``hpe-edge run``, which its help describes.

    Attributes:
        source: see :func:`hpe_edge.sources.open_source.open_source`.
        track: track faces across frames; pictures are never tracked.
        threads: cores to use; None for all.
        (others): None or False where the option was not given.
    """

    source: str
    model: Path | None = None
    output: Path | None = None
    draw: Style = "axes"
    csv: Path | None = None
    jsonl: Path | None = None
    show: bool = False
    udp: str | None = None
    profile: Path | None = None
    detector: Path | None = None
    boxes: Path | None = None
    detect_every: int = 1
    track: bool = True
    smooth: bool = False
    camera_fov: float | None = None
    intrinsics: str | None = None
    frames: int | None = None
    raw: str | None = None
    pixels: PixelFormat | None = None
    device: str | None = None
    backend: BackendName | None = None
    precision: Precision | None = None
    threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Address of the page of ``hpe-edge serve``; see :class:`hpe_edge.live.server.LivePage`."""

    host: str
    port: int
    token: str | None
