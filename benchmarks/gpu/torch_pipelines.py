"""From frame and boxes to angles as published demonstrations do it with torch, on a GPU.

Each face is cut out in whole pixels, made a PIL image, resized, converted and normalised by torchvision's transforms,
and copied to the GPU; the network runs, and the angles are the mean over the bins' softmax. "Face by face" is
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
from hpe_edge.errors import InputError
from hpe_edge.spec import BinsDecode, ModelSpec

Window = tuple[int, int, int, int]  # x1 y1 x2 y2 in whole pixels inside the frame
Frame = NDArray[np.uint8]


class TorchDecoding:
    """Softmax of a model's bins, and its expectation, or the circular mean where the bins span the circle."""

    def __init__(self, torch: Any, spec: ModelSpec, device: str) -> None:
        """
        Raises:
            InputError: the model gives no bins.
        """
        decode = spec.decode
        if not isinstance(decode, BinsDecode):
            raise InputError(f"torch's pipelines decode bins, and {spec.architecture} gives {decode.kind}")
        self._torch, self._order = torch, decode.order
        self._heads = []
        for head in (decode.yaw, decode.pitch, decode.roll):
            degrees = torch.arange(head.count, dtype=torch.float32, device=device) * head.step_deg + head.first_deg
            radians = torch.deg2rad(degrees)
            means_of = (radians.cos(), radians.sin()) if head.circular else (degrees,)
            columns = slice(head.column, head.column + head.count)
            self._heads.append((spec.outputs.index(head.output), columns, means_of))

    def __call__(self, outputs: list[Any]) -> NDArray[np.float32]:
        """Return yaw, pitch and roll ``[N, 3]`` in host memory."""
        angles = []
        for output, columns, means_of in self._heads:
            shares = self._torch.softmax(outputs[output][:, columns], dim=1)
            means = [(shares * values).sum(dim=1) for values in means_of]
            angles.append(means[0] if len(means) == 1 else self._torch.rad2deg(self._torch.atan2(means[1], means[0])))
        found = self._torch.stack(angles, dim=1).cpu()
        # On the host: there, operations on a few numbers take less than their launches would.
        triples: NDArray[np.float32] = (self._from_zxy(found) if self._order == "zxy" else found).numpy()
        return triples

    def _from_zxy(self, angles: Any) -> Any:
        """Convert angles of Rz(roll) Rx(-pitch) Ry(yaw) to those of Rx(-pitch) Ry(yaw) Rz(roll).

        Of the two triples of a rotation it is the one with pitch from -90 to 90 degrees.
        """
        torch = self._torch
        radians = torch.deg2rad(angles)
        (sy, sp, sr), (cy, cp, cr) = radians.sin().unbind(1), radians.cos().unbind(1)
        r00, r01, r02 = cr * cy + sr * sp * sy, -sr * cp, cr * sy - sr * sp * cy
        r12, r22 = sr * sy + cr * sp * cy, cp * cy
        side = torch.where(r22 < 0, -1.0, 1.0)
        sines = torch.stack([r02, side * r12, -side * r01], dim=1)
        cosines = torch.stack([side * torch.hypot(r00, r01), side * r22, side * r00], dim=1)
        return torch.rad2deg(torch.atan2(sines, cosines))


class TorchPipelines:
    """The pipelines around one network.

    Attributes:
        transforms: name and version of what resizes and normalises.
    """

    def __init__(self, torch: Any, network: TorchNetwork, spec: ModelSpec, device: str) -> None:
        """
        Raises:
            InputError: the model gives no bins.
        """
        self._torch, self._network, self._spec, self._device = torch, network, spec, device
        self._decode = TorchDecoding(torch, spec, device)
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
            found.append(self._decode(self._network(image))[0])
        return np.array(found, np.float32)

    def batched(self, frame: Frame, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Run the network once for all faces; angles ``[N, 3]``."""
        images = self._torch.stack([self._transform(self._face(frame, window)) for window in windows]).to(self._device)
        return self._decode(self._network(images))

    def on_the_gpu(self, frame: Any, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Do everything on a GPU, for a frame there or in host memory."""
        there = (self._torch.from_numpy(frame) if isinstance(frame, np.ndarray) else frame).to(self._device)
        planes = (there.flip(2) if self._spec.input.color == "RGB" else there).permute(2, 0, 1)
        faces = []
        for x1, y1, x2, y2 in windows:
            faces.append(self._resize(planes[None, :, y1:y2, x1:x2].float() / 255))
        images = (self._torch.cat(faces) - self._mean_there) / self._std_there
        return self._decode(self._network(images))

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
