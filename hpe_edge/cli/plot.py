"""Command plot: angles over time from a file of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpe_edge.drawing.angle_plot import plot_records, save_png
from hpe_edge.util.shell import CommandParser


@dataclass(frozen=True)
class PlotOptions:
    """Arguments of ``hpe-edge plot``.

    Attributes:
        records: CSV or JSON Lines file that ``hpe-edge run`` wrote.
        output: PNG to write.
    """

    records: Path
    output: Path


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge plot``; returns the exit status."""
    parser = CommandParser(
        prog="hpe-edge plot", description="Draw angles over time, a panel per angle, a line per face."
    )
    parser.add_argument("records", type=Path, metavar="RESULTS", help="records of a video, from run --csv or --jsonl")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PNG", required=True, help="the chart; an existing file is replaced"
    )
    plot(PlotOptions(**vars(parser.parse_args(argv))))
    return 0


def plot(options: PlotOptions) -> None:
    """Draw the chart.

    Raises:
        InputError: the output's name does not end in .png, or the records are not those of a video.
        SourceError: the records cannot be read.
        OutputError: the chart cannot be written.
    """
    save_png(options.output, plot_records(options.records))
