"""The live page: the annotated stream, a 3D head and the angles over time in a browser."""

from __future__ import annotations

from hpe_edge.live.server import LivePage

__all__ = ["LivePage"]
