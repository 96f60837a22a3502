"""Summary of a run: counts, rate, stage times; and the advice where no face was found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.faces.detector import DEFAULT_DETECTOR
from hpe_edge.pipeline.pipeline import Report
from hpe_edge.sources.frame import Source
from hpe_edge.spec import Upright
from hpe_edge.util.console import counted


def summary_lines(report: Report) -> list[str]:
    """Return lines: counts and rate, the time of each stage, and the wall time of each thread."""
    rate = report.frames / report.total_s if report.total_s > 0 else 0.0
    done = f"{counted(report.frames, 'frame')}, {counted(report.faces, 'face')}"
    if report.doubtful:
        done += f" ({report.doubtful} doubtful)"
    lines = [f"{done} in {report.total_s:.2f} s: {rate:.1f} frames per second"]
    if report.dropped:
        lines.append(f"{counted(report.dropped, 'frame')} of the live source dropped, for the newest")
    if report.cuts:
        lines.append(f"{counted(report.cuts, 'scene cut')}, where tracks end and others begin")
    watch = report.watch
    lines.append(f"{'stage':<8} {'total':>10} {'p50':>9} {'p95':>9} {'p99':>9} {'alone':>9}")
    for stage, times in watch.stages.items():
        percentiles = " ".join(f"{times.percentile_s(p) * 1000:6.2f} ms" for p in (50, 95, 99))
        alone = times.count / max(times.total_s, 1e-9)
        lines.append(f"{stage:<8} {times.total_s:8.2f} s {percentiles} {alone:5.0f} / s")
    lines.append(f"{'thread':<8} {'worked':>10} {'waited':>9} {'else':>9}")
    for thread, alive_s in sorted(watch.alive_s.items()):
        busy_s, waited_s = watch.busy_s[thread], watch.waited_s[thread]
        rest_s = max(0.0, alive_s - busy_s - waited_s)
        lines.append(f"{thread:<8} {busy_s:8.2f} s {waited_s:7.2f} s {rest_s:7.2f} s")
    return lines


def summary_json(report: Report, outputs: Sequence[Path], upright: Upright | None) -> str:
    """Return the summary as a JSON object.

    Args:
        report: of the run.
        outputs: the files that were written.
        upright: of the engine.
    """
    rate = report.frames / report.total_s if report.total_s > 0 else 0.0
    stages = {
        stage: {
            "total_s": round(times.total_s, 6),
            **{f"p{p}_ms": round(1000 * times.percentile_s(p), 3) for p in (50, 95, 99)},
        }
        for stage, times in report.watch.stages.items()
    }
    plain = {
        "frames": report.frames,
        "faces": report.faces,
        "doubtful": report.doubtful,
        "stretched": report.stretched,
        "dropped": report.dropped,
        "scene_cuts": report.cuts,
        "upright": upright or "none",
        "seconds": round(report.total_s, 3),
        "fps": round(rate, 2),
        "stages": stages,
        "outputs": [str(path) for path in outputs],
        "stopped": None if report.stopped is None else report.stopped.name,
    }
    return json.dumps(plain)


def no_face(source: Source, boxes: BoxesFile | None, detector: str | None, report: Report, *, picture: bool) -> str:
    """Return the error where the whole source has no face."""
    if boxes is not None:
        return (
            f"no box of {boxes.path} belongs to {source.name}, so nothing was written; pictures are matched by their "
            "paths in the column file, frames of a video by the column frame (from 0), and by file as well if there is "
            "one"
        )
    why = f"no face was found in {source.name} ({counted(report.frames, 'frame')}), so nothing was written; "
    if picture:
        return f"{why}the whole-picture model may find more with a lower --min-score, as 0.05"
    if detector not in (None, DEFAULT_DETECTOR):
        return (
            f"{why}try another detector than {detector}; for small faces a larger --detect-size, as 1920; in the dark "
            "--detect-stretch; or give boxes: --boxes FILE"
        )
    return (
        f"{why}the default detector shrinks frames to 640 pixels: for small faces give their height, as --min-face 16; "
        "in the dark --detect-stretch; or try --detector yunet, or give boxes: --boxes FILE"
    )
