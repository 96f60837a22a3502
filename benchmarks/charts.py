"""Charts of a run as PNG pictures, in two palettes: dark ink for paper and light pages, light ink for dark ones."""

from __future__ import annotations

import importlib.util
import io
import math
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from benchmarks.schema import Document, Part
from benchmarks.tables import constant
from benchmarks.timing import Result, describe
from hpe_edge.errors import BackendError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, Color Universal Design; the first is kept for what the others are compared with.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C7A3D", "#7F7F7F")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_DPI = 120
_WIDTH_IN = 8.0
_LABEL_WIDTH = 34  # characters


@dataclass(frozen=True)
class Palette:
    """Colours of ink and paper."""

    ink: str
    faint: str
    paper: str


LIGHT = Palette("#1f2328", "#d0d7de", "#ffffff")
DARK = Palette("#e6edf3", "#3d444d", "#151b23")

Draw = Callable[["Figure"], None]


@dataclass(frozen=True)
class Chart:
    """One picture.

    Attributes:
        suite: to which it belongs.
        name: for a file, without its ending.
        title: what it shows.
        alt: what is to be seen, for those who cannot see it.
        png, dark_png: the same picture for light and for dark pages.
    """

    suite: str
    name: str
    title: str
    alt: str
    png: bytes
    dark_png: bytes


def require_matplotlib() -> None:
    """Fail at once where there is nothing to draw with.

    Raises:
        BackendError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:  # imported later: it takes memory, which a suite may measure
        raise BackendError(
            "charts and HTML reports need matplotlib: pip install 'hpe-edge[benchmarks]', or pip install matplotlib"
        )


def charts(document: Document) -> list[Chart]:
    """All charts of a run.

    Raises:
        BackendError: matplotlib is not installed.
    """
    require_matplotlib()
    return [chart for part in document.parts for chart in _of_part(part)]


def _of_part(part: Part) -> Iterator[Chart]:
    for name, group in groupby(part.results, lambda result: result.name):
        results = [result for result in group if len(result.rows) > 1]
        if results:
            yield _ratios(part.suite, name, results)


def _ratios(suite: str, name: str, results: Sequence[Result]) -> Chart:
    """How long the alternatives take beside the first one."""
    first = results[0].rows[0].name
    names = list(dict.fromkeys(row.name for result in results for row in result.rows[1:]))
    common = constant(results)
    varying = [
        describe({key: value for key, value in result.parameters.items() if key not in common}) or name
        for result in results
    ]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for index, alternative in enumerate(names):
            found = [(at, row.ratio) for at, r in enumerate(results) for row in r.rows[1:] if row.name == alternative]
            # Markers of one case lie a little below each other, so that their whiskers can be told apart.
            offset = (index - (len(names) - 1) / 2) * 0.7 / len(names)
            median = [ratio.median for _, ratio in found]
            axes.errorbar(
                median,
                [at + offset for at, _ in found],
                xerr=[
                    [max(ratio.median - ratio.p10, 0) for _, ratio in found],
                    [max(ratio.p90 - ratio.median, 0) for _, ratio in found],
                ],
                fmt=MARKERS[index % len(MARKERS)],
                color=COLORS[(index + 1) % len(COLORS)],
                markersize=5,
                label=alternative,
            )
        axes.axvline(1.0, color=COLORS[0], linewidth=1.5, label=first)
        case_axis(axes, varying)
        log_axis(axes)
        figure.supxlabel(f"time over that of {first}, log scale; marks: medians, lines: 10th to 90th percentile")
        axes.grid(axis="x")
        legend_above(figure, axes)

    said = f"{suite}, {name}" if name != suite else suite
    title = f"{said}: time over that of {first}{f' ({describe(common)})' if common else ''}"
    alt = f"{title}. " + "; ".join(
        f"{words}: " + ", ".join(f"{row.name} {row.ratio.median:.2f}" for row in result.rows[1:])
        for words, result in zip(varying, results, strict=True)
    )
    return picture(
        suite,
        f"{name}-ratios",
        title,
        alt,
        1.1 + 0.22 * math.ceil((len(names) + 1) / 4) + 0.36 * max(len(results), 2),
        draw,
    )


def log_axis(axes: Axes) -> None:
    """A logarithmic x axis with plain numbers at 1, 2, 3 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def case_axis(axes: Axes, labels: Sequence[str]) -> None:
    """A y axis with one place for each case, the first on top."""
    axes.set_yticks(range(len(labels)), ["\n".join(textwrap.wrap(label, _LABEL_WIDTH)) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    for at in range(1, len(labels), 2):
        axes.axhspan(at - 0.5, at + 0.5, color=axes.xaxis.get_gridlines()[0].get_color(), alpha=0.35, linewidth=0)


def legend_above(figure: Figure, axes: Axes) -> None:
    """A legend over the plot, in as few lines as fit."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(len(handles), 4), frameon=False)


def picture(suite: str, name: str, title: str, alt: str, height_in: float, draw: Draw) -> Chart:
    """Draw in both palettes.

    Args:
        suite, title, alt: see :class:`Chart`.
        name: of the chart among those of its suite.
        height_in: of the picture; all are equally wide.
        draw: fills a figure.
    """
    light, dark = (_png(height_in, draw, palette) for palette in (LIGHT, DARK))
    file = re.sub(r"[^a-z0-9]+", "-", f"{suite} {name}".lower()).strip("-")
    return Chart(suite, file, title, alt, light, dark)


def _png(height_in: float, draw: Draw, palette: Palette) -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_style(palette)):
        figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)  # draws without a display, whatever backend the user has set
        draw(figure)
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _style(palette: Palette) -> Any:  # names of settings, which matplotlib has as literals
    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(ink, palette.ink),
        "figure.facecolor": palette.paper,
        "axes.facecolor": palette.paper,
        "savefig.facecolor": palette.paper,
        "grid.color": palette.faint,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "font.size": 9,
        "figure.labelsize": 9,
        "legend.fontsize": 9,
    }
