"""Forked processes: what libraries with threads of their own left in the parent is not touched in the child.

A child has one thread, the one that forked. A session of ONNX Runtime or OpenVINO waits for its other threads when it
is freed, so in the child it must neither run nor be freed, even at exit.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any, Protocol


class Forked(Protocol):
    """Object that is told of a fork."""

    def after_fork(self) -> None:
        """Called in the child, in its only thread; must not wait for any lock."""


_told: weakref.WeakSet[Any] = weakref.WeakSet()
_kept: weakref.WeakSet[Any] = weakref.WeakSet()


def tell_of_forks(what: Forked) -> None:
    """Call ``after_fork`` of an object in each forked child, as long as it lives."""
    _told.add(what)


def keep_in_children(what: Any) -> None:
    """Let an object never be freed in forked children."""
    _kept.add(what)


def never_free(what: Any) -> None:
    """Let an object never be freed, not even at exit."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(what))


def _after_fork() -> None:
    for each in list(_kept):
        never_free(each)
    for each in list(_told):
        each.after_fork()


if hasattr(os, "register_at_fork"):  # not where no process forks
    os.register_at_fork(after_in_child=_after_fork)
