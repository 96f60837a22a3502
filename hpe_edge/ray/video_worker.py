"""Poses of videos for ``ray.data.Dataset.flat_map``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from hpe_edge.errors import InputError, SourceError
from hpe_edge.pipeline.track import track
from hpe_edge.ray.local_copy import file_name, local_copy
from hpe_edge.ray.parquet_schema import URI, end_row, face_row
from hpe_edge.ray.worker import Worker
from hpe_edge.sinks.records import Row, plain_rows
from hpe_edge.sources.frame import Source
from hpe_edge.sources.open_source import open_source


class PosesOfVideos(Worker):
    """Rows of ``hpe-edge run VIDEO`` for each URI of a video. One actor holds one engine.

    >>> videos = ray.data.from_items([{"uri": uri} for uri in uris], override_num_blocks=len(uris))
    >>> rows = videos.flat_map(PosesOfVideos, fn_constructor_kwargs={"detector": "yunet"}, num_cpus=1)

    The frames stay in the actor: only URIs go in and rows come out. The columns are ``uri``, those of ``hpe-edge run``,
    and ``frames``, ``faces``, ``error`` and ``notes``, which only the last row of a URI has: it has no ``face``, and
    counts the frames and the rows before it. A video that cannot be read has ``error`` there, with the rows before the
    damage. Other failures, such as of a device, are raised.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        detect_every: int = 1,
        tracked: bool = True,
        smooth: bool = False,
        frames: int | None = None,
        **options: Any,
    ) -> None:
        """
        Args:
            model, detect_every, tracked, smooth, frames: see :func:`hpe_edge.track`; ``model`` is a file.
            options: see :class:`hpe_edge.ray.worker.Worker`.

        Raises:
            HpeEdgeError: the model or detector cannot be opened, or an option is invalid.
        """
        for name, value in (("detect_every", detect_every), ("frames", frames)):
            if value is not None and value < 1:
                raise InputError(f"{name} must be 1 or more, got {value}")
        if not tracked and (smooth or detect_every > 1):
            raise InputError("smooth and detect_every need tracked faces; leave out tracked=False")
        super().__init__(model, **options)
        self._of_track: dict[str, Any] = {
            "detector": self.detector,
            "detect_every": detect_every,
            "tracked": tracked,
            "smooth": smooth,
            "camera": self.camera,
            "drop_doubtful": self.drop_doubtful,
            "frames": frames,
            "threads": self.threads,
        }

    def __call__(self, row: Mapping[str, Any]) -> Iterator[Row]:
        """Yield the rows of the video at ``row["uri"]``, a path or what :func:`local_copy` takes."""
        uri, frames, faces = str(row[URI]), 0, 0
        error: str | None = None
        notes: list[str] = []
        try:
            with local_copy(uri) as path, closing(_open(path)) as source:
                notes = source.notes
                with track(source, self.engine, **self._of_track) as results:
                    for result in results:
                        for face in plain_rows(result):
                            faces += 1
                            yield face_row(uri, face)
                        frames += 1
        except SourceError as failure:
            error = str(failure)
        yield end_row(uri, file_name(uri), frames=frames, faces=faces, error=error, notes=notes)


def _open(path: Path) -> Source:
    try:
        source = open_source(path)
    except InputError as failure:  # of its name
        raise SourceError(str(failure)) from None
    if source.kind != "video":
        source.close()
        raise SourceError(f"{path} is not a video; pictures are for PosesOfImages")
    return source
