"""MediaPipe's face landmarker against TensorFlow Lite's interpreter, and its pose against a fit by SVD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rule_weights import State, rule_state
from tflite_files import CONV, DEPTHWISE, PRELU, tflite_file

from export import zoo
from export.gate import crops
from export.onnx import export
from export.zoo import face_landmarker
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.geometry import geodesic_deg, rotation_from_euler
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import Origin

FAMILY = zoo.get("face-landmarker")
SHOWN = [0, 33, 152, 263, 477]

# The published face_landmarks_detector.tflite (sha256 c7d54204...) with these weights, in float16, in place of its own,
# run by ai-edge-litert 2.3.0: x, y and z of five points, of two inputs.
CALM = (("reduce.weight$", 0.4), ("project.weight$", 0.3), ("filter.bias$", 0.0))
PLAIN = [
    [
        [-0.9232, -5.1088, -1.3938],
        [-2.4096, -6.2297, 8.8257],
        [-2.2824, 10.8295, 2.9121],
        [-0.4741, -6.9404, -13.8663],
        [0.0771, 2.9264, -12.681],
    ],
    [
        [0.784, -5.1783, 1.7844],
        [-5.0582, -9.1846, 10.0091],
        [-4.8226, 12.6369, 2.015],
        [0.2011, -8.3812, -10.9421],
        [0.1773, 0.358, -12.2778],
    ],
]
BLOCKY = [
    [
        [-2.3762, -4.9294, 4.3399],
        [-8.0797, -3.7951, 7.9335],
        [-2.872, 13.8183, 13.1797],
        [4.1999, -12.2347, -16.4288],
        [-4.4533, -10.5982, -13.0708],
    ],
    [
        [-4.1742, -6.2185, 3.2031],
        [-8.0261, -9.1694, 9.8054],
        [-4.3464, 13.2602, 10.4885],
        [2.2013, -10.4857, -13.0758],
        [-2.1984, -7.1988, -21.6819],
    ],
]


@pytest.fixture(scope="module")
def state() -> State:
    return {key: tensor.half().float() for key, tensor in rule_state(FAMILY.layouts[0], CALM).items()}


@pytest.fixture(scope="module")
def net(state: State) -> face_landmarker.FaceLandmarker:
    loaded = FAMILY.load(state)
    assert isinstance(loaded, face_landmarker.FaceLandmarker)
    return loaded


def plain() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 3, 256, 256)).astype(np.float32)


def blocky() -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal((2, 3, 8, 8))
    return np.kron(noise, np.ones((1, 1, 32, 32))).astype(np.float32)


@pytest.mark.parametrize(("images", "wanted"), [(plain(), PLAIN), (blocky(), BLOCKY)])
def test_points_are_the_interpreters(net, images, wanted):
    with torch.inference_mode():
        points = net.landmarks(torch.from_numpy(images)).numpy()
    assert points.shape == (2, 478, 3)
    assert np.abs(points[:, SHOWN] - wanted).max() < 2e-4


def fitted(points: np.ndarray) -> np.ndarray:
    """The rotation nearest to the affine map of the canonical face to the points, by lstsq and SVD."""
    table = np.array(face_landmarker._CANONICAL)
    canonical = np.concatenate([table[:, 1:4] * [1, -1, -1], np.ones((len(table), 1))], axis=1)
    root = np.sqrt(table[:, 4:])
    chosen = points[:, table[:, 0].astype(int)].astype(np.float64)
    maps = np.stack([np.linalg.lstsq(root * canonical, root * each, rcond=None)[0][:3].T for each in chosen])
    u, _, vt = np.linalg.svd(maps)
    turned = u @ vt
    return turned * np.linalg.det(turned)[:, None, None]


def test_pose_of_points_is_the_fits():
    """Canonical faces turned up to 60 degrees, enlarged, moved, and with an error of 5 % of the face in every point."""
    rng = np.random.default_rng(0)
    wanted = rotation_from_euler(rng.uniform(-60, 60, (200, 3)))
    table = np.array(face_landmarker._CANONICAL)
    face = table[:, 1:4] * [1, -1, -1]
    points = rng.normal(size=(200, 478, 3)) * 100
    points[:, table[:, 0].astype(int)] = 128 + 10 * (face @ wanted.swapaxes(1, 2) + rng.normal(0, 0.7, (200, 33, 3)))
    fit = face_landmarker.FaceLandmarker().fit
    numbers = face_landmarker.nearest_rotation(fit @ torch.from_numpy(points.astype(np.float32))).reshape(-1, 9)
    found = DecodeHeads(FAMILY.spec(Origin("none", "0" * 64)))([numbers.numpy()]).rotation
    assert geodesic_deg(found, fitted(points)).max() < 0.1
    assert geodesic_deg(found, wanted).mean() < 6


def test_a_file_becomes_a_model_with_the_networks_poses(monkeypatch, tmp_path: Path, state, net):
    def on_tensorflow_axes(key: str, array: np.ndarray) -> np.ndarray:
        if array.ndim == 4:
            return array.transpose(1, 2, 3, 0) if ".filter." in key else array.transpose(0, 2, 3, 1)
        return array.reshape(1, 1, -1) if "act" in key else array

    operators = []
    for key, tensor in state.items():
        array = on_tensorflow_axes(key, tensor.numpy()).astype("f2")
        if key.endswith("weight"):
            operators.append((PRELU if "act" in key else DEPTHWISE if ".filter." in key else CONV, [array]))
        else:
            operators[-1][1].append(array)
    weights, out = tmp_path / "face_landmarks_detector.tflite", tmp_path / "model.onnx"
    weights.write_bytes(tflite_file(operators, dequantize=True))
    monkeypatch.setattr(crops, "MIN_CROPS", 4)
    export(weights, output=out)
    backend = OnnxRuntimeBackend(out)
    assert backend.spec.architecture == "face-landmarker"
    context = backend.context()
    context.input(2)[...] = blocky()
    found = DecodeHeads(backend.spec)(context.run(2)).rotation
    with torch.inference_mode():
        points = net.landmarks(torch.from_numpy(blocky())).numpy()
    assert geodesic_deg(found, fitted(points)).max() < 0.1
