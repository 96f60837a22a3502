"""The Chrome trace of a run, read as its viewers read it."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from pathlib import Path

import pytest

from hpe_edge.errors import InputError, OutputError
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sinks.trace import TraceFile


def trace_of(path: Path, watch: Stopwatch) -> list[dict]:
    sink = TraceFile(path, watch)
    sink.write(None)  # type: ignore[arg-type]  # the result is not looked at
    sink.finish()
    sink.pending.commit()
    return json.loads(path.read_text())["traceEvents"]


def worked() -> Stopwatch:
    """Two threads with nested and separate stages."""
    watch = Stopwatch(trace=True)

    def work() -> None:
        for frame in range(20):
            with watch.stage("outer", frame):
                for stage in ("first", "second"):
                    with watch.stage(stage, frame):
                        sum(range(1000))
            watch.depth("write", frame % 3)

    threads = [threading.Thread(target=work, name=f"worker {n}") for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return watch


def test_times_add_up_with_the_stopwatch(tmp_path: Path) -> None:
    watch = worked()
    totals_us: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    for event in trace_of(tmp_path / "t.json", watch):
        if event["ph"] == "X":
            totals_us[event["name"]] += event["dur"]
            counts[event["name"]] += 1
    for stage, times in watch.stages.items():
        assert counts[stage] == times.count == 40
        assert totals_us[stage] == pytest.approx(1e6 * times.total_s, abs=times.count)  # each is rounded to 1 us


def test_slices_of_a_thread_nest(tmp_path: Path) -> None:
    """A slice that begins within another one ends within it, else viewers draw it on no track."""
    tracks = defaultdict(list)
    for event in trace_of(tmp_path / "t.json", worked()):
        if event["ph"] == "X":
            tracks[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    assert len(tracks) == 2
    for slices in tracks.values():
        open_until: list[int] = []
        for start, end in sorted(slices, key=lambda one: (one[0], -one[1])):
            while open_until and open_until[-1] <= start:
                open_until.pop()
            assert not open_until or end <= open_until[-1]
            open_until.append(end)


def test_threads_are_named_and_queues_counted(tmp_path: Path) -> None:
    events = trace_of(tmp_path / "t.json", worked())
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert sorted(names.values()) == ["worker 1", "worker 2"]
    assert {event["tid"] for event in events if event["ph"] == "X"} == set(names)
    assert {event["args"]["frame"] for event in events if event["ph"] == "X"} == set(range(20))
    counted = [event["args"]["frames"] for event in events if event["ph"] == "C" and event["name"] == "write queue"]
    assert len(counted) == 40 and set(counted) == {0, 1, 2}
    assert {event["pid"] for event in events} == {1}


def test_a_run_without_a_frame_is_a_valid_trace(tmp_path: Path) -> None:
    assert [event["ph"] for event in trace_of(tmp_path / "t.json", Stopwatch(trace=True))] == ["M"]


def test_other_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p\.png.*\.json"):
        TraceFile(tmp_path / "p.png", Stopwatch(trace=True))
    with pytest.raises(OutputError):
        TraceFile(tmp_path / "gone" / "p.json", Stopwatch(trace=True))
    assert list(tmp_path.iterdir()) == []
