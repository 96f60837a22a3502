"""A written detector's weights as the start of another training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from export.detection_net.exporting import CORNER
from export.detection_net.network import DetectorNet, bias_of
from hpe_edge.errors import ModelError


def fill_again(network: DetectorNet, path: Path) -> None:
    """Fill a network with the weights of a file of :func:`export.detection_net.exporting.write_onnx`.

    Raises:
        ModelError: the file is none.
    """
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # onnx's errors share no base class
        raise ModelError(f"{path} cannot be read as ONNX: {error}") from None
    found = [torch.from_numpy(np.array(numpy_helper.to_array(each))) for each in graph.initializer]
    own = network.state_dict()
    if [each.shape for each in found] != [each.shape for each in own.values()]:
        raise ModelError(f"{path} is no detector that hpe-edge export detector wrote")
    network.load_state_dict(dict(zip(own, found, strict=True)))
    with torch.no_grad():
        for head in network.heads:
            bias_of(head.place[1]).sub_(CORNER)
