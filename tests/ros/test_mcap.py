"""hpe-edge run --mcap: read back by mcap-ros2-support and by rosbags; interrupted and failed runs."""

from __future__ import annotations

import csv
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_ros_messages import poses_of

from hpe_edge import BackendError, InputError, OutputError
from hpe_edge.cli.main import main
from hpe_edge.geometry import rotation_from_quaternion
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.ros.mcap_file import TOPICS, McapFile
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.sources.open_source import Frame

pytest.importorskip("mcap", reason="needs mcap")
mcap_ros2 = pytest.importorskip("mcap_ros2.reader", reason="needs mcap-ros2-support")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clip(tmp_path: Path) -> tuple[Path, Path]:
    """A video of a bundled photo that moves, and its boxes."""
    import cv2

    name, *numbers = BOXES.read_text().splitlines()[1].split(",")
    picture, box = cv2.imread(str(FOLDER / name)), np.array(numbers[:4], np.float64)
    video, boxes = tmp_path / "clip.mp4", tmp_path / "boxes.csv"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, picture.shape[1::-1])
    for at in range(5):
        writer.write(np.roll(picture, 4 * at, axis=1))
    writer.release()
    lines = [f"{at},{box[0] + 4 * at},{box[1]},{box[2] + 4 * at},{box[3]}" for at in range(5)]
    boxes.write_text("\n".join(["frame,x1,y1,x2,y2", *lines]) + "\n")
    return video, boxes


def read(path: Path) -> dict[str, list[Any]]:
    """Messages by topic, as mcap-ros2-support decodes them."""
    found: dict[str, list[Any]] = {}
    for message in mcap_ros2.read_ros2_messages(str(path)):
        found.setdefault(message.channel.topic, []).append(message)
    return found


def run(clip: tuple[Path, Path], out: Path, *more: str) -> int:
    return main(["run", str(clip[0]), "--boxes", str(clip[1]), "--mcap", str(out), "--quiet", *more])


def test_a_video_is_read_back_as_its_csv_says(clip: tuple[Path, Path], tmp_path: Path) -> None:
    out, table = tmp_path / "poses.mcap", tmp_path / "poses.csv"
    assert run(clip, out, "--csv", str(table), "--camera-fov", "60") == 0
    rows = list(csv.DictReader(table.open()))
    found = read(out)
    assert {topic: len(each) for topic, each in found.items()} == dict.fromkeys(TOPICS, len(rows))
    for row, poses, faces, tf in zip(rows, *(found[topic] for topic in TOPICS), strict=True):
        (pose,), (face,) = poses.ros_msg.poses, faces.ros_msg.detections
        q = pose.orientation
        wanted = rotation_from_quaternion([float(row[name]) for name in ("qw", "qx", "qy", "qz")])
        np.testing.assert_allclose(rotation_from_quaternion([q.w, q.x, q.y, q.z]), wanted, atol=1e-5)
        stamp = poses.ros_msg.header.stamp
        assert stamp.sec + stamp.nanosec / 1e9 == pytest.approx(float(row["time_s"]), abs=1e-3)
        assert poses.log_time_ns == stamp.sec * 10**9 + stamp.nanosec
        assert face.id == f"head_{row['track']}" == tf.ros_msg.transforms[0].child_frame_id
        centre, box = face.bbox.center.position, face.bbox
        assert centre.x - box.size_x / 2 == pytest.approx(float(row["x1"]), abs=0.01)
        assert centre.y + box.size_y / 2 == pytest.approx(float(row["y2"]), abs=0.01)
        covariance = np.reshape(face.results[0].pose.covariance, (6, 6))
        sigma = [np.radians(float(row[f"{name}_sigma_deg"])) for name in ("pitch", "yaw", "roll")]
        np.testing.assert_allclose(np.sqrt(np.trace(covariance[3:, 3:])), np.linalg.norm(sigma), rtol=1e-2)
        assert tf.ros_msg.transforms[0].transform.translation.z > 0.1


def test_rosbags_reads_it_too(clip: tuple[Path, Path], tmp_path: Path) -> None:
    highlevel = pytest.importorskip("rosbags.highlevel", reason="needs rosbags")
    out = tmp_path / "poses.mcap"
    assert run(clip, out) == 0
    with highlevel.AnyReader([out]) as reader:
        assert {each.topic: each.msgtype.replace("/msg/", "/") for each in reader.connections} == {
            topic: kind for topic, kind in TOPICS.items() if topic != "/tf"
        }
        messages = [(each.topic, reader.deserialize(data, each.msgtype)) for each, _, data in reader.messages()]
    assert len(messages) == 10
    other = {topic: [each.ros_msg for each in found] for topic, found in read(out).items()}
    for topic in other:
        mine = [message for name, message in messages if name == topic]
        for one, two in zip(mine, other[topic], strict=True):
            assert one.header.stamp.nanosec == two.header.stamp.nanosec and one.header.frame_id == two.header.frame_id
    poses = [message for name, message in messages if name == "/hpe_edge/poses"]
    assert [each.poses[0].orientation.w for each in poses] == [
        each.poses[0].orientation.w for each in other["/hpe_edge/poses"]
    ]


