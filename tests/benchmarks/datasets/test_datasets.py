"""Readers of published layouts, on made-up copies of them, and on the real labels where they are."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.datasets.face import Dataset
from benchmarks.datasets.head_sets import BIWI, POINTING04, pose_in_name, project
from benchmarks.datasets.labels_csv import LABELS_CSV
from benchmarks.datasets.mat_sets import AFLW2000, FOLDERS, W300_LP, landmarks
from hpe_edge import BackendError, PoseEngine, SourceError
from hpe_edge.faces.grids.yunet import YunetDetector

io = pytest.importorskip("scipy.io", reason="the labels are in MATLAB files")
from scipy.spatial.transform import Rotation  # noqa: E402

ANGLES = [(20.0, -10.0, 5.0), (-75.0, 30.0, -40.0), (0.0, 0.0, 0.0)]  # yaw, pitch, roll


def write_mat(photo: Path, angles_deg: tuple[float, float, float], **points: np.ndarray) -> None:
    yaw, pitch, roll = np.deg2rad(angles_deg)
    photo.parent.mkdir(parents=True, exist_ok=True)
    photo.write_bytes(b"")
    pose = np.array([[pitch, yaw, roll, 220.0, 167.0, -100.0, 0.001]], np.float32)
    io.savemat(photo.with_suffix(".mat"), {"Pose_Para": pose, "Exp_Para": np.zeros((29, 1)), **points})


@pytest.fixture
def points(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(50, 400, (3, 68)).astype(np.float32)


def test_aflw2000(tmp_path: Path, points: np.ndarray) -> None:
    hidden = np.full((2, 21), -1.0)
    for i, angles_deg in enumerate(ANGLES):
        write_mat(tmp_path / f"image{i:05}.jpg", angles_deg, pt2d=hidden, pt3d_68=points + i)
    faces = list(AFLW2000.read(tmp_path))
    assert [face.photo.name for face in faces] == ["image00000.jpg", "image00001.jpg", "image00002.jpg"]
    np.testing.assert_allclose([face.angles_deg for face in faces], ANGLES, atol=1e-5)
    for i, face in enumerate(faces):
        wanted = [points[0].min(), points[1].min(), points[0].max(), points[1].max()]
        np.testing.assert_allclose(face.box, np.array(wanted) + i, rtol=1e-6)
    assert len({face.group for face in faces}) == 3
    assert landmarks(faces[0].photo).shape == (68, 2)


def test_real_files_of_aflw2000_say_what_their_table_says(data: Path) -> None:
    """The table was made from them by other code: boxes in whole pixels, angles with four digits."""
    faces = list(AFLW2000.read(data / "aflw2000_dev"))
    table = list(LABELS_CSV.read(data / "aflw2000_dev" / "labels.csv"))
    assert len(faces) == len(table) == 195
    assert [face.photo for face in faces] == [row.photo for row in table]
    np.testing.assert_allclose([f.box for f in faces], [row.box for row in table], atol=0.501)
    np.testing.assert_allclose([f.angles_deg for f in faces], [row.angles_deg for row in table], atol=1e-4)


def test_300w_lp(tmp_path: Path, points: np.ndarray) -> None:
    for folder in FOLDERS:
        for suffix in ("", "_Flip"):
            for view in range(2):
                write_mat(tmp_path / f"{folder}{suffix}" / f"{folder}_1342_1_{view}.jpg", ANGLES[view], pt2d=points[:2])
    (tmp_path / "landmarks").mkdir()
    faces = list(W300_LP.read(tmp_path))
    assert len(faces) == 16
    # Views of one face and their mirror images are one group.
    assert {face.group for face in faces} == {f"{folder}_1342_1" for folder in FOLDERS}
    np.testing.assert_allclose([face.angles_deg for face in faces[:2]], ANGLES[:2], atol=1e-5)
    np.testing.assert_allclose(faces[0].box[:2], points[:2].min(axis=1), rtol=1e-6)


CALIBRATION = """517.679 0 320
0 517.679 240.5
0 0 1

0 0 0 0

0.999947 0.00432361 0.00929419
-0.00446314 0.999877 0.015046
-0.009228 -0.0150875 0.999844

-24.0198 5.8896 -13.2308

