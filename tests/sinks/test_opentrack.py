"""OpenTrack's datagrams: format, signs, and choice of the head."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import numpy as np
import pytest
import reference as oracle

from hpe_edge.camera import Camera
from hpe_edge.errors import InputError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import Poses
from hpe_edge.sinks.opentrack import OpenTrackUdp, opentrack_angles
from hpe_edge.sources.open_source import Frame

FRAME = Frame("camera 0", 0, 0.0, np.zeros((48, 64, 3), np.uint8))


def result_of(*faces: tuple[list[float], tuple[float, float, float], int], camera: Camera | None = None) -> Result:
    """Faces as box, angles and identity."""
    angles = np.float32([angles for _, angles, _ in faces]).reshape(-1, 3)
    boxes = np.float32([box for box, _, _ in faces]).reshape(-1, 4)
    ids = np.array([identity for _, _, identity in faces], np.int64)
    rotation = rotation_from_euler(angles).astype(np.float32)
    poses = Poses(angles, np.full_like(angles, np.nan), rotation, boxes=boxes, ids=ids)
    return Result(FRAME, poses, camera)


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(30)
        yield sock


@pytest.fixture
def sink(receiver: socket.socket) -> Iterator[OpenTrackUdp]:
    sink = OpenTrackUdp(f"127.0.0.1:{receiver.getsockname()[1]}")
    yield sink
    sink.finish()


def received(receiver: socket.socket) -> tuple[float, ...]:
    data = receiver.recv(1000)
    assert len(data) == 48
    return struct.unpack("<6d", data)


def test_six_numbers(sink: OpenTrackUdp, receiver: socket.socket) -> None:
    sink.write(result_of(([0, 0, 10, 10], (20, 0, 0), -1)))
    np.testing.assert_allclose(received(receiver), [0, 0, 0, 20, 0, 0], atol=1e-5)


@pytest.mark.parametrize("angles", [(30, 0, 0), (0, 20, 0), (0, 0, -40), (50, 25, 10), (-120, 10, 5)])
def test_angles_give_the_rotation_back(angles: tuple[float, float, float]) -> None:
    """Yaw about the vertical, then pitch, then roll, in the camera's frame with y down and z away."""
    rotation = rotation_from_euler(np.float64([angles]))[0]
    yaw, pitch, roll = opentrack_angles(rotation)
    np.testing.assert_allclose(oracle.ry(yaw) @ oracle.rx(-pitch) @ oracle.rz(roll), rotation, atol=1e-12)


def test_signs_by_where_the_face_points() -> None:
    """To the left of the picture, up, and clockwise are positive, as for OpenTrack's own tracker for webcams."""
    left_and_up = oracle.rotation(40, 0, 0) @ oracle.rotation(0, 20, 0)
    nose = -left_and_up[:, 2]
    assert nose[0] < 0 and nose[1] < 0 and nose[2] < 0
    yaw, pitch, _ = opentrack_angles(left_and_up)
    assert yaw > 20 and pitch > 10
    clockwise = oracle.rotation(0, 0, 30)
    assert -clockwise[0, 1] > 0  # the top of the head goes to the right
    assert opentrack_angles(clockwise)[2] == pytest.approx(30)


def test_the_largest_face_and_then_the_same(sink: OpenTrackUdp, receiver: socket.socket) -> None:
    small, large = [0, 0, 10, 10], [20, 0, 40, 20]
    for faces, expected in (
        ([(small, (1, 0, 0), 0), (large, (2, 0, 0), 1)], 2),
        ([(large, (3, 0, 0), 0), (small, (4, 0, 0), 1)], 4),  # the same face, though it is the smaller one by now
        ([(small, (5, 0, 0), 0), (large, (6, 0, 0), 7)], 6),  # it is gone
        ([(small, (7, 0, 0), -1), (large, (8, 0, 0), -1)], 8),  # nobody is followed
        ([(large, (9, 0, 0), -1), (small, (10, 0, 0), -1)], 9),
    ):
        sink.write(result_of(*faces))
        assert received(receiver)[3] == pytest.approx(expected, abs=1e-5)


def test_nothing_is_sent_without_a_pose(sink: OpenTrackUdp, receiver: socket.socket) -> None:
    sink.write(result_of())
    sink.write(result_of(([0, 0, 10, 10], (np.nan, np.nan, np.nan), 0)))
    sink.write(result_of(([0, 0, 10, 10], (5, 0, 0), 0)))
    assert received(receiver)[3] == pytest.approx(5, abs=1e-5)


def test_place_where_the_camera_is_known(sink: OpenTrackUdp, receiver: socket.socket) -> None:
    """Twice as large is twice as near; right and up of the middle are positive, in centimetres."""
    camera = Camera(100, 100, 32, 24)
    sink.write(result_of(([27, 19, 37, 29], (0, 0, 0), 0), camera=camera))
    middle = received(receiver)[:3]
    sink.write(result_of(([42, 0, 62, 20], (0, 0, 0), 0), camera=camera))
    x, y, z = received(receiver)[:3]
    assert middle[:2] == pytest.approx((0, 0)) and 50 < middle[2] < 300 and z == pytest.approx(middle[2] / 2)
    assert (x, y) == pytest.approx((20 / 100 * z, 14 / 100 * z))


def test_a_network_that_is_not_there_is_no_error(sink: OpenTrackUdp, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unplugged:
        def sendto(self, data: bytes, to: object) -> int:
            raise OSError("Network is unreachable")

        def close(self) -> None:
            pass

    sink._socket.close()
    monkeypatch.setattr(sink, "_socket", Unplugged())
    sink.write(result_of(([0, 0, 10, 10], (5, 0, 0), 0)))


@pytest.mark.parametrize("address", ["localhost", "localhost:", ":4242", "localhost:0", "localhost:70000", "::1:4242"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(InputError, match=f"must be HOST:PORT, such as 127.0.0.1:4242, got '{address}'"):
        OpenTrackUdp(address)


def test_hosts_that_are_not_there() -> None:
    with pytest.raises(InputError, match=r"cannot send to nobody\.invalid:4242"):
        OpenTrackUdp("nobody.invalid:4242")


def test_a_translation_is_the_position(sink: OpenTrackUdp, receiver: socket.socket) -> None:
    """In centimetres, y up; with a camera too, for the pose knows better than the box."""
    plain = result_of(([0, 0, 10, 10], (20, 0, 0), -1), camera=Camera(100, 100, 32, 24)).poses
    placed = Poses(
        plain.angles, plain.sigma, plain.rotation, boxes=plain.boxes, translation=np.float32([[0.1, 0.2, 1.5]])
    )
    for camera in (None, Camera(100, 100, 32, 24)):
        sink.write(Result(FRAME, placed, camera))
        np.testing.assert_allclose(received(receiver), [10, -20, 150, 20, 0, 0], atol=1e-4)
