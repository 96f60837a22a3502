"""docs/conventions.md: its code agrees with OpenCV, SciPy and the oracle; its pictures are the scripts'."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import reference as oracle
from tiny_model import write_tiny_model

from hpe_edge import PoseEngine
from hpe_edge.geometry import rotation_from_euler

DOCS = Path(__file__).resolve().parents[2] / "docs"
CONVENTIONS = (DOCS / "conventions.md").read_text(encoding="utf-8")

Array = np.ndarray


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the page's code blocks in order, with an engine and a frame at hand."""
    names: dict[str, Any] = {
        "engine": PoseEngine(write_tiny_model(tmp_path_factory.mktemp("docs") / "tiny.onnx")),
        "frame": np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8),
        "boxes": [[1000.0, 100.0, 1200.0, 320.0]],
    }
    blocks = re.findall(r"^```python\n(.*?)^```$", CONVENTIONS, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 8
    for block in blocks:
        exec(compile(block, "docs/conventions.md", "exec"), names)
    return names


@pytest.fixture(scope="module")
def draw() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        return importlib.import_module("draw_conventions")


def turns(run: dict[str, Any], of: Callable[[float, float, float], Array]) -> Array:
    return np.stack([of(*triple) for triple in run["angles"]])


def test_blocks_need_numpy_and_hpe_edge_only() -> None:
    imported = re.findall(r"^(?:import|from) (\w+)", CONVENTIONS, re.MULTILINE)
    assert set(imported) == {"numpy", "hpe_edge"}


def test_rotation_and_nose(run: dict[str, Any]) -> None:
    wanted = turns(run, lambda y, p, r: oracle.rx(-p) @ oracle.ry(y) @ oracle.rz(r))
    np.testing.assert_allclose(run["R"], wanted, atol=1e-12)
    # A yaw of 30 and a pitch of 10 degrees: to the left, up, towards the camera.
    assert (np.sign(run["nose"][0]) == [-1, -1, -1]).all()


def test_6drepnets_matrix(run: dict[str, Any]) -> None:
    wanted = turns(run, lambda y, p, r: oracle.rz(r) @ oracle.ry(y) @ oracle.rx(p))
    np.testing.assert_allclose(run["sixdrepnet"], wanted, atol=1e-12)
    np.testing.assert_allclose(run["sixdrepnet_from_angles"], wanted, atol=1e-12)
    np.testing.assert_allclose(run["R_again"], run["R"], atol=1e-12)
    np.testing.assert_allclose(run["angles_again"], run["angles"], atol=1e-9)


def test_opal23s_matrices(run: dict[str, Any]) -> None:
    wanted = turns(run, lambda y, p, r: oracle.rx(p) @ oracle.ry(-y) @ oracle.rz(r))
    np.testing.assert_allclose(run["opal23_annotation"], wanted, atol=1e-12)
    np.testing.assert_allclose(run["opal23_head"], np.swapaxes(wanted, -1, -2), atol=1e-12)


def test_biwis_matrix_is_r(run: dict[str, Any]) -> None:
    """HopeNet's reading of Biwi's ground truth, written out."""
    for r, (yaw, pitch, roll) in zip(run["R"], run["angles"], strict=True):
        m = r.T
        assert -np.rad2deg(np.arctan2(m[1, 0], m[0, 0])) == pytest.approx(roll)
        assert -np.rad2deg(np.arctan2(-m[2, 0], np.hypot(m[2, 1], m[2, 2]))) == pytest.approx(yaw)
        assert np.rad2deg(np.arctan2(m[2, 1], m[2, 2])) == pytest.approx(pitch)


def test_opencvs_rotation_vector(run: dict[str, Any]) -> None:
    for rvec, r in zip(run["rvec"], run["R"], strict=True):
        np.testing.assert_allclose(rvec, cv2.Rodrigues(r)[0].ravel(), atol=1e-9)


def test_scipys_rotation(run: dict[str, Any]) -> None:
    rotation = pytest.importorskip("scipy.spatial.transform").Rotation
    np.testing.assert_allclose(rotation.from_quat(run["scipy_quaternion"]).as_matrix(), run["R"], atol=1e-12)
    euler = rotation.from_matrix(run["R"]).as_euler("XYZ", degrees=True)
    np.testing.assert_allclose(euler, run["angles"][:, [1, 0, 2]] * [-1, 1, 1], atol=1e-9)
    # img2pose's reading of its own rotation.
    img2pose = rotation.from_matrix(np.swapaxes(run["R"], -1, -2)).as_euler("xyz", degrees=True)
    np.testing.assert_allclose(img2pose * [1, -1, -1], run["angles"][:, [1, 0, 2]], atol=1e-9)


def test_opengls_frame(run: dict[str, Any]) -> None:
    """The nose, which is (0, 0, 1) in a head whose z comes out of it, points to the same place, told with y up."""
    flipped = run["nose"] * [1, -1, -1]
    np.testing.assert_allclose(run["R_opengl"] @ [0, 0, 1], flipped, atol=1e-12)
    np.testing.assert_allclose(run["R_opengl_head_as_here"] @ [0, 0, -1], flipped, atol=1e-12)


def test_triples_and_quaternion(run: dict[str, Any]) -> None:
    np.testing.assert_allclose(run["triple"], run["angles"], atol=1e-9)
    np.testing.assert_allclose(np.abs(run["folded"]), [60, 175, 180], atol=1e-9)
    np.testing.assert_allclose(run["unfolded"], [120, 5, 0], atol=1e-9)
    np.testing.assert_allclose(run["same"], run["R"], atol=1e-12)
    cosine = (np.trace(run["R"][0].T @ run["R"][1]) - 1) / 2
    assert run["apart_deg"] == pytest.approx(np.rad2deg(np.arccos(cosine)))


def test_camera_of_the_page(run: dict[str, Any]) -> None:
    assert (run["camera"].cx, run["camera"].cy) == (640, 360)
    assert len(run["apparent"]) == len(run["actual"]) == 1
    assert not np.allclose(run["apparent"].rotation, run["actual"].rotation, atol=0.05)


def test_turning_head_is_the_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    pillow = pytest.importorskip("PIL.Image")
    monkeypatch.syspath_prepend(DOCS)
    script = importlib.import_module("draw_turning_head")
    assert script.PICTURE.stat().st_size < 500_000
    with pillow.open(script.PICTURE) as kept:
        assert kept.n_frames == script.FRAMES
        first = np.asarray(kept.convert("RGB"), int)[..., ::-1]
    drawn = np.hstack([script.tile(script.angles(0), style) for style in script.STYLES])
    assert np.abs(first - drawn).mean() < 4  # of 255; a palette of few colours


@pytest.mark.skipif(int(cv2.__version__.split(".")[0]) > 4, reason="the picture has the font of OpenCV 4")
def test_picture_is_the_scripts(draw: ModuleType) -> None:
    kept = DOCS / "images" / "conventions.png"
    assert kept.stat().st_size < 250_000
    drawn, wanted = draw.picture(), cv2.imread(str(kept))
    assert drawn.shape == wanted.shape and 900 <= drawn.shape[1] <= 1200
    # Versions of OpenCV draw the edges of a line a little differently; another word would differ in a whole patch.
    assert cv2.blur(cv2.absdiff(drawn, wanted), (15, 15)).max() < 8


@pytest.mark.parametrize(
    ("angles", "towards"),
    [((30, 0, 0), (-1, 0)), ((-30, 0, 0), (1, 0)), ((0, 30, 0), (0, -1)), ((0, -30, 0), (0, 1))],
)
def test_drawn_face_turns_where_the_words_say(
    draw: ModuleType, angles: tuple[float, float, float], towards: tuple[int, int]
) -> None:
    moved = pupils(draw, angles).mean(axis=0) - pupils(draw, (0, 0, 0)).mean(axis=0)
    assert moved @ towards > 20


@pytest.mark.parametrize("roll", [30.0, -30.0])
def test_drawn_face_tilts_where_the_words_say(draw: ModuleType, roll: float) -> None:
    """Clockwise, the eye on the image's right comes down."""
    left, right = pupils(draw, (0, 0, roll))
    assert np.rad2deg(np.arctan2(right[1] - left[1], right[0] - left[0])) == pytest.approx(roll, abs=2)


def pupils(draw: ModuleType, angles: tuple[float, float, float]) -> Array:
    """Centres of the two pupils of a head 200 pixels high, the left one first."""
    canvas = np.full((260, 260, 3), 255, np.uint8)
    draw.draw_head(canvas, (130, 130), 100, rotation_from_euler(angles))
    blue, _, red = canvas.astype(int).transpose(2, 0, 1)
    bluish = (blue > red + 10).astype(np.uint8)  # as nothing else of the head is
    count, _, _, centers = cv2.connectedComponentsWithStats(bluish)
    assert count == 3
    return centers[1:][np.argsort(centers[1:, 0])]
