"""Styles of drawn poses."""

from typing import Literal

Style = Literal["axes", "cube", "arrow"]
