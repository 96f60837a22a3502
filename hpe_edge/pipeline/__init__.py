"""From a source to results in order: threads, queues, the work on one frame, stage times."""
