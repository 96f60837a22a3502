"""Handling of SIGINT, SIGTERM and, where a terminal can hang up (not on Windows), SIGHUP."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import NoReturn

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
_TWICE_S = 1.0


def interrupting_signal(stop: KeyboardInterrupt) -> signal.Signals:
    """Return the signal that raised an interrupt: its argument, SIGINT without one."""
    return signal.Signals(stop.args[0] if stop.args else signal.SIGINT)


def signal_name(number: signal.Signals) -> str:
    """Return the name of a signal in messages."""
    return "Ctrl-C" if number is signal.SIGINT else number.name


class StopSignals:
    """Record the first Ctrl-C, SIGTERM or SIGHUP within the block; a Ctrl-C after it raises KeyboardInterrupt.

    Only Ctrl-C interrupts: a terminal that closes may send SIGHUP twice. And only a second after an earlier Ctrl-C,
    because a wrapper that forwards signals delivers one of them twice.

    Attributes:
        received: the first signal; None before.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._received_s = 0.0
        self._before: dict[signal.Signals, signal.Handlers | Callable[[int, FrameType | None], object]] = {}

    def __enter__(self) -> StopSignals:
        # Only the main thread may set handlers; signals that are ignored (nohup) or handled by others are left alone.
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
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
        if self.received is None:
            self.received = signal.Signals(number)
            self._received_s = time.monotonic()
            if signal.SIGINT in self._before:
                signal.signal(signal.SIGINT, self._end)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.received is not signal.SIGINT or time.monotonic() - self._received_s >= _TWICE_S:
            raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let the first signal that an outer :class:`StopSignals` would only record raise KeyboardInterrupt in the block.

    For work of minutes before a run, of which nothing is to be kept.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in STOP_SIGNALS:
            handler = signal.getsignal(number)
            if isinstance(getattr(handler, "__self__", None), StopSignals):
                before[number] = handler
                signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)
