"""Pose of one head over UDP, in the format of OpenTrack's input "UDP over network".

A datagram is six float64, little endian: x, y, z in centimetres, then yaw, pitch, roll in degrees. OpenTrack turns the
head by yaw about the vertical first, then by pitch, then by roll, with the axes of its own webcam tracker:
x > 0: to the right in the picture; y > 0: up; z > 0: away from the camera; yaw > 0: the face turns to the left of the
picture; pitch > 0: it looks up; roll > 0: it tilts clockwise in the picture. These are our signs with another order of
rotations, so the angles differ for faces turned about several axes. OpenTrack subtracts a centre pose set by the user.

Source: tracker-udp, tracker-neuralnet and compat/euler.cpp of github.com/opentrack/opentrack.
"""

from __future__ import annotations

import math
import re
import socket
import struct

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import NO_ID
from hpe_edge.sinks.head_position import known_position_m
from hpe_edge.util.atomic import Pending


class OpenTrackUdp:
    """Sender of one face's pose per frame. Implements :class:`hpe_edge.sinks.sink.Sink`.

    The face is the one sent last, by its identity, while it is visible; else the largest one. Without a face, or if its
    pose is NaN or doubtful, nothing is sent, and OpenTrack keeps the last pose. x, y and z are the pose's translation,
    else by the camera and the box, and 0 without a camera.
    """

    pending: Pending | None = None

    def __init__(self, address: str) -> None:
        """
        Args:
            address: ``HOST:PORT``, such as 127.0.0.1:4242; an IPv6 host in brackets.

        Raises:
            InputError: another text, or a host without an address.
        """
        match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]+)):([0-9]{1,5})", address, re.ASCII)
        if match is None or not 0 < int(match[3]) < 65536:
            raise InputError(f"the address to send to must be HOST:PORT, such as 127.0.0.1:4242, got {address!r}")
        try:
            found = socket.getaddrinfo(match[1] or match[2], int(match[3]), type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise InputError(f"cannot send to {address}: {error}") from None
        self._to = found[0][4]
        self._socket = socket.socket(found[0][0], socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._track = NO_ID

    def write(self, result: Result) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`. A datagram that cannot be sent is lost."""
        face = self._chosen(result)
        if face is None or result.poses.doubtful[face] or not np.isfinite(result.poses.rotation[face]).all():
            return
        place = _place_cm(result, face)
        try:
            self._socket.sendto(struct.pack("<6d", *place, *opentrack_angles(result.poses.rotation[face])), self._to)
        except OSError:  # no network at the moment, or a full buffer
            return

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self._socket.close()

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self._socket.close()

    def _chosen(self, result: Result) -> int | None:
        if len(result.boxes) == 0:
            return None
        same = np.flatnonzero(result.ids == self._track) if self._track != NO_ID else np.zeros(0, np.intp)
        if len(same) == 0:
            sides = result.boxes[:, 2:] - result.boxes[:, :2]
            same = np.argmax(sides[:, 0] * sides[:, 1], keepdims=True)
        self._track = int(result.ids[same[0]])
        return int(same[0])


def opentrack_angles(rotation: NDArray[np.floating]) -> tuple[float, float, float]:
    """Convert a rotation ``[3, 3]`` to yaw, pitch, roll in degrees, R = Ry(yaw) Rx(-pitch) Rz(roll)."""
    r = np.asarray(rotation, np.float64)
    yaw = math.atan2(r[0, 2], r[2, 2])
    pitch = math.atan2(r[1, 2], math.hypot(r[0, 2], r[2, 2]))
    roll = math.atan2(r[1, 0], r[1, 1])
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def _place_cm(result: Result, face: int) -> tuple[float, float, float]:
    x, y, z = known_position_m(result.poses, face, result.camera) or (0.0, 0.0, 0.0)
    return 100 * x, -100 * y, 100 * z
