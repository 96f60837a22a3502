"""Poses of pictures for ``ray.data.Dataset.map_batches``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpe_edge.errors import SourceError
from hpe_edge.pipeline.track import track
from hpe_edge.ray.local_copy import file_name, local_copy
from hpe_edge.ray.parquet_schema import URI, end_row, face_row, parquet_schema
from hpe_edge.ray.worker import Worker
from hpe_edge.sinks.records import Row, plain_rows
from hpe_edge.sources.frame import Frame, Kind
from hpe_edge.sources.read_picture import read_picture

if TYPE_CHECKING:
    import pyarrow


class PosesOfImages(Worker):
    """Rows of ``hpe-edge run PICTURE`` for each URI of a batch of pictures. One actor holds one engine.

    >>> pictures = ray.data.from_items([{"uri": uri} for uri in uris])
    >>> rows = pictures.map_batches(PosesOfImages, batch_size=64, num_cpus=1)

    The columns are those of :class:`PosesOfVideos`, and so is the last row of each URI: with ``error`` for a picture
    that cannot be read. While one picture is in detection, the next is read. Options: see
    :class:`hpe_edge.ray.worker.Worker`.
    """

    def __call__(self, batch: Mapping[str, Any]) -> pyarrow.Table:
        """Return the rows of the pictures at ``batch["uri"]``, in order, with the types of the schema."""
        import pyarrow

        uris = [str(uri) for uri in batch[URI]]
        return pyarrow.Table.from_pylist(list(self._rows(uris)), schema=parquet_schema())

    def _rows(self, uris: Sequence[str]) -> Iterator[Row]:
        source = _Pictures(uris)
        faces: dict[int, list[Row]] = {}
        with track(
            source,
            self.engine,
            detector=self.detector,
            camera=self.camera,
            drop_doubtful=self.drop_doubtful,
            threads=self.threads,
        ) as results:
            for result in results:
                # Each picture is a source of its own, whose only frame is 0.
                faces[result.frame.index] = [{**row, "frame": 0} for row in plain_rows(result)]
        for position, uri in enumerate(uris):
            found = faces.get(position, [])
            yield from (face_row(uri, row) for row in found)
            counts = {"frames": int(position in faces), "faces": len(found)}
            notes = source.notes_of.get(position, [])
            yield end_row(uri, file_name(uri), **counts, error=source.errors.get(position), notes=notes)


class _Pictures:
    """Pictures by URI, with their positions as indices. Implements :class:`hpe_edge.sources.frame.Source`.

    Attributes:
        errors, notes_of: by position, of the pictures that have some.
    """

    kind: Kind = "folder"
    live = False
    fps = math.nan

    def __init__(self, uris: Sequence[str]) -> None:
        self.name = f"{len(uris)} pictures"
        self.count: int | None = len(uris)
        self.notes: list[str] = []
        self.errors: dict[int, str] = {}
        self.notes_of: dict[int, list[str]] = {}
        self._uris = uris

    def __iter__(self) -> Iterator[Frame]:
        """Yield the pictures that can be read; ``errors`` has the others."""
        for position, uri in enumerate(self._uris):
            try:
                with local_copy(uri) as path:
                    image, animated, deep = read_picture(path)
            except SourceError as error:
                self.errors[position] = str(error)
                continue
            if animated:
                self.notes_of[position] = [
                    f"{uri} is animated, and only its first frame is used; convert it to a video"
                ]
            if deep:
                self.notes_of[position] = [f"{uri} has more than 8 bits: it was read by its real range, {deep}"]
            yield Frame(file_name(uri), position, math.nan, image)

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`; nothing to do for pictures."""
