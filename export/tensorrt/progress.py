"""Progress and interruption of a build.

TensorRT builds in one long call, during which Python handles no signal. It therefore runs in a thread of its own, while
the main thread waits for it or for Ctrl-C.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from tqdm import tqdm

from hpe_edge.util.console import flush_messages
from hpe_edge.util.signals import interrupting_signal

_Result = TypeVar("_Result")


class Watch:
    """Follows one build.

    Attributes:
        monitor: for ``config.progress_monitor``; None before TensorRT 10, whose Python API is the first to have it.
    """

    def __init__(self, trt: Any) -> None:
        self._stop = threading.Event()
        self.monitor: Any = _monitor(trt, self._stop) if hasattr(trt, "IProgressMonitor") else None

    def run(self, build: Callable[[], _Result]) -> _Result:
        """Call ``build`` in a thread and wait.

        Raises:
            KeyboardInterrupt: stopped. Without a monitor, ``build`` goes on until the process ends.
        """
        done: list[_Result] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                done.append(build())
            except BaseException as error:
                failed.append(error)
            finally:
                ended.set()

        ended = threading.Event()
        thread = threading.Thread(target=work, name="build", daemon=True)
        try:
            thread.start()
            ended.wait()  # before Python 3.13 an interrupted join marks the thread as ended
        except KeyboardInterrupt as stop:
            self._stop.set()
            if self.monitor is None:
                atexit.register(_leave, thread, 128 + interrupting_signal(stop))
            else:
                print("stopping after the current step", file=sys.stderr)
                ended.wait()
            raise
        finally:
            if self.monitor is not None:
                self.monitor.close()
        thread.join()
        if failed:
            raise failed[0]
        return done[0]


def _leave(build: threading.Thread, status: int) -> None:
    """End the process at once if a build that TensorRT cannot stop still runs: an exit unloads libraries in use."""
    if build.is_alive():
        flush_messages()
        os._exit(status)


def _monitor(trt: Any, stop: threading.Event) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # its base is known at run time only
        """Progress bar of the outermost phase, on a terminal. Thread-safe."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)  # the binding refuses super()
            self._lock = threading.Lock()
            self._bar: tqdm[Any] | None = None
            self._outermost = ""

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            """Called by TensorRT as a phase begins."""
            with self._lock:
                if self._bar is None:
                    self._outermost = phase_name
                    self._bar = tqdm(total=num_steps, desc=phase_name, disable=None, leave=False)
                else:
                    self._bar.set_postfix_str(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            """Called by TensorRT after each step; False ends the build."""
            with self._lock:
                if self._bar is not None and phase_name == self._outermost:
                    self._bar.update(step + 1 - self._bar.n)
            return not stop.is_set()

        def phase_finish(self, phase_name: str) -> None:
            """Called by TensorRT as a phase ends, also in a stopped build."""
            if phase_name == self._outermost:
                self.close()

        def close(self) -> None:
            """Remove the bar."""
            with self._lock:
                if self._bar is not None:
                    self._bar.close()
                    self._bar = None

    return Monitor()