640 480
"""


def write_biwi(folder: Path, recording: str, frame: int, rotation: np.ndarray, center_mm: np.ndarray) -> None:
    (folder / recording).mkdir(exist_ok=True)
    (folder / recording / "rgb.cal").write_text(CALIBRATION)
    (folder / recording / f"frame_{frame:05}_rgb.png").write_bytes(b"")
    rows = "\n".join(" ".join(f"{value:.6g}" for value in row) + " " for row in rotation)
    center = " ".join(f"{value:.6g}" for value in center_mm)
    (folder / recording / f"frame_{frame:05}_pose.txt").write_text(f"{rows}\n\n{center}\n")


def fsanets_labels(rotation: np.ndarray) -> list[float]:
    """Yaw, pitch, roll as FSA-Net's TYY_create_db_biwi.py takes them from the matrix in the file."""
    r = rotation.T
    roll = -np.arctan2(r[1, 0], r[0, 0])
    yaw = -np.arctan2(-r[2, 0], np.hypot(r[2, 1], r[2, 2]))
    pitch = np.arctan2(r[2, 1], r[2, 2])
    return np.rad2deg([yaw, pitch, roll]).tolist()


def test_biwi(tmp_path: Path) -> None:
    center_mm = np.array([50.0, -20.0, 900.0])
    for i, (yaw, pitch, roll) in enumerate(ANGLES):
        # In capitals SciPy turns about the moving axes, so this is Rx(-pitch) Ry(yaw) Rz(roll).
        rotation = Rotation.from_euler("XYZ", [-pitch, yaw, roll], degrees=True).as_matrix()
        np.testing.assert_allclose(fsanets_labels(rotation), (yaw, pitch, roll), atol=1e-9)
        write_biwi(tmp_path, "01", 3 + i, rotation, center_mm)
    for recording in ("03", "15"):
        write_biwi(tmp_path, recording, 7, np.eye(3), center_mm)
    faces = list(BIWI.read(tmp_path))
    np.testing.assert_allclose([face.angles_deg for face in faces], [*ANGLES, (0, 0, 0), (0, 0, 0)], atol=1e-3)
    assert faces[1].photo == tmp_path / "01" / "frame_00004_rgb.png"
    # The third and the fifteenth recording are of one person.
    assert [face.group for face in faces] == ["01", "01", "01", "03", "03"]
    numbers = [float(number) for number in CALIBRATION.split()]
    matrix, rotation, translation = np.array(numbers[:9]), np.array(numbers[13:22]), np.array(numbers[22:25])
    turn = cv2.Rodrigues(rotation.reshape(3, 3))[0]
    seen = cv2.projectPoints(center_mm[None], turn, translation, matrix.reshape(3, 3), np.zeros(4))[0].ravel()
    np.testing.assert_allclose(faces[0].center, seen, atol=0.05)  # OpenCV makes the printed rotation a true one
    assert faces[0].box is None


def test_a_point_on_the_axis_is_seen_in_the_middle() -> None:
    plain = np.concatenate([[500, 0, 320, 0, 500, 240, 0, 0, 1], np.zeros(4), np.eye(3).ravel(), np.zeros(3)])
    np.testing.assert_allclose(project(np.array([0.0, 0.0, 800.0]), plain), [320, 240])
    np.testing.assert_allclose(project(np.array([80.0, -160.0, 800.0]), plain), [370, 140])


def test_pointing04(tmp_path: Path) -> None:
    (tmp_path / "Person08").mkdir()
    (tmp_path / "Front").mkdir()
    for name in ("Person08/person08123-30+45", "Person08/person08200+90+0", "Front/person08146+0+0"):
        (tmp_path / f"{name}.jpg").write_bytes(b"")
        (tmp_path / f"{name}.txt").write_text(f"{Path(name).name}.jpg\n\nFace\n181\n124\n80\n96\n")
    faces = list(POINTING04.read(tmp_path))
    assert [face.angles_deg.tolist() for face in faces] == [[45, -30, 0], [0, 90, 0]]
    assert [face.group for face in faces] == ["08", "08"]
    np.testing.assert_array_equal(faces[0].center, [181, 124])


def pointing04_rows(data: Path) -> list[dict[str, str]]:
    with (data / "faces" / "pointing04_labels.csv").open() as file:
        return list(csv.DictReader(file))


def test_names_of_pointing04_say_what_a_table_of_theirs_says(data: Path) -> None:
    """The table was made from the names by other code."""
    rows = pointing04_rows(data)
    for row in rows:
        tilt, pan = int(row["tilt_deg"]), int(row["pan_deg"])
        name = f"person{row['person']}{row['series']}{row['number']}{tilt:+d}{pan:+d}.jpg"
        person, angles_deg = pose_in_name(name)
        assert person == row["person"] and angles_deg.tolist() == [pan, tilt, 0]
    assert len(rows) == 2790