def test_pictures_are_a_second_apart(tmp_path: Path) -> None:
    out = tmp_path / "poses.mcap"
    names = [str(FOLDER / line.split(",")[0]) for line in BOXES.read_text().splitlines()[1:]]
    assert main(["run", *names, "--boxes", str(BOXES), "--mcap", str(out), "--quiet"]) == 0
    assert [each.log_time_ns for each in read(out)["/hpe_edge/poses"]] == [1, 10**9]


def result(index: int, time_s: float) -> Result:
    frame = Frame("camera 0", index, time_s, np.zeros((48, 64, 3), np.uint8))
    return Result(frame, poses_of([[10, 5, 0]] * (index % 3)))


def test_a_cameras_stamps_are_the_time_of_the_day(tmp_path: Path) -> None:
    before = time.time_ns()
    sink = McapFile(tmp_path / "live.mcap", live=True)
    for index in range(3):
        sink.write(result(index, 40.0 + index))
    sink.finish()
    assert sink.pending is not None
    sink.pending.commit()
    stamps = [each.log_time_ns for each in read(tmp_path / "live.mcap")["/hpe_edge/poses"]]
    assert before <= stamps[0] <= time.time_ns() and np.diff(stamps).tolist() == [10**9, 10**9]


def test_frames_without_faces_are_recorded(tmp_path: Path) -> None:
    sink = McapFile(tmp_path / "few.mcap", live=False)
    for index in range(4):
        sink.write(result(index, index / 10))
    sink.finish()
    assert sink.pending is not None
    sink.pending.commit()
    assert [len(each.ros_msg.poses) for each in read(tmp_path / "few.mcap")["/hpe_edge/poses"]] == [0, 1, 2, 0]


def test_a_killed_run_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    """Its hidden file is whole up to the last chunk."""
    code = (
        "import sys, itertools; sys.path[:0] = ['tests', 'tests/ros']\n"
        "from pathlib import Path\nfrom test_mcap import McapFile, result\n"
        "sink = McapFile(Path(sys.argv[1]), live=False)\n"
        "for index in itertools.count():\n"
        "    sink.write(result(index, index / 25))\n"
        "    if index == 3000: print('there', flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "poses.mcap")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "there\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".poses.") and left.suffix == ".mcap"
    from mcap.exceptions import McapError
    from mcap.reader import NonSeekingReader

    frames = []
    try:
        for _, channel, message in NonSeekingReader(left.open("rb")).iter_messages(log_time_order=False):
            frames += [message.log_time] * (channel.topic == "/hpe_edge/poses")
    except McapError:  # at the file's end
        pass
    assert len(frames) > 1000 and frames == sorted(frames)


def test_a_stopped_run_keeps_a_whole_file(clip: tuple[Path, Path], tmp_path: Path) -> None:
    from hpe_edge.sinks.sink import Outputs

    outputs = Outputs()
    sink = McapFile(tmp_path / "poses.mcap", live=False)
    outputs.add(sink)
    sink.write(result(1, 0.1))
    assert outputs.keep_partial() == [tmp_path / "poses.partial.mcap"]
    outputs.discard()
    assert len(read(tmp_path / "poses.partial.mcap")["/hpe_edge/faces"]) == 1
    assert [path.name for path in tmp_path.glob("poses*")] == ["poses.partial.mcap"]


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = McapFile(tmp_path / "poses.mcap", live=False)

    class Full:
        def __getattr__(self, name: str) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sink, "_writer", Full())
    with pytest.raises(OutputError, match="make room on the disk"):
        sink.write(result(1, 0.1))
    with pytest.raises(OutputError):
        sink.finish()
    sink.abort()
    assert sink.pending is not None
    sink.pending.discard()
    assert list(tmp_path.iterdir()) == []


def test_wrong_names_and_a_missing_package(
    clip: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"let it end in \.mcap"):
        McapFile(tmp_path / "poses.bag", live=False)
    assert run(clip, clip[0].with_suffix(".mp4")) == 2
    assert "--mcap and SOURCE name the same file" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "mcap.writer", None)
    with pytest.raises(BackendError, match=r"pip install 'hpe-edge\[ros\]'"):
        McapFile(tmp_path / "poses.mcap", live=False)
    assert not list(tmp_path.glob("*.mcap"))


def test_a_plain_run_imports_nothing_of_it() -> None:
    code = "import sys, hpe_edge.cli.run.run_command; print('mcap' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
