"""The step export.picture: its command, its gate and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.picture import main
from export.picture.picture_gate import PictureGateFailed, PictureLimits, compare_faces, match_faces
from hpe_edge.errors import ModelError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.picture.picture_faces import PictureFaces
from hpe_edge.picture.picture_spec import PictureSpec
from hpe_edge.poses import Poses


def faces(
    boxes: list[list[float]], yaw: float = 0.0, shift: float = 0.0, *, rows: list[int] | None = None
) -> PictureFaces:
    drawn = np.float32(boxes).reshape(-1, 4)
    angles = np.zeros((len(drawn), 3), np.float32)
    angles[:, 0] = yaw
    rotation = rotation_from_euler(angles).astype(np.float32)
    place = np.tile(np.float32([0, 0, 2 + shift]), (len(drawn), 1))
    scores = np.full(len(drawn), 0.9, np.float32)
    poses = Poses(angles, np.full_like(angles, np.nan), rotation, boxes=drawn, scores=scores, translation=place)
    return PictureFaces(drawn, drawn, scores, poses=poses)


ONE, TWO, THREE = [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]
SAME: dict[str, Any] = {"compared": "a with b", "source": "test", "limits": PictureLimits()}


def test_the_gate_matches_faces_first() -> None:
    """In another order, and with one that only one side finds."""
    gate = compare_faces(
        [faces([ONE, TWO])], [faces([TWO, ONE])], compared="a with b", source="test", limits=PictureLimits()
    )
    assert (gate.faces, gate.one_sided, gate.worst_deg, gate.worst_translation) == (2, 0, 0, 0)
    assert sorted(match_faces(faces([ONE, TWO, THREE]), faces([TWO, [1, 0, 11, 10]]))) == [(0, 1), (1, 0)]
    assert match_faces(faces([ONE]), faces([])) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (faces([ONE, TWO], yaw=0.02), "degrees"),
        (faces([ONE, TWO], shift=0.001), "translation"),
        (faces([ONE, TWO, THREE]), "only one finds 1 of 3"),
        (faces([ONE]), "only one finds 1 of 2"),
        (faces([ONE, TWO], yaw=np.nan), "degrees"),
    ],
)
def test_the_gate_fails_beyond_each_limit(other: PictureFaces, words: str) -> None:
    with pytest.raises(PictureGateFailed, match=words) as failed:
        compare_faces([faces([ONE, TWO])], [other], **SAME)
    assert failed.value.exit_status == 3


def test_within_the_limits_it_passes() -> None:
    gate = compare_faces([faces([ONE])] * 2, [faces([ONE], yaw=0.005, shift=1e-4)] * 2, **SAME)
    assert gate.pictures == 2 and gate.worst_deg == pytest.approx(0.005, rel=1e-2)
    assert gate.worst_translation == pytest.approx(5e-5, rel=1e-2)


def test_no_face_is_no_proof() -> None:
    with pytest.raises(PictureGateFailed, match="neither finds a face"):
        compare_faces([faces([])], [faces([])], **SAME)


def test_the_command_refuses_what_it_cannot_use(
    published: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.onnx"
    good = {"--mean": published.mean, "--deviation": published.deviation, "--points": published.points}

    def run(**replaced: Path) -> str:
        named = {**good, **{f"--{name}": path for name, path in replaced.items()}}
        options = [str(part) for pair in named.items() for part in pair]
        assert main([str(published.checkpoint), *options, "-o", str(out)]) in (1, 2)
        assert not out.exists()
        return capsys.readouterr().err

    assert "6 finite numbers" in run(mean=published.points).replace("[6]", "6")
    assert "there is no" in run(points=tmp_path / "none.npy")
    text = tmp_path / "text.npy"
    text.write_text("no array")
    assert "cannot be read" in run(deviation=text)


def test_another_format_is_refused(exported: Any) -> None:
    text = exported.spec.to_json()
    assert '"format": 2, ' in text and '"kind": "picture"' in text
    with pytest.raises(ModelError, match="upgrade"):
        PictureSpec.from_json(text.replace('"format": 2', '"format": 9'))
    with pytest.raises(ModelError, match="unknown field"):
        PictureSpec.from_json(text.replace('"forehead"', '"front"'))
    for wrong in ('"shorter": 5', '"shorter": 99999'):
        with pytest.raises(ModelError):
            PictureSpec.from_json(text.replace('"shorter": 160', wrong))
