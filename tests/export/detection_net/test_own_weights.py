"""A written detector as the start of another training, against the file in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from export.detection_net.exporting import Exported
from export.detection_net.network import DetectorNet
from export.detection_net.own_weights import fill_again
from hpe_edge.errors import ModelError
from hpe_edge.models import DEFAULT, FACE_DETECTOR


def test_the_embedded_detector_is_taken_up_again(rng: np.random.Generator) -> None:
    pixels = rng.normal(0, 0.5, (1, 3, 128, 192)).astype(np.float32)
    session = onnxruntime.InferenceSession(FACE_DETECTOR)
    wanted = session.run(None, {session.get_inputs()[0].name: pixels})
    network = DetectorNet()
    fill_again(network, FACE_DETECTOR)
    with torch.no_grad():
        found = Exported(network)(torch.from_numpy(pixels))
    assert len(found) == len(wanted) == 12
    for own, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(own.numpy(), other, atol=1e-3)


@pytest.mark.parametrize("path", [DEFAULT, Path(__file__)])
def test_other_files_are_refused(path: Path) -> None:
    with pytest.raises(ModelError, match=path.name):
        fill_again(DetectorNet(), path)
