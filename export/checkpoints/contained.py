"""Running code that a trusted file holds: it does not decide how this process ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from export.checkpoints.unpickle import SAVE
from hpe_edge.errors import ModelError

_Handler = Callable[[int, FrameType | None], object]


@contextmanager
def contained(path: Path) -> Iterator[None]:
    """Within the block, the file's own code may run.

    What no code can be kept from, such as ``os._exit``, this does not keep it from.

    Raises:
        ModelError: the code raised SystemExit, KeyboardInterrupt or their like.
        KeyboardInterrupt: a signal's handler raised it, whatever the code made of that.
    """
    came: list[int] = []
    handlers = _handlers()
    for number, handler in handlers.items():
        signal.signal(number, _noting(handler, came))
    try:
        yield
    except BaseException as error:
        if not came and isinstance(error, Exception):
            raise
        if not came:
            # A KeyboardInterrupt that leaves exec("...") makes CPython end by SIGINT, unless another exec comes after.
            exec("")
            raise ModelError(
                f"{path} was not read: the code in it was run and tried to end the process ({type(error).__name__}); "
                f"{SAVE}"
            ) from None
    finally:
        if not came:  # else the handler may have set others, to be left alone while the process ends
            for number, handler in handlers.items():
                signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt(came[0])


def _handlers() -> dict[int, _Handler]:
    """What answers the signals by raising; in another thread, which no signal reaches, nothing does."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return {number: handler for number in numbers if callable(handler := signal.getsignal(number))}


def _noting(handler: _Handler, came: list[int]) -> _Handler:
    def note(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except KeyboardInterrupt:
            came.append(number)
            raise

    return note
