"""The errors: few kinds, each also the standard type that a caller would catch."""

from __future__ import annotations


class HpeEdgeError(Exception):
    """Base of all errors of hpe_edge. The message says what was wrong, what was got and what to do.

    Attributes:
        exit_status: of a command that ends with this error.
    """

    exit_status = 1


class InputError(HpeEdgeError, ValueError):
    """A frame, boxes or another argument does not have the form that the call needs."""

    exit_status = 2


class ModelNotFoundError(HpeEdgeError, FileNotFoundError):
    """There is no model where one was asked for."""


class ModelError(HpeEdgeError, ValueError):
    """A model file is damaged, of a foreign kind, without a spec, or its spec does not fit its graph."""


class BackendError(HpeEdgeError, RuntimeError):
    """The device or the library that was asked for is missing here, or it failed while running."""


class SourceError(HpeEdgeError, OSError):
    """A picture, video, folder or boxes file cannot be read."""


class OutputError(HpeEdgeError, OSError):
    """A result cannot be written: no such folder, no permission, disk full."""
