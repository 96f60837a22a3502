"""A fixed batch in an ONNX file: freed where only shapes hold it, refused where it is in the sums."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from export.graph.free_batch import free_batch
from export.graph.onnx_file import fix_image_input
from hpe_edge.errors import ModelError

SIZE = 8


class Net(nn.Module):
    def __init__(self, made: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.made = made

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.made(image)


def traced(made: Callable[[torch.Tensor], torch.Tensor], batch: int = 1) -> onnx.ModelProto:
    file = io.BytesIO()
    image = torch.zeros(batch, 3, SIZE, SIZE)
    torch.onnx.export(Net(made), (image,), file, input_names=["x"], output_names=["y"], dynamo=False)
    return onnx.load_from_string(file.getvalue())


def freed(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    path = Path("x.onnx")
    free_batch(path, model, fix_image_input(path, model, SIZE))
    return onnxruntime.InferenceSession(model.SerializeToString())


def shuffled(image: torch.Tensor) -> torch.Tensor:
    """A channel shuffle, as ShuffleNet has it: the batch is in the shapes."""
    batch, channels, height, width = image.shape
    x = torch.cat([image, 2 * image], dim=1).reshape(batch, 2, channels, height, width).transpose(1, 2)
    return x.reshape(batch, 2 * channels, height, width).amax(dim=(2, 3))


@pytest.mark.parametrize("batch", [1, 3])
def test_a_batch_in_shapes_is_freed(batch):
    session = freed(traced(shuffled, batch))
    for count in (1, 2, 7):
        image = np.random.default_rng(count).standard_normal((count, 3, SIZE, SIZE)).astype(np.float32)
        (found,) = session.run(None, {"x": image})
        assert np.allclose(found, shuffled(torch.from_numpy(image)).numpy())


def test_a_dynamic_batch_stays():
    model = traced(shuffled)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    before = model.SerializeToString()
    free_batch(Path("x.onnx"), model, fix_image_input(Path("x.onnx"), model, SIZE))
    assert model.SerializeToString() == before


@pytest.mark.parametrize(
    ("made", "batch"),
    [
        (lambda image: image.mean((2, 3)) + image.mean((0, 2, 3)), 1),  # the faces of a batch are mixed
        (lambda image: image.mean((2, 3)).T.reshape(1, 3), 1),  # the first axis is not the batch
        (lambda image: image.mean((2, 3)) * torch.tensor([[1.0], [2.0]]), 2),  # a number for each face
    ],
)
def test_a_batch_in_the_sums_is_refused(made, batch):
    with pytest.raises(ModelError, match=f"x.onnx has its batch of {batch} in the graph.*with a dynamic batch"):
        freed(traced(made, batch))
