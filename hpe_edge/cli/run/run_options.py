"""Typed options of the commands run and serve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hpe_edge.backends.options import BackendName, Precision
    from hpe_edge.drawing.style import Style
    from hpe_edge.sinks.records import RecordTarget
    from hpe_edge.sources.raw_stdin import PixelFormat


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Arguments of ``hpe-edge run``, which its help describes.

    Attributes:
        sources, recursive: see :func:`hpe_edge.sources.open_source.open_source`.
        output_is_folder: the output's name ended in a slash.
        csv, jsonl, events: ``-`` for standard output.
        detector: see :func:`hpe_edge.open_detector`.
        track: track faces across frames; pictures are never tracked.
        max_sigma: degrees, infinite for no limit; None for the model's.
        neutral: seconds to learn it, angles in degrees, or a file.
        upright: see :class:`hpe_edge.PoseEngine`.
        sar, rotate, mirror, live: see :func:`hpe_edge.sources.open_source.open_source`.
        size, fps, fourcc: of a camera, see :class:`hpe_edge.sources.capture.camera_mode.CameraMode`.
        reconnect: seconds, infinite for ever; None for the default.
        threads: cores to use; None for all.
        (others): None or False where the option was not given.
    """

    sources: list[str]
    recursive: bool = False
    model: Path | None = None
    output: Path | None = None
    output_is_folder: bool = False
    draw: Style = "axes"
    csv: RecordTarget | None = None
    jsonl: RecordTarget | None = None
    show: bool = False
    udp: str | None = None
    mcap: Path | None = None
    profile: Path | None = None
    quiet: bool = False
    summary: Literal["text", "json"] = "text"
    detector: str | None = None
    min_score: float | None = None
    min_face: float | None = None
    detect_size: int | None = None
    detect_stretch: bool = False
    boxes: Path | None = None
    boxes_from: str | None = None
    detect_every: int = 1
    track: bool = True
    smooth: bool = False
    max_sigma: float | None = None
    drop_doubtful: bool = False
    neutral: float | tuple[float, float, float] | Path | None = None
    neutral_per: Literal["person", "mount"] | None = None
    mount: tuple[float, float, float] | None = None
    zones: Path | None = None
    away_after: float | None = None
    events: RecordTarget | None = None
    camera_fov: float | None = None
    intrinsics: str | None = None
    upright: Literal["model", "keypoints", "second-pass", "none"] = "model"
    sar: float | None = None
    rotate: int = 0
    mirror: bool = False
    size: tuple[int, int] | None = None
    fps: float | None = None
    fourcc: str | None = None
    reconnect: float | None = None
    live: bool = False
    frames: int | None = None
    raw: str | None = None
    pixels: PixelFormat | None = None
    device: str | None = None
    backend: BackendName | None = None
    precision: Precision | None = None
    threads: int | None = None

    def on_stdout(self) -> list[str]:
        """Return the options whose results go to standard output."""
        given = {"--csv": self.csv, "--jsonl": self.jsonl, "--events": self.events}
        return [option for option, target in given.items() if target == "-"]


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Options of ``hpe-edge serve``.

    Attributes:
        host, port, token: see :class:`hpe_edge.live.server.LivePage`.
        now: do not wait for a viewer before a file is read.
        loop: read a file again and again.
    """

    host: str
    port: int
    token: str | None
    now: bool
    loop: bool
