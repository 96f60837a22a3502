"""The exported file by ONNX Runtime and OpenVINO against the torch modules, and the engine's promises."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from picture_weights import noise_picture, picture_state

from export.picture.exporting import PictureReport
from export.picture.img2pose_weights import load_networks
from export.picture.torch_networks import TorchNetworks
from hpe_edge import BackendError, InputError, ModelError, ModelNotFoundError, PictureEngine, PoseEngine, Poses
from hpe_edge.geometry import geodesic_deg
from hpe_edge.picture.picture_faces import PictureFaces
from hpe_edge.picture.picture_spec import PictureSpec
from hpe_edge.picture.split_file import POOLED, SECOND_OUTPUTS, is_picture_file, split_file

PICTURE = noise_picture(120, 170)


@pytest.fixture(scope="module")
def torch_networks() -> TorchNetworks:
    return TorchNetworks(*load_networks(picture_state()))


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def engine(request: pytest.FixtureRequest, exported: PictureReport) -> Iterator[PictureEngine]:
    pytest.importorskip(request.param)
    with PictureEngine(exported.path, backend=request.param, threads=1) as made:
        yield made


def with_proposals(engine: PictureEngine, count: int) -> PictureEngine:
    """The engine with another number of proposals, 0 being a threshold that no face passes."""
    spec = engine.spec
    rule = replace(spec.faces, min_score=1.0 if count == 0 else 0.05)
    spec = replace(spec, proposals=replace(spec.proposals, count=max(1, count)), faces=rule)
    assert engine._networks is not None
    return PictureEngine.of_networks(spec, engine._networks)


@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_a_backend_says_what_torch_says(engine: PictureEngine, torch_networks: TorchNetworks, count: int) -> None:
    """Boxes within 0.01 pixels, rotations within 0.01 degrees, translations within 1e-4 of their length."""
    ours = with_proposals(engine, count)
    found = ours.find(PICTURE, color="RGB")
    want = PictureEngine.of_networks(ours.spec, torch_networks).find(PICTURE, color="RGB")
    assert len(found) == len(want) and (len(found) > 0) == (count > 0) and len(found) <= count
    if count == 0:
        return
    for one, other in ((found.boxes, want.boxes), (found.drawn, want.drawn)):
        assert np.abs(one - other).max() < 0.01
    assert geodesic_deg(found.poses.rotation, want.poses.rotation).max() < 0.01
    length = np.linalg.norm(want.poses.translation, axis=1, keepdims=True)
    assert (np.abs(found.poses.translation - want.poses.translation) / length).max() < 1e-4
    assert np.abs(found.scores - want.scores).max() < 1e-5


def test_raw_outputs_are_torchvisions(
    exported: PictureReport, golden_picture: dict[str, NDArray[np.float32]], engine: PictureEngine
) -> None:
    """The whole passage on the golden picture, at the golden size, up to the second network's outputs."""
    assert engine._networks is not None
    spec = replace(engine.spec, input=replace(engine.spec.input, shorter=400, longer=1400))
    seen: dict[str, list[NDArray[np.float32]]] = {"logits": [], "poses": []}

    class Watched:
        runtime = "watched"
        first = staticmethod(engine._networks.first)

        @staticmethod
        def second(pooled: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            assert engine._networks is not None
            found = engine._networks.second(pooled)
            for name, array in zip(seen, found, strict=True):
                seen[name].append(array)
            return found

    PictureEngine.of_networks(spec, Watched()).find(noise_picture(), color="RGB")
    for name, arrays in seen.items():
        want = golden_picture[name]
        assert np.abs(np.concatenate(arrays) - want).max() / np.abs(want).max() < 1e-4, name


def test_faces_are_sorted_and_their_poses_belong_to_them(engine: PictureEngine) -> None:
    """Projected with the pose and the engine's camera, the landmarks lie in the face's box."""
    found = engine.find(PICTURE, color="RGB")
    assert isinstance(found, PictureFaces) and len(found) > 5
    assert (np.diff(found.drawn[:, 0]) >= 0).all()
    poses, points = found.poses, np.asarray(engine.spec.faces.points) * engine.spec.faces.unit_m
    assert np.array_equal(poses.boxes, found.boxes) and np.isnan(poses.sigma).all()
    camera = engine.camera(170, 120)
    placed = points @ np.swapaxes(poses.rotation, 1, 2) + poses.translation[:, None]
    flat = placed[..., :2] / placed[..., 2:] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    projected = np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=1)
    near = poses.translation[:, 2] > 3 * engine.spec.faces.unit_m  # of nearer ones, the half pixel of the axis shows
    assert near.any() and np.abs(projected - found.boxes)[near].max() < 1.0


