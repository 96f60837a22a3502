"""The live page as an output of a run."""

from __future__ import annotations

from hpe_edge.live.server import LivePage
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.util.atomic import Pending


class LiveOutput:
    """Shows every result. Implements :class:`hpe_edge.sinks.sink.Sink`."""

    pending: Pending | None = None

    def __init__(self, page: LivePage) -> None:
        """
        Args:
            page: closed with this output.
        """
        self._page = page

    def write(self, result: Result) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self._page.publish(result)

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self._page.close()

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self._page.close()
