"""Calibrations as JSON: the range of each activation, the model, the method and the faces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from export.step import write_bytes
from hpe_edge.errors import ModelError, SourceError
from hpe_edge.spec import read_json, to_plain
from hpe_edge.util.atomic import Pending

Method = Literal["minmax", "entropy", "percentile"]

FORMAT = 3  # 1 had no channels, 2 no middles


@dataclass(frozen=True)
class Calibration:
    """The ranges of a model's activations.

    Attributes:
        model: SHA-256 of the ONNX file, in hexadecimal.
        method: see :func:`export.quantize.calibrate.find_ranges`.
        crops: number of faces.
        source: origin and number of the faces, for the report.
        ranges: tensor -> the largest magnitude in INT8, after the channels were equalized and
            the middles subtracted.
        channels: tensor -> the largest magnitude of each of its channels; without any, none are equalized.
        middles: tensor -> what is subtracted from it, see :mod:`export.quantize.centre`, after the channels were
            equalized; without any, none is centred.
    """

    model: str
    method: Method
    crops: int
    source: str
    ranges: dict[str, float] = field(default_factory=dict)
    channels: dict[str, tuple[float, ...]] = field(default_factory=dict)
    middles: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.ranges.items():
            if not value >= 0:
                raise ModelError(f"the range of {name} must be 0 or more, got {value}")

    def summary(self) -> str:
        """Method and source of the ranges."""
        return f"ranges by {self.method} on {self.source}"

    def table(self) -> list[str]:
        """The ranges as lines of a table."""
        width = max(map(len, self.ranges), default=0)
        return [f"{'':{width}} {'range':>10} {'step':>10}"] + [
            f"{name:{width}} {value:>10.4g} {value / 127:>10.4g}" for name, value in self.ranges.items()
        ]

    def write(self, pending: Pending) -> None:
        """Write it to ``pending.temp``.

        Raises:
            OutputError: disk full, or another failure of the file system.
        """
        write_bytes(pending, f"{json.dumps({'format': FORMAT, **to_plain(self)}, indent=2)}\n".encode())


def read_calibration(path: Path) -> Calibration:
    """Read a calibration file.

    Raises:
        SourceError: the file cannot be read.
        ModelError: it is no calibration, or has a newer format.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read the calibration {path}: {error}") from None
    try:
        calibration = read_json(Calibration, text, FORMAT, f"the calibration {path}", "calibration")
    except ModelError as error:
        raise ModelError(str(error).replace("export the model again", "delete the file to calibrate again")) from None
    assert isinstance(calibration, Calibration)
    return calibration


_AGAIN = "delete the file to calibrate again, or name another one with --calibration"


def check_calibration(path: Path, kept: Calibration, model: str, method: Method | None) -> None:
    """Refuse a calibration of another model, or by another method than asked for (None: any).

    Raises:
        ModelError: it is one of these.
    """
    if kept.model != model:
        raise ModelError(
            f"{path} belongs to another model (sha256 {kept.model[:12]}..., this one has {model[:12]}...); {_AGAIN}"
        )
    if method is not None and kept.method != method:
        raise ModelError(f"{path} was made by --method {kept.method}, not {method}; {_AGAIN}")


def check_ranges(path: Path, kept: Calibration, tensors: Sequence[str]) -> None:
    """Refuse a calibration without the range of one of the tensors.

    Raises:
        ModelError: one is missing.
    """
    missing = [name for name in tensors if name not in kept.ranges]
    if missing:
        raise ModelError(f"{path} has no range of {missing[0]}; {_AGAIN}")
