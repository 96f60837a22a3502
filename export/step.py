"""Common parts of the export steps: progress reports, results, output paths and optional packages."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hpe_edge.errors import BackendError, InputError
from hpe_edge.util.atomic import Pending, output_error

if TYPE_CHECKING:
    from export.gate.comparison import Comparison
    from hpe_edge.spec import ModelSpec

Reporter: TypeAlias = Callable[[str, Sequence[str]], None]
"""Takes the name of a stage and its lines, as they come."""

PathLike: TypeAlias = str | Path


def quiet(stage: str, lines: Sequence[str]) -> None:
    """Report nothing."""


class Notes:
    """A reporter that keeps every line and passes it on."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._lines: list[str] = []

    def __call__(self, stage: str, lines: Sequence[str]) -> None:
        """See :data:`Reporter`."""
        self._lines += [f"{stage}: {line}" for line in lines]
        self._report(stage, lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines so far, each with its stage in front."""
        return tuple(self._lines)


@dataclass(frozen=True)
class Latency:
    """Durations of an engine's runs in one batch size: copy to the GPU, network, copy back; without crop and decode.

    Attributes:
        faces: the batch size.
        runs: how many were timed.
        median_ms, p99_ms: of their durations.
    """

    faces: int
    runs: int
    median_ms: float
    p99_ms: float

    def __str__(self) -> str:
        faces = f"{self.faces} face{'s' * (self.faces > 1)}"
        return f"{faces} {self.median_ms:.3g} ms, p99 {self.p99_ms:.3g} ms"


@dataclass(frozen=True)
class ExportReport:
    """Result of an export step.

    Attributes:
        path: the file that was written.
        spec: as stored in the file or, of an engine, beside it.
        gate: the accuracy gate's comparison with the original; of a TensorRT-RTX engine, that of the graph it is built
            from.
        size_bytes: of the file.
        replaced: a file of that name was there before.
        notes: everything reported, ``"stage: line"``.
        latency: of an engine on this machine's GPU, per batch size; empty for other files.
    """

    path: Path
    spec: ModelSpec
    gate: Comparison
    size_bytes: int
    replaced: bool
    notes: tuple[str, ...] = ()
    latency: tuple[Latency, ...] = ()


def optional_path(path: PathLike | None) -> Path | None:
    """Convert to a path; None stays None."""
    return None if path is None else Path(path)


def need(name: str, purpose: str, extra: str = "export") -> Any:
    """Import an optional package, which the named extra installs.

    Raises:
        BackendError: the package is missing here, or broken; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a library that the package loads is missing
        raise BackendError(
            f"{purpose} needs {name.partition('.')[0]}, which cannot be imported here ({error}); run: "
            f"pip install 'hpe-edge[{extra}]'"
        ) from None


def check_output(out: Path, suffixes: Sequence[str], inputs: Iterable[tuple[str, Path | None]]) -> None:
    """Refuse an output that would replace one of the inputs, or whose name cannot be used.

    Raises:
        InputError: it is one of the named inputs, has none of the suffixes, or its name is not UTF-8.
    """
    try:
        str(out).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"ONNX Runtime opens only names in UTF-8, got {str(out)!r}; name another output with -o"
        ) from None
    if out.suffix.lower() not in suffixes:
        raise InputError(f"the output (-o) must name a file that ends in {' or '.join(suffixes)}, got {out}")
    for name, path in inputs:
        if path is not None and _same(out, path):
            raise InputError(f"the output and {name} are the same file {path}; name another output with -o")


def check_boxes(images: Path | None, boxes: Path | None, option: str = "--images") -> None:
    """Refuse boxes without images.

    Raises:
        InputError: only the boxes are named.
    """
    if boxes is not None and images is None:
        raise InputError(f"--boxes needs {option}, the images with these faces")


def write_bytes(pending: Pending, data: bytes) -> None:
    """Write a whole output, not yet under its name.

    Raises:
        OutputError: disk full, or another failure of the file system.
    """
    try:
        pending.temp.write_bytes(data)
    except OSError as error:
        raise output_error(pending.path, error) from None


def commit(out: Path, pendings: Sequence[Pending], spec: ModelSpec, gate: Comparison, notes: Notes) -> ExportReport:
    """Give the finished files their names, the model, which is the first, last."""
    replaced = out.exists()
    for pending in reversed(pendings):
        pending.commit()
    return ExportReport(out, spec, gate, out.stat().st_size, replaced, notes.lines)


def shell_path(path: Path) -> str:
    """Quote a path for the shell; a leading dash does not make it an option."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def byte_size(count: int) -> str:
    """Format a number of bytes in kB or MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _same(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)  # links are followed
    except OSError:  # one of them does not exist
        return False
