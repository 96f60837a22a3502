"""From a source to results in order: threads, queues, the work on one frame, stage times."""

__all__ = ["core_budget", "frame_result", "frame_step", "pipeline", "stopwatch"]
