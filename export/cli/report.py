"""What the export commands print on standard output: one step of the report after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpe_edge.cli.describe import SQUARE_IN_WORDS
from hpe_edge.errors import OutputError
from hpe_edge.spec import Crop

if TYPE_CHECKING:
    from export.gate.gate import Report


def say(what: str, *lines: str) -> None:
    """Print one step: a word, then its lines, indented alike.

    Raises:
        OutputError: standard output cannot be written to.
    """
    try:
        for i, line in enumerate(lines):
            print(f"{what if i == 0 else '':<12}{line}", flush=True)
    except BrokenPipeError:
        raise  # whoever reads has had enough, which is no error to be told
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror}") from None


def say_passed(reports: Sequence[Report]) -> None:
    """Print what the gate found: the first comparison as a table, the others in a line each."""
    say("gate", *reports[0].table().splitlines(), *(report.line() for report in reports[1:]))


def describe_crop(crop: Crop) -> list[str]:
    """A crop in words, in two lines."""
    sides = ", ".join(f"{side} {m:g}" for side, m in zip(("left", "top", "right", "bottom"), crop.margins, strict=True))
    steps = [SQUARE_IN_WORDS[crop.square]] + ["cut at the frame's edges"] * crop.clip + [crop.resampling]
    return [f"a tight face box, grown by {sides} of its size;", ", ".join(steps)]


def size(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
