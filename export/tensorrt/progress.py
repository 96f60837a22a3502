"""A build that shows how far it is and can be stopped.

TensorRT builds in one long call, in which Python answers no signal. It is therefore made in a thread of its own, while
the main thread waits where Ctrl-C reaches it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from tqdm import tqdm


class Watch:
    """Follows one build.

    Attributes:
        monitor: TensorRT's view of this, to be set as ``config.progress_monitor``; None where the version has none (it
            came with 8.6 for C++ and with 10 for Python).
    """

    def __init__(self, trt: Any) -> None:
        self._stop = threading.Event()
        self.monitor: Any = _monitor(trt, self._stop) if hasattr(trt, "IProgressMonitor") else None

    def run(self, build: Callable[[], bytes]) -> bytes:
        """Call ``build`` in a thread and wait.

        Raises:
            KeyboardInterrupt: stopped. Where TensorRT can be told so, ``build`` has ended; else it runs until the
                process does.
        """
        done: list[bytes] = []
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
            ended.wait()  # before Python 3.13 a join that is interrupted takes the thread for ended
        except KeyboardInterrupt:
            self._stop.set()
            if self.monitor is not None:
                print("stopping, which may take until the current step is done", file=sys.stderr)
                ended.wait()
            raise
        finally:
            if self.monitor is not None:
                self.monitor.close()
        thread.join()
        if failed:
            raise failed[0]
        return done[0]


def _monitor(trt: Any, stop: threading.Event) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # its base is known at run time only
        """A bar of the outermost phase on standard error, if that is a terminal. Any thread may call."""

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
            """Called by TensorRT as a phase ends, also where the build was ended."""
            if phase_name == self._outermost:
                self.close()

        def close(self) -> None:
            """Take the bar away."""
            with self._lock:
                if self._bar is not None:
                    self._bar.close()
                    self._bar = None

    return Monitor()