def test_colours_and_threads(engine: PictureEngine) -> None:
    bgr = np.ascontiguousarray(PICTURE[..., ::-1])
    want = engine(PICTURE, color="RGB")
    assert np.array_equal(engine(bgr).rotation, want.rotation)
    results: list[Poses] = []
    threads = [threading.Thread(target=lambda: results.append(engine(bgr))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(np.allclose(each.translation, want.translation, rtol=1e-5) for each in results)


def test_a_threshold_drops_faces(exported: PictureReport) -> None:
    every = PictureEngine(exported.path, threads=1)
    scores = every(PICTURE, color="RGB").scores
    middle = float(np.median(scores))
    few = PictureEngine(exported.path, threads=1, min_score=middle)(PICTURE, color="RGB")
    assert sorted(few.scores.tolist()) == sorted(scores[scores > middle].tolist())


def test_it_pickles_and_closes(exported: PictureReport) -> None:
    engine = PictureEngine(exported.path, threads=1)
    again = pickle.loads(pickle.dumps(engine))
    assert np.array_equal(again(PICTURE).rotation, engine(PICTURE).rotation)
    engine.close()
    engine.close()
    with pytest.raises(BackendError, match="closed"):
        engine(PICTURE)


def test_the_gate_stands_in_the_file(exported: PictureReport) -> None:
    spec = split_file(exported.path).spec
    assert spec == exported.spec and spec.gate is not None
    assert spec.gate.faces > 50 and spec.gate.pictures == 2 and spec.gate.worst_deg < 0.01
    assert spec.origin.checkpoint == "img2pose.pth"
    assert PictureSpec.from_json(spec.to_json()) == spec


def test_each_part_is_a_whole_model(exported: PictureReport) -> None:
    """ONNX's own checker and inputs of each part; together they are the file's nodes."""
    file = split_file(exported.path)
    parts = [onnx.load_from_string(data) for data in (file.first, file.second)]
    whole = onnx.load(exported.path)
    onnx.checker.check_model(whole)
    for part in parts:
        onnx.checker.check_model(part)
    assert [[each.name for each in part.graph.input] for part in parts] == [["picture"], [POOLED]]
    assert tuple(each.name for each in parts[1].graph.output) == SECOND_OUTPUTS
    assert sum(len(part.graph.node) for part in parts) == len(whole.graph.node)
    assert sum(len(part.graph.initializer) for part in parts) == len(whole.graph.initializer)


def test_models_of_the_other_kind_are_refused_in_words(exported: PictureReport, tmp_path: Path) -> None:
    from hpe_edge.models import find_model

    embedded = find_model(None, native=False)
    assert is_picture_file(exported.path) and not is_picture_file(embedded)
    with pytest.raises(ModelError, match="PoseEngine"):
        PictureEngine(embedded)
    with pytest.raises(ModelError, match="PictureEngine"):
        PoseEngine(exported.path)
    with pytest.raises(ModelNotFoundError):
        PictureEngine(tmp_path / "none.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(exported.path.read_bytes()[:-1000])
    with pytest.raises(ModelError):
        PictureEngine(cut)


@pytest.mark.parametrize("arguments", [{"device": "cuda"}, {"backend": "tensorrt"}, {"threads": 0}, {"min_score": 2}])
def test_arguments_are_checked(exported: PictureReport, arguments: dict[str, object]) -> None:
    with pytest.raises(InputError):
        PictureEngine(exported.path, **arguments)  # type: ignore[arg-type]


def test_a_frame_of_another_kind_is_refused(engine: PictureEngine) -> None:
    with pytest.raises(InputError):
        engine(np.zeros((10, 10), np.float32))  # type: ignore[arg-type]
