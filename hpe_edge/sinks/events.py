"""Events of zones as JSON Lines."""

from __future__ import annotations

from hpe_edge.pipeline.frame_result import Result
from hpe_edge.sinks.records import RecordFile, json_line

_TIME_DIGITS = 3


class EventsFile(RecordFile):
    """One JSON object per event, written when it happens: ``time_s frame track zone kind outside_s``.

    :class:`hpe_edge.attention.attention.ZoneEvent` describes them.
    """

    def _text(self, result: Result) -> str:
        events = () if result.attention is None else result.attention.events
        return "".join(
            json_line(
                {
                    "time_s": round(event.time_s, _TIME_DIGITS),
                    "frame": result.frame.index,
                    "track": event.id,
                    "zone": event.zone,
                    "kind": event.kind,
                    "outside_s": round(event.outside_s, _TIME_DIGITS),
                }
            )
            for event in events
        )
