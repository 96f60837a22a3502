"""Two public-domain photos with face boxes, for a first run and for the export gate; README.md says where from."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
"""Holds the photos."""

BOXES = FOLDER / "boxes.csv"
"""Columns file,x1,y1,x2,y2, in pixels; the boxes fit the faces as landmarks span them."""
