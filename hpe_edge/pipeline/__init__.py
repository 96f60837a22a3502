"""Threaded pipeline from a source to results in order: queues, per-frame processing, stage times."""

__all__ = ["core_budget", "frame_result", "frame_step", "opening", "pipeline", "stopwatch", "track"]
