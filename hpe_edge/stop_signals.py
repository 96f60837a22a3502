"""Ctrl-C and its kin, noted instead of obeyed at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType


class StopSignals:
    """Within the block, the first Ctrl-C, SIGTERM or SIGHUP is only noted; a Ctrl-C after it raises KeyboardInterrupt.

    Only Ctrl-C says that it is urgent: a terminal that closes may well send SIGHUP twice.

    Attributes:
        received: the signal that came first; None before.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, signal.Handlers | Callable[[int, FrameType | None], object]] = {}

    def __enter__(self) -> StopSignals:
        # Another thread may not set handlers, and what is ignored (as under nohup) or handled by others stays so.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                before = signal.getsignal(number)
                if before is signal.default_int_handler or before is signal.SIG_DFL:
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number)
        if signal.SIGINT in self._before:
            signal.signal(signal.SIGINT, signal.default_int_handler)
