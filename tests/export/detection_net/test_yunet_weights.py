"""The detector's network with YuNet's weights, against YuNet in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.detection_net.network import BOX, STRIDES, DetectorNet
from export.detection_net.yunet_weights import FILE, fill
from hpe_edge.errors import ModelError

YUNET = Path(__file__).parents[4] / "shared/data/detectors" / FILE
SAMPLE = Path(__file__).parents[3] / "hpe_edge/samples/astronaut.jpg"
_RIM = 4  # cells: around the picture YuNet sees levels of 0, the network those of 127.5


@pytest.mark.skipif(not YUNET.exists(), reason=f"needs {YUNET}")
def test_score_and_points_begin_as_yunets() -> None:
    frame = np.full((640, 640, 3), 127, np.uint8)
    frame[64:576, 64:576] = cv2.resize(cv2.imread(str(SAMPLE)), (512, 512))
    pixels = frame.transpose(2, 0, 1)[None].astype(np.float32)
    session = onnxruntime.InferenceSession(YUNET)
    outputs = dict(
        zip([each.name for each in session.get_outputs()], session.run(None, {"input": pixels}), strict=True)
    )
    torch.manual_seed(0)
    network = DetectorNet()
    fill(network, YUNET)
    with torch.no_grad():
        own = network(torch.from_numpy(pixels))
    best = 0.0
    for stride, (score, place) in zip(STRIDES[:-1], own, strict=False):
        side = 640 // stride
        objectness = outputs[f"obj_{stride}"].reshape(side, side)
        points = outputs[f"kps_{stride}"].reshape(side, side, 10)
        inside = (slice(_RIM, -_RIM),) * 2
        np.testing.assert_allclose(score[0, ..., 0].sigmoid().numpy()[inside], objectness[inside], atol=0.03)
        seen = objectness[inside] > 0.3
        found = place[0, ..., BOX:].numpy()[inside][seen] + 0.5
        np.testing.assert_allclose(found, points[inside][seen], atol=0.05)
        best = max(best, float(objectness.max()))
    assert best > 0.9


def test_other_files_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "other.onnx"
    layer = torch.nn.Conv2d(3, 8, 3)
    torch.onnx.export(layer, (torch.zeros(1, 3, 8, 8),), str(path), dynamo=False)
    assert any(node.op_type == "Conv" for node in onnx.load(path).graph.node)
    for each in (path, Path(__file__)):
        with pytest.raises(ModelError, match=each.name):
            fill(DetectorNet(), each)
