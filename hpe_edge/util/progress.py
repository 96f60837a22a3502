"""Progress bars of tqdm, which comes with the extras ``video`` and ``export``; without it there are none."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Any, Protocol, TextIO, cast


class Bar(Protocol):
    """The part of tqdm's bar that is used: the steps so far, ``n``, and more of them."""

    n: int

    def update(self, steps: int, /) -> object:
        """Add steps."""


class _NoBar:
    def __init__(self) -> None:
        self.n = 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, steps: int, /) -> None:
        self.n += steps


def progress_bar(**options: Any) -> AbstractContextManager[Bar]:
    """Return a bar with the options of :class:`tqdm.tqdm`."""
    if find_spec("tqdm") is None:
        return _NoBar()
    from tqdm import tqdm

    return cast("AbstractContextManager[Bar]", tqdm(**options))


def print_above_bars(line: str, file: TextIO) -> None:
    """Print a line above the bars that are shown."""
    if find_spec("tqdm") is None:
        print(line, file=file)
        return
    from tqdm import tqdm

    tqdm.write(line, file=file)
