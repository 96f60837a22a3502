"""Several things at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any


def all_at_once(jobs: Sequence[Callable[[], Any]]) -> None:
    """Run each job in a thread of its own, and wait for all of them.

    Raises:
        Exception: whatever a job raised first.
    """
    errors: list[BaseException] = []

    def run(job: Callable[[], Any]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
