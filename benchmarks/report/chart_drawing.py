"""What all charts are drawn with: pictures in two palettes, axes, legends."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, Color Universal Design; the first is kept for what the others are compared with.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C7A3D", "#7F7F7F")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_DPI = 120
_WIDTH_IN = 8.0
_LABEL_WIDTH = 34  # characters
_LINE_WIDTH = 110
_LEGEND_WIDTH = 120  # characters, with the marks as seven


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


def color_of(index: int) -> str:
    """Of the series with that number, from 0 on."""
    return COLORS[index % len(COLORS)]


def marker_of(index: int) -> str:
    """Of the series with that number. Where colours begin again, they meet other marks."""
    return MARKERS[(index + index // len(COLORS)) % len(MARKERS)]


def wrapped(text: str) -> str:
    """A line below a picture, broken where it would be cut off."""
    return "\n".join(textwrap.wrap(text, _LINE_WIDTH))


def log_axis(axes: Axes, which: Literal["x", "y"] = "x") -> None:
    """A logarithmic axis with plain numbers, as many as there is room for; after everything was drawn on it."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    decades = math.log10(high / low)
    axis.set_major_locator(
        LogLocator(subs=(1.0, 2.0, 3.0, 5.0) if decades < 2 else (1.0, 3.0) if decades < 4 else (1.0,))
    )
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def case_axis(axes: Axes, labels: Sequence[str]) -> None:
    """A y axis with one place for each case, the first on top."""
    axes.set_yticks(range(len(labels)), ["\n".join(textwrap.wrap(label, _LABEL_WIDTH)) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    for at in range(1, len(labels), 2):
        axes.axhspan(at - 0.5, at + 0.5, color=axes.xaxis.get_gridlines()[0].get_color(), alpha=0.35, linewidth=0)


def case_height_in(labels: Sequence[str], legend: Sequence[str]) -> float:
    """How high a picture with such an axis and such a legend must be."""
    lines = max(len(textwrap.wrap(label, _LABEL_WIDTH)) for label in labels)
    rows = math.ceil(len(legend) / legend_columns(legend))
    return 0.9 + 0.2 * rows + (0.2 + 0.16 * lines) * max(len(labels), 2)


def legend_columns(entries: Sequence[str]) -> int:
    """In how many columns a legend fits into the width."""
    return max(1, min(len(entries), _LEGEND_WIDTH // (max(map(len, entries), default=0) + 7)))


def legend_above(figure: Figure, axes: Axes) -> None:
    """A legend over the plot, in as few lines as fit."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside upper left", ncols=legend_columns(labels), frameon=False)


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
