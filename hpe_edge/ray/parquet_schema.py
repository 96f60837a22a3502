"""Columns of the rows on Ray: those of ``hpe-edge run``, the URI, and what the last row of each URI holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpe_edge.sinks.records import COLUMNS, Row

if TYPE_CHECKING:
    import pyarrow

URI = "uri"
FACE = "face"  # null in the last row of a URI
# Null but in the last row of a URI.
END_COLUMNS = ("frames", "faces", "error", "notes")

_INTEGERS = ("frame", "face", "track", "frames", "faces")
_TEXTS = (URI, "file", "error", "notes")


def parquet_schema() -> pyarrow.Schema:
    """Return the types of the columns, as ``Dataset.write_parquet(folder, schema=...)`` takes them.

    Ray takes a column's type from its values: a column that is null in one file and a number in another would have two
    types.
    """
    import pyarrow

    kinds = {name: pyarrow.float64() for name in COLUMNS}
    kinds |= dict.fromkeys(_INTEGERS, pyarrow.int64()) | dict.fromkeys(_TEXTS, pyarrow.string())
    kinds["doubtful"] = pyarrow.bool_()
    return pyarrow.schema([(name, kinds[name]) for name in (URI, *COLUMNS, *END_COLUMNS)])


def face_row(uri: str, row: Row) -> Row:
    """Make the row of a face of one of ``hpe-edge run``."""
    return {URI: uri, **row, **dict.fromkeys(END_COLUMNS)}


def end_row(uri: str, name: str, *, frames: int, faces: int, error: str | None, notes: list[str]) -> Row:
    """Make the last row of a URI.

    Args:
        uri: as given.
        name: of its frames.
        frames: number of them.
        faces: number of the rows before this one.
        error: reason why it could not be read, or not further; None if it was.
        notes: messages, such as on frames that were skipped.
    """
    ends: Row = {"frames": frames, "faces": faces, "error": error, "notes": "\n".join(notes) or None}
    return {URI: uri, **dict.fromkeys(COLUMNS), "file": name, **ends}
