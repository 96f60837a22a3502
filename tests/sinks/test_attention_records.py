"""Records with relative angles and zones, and events as JSON Lines."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from hpe_edge.attention.attention import Attention, ZoneEvent
from hpe_edge.attention.meter import AttentionMeter
from hpe_edge.attention.zone import Zone
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import Poses
from hpe_edge.sinks.events import EventsFile
from hpe_edge.sinks.records import COLUMNS, CsvFile, JsonLinesFile
from hpe_edge.sources.frame import Frame

ROAD = Zone("road, ahead", [(-15, -10), (15, -10), (15, 10), (-15, 10)])
EVENT_FIELDS = ["time_s", "frame", "track", "zone", "kind", "outside_s"]


def result_of(meter: AttentionMeter, index: int, *yaws: float) -> Result:
    """Faces with these yaws and the identities 0, 1, ...; NaN for a pose that is not known."""
    angles = np.zeros((len(yaws), 3), np.float32)
    angles[:, 0] = yaws
    rotation = rotation_from_euler(angles).astype(np.float32)
    rotation[np.isnan(yaws)] = np.nan
    poses = Poses(angles, np.ones_like(angles), rotation, ids=np.arange(len(yaws)))
    frame = Frame("v.mp4", index, index / 10, np.zeros((4, 4, 3), np.uint8))
    return Result(frame, poses, attention=meter(frame.time_s, poses))


def test_records_end_with_the_relative_angles_and_the_zone(tmp_path: Path) -> None:
    result = result_of(AttentionMeter((-30, 0, 0), [ROAD]), 0, -20, 20, np.nan)
    table, lines = CsvFile(tmp_path / "a.csv", attention=True), JsonLinesFile(tmp_path / "a.jsonl", attention=True)
    for sink in (table, lines):
        sink.write(result)
        sink.finish()
        assert sink.pending is not None
        sink.pending.commit()
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    added = ["rel_yaw_deg", "rel_pitch_deg", "rel_roll_deg", "zone"]
    assert list(rows[0]) == [*COLUMNS, *added]
    assert [row["rel_yaw_deg"] for row in rows] == ["10.000", "50.000", ""]
    assert [row["zone"] for row in rows] == ["road, ahead", "", ""]
    plain = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [list(row)[-4:] for row in plain] == [added] * 3
    assert [row["rel_yaw_deg"] for row in plain] == [10, 50, None]
    assert [row["zone"] for row in plain] == ["road, ahead", None, None]


def test_records_without_attention_have_no_such_columns(tmp_path: Path) -> None:
    sink = CsvFile(tmp_path / "a.csv")
    sink.write(result_of(AttentionMeter(), 0, 5))
    sink.finish()
    assert sink.pending is not None
    assert sink.pending.temp.read_text().splitlines()[0] == ",".join(COLUMNS)
    sink.abort()
    sink.pending.discard()


def test_events_are_lines_written_at_once(tmp_path: Path) -> None:
    meter = AttentionMeter(zones=[ROAD], after_s=0.3, back_s=0.1)
    sink = EventsFile(tmp_path / "events.jsonl")
    assert sink.pending is not None
    counts = []
    for index in range(12):
        away = 40.0 if 2 <= index < 8 else 0.0
        sink.write(result_of(meter, index, away, 60.0))
        counts.append(len(sink.pending.temp.read_text().splitlines()))
    assert counts == [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3]
    assert not (tmp_path / "events.jsonl").exists()
    sink.finish()
    sink.pending.commit()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert all(list(event) == EVENT_FIELDS for event in events)
    assert [tuple(event.values()) for event in events] == [
        (0.3, 3, 1, None, "left", 0.3),
        (0.5, 5, 0, "road, ahead", "left", 0.3),
        (0.9, 9, 0, "road, ahead", "returned", 0.6),
    ]


@pytest.mark.parametrize("attention", [True, False])
def test_frames_without_events_write_nothing(tmp_path: Path, attention: bool) -> None:
    result = result_of(AttentionMeter(), 0, 5)
    sink = EventsFile(tmp_path / "events.jsonl")
    sink.write(result if attention else Result(result.frame, result.poses))
    sink.finish()
    assert sink.pending is not None
    assert sink.pending.temp.read_text() == ""
    sink.pending.discard()


def test_names_of_zones_keep_their_letters(tmp_path: Path) -> None:
    event = ZoneEvent(0, "Rückspiegel", "left", 1.0004, 2.0)
    none = np.zeros((0, 3), np.float32)
    attention = Attention(none, np.zeros((0, 3, 3), np.float32), (), (event,), none[:, 0], none[:, 0])
    result = result_of(AttentionMeter(), 3)
    sink = EventsFile(tmp_path / "events.jsonl")
    sink.write(Result(result.frame, result.poses, attention=attention))
    sink.finish()
    assert sink.pending is not None
    text = sink.pending.temp.read_text(encoding="utf-8")
    assert "Rückspiegel" in text and json.loads(text)["time_s"] == 1.0
    sink.pending.discard()
