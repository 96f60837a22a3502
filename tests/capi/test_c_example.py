"""examples/c_interface, from JPEG to angles in C++, against PoseEngine.

HPE_EDGE_ORT_HEADERS names the folder of onnxruntime_c_api.h; the library is that of the installed package.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from tiny_model import write_tiny_model

from hpe_edge import PoseEngine
from hpe_edge.models import DEFAULT
from hpe_edge.samples import FOLDER

HEADERS = os.environ.get("HPE_EDGE_ORT_HEADERS", "")
SOURCE = Path(__file__).parents[2] / "examples" / "c_interface"

pytestmark = pytest.mark.skipif(not HEADERS, reason="HPE_EDGE_ORT_HEADERS names no headers of ONNX Runtime's C API")


@pytest.fixture(scope="module")
def program(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    (packaged,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    (folder / "libonnxruntime.so.1").symlink_to(packaged)  # its soname
    command = ["cmake", "-S", SOURCE, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}"]
    command += [f"-DONNXRUNTIME_INCLUDE_DIR={HEADERS}", f"-DONNXRUNTIME_LIBRARY={folder / 'libonnxruntime.so.1'}"]
    subprocess.run([*command, "-DCMAKE_BUILD_TYPE=Release"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", folder / "build"], check=True, capture_output=True)
    return folder / "build" / "head_pose"


def run(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)


def angles(done: subprocess.CompletedProcess[str]) -> np.ndarray:
    assert done.returncode == 0, done.stderr
    return np.float64(
        [[float(number) for number in line.split("sigma")[0].split()] for line in done.stdout.splitlines()]
    )


@pytest.mark.parametrize("name", ["astronaut.jpg", "grace_hopper.jpg"])
def test_angles_equal_pythons(program: Path, name: str, tmp_path: Path) -> None:
    """Upright and turned, where the second pass takes over; several faces at once."""
    path, box = (
        FOLDER / name,
        np.float64({"astronaut.jpg": [181, 88, 269, 178], "grace_hopper.jpg": [181, 161, 352, 332]}[name]),
    )
    photo = cv2.imread(str(path))
    center, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    turned = cv2.warpAffine(photo, cv2.getRotationMatrix2D(tuple(center), -35, 1.0), photo.shape[1::-1])
    cv2.imwrite(str(tmp_path / "turned.jpg"), turned)
    boxes = np.round([[*(center - half - 4 * i), *(center + half + 2 * i)] for i in range(3)], 2)
    with PoseEngine(DEFAULT) as engine, PoseEngine(upright=None) as plain:
        for picture, again in ((path, False), (tmp_path / "turned.jpg", True)):
            frame = cv2.imread(str(picture))
            found = angles(run(program, DEFAULT, picture, *boxes.ravel()))
            assert np.abs(found - engine(frame, boxes).angles).max() < 1e-4
            assert (np.abs(found - plain(frame, boxes).angles).max() > 0.1) == again


def test_dark_and_doubtful_faces(program: Path, tmp_path: Path) -> None:
    """Upside down, so that the first answer is doubtful, and in a twentieth of the light."""
    photo = cv2.imread(str(FOLDER / "grace_hopper.jpg"))
    frame = np.ascontiguousarray(np.rint(photo[::-1, ::-1] * 0.05).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "dark.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 100])
    height, width = frame.shape[:2]
    boxes = np.float64([[width - 352, height - 332, width - 181, height - 161], [5, 5, 90, 95]])
    frame = cv2.imread(str(tmp_path / "dark.jpg"))
    found = angles(run(program, DEFAULT, tmp_path / "dark.jpg", *boxes.ravel()))
    with PoseEngine(DEFAULT) as engine:
        poses = engine(frame, boxes)
        assert poses.stretched.any() and np.abs(found - poses.angles).max() < 1e-4


def test_failures_say_what_was_wrong(program: Path, tmp_path: Path) -> None:
    photo, box = FOLDER / "astronaut.jpg", (181, 88, 269, 178)
    cases = [
        ((), 2, "usage"),
        ((DEFAULT, photo, 1, 2, 3), 2, "usage"),
        ((DEFAULT, photo, 1, 2, "x", 4), 1, "not a number"),
        ((DEFAULT, tmp_path / "none.jpg", *box), 1, "cannot open"),
        ((DEFAULT, DEFAULT, *box), 1, "Not a JPEG file"),
        ((tmp_path / "none.onnx", photo, *box), 1, "none.onnx"),
        ((write_tiny_model(tmp_path / "bare.onnx", spec=None), photo, *box), 1, "no spec"),
        ((write_tiny_model(tmp_path / "odd.onnx", spec="{}"), photo, *box), 1, "no format number"),
        ((DEFAULT, photo, 269, 88, 181, 178), 1, "box 0"),
    ]
    for arguments, status, fragment in cases:
        done = run(program, *arguments)
        assert done.returncode == status and fragment in done.stderr, (arguments, done)
