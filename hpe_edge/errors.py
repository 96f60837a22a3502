"""Error classes, each also the standard type that a caller would catch."""

from __future__ import annotations

import re

# Control characters but tab and newline; marks that reorder or break lines; halves of characters, as in undecodable
# file names. A terminal obeys the first and shows another text for the second.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return the text with everything that a terminal would obey as its escape, such as ``\\x1b``.

    Names in messages come from others: keys of a checkpoint, file names, headers. Tabs and newlines stay.
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class HpeEdgeError(Exception):
    """Base of all errors of hpe_edge. The message names what was wrong, what was got and what to do.

    Attributes:
        exit_status: of a command that ends with this error.
    """

    exit_status = 1

    def __str__(self) -> str:
        return printable(super().__str__())


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
