"""From frame and boxes to angles as published demonstrations do it with torch, on a GPU.

Each face is cut out in whole pixels, made a PIL image, resized, converted and normalised by torchvision's transforms,
and copied to the GPU; the network runs, and the angles are the expectation over the bins' softmax. "Face by face" is
what the demonstrations do; "batched" runs the network once for all faces; "on the GPU" copies the frame once, resizes
there, and also runs once. Where torchvision is missing, torch's own operations do the same.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu.torch_network import TorchNetwork
from hpe_edge.spec import BinHead, ModelSpec

Window = tuple[int, int, int, int]  # x1 y1 x2 y2 in whole pixels inside the frame
Frame = NDArray[np.uint8]


class TorchDecoding:
    """Softmax and expectation of a model's bins."""

    def __init__(self, torch: Any, spec: ModelSpec, heads: Sequence[BinHead], device: str) -> None:
        self._torch = torch
        self._heads = [
            (
                spec.outputs.index(head.output),
                slice(head.column, head.column + head.count),
                head.first_deg,
                head.step_deg,
            )
            for head in heads
        ]
        self._bins = [torch.arange(head.count, dtype=torch.float32, device=device) for head in heads]

    def __call__(self, outputs: list[Any]) -> Any:
        """Return yaw, pitch and roll ``[N, 3]``."""
        angles = []
        for (output, columns, first_deg, step_deg), bins in zip(self._heads, self._bins, strict=True):
            shares = self._torch.softmax(outputs[output][:, columns], dim=1)
            angles.append((shares * bins).sum(dim=1) * step_deg + first_deg)
        return self._torch.stack(angles, dim=1)


class TorchPipelines:
    """The pipelines around one network.

    Attributes:
        transforms: name and version of what resizes and normalises.
    """

    def __init__(
        self, torch: Any, network: TorchNetwork, spec: ModelSpec, heads: Sequence[BinHead], device: str
    ) -> None:
        self._torch, self._network, self._spec, self._device = torch, network, spec, device
        self._decode = TorchDecoding(torch, spec, heads, device)
        mean, std = (torch.tensor(values, dtype=torch.float32).reshape(3, 1, 1) for values in _mean_std(spec))
        self._mean, self._std = mean, std
        self._mean_there, self._std_there = mean.to(device), std.to(device)
        try:
            vision = importlib.import_module("torchvision.transforms")
            functional = importlib.import_module("torchvision.transforms.functional")
        except (ImportError, RuntimeError) as error:  # built for another torch
            self.transforms = f"torch's own operations, for torchvision is missing ({error})"
            self._transform: Callable[[Any], Any] = self._by_torch
            self._resize: Callable[[Any], Any] = self._interpolate
            return
        version = importlib.import_module("torchvision").__version__
        self.transforms = f"torchvision {version}"
        size, (mean_values, std_values) = spec.input.size, _mean_std(spec)
        steps = [vision.Resize((size, size)), vision.ToTensor(), vision.Normalize(mean_values, std_values)]
        self._transform = functools.partial(_by_torchvision, vision.Compose(steps))
        self._resize = functools.partial(functional.resize, size=[size, size], antialias=True)

    def face_by_face(self, frame: Frame, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Run the network once per face; angles ``[N, 3]``."""
        found = []
        for window in windows:
            image = self._transform(self._face(frame, window)).unsqueeze(0).to(self._device)
            found.append(self._decode(self._network(image)).cpu().numpy()[0])
        return np.array(found, np.float32)

    def batched(self, frame: Frame, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Run the network once for all faces; angles ``[N, 3]``."""
        images = self._torch.stack([self._transform(self._face(frame, window)) for window in windows]).to(self._device)
        angles: NDArray[np.float32] = self._decode(self._network(images)).cpu().numpy()
        return angles

    def on_the_gpu(self, frame: Any, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Do everything on a GPU, for a frame there or in host memory."""
        there = (self._torch.from_numpy(frame) if isinstance(frame, np.ndarray) else frame).to(self._device)
        planes = (there.flip(2) if self._spec.input.color == "RGB" else there).permute(2, 0, 1)
        faces = []
        for x1, y1, x2, y2 in windows:
            faces.append(self._resize(planes[None, :, y1:y2, x1:x2].float() / 255))
        images = (self._torch.cat(faces) - self._mean_there) / self._std_there
        angles: NDArray[np.float32] = self._decode(self._network(images)).cpu().numpy()
        return angles

    def _face(self, frame: Frame, window: Window) -> Any:
        x1, y1, x2, y2 = window
        face = frame[y1:y2, x1:x2]
        return cv2.cvtColor(face, cv2.COLOR_BGR2RGB) if self._spec.input.color == "RGB" else face

    def _by_torch(self, face: NDArray[np.uint8]) -> Any:
        planes = self._torch.from_numpy(face).permute(2, 0, 1)[None].float() / 255
        return (self._interpolate(planes)[0] - self._mean) / self._std

    def _interpolate(self, planes: Any) -> Any:
        size = self._spec.input.size
        resize = self._torch.nn.functional.interpolate
        return resize(planes, (size, size), mode="bilinear", align_corners=False, antialias=True)


def _mean_std(spec: ModelSpec) -> tuple[list[float], list[float]]:
    """Return mean and deviation for values from 0 to 1."""
    unit = spec.input.scale * 255
    return [value / unit for value in spec.input.mean], [value / unit for value in spec.input.std]


def _by_torchvision(transform: Callable[[Any], Any], face: NDArray[np.uint8]) -> Any:
    from PIL import Image

    return transform(Image.fromarray(face))
