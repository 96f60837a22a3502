"""What a run says about itself when it is over."""

from __future__ import annotations

from hpe_edge.console import counted
from hpe_edge.pipeline import Report


def summary(report: Report) -> list[str]:
    """Lines: counts and rate, then each stage, then how busy each thread was."""
    rate = report.frames / report.total_s if report.total_s > 0 else 0.0
    done = f"{counted(report.frames, 'frame')}, {counted(report.faces, 'face')}"
    lines = [f"{done} in {report.total_s:.2f} s: {rate:.1f} frames per second"]
    if report.dropped:
        lines.append(f"{counted(report.dropped, 'frame')} of the live source left out, for the newest")
    watch = report.watch
    lines.append(f"{'stage':<8} {'total':>10} {'p50':>9} {'p95':>9} {'p99':>9}")
    for stage, times in watch.stages.items():
        percentiles = " ".join(f"{times.percentile_s(p) * 1000:6.2f} ms" for p in (50, 95, 99))
        lines.append(f"{stage:<8} {times.total_s:8.2f} s {percentiles}")
    wall_s = max(report.total_s, 1e-9)
    busy = ", ".join(f"{thread} {seconds / wall_s:.0%}" for thread, seconds in sorted(watch.busy_s.items()))
    lines.append(f"threads busy: {busy}; the rest of the time they waited for each other")
    return lines
