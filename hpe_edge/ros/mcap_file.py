"""Records of a run as an MCAP file, which ROS 2 tools, Foxglove and others read."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import Any

from hpe_edge.errors import BackendError, InputError
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.ros.cdr import encode
from hpe_edge.ros.ros_definitions import full_definition
from hpe_edge.ros.ros_messages import FRAME_ID, face_messages
from hpe_edge.util.atomic import Pending, output_error
from hpe_edge.version import __version__

TOPICS = {  # topic -> message
    "/hpe_edge/poses": "geometry_msgs/PoseArray",
    "/hpe_edge/faces": "vision_msgs/Detection2DArray",
    "/tf": "tf2_msgs/TFMessage",
}

_CHUNK_BYTES = 1 << 16  # a killed run leaves a hidden file that is whole up to its last chunk


class McapFile:
    """The messages of :mod:`hpe_edge.ros.ros_messages` for each frame. Implements :class:`hpe_edge.sinks.sink.Sink`.

    Stamps and log times are the frame's time in a video, a second per picture, and the time of the day for a camera or
    stream. ``/tf`` is written where the camera is given.
    """

    def __init__(self, path: Path, *, live: bool, frame_id: str = FRAME_ID) -> None:
        """
        Args:
            path: file to write.
            live: the source is a camera or stream.
            frame_id: of the camera.

        Raises:
            InputError: the name does not end in .mcap.
            BackendError: the package mcap is missing.
            OutputError: the file cannot be written.
        """
        if path.suffix.lower() != ".mcap":
            raise InputError(f"ROS 2 messages are written in MCAP, got the name {path}; let it end in .mcap")
        try:
            from mcap.writer import Writer
        except ImportError as error:
            raise BackendError(
                f"writing MCAP files needs the package mcap, which cannot be imported here ({error}); run: "
                "pip install 'hpe-edge[ros]'"
            ) from None
        self._path, self._frame_id = path, frame_id
        self._start_ns: int | None = None if live else 0
        self.pending: Pending | None = Pending(path)
        try:
            self._file = self.pending.temp.open("wb")
        except OSError as error:
            self.pending.discard()
            raise output_error(path, error) from None
        self._writer = Writer(self._file, chunk_size=_CHUNK_BYTES)
        self._channels: dict[str, int] = {}
        self._sequence = 0
        try:
            self._writer.start(profile="ros2", library=f"hpe_edge {__version__}")
        except OSError as error:
            self.abort()
            self.pending.discard()
            raise output_error(path, error) from None

    def write(self, result: Result) -> None:
        """Append the frame's messages.

        Raises:
            OutputError: the disk is full, or the like.
        """
        time_s = result.time_s if math.isfinite(result.time_s) else float(result.frame.index)
        if self._start_ns is None:
            self._start_ns = time.time_ns() - round(time_s * 1e9)
        stamp_ns = max(self._start_ns + round(time_s * 1e9), 1)
        made = face_messages(result.poses, stamp_ns, result.camera, self._frame_id)
        try:
            for topic, message in zip(TOPICS, made, strict=True):
                if message is not None:
                    self._append(topic, message, stamp_ns)
            self._file.flush()  # a chunk that is complete
        except OSError as error:
            raise output_error(self._path, error) from None
        self._sequence += 1

    def finish(self) -> None:
        """Write the index and close.

        Raises:
            OutputError: the disk is full, or the like.
        """
        try:
            self._writer.finish()
            self._file.close()
        except OSError as error:
            raise output_error(self._path, error) from None

    def abort(self) -> None:
        """Close, ignoring errors."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _append(self, topic: str, message: dict[str, Any], stamp_ns: int) -> None:
        kind = TOPICS[topic]
        if topic not in self._channels:
            package, name = kind.split("/")
            text = full_definition(kind).encode()
            schema = self._writer.register_schema(f"{package}/msg/{name}", "ros2msg", text)
            self._channels[topic] = self._writer.register_channel(topic, "cdr", schema)
        data = encode(kind, message)
        self._writer.add_message(self._channels[topic], stamp_ns, data, stamp_ns, self._sequence)
