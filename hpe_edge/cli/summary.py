"""What a run says about itself when it is over."""

from __future__ import annotations

from hpe_edge.pipeline.pipeline import Report
from hpe_edge.util.console import counted


def summary(report: Report) -> list[str]:
    """Lines: counts and rate, then how long each stage took, then what each thread did with the wall time."""
    rate = report.frames / report.total_s if report.total_s > 0 else 0.0
    done = f"{counted(report.frames, 'frame')}, {counted(report.faces, 'face')}"
    lines = [f"{done} in {report.total_s:.2f} s: {rate:.1f} frames per second"]
    if report.dropped:
        lines.append(f"{counted(report.dropped, 'frame')} of the live source left out, for the newest")
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
