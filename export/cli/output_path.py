"""Where a command's output may go."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from hpe_edge.errors import InputError


def check_output(out: Path, given: Iterable[tuple[str, Path | None]]) -> None:
    """Refuse an output that would take the place of what it is made from, or has a name that cannot be passed on.

    Args:
        out: what is to be written.
        given: options and the files they name; None where one is left out.

    Raises:
        InputError: it is one of them, or its name is not UTF-8.
    """
    try:
        str(out).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"ONNX Runtime opens only names in UTF-8, got {str(out)!r}; name another output with -o"
        ) from None
    for option, path in given:
        if path is not None and _same(out, path):
            raise InputError(f"the output and {option} are the same file {path}; name another output with -o")


def as_typed(path: Path) -> str:
    """A path as the shell takes it, and as no command takes it for an option."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def _same(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)  # links are followed
    except OSError:  # one of them is not there
        return False