def test_signs_of_pointing04_are_ours(data: Path) -> None:
    """The embedded model sees where people were asked to look: yaw grows with pan, pitch with tilt."""
    with (data / "faces" / "boxes.csv").open() as file:
        boxes = {row["file"]: [float(row[side]) for side in ("x1", "y1", "x2", "y2")] for row in csv.DictReader(file)}
    rows = [row for row in pointing04_rows(data) if row["file"] in boxes][::40]
    said, asked = [], []
    with PoseEngine(threads=1) as engine:
        for row in rows:
            photo = cv2.imread(str(data / "faces" / row["file"]))
            box = YunetDetector.FIT(np.array([boxes[row["file"]]], np.float32))
            said.append(engine(photo, box).angles[0])
            asked.append([float(row["pan_deg"]), float(row["tilt_deg"])])
    found, wanted = np.array(said), np.array(asked)
    assert np.corrcoef(found[:, 0], wanted[:, 0])[0, 1] > 0.9
    # Near 90 degrees of yaw the pitch of the labels' triple is hardly defined.
    found, wanted = (each[np.abs(wanted[:, 0]) <= 60, 1] for each in (found, wanted))
    assert np.corrcoef(found, wanted)[0, 1] > 0.8


@pytest.mark.parametrize(
    ("dataset", "fragment"),
    [
        (AFLW2000, "image00002.jpg with image00002.mat beside it"),
        (W300_LP, "300W_LP/AFW/AFW_134212_1_0.jpg"),
        (BIWI, "hpdb/01 to hpdb/24, each with rgb.cal"),
        (POINTING04, "Person01/person01146-30+60.jpg"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_is_missing_is_said(tmp_path: Path, dataset: Dataset, fragment: str) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SourceError, match=fragment.replace("+", r"\+")) as caught:
            list(dataset.read(folder))
        assert str(folder) in str(caught.value)


def test_a_part_of_300w_lp_is_not_all_of_it(tmp_path: Path, points: np.ndarray) -> None:
    write_mat(tmp_path / "AFW" / "AFW_1_1_0.jpg", ANGLES[0], pt2d=points[:2])
    with pytest.raises(SourceError, match="AFW_Flip"):
        list(W300_LP.read(tmp_path))


def break_aflw2000(folder: Path, points: np.ndarray) -> Dataset:
    write_mat(folder / "image00002.jpg", ANGLES[0], pt2d=points[:2])  # without pt3d_68
    return AFLW2000


def cut_aflw2000(folder: Path, points: np.ndarray) -> Dataset:
    write_mat(folder / "image00002.jpg", ANGLES[0], pt3d_68=points)
    mat = folder / "image00002.mat"
    mat.write_bytes(mat.read_bytes()[:300])
    return AFLW2000


def text_for_mat(folder: Path, points: np.ndarray) -> Dataset:
    write_mat(folder / "image00002.jpg", ANGLES[0], pt3d_68=points)
    (folder / "image00002.mat").write_text("version https://git-lfs.github.com/spec/v1\n" * 9)
    return AFLW2000


def no_mat(folder: Path, points: np.ndarray) -> Dataset:
    (folder / "image00002.jpg").write_bytes(b"")
    return AFLW2000


def no_rotation(folder: Path, points: np.ndarray) -> Dataset:
    write_biwi(folder, "01", 3, np.ones((3, 3)), np.array([0.0, 0.0, 900.0]))
    return BIWI


def cut_pose(folder: Path, points: np.ndarray) -> Dataset:
    write_biwi(folder, "01", 3, np.eye(3), np.array([0.0]))
    return BIWI


def no_face(folder: Path, points: np.ndarray) -> Dataset:
    (folder / "Person01").mkdir()
    (folder / "Person01" / "person01146-30+60.jpg").write_bytes(b"")
    (folder / "Person01" / "person01146-30+60.txt").write_text("person01146-30+60.jpg\n")
    return POINTING04


def other_name(folder: Path, points: np.ndarray) -> Dataset:
    (folder / "Person01").mkdir()
    (folder / "Person01" / "person1.jpg").write_bytes(b"")
    return POINTING04


@pytest.mark.parametrize(
    ("spoil", "fragment"),
    [
        (break_aflw2000, "should hold Pose_Para and pt3d_68"),
        (cut_aflw2000, "damaged or of another set"),
        (text_for_mat, "cannot read"),
        (no_mat, "image00002.mat"),
        (no_rotation, "should begin with a rotation"),
        (cut_pose, "12 numbers; it has 10"),
        (no_face, "should hold the face's position"),
        (other_name, "person1.jpg is not named as"),
    ],
)
def test_spoilt_files(
    tmp_path: Path, points: np.ndarray, spoil: Callable[[Path, np.ndarray], Dataset], fragment: str
) -> None:
    dataset = spoil(tmp_path, points)
    with pytest.raises(SourceError, match=fragment):
        list(dataset.read(tmp_path))


def test_without_scipy(tmp_path: Path, points: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mat(tmp_path / "image00002.jpg", ANGLES[0], pt3d_68=points)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(BackendError, match=r"hpe-edge\[benchmarks\]"):
        list(AFLW2000.read(tmp_path))
