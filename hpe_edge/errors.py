"""Error classes, each also the standard type that a caller would catch."""

from __future__ import annotations


class HpeEdgeError(Exception):
    """Base of all errors of hpe_edge. The message names what was wrong, what was got and what to do.

    Attributes:
        exit_status: of a command that ends with this error.
    """

    exit_status = 1


class InputError(HpeEdgeError, ValueError):
    """A frame, boxes or another argument has the wrong type, shape or value."""

    exit_status = 2


class ModelNotFoundError(HpeEdgeError, FileNotFoundError):
    """The model file does not exist."""


class ModelError(HpeEdgeError, ValueError):
    """A model file is damaged, of another type, without a spec, or its spec does not fit its graph."""


class BackendError(HpeEdgeError, RuntimeError):
    """The requested device or library is not available, or it failed at run time."""


class SourceError(HpeEdgeError, OSError):
    """A picture, video, folder or boxes file cannot be read."""


class OutputError(HpeEdgeError, OSError):
    """A result cannot be written: no such folder, no permission, disk full."""


class BoxesWarning(UserWarning):
    """Boxes that are probably not what the engine takes them for."""
