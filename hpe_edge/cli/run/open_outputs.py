"""Outputs of a run by its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hpe_edge.attention.meter import AttentionMeter
from hpe_edge.cli.attention_options import learn_s
from hpe_edge.cli.run.messages import say
from hpe_edge.cli.run.run_options import PageOptions, RunOptions
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.ros.mcap_file import McapFile
from hpe_edge.sinks.annotated_images import open_picture_sink
from hpe_edge.sinks.events import EventsFile
from hpe_edge.sinks.opentrack import OpenTrackUdp
from hpe_edge.sinks.records import CsvFile, JsonLinesFile, Table
from hpe_edge.sinks.sink import Outputs
from hpe_edge.sinks.trace import TraceFile
from hpe_edge.sinks.window import Window
from hpe_edge.sources.frame import Realtime, Source

if TYPE_CHECKING:
    from hpe_edge.live.server import LivePage


class Shown(NamedTuple):
    """Outputs that somebody watches, if they were asked for."""

    window: Window | None
    page: LivePage | None


def open_outputs(
    outputs: Outputs,
    options: RunOptions,
    page: PageOptions | None,
    source: Source,
    watch: Stopwatch,
    meter: AttentionMeter | None,
    *,
    translation: bool,
) -> Shown:
    """Add the outputs to ``outputs``; a table where there is no other.

    Args:
        outputs: to add to.
        options, page: of the run.
        source, watch, meter: of the run.
        translation: records have the translations of a whole-picture model.

    Raises:
        InputError: an output does not fit the source, or an address is none.
        OutputError: an output cannot be written.
    """
    if options.output is not None:
        outputs.add_picture(open_picture_sink(options.output, source, as_folder=options.output_is_folder))
    clock = source.live and not isinstance(source, Realtime)
    if options.csv is not None:
        outputs.add(CsvFile(options.csv, attention=meter is not None, clock=clock, translation=translation))
    if options.jsonl is not None:
        outputs.add(JsonLinesFile(options.jsonl, attention=meter is not None, clock=clock, translation=translation))
    if options.events is not None:
        outputs.add(EventsFile(options.events))
    if options.mcap is not None:
        outputs.add(McapFile(options.mcap, live=source.live))
    if options.udp is not None:
        outputs.add(OpenTrackUdp(options.udp))
    window = Window() if options.show else None
    if window is not None:
        outputs.add_picture(window)
    live = None
    if page is not None:
        from hpe_edge.live.server import LiveOutput, LivePage

        zones = () if meter is None else meter.zones
        live = LivePage(page.host, page.port, page.token, style=options.draw, zones=zones, learn_s=learn_s(options))
        outputs.add(LiveOutput(live))
        say(f"open {live.url} in a browser; Ctrl-C ends it")
    if not outputs and options.summary != "json":
        outputs.add(Table())
    if options.profile is not None:
        outputs.add(TraceFile(options.profile, watch))
    return Shown(window, live)
