"""Draw docs/images/native_layout.svg: ``python docs/draw_native_layout.py``."""

from __future__ import annotations

from pathlib import Path

OUT = Path(__file__).parent / "images" / "native_layout.svg"
BLUE, GREEN, GREY, ORANGE, INK = "#cfe2f7", "#d5ecd0", "#ececec", "#fbd9a5", "#333333"

parts: list[str] = []


def box(x: float, y: float, width: float, height: float, fill: str, text: str = "") -> None:
    """Draw a rectangle with text in its middle."""
    parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}" stroke="{INK}"/>')
    if text:
        label(x + width / 2, y + height / 2 + 4, text, "middle")


def label(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> None:
    """Write text."""
    parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{text}</text>')


def arrow(x1: float, y1: float, x2: float, y2: float) -> None:
    """Draw an arrow."""
    parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{INK}" marker-end="url(#tip)"/>')


def draw() -> str:
    """Return the picture."""
    label(20, 24, "A tensor: pixels of whole blocks of channels, with a border", weight="bold")
    for row in range(5):
        for column in range(6):
            inside = 0 < row < 4 and 0 < column < 5
            taken = row < 3 and column < 3
            fill = ORANGE if taken else BLUE if inside else GREY
            box(20 + 34 * column, 40 + 26 * row, 34, 26, fill)
    label(20, 190, "grey: border, the zero point")
    label(20, 206, "orange: what a 3 x 3 kernel reads")
    arrow(122, 92, 268, 66)
    label(270, 46, "one pixel: C bytes")
    for byte in range(16):
        box(270 + 22 * byte, 54, 22, 24, GREEN if byte < 4 else BLUE, str(byte))
    label(626, 71, ". . .")
    label(270, 96, "a step: four bytes at offsets[k]")

    label(270, 136, "A tile: its sums stay in registers", weight="bold")
    label(270, 160, "weights [block][step][16 channels][4 bytes]")
    for channel in range(8):
        box(270 + 46 * channel, 168, 46, 24, ORANGE, f"c{channel}" if channel < 7 else "c15")
    label(645, 184, "loaded once a step")
    for pixel in range(3):
        y = 212 + 34 * pixel
        box(170, y, 88, 24, GREEN, f"pixel {pixel}")
        for channel in range(8):
            box(270 + 46 * channel, y, 46, 24, BLUE, "+=")
        label(645, y + 16, "4 bytes x 16 channels: 64 products")
    label(270, 334, "then once a tile: shortcut, ReLU, shift and multiplier, 16 bytes written")
    text = "\n".join(parts)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="350" font-family="sans-serif" font-size="13" '
        f'fill="{INK}">\n<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z"/></marker></defs>\n<rect width="900" height="350" fill="white"/>\n{text}\n</svg>\n'
    )


if __name__ == "__main__":
    OUT.write_text(draw(), encoding="utf-8")
