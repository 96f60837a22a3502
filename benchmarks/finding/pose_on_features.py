"""A pose head on the frozen features of the face detector: its views, its features, its training.

The head reads a square around the found face, turned upright by the key points, from three maps of the detector's
network: the one with four pixels a cell, and the heads' with eight and sixteen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.finding.labelled_faces import Float64Array, Image, LabelledFace
from export.detection_net.decoding import Faces, detect
from export.detection_net.network import DetectorNet
from export.labelling.hull import bounds
from hpe_edge.boxes.overlap import iou
from hpe_edge.errors import InputError
from hpe_edge.ops.turns import roll_from_keypoints

Float32Array = NDArray[np.float32]

VIEW = 320  # pixels
SEED = 0

_CELLS = 14  # per side of the square that the head reads
_MARGIN = 1.3  # its side, in longer sides of the face's box
_STEM, _WIDTH, _DEEP = 64, 96, 128  # 26 million multiplications, as the embedded pose model
_LEAST_SCORE, _LEAST_IOU = 0.05, 0.4
_TURN_DEG = 20.0  # standard deviation of the views' turns
_MIRROR = np.diag([-1.0, 1.0, 1.0])
_SMALLEST, _LARGEST = 18.0, 200.0  # of the views for the training; log-uniform
_TOGETHER = 32
_BATCH, _RATE = 128, 2e-3


@dataclass(frozen=True)
class View:
    """A face at some size in a frame of ``VIEW`` pixels: the frame, what the detector found there, the pose."""

    frame: Image
    found: Faces
    rotation: Float64Array


def view(
    face: LabelledFace, size: float, rng: np.random.Generator, network: DetectorNet, *, varied: bool
) -> View | None:
    """Draw a face ``size`` pixels large; None if the detector does not find it.

    Args:
        face: the face.
        size: longer side of its box.
        rng: draws the place and, if ``varied``, a turn in the plane and a mirroring.
        network: the detector's.
        varied: see ``rng``.
    """
    box = bounds(face.outline[None])[0]
    scale = size / max(box[2:] - box[:2])
    turn = np.deg2rad(rng.normal(0, _TURN_DEG)) if varied else 0.0
    mirror = np.diag([-1.0, 1.0]) if varied and rng.random() < 0.5 else np.eye(2)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = scale * spin @ mirror
    middle = rng.uniform(0.6 * size, VIEW - 0.6 * size, 2) if size < VIEW / 1.2 else np.array([VIEW / 2, VIEW / 2])
    shift = middle - linear @ ((box[:2] + box[2:]) / 2)
    image = face.image
    if scale < 0.7:  # shrunk without aliasing
        old = np.array(image.shape[1::-1])
        new = np.maximum(np.round(old * scale), 1).astype(int)
        image = np.asarray(cv2.resize(image, (int(new[0]), int(new[1])), interpolation=cv2.INTER_AREA), np.uint8)
        drawn = linear @ np.diag(old / new)
    else:
        drawn = linear
    centres = np.column_stack([drawn, drawn @ (0.5, 0.5) + shift - 0.5])
    frame = np.asarray(cv2.warpAffine(image, centres, (VIEW, VIEW), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    there = bounds((face.outline @ linear.T + shift)[None])
    faces = detect(network, frame[None], _LEAST_SCORE)[0]
    shared = iou(faces.boxes.astype(np.float64), there)[:, 0]
    if shared.max(initial=0.0) < _LEAST_IOU:
        return None
    best = int(shared.argmax())
    one = Faces(faces.boxes[best : best + 1], faces.points[best : best + 1], faces.scores[best : best + 1])
    in_plane = np.eye(3)
    in_plane[:2, :2] = spin
    rotation = face.rotation if mirror[0, 0] > 0 else _MIRROR @ face.rotation @ _MIRROR
    return View(frame, one, in_plane @ rotation)


def features(network: DetectorNet, views: Sequence[View]) -> Tensor:
    """Read the maps for the head: float16 ``[N, C, CELLS, CELLS]``."""
    maps: list[Tensor] = []
    read = (network.quarter, *(head.shared for head in network.heads[:2]))
    hooks = [each.register_forward_hook(lambda _, __, made: maps.append(made)) for each in read]
    try:
        with torch.inference_mode():
            frames = torch.from_numpy(np.stack([each.frame for each in views])).permute(0, 3, 1, 2).float()
            network(frames)
            grid = torch.from_numpy(np.stack([_places(each.found) for each in views]))
            squares = [functional.grid_sample(level, grid, align_corners=False) for level in maps]
            return torch.cat(squares, 1).half()
    finally:
        for hook in hooks:
            hook.remove()


def _places(found: Faces) -> Float32Array:
    """Places of the square's cells ``[CELLS, CELLS, 2]``, -1 to 1 over the frame, x first."""
    box = found.boxes[0].astype(np.float64)
    roll = np.deg2rad(roll_of(found))
    steps = (np.arange(_CELLS) + 0.5) / _CELLS - 0.5
    x, y = np.meshgrid(steps, steps)
    spin = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    side = _MARGIN * max(box[2:] - box[:2])
    places = np.stack([x, y], axis=-1) @ spin.T * side + (box[:2] + box[2:]) / 2
    return np.asarray(2 * places / VIEW - 1, np.float32)


def roll_of(found: Faces) -> float:
    """Turn of the face in the frame in degrees, by its key points."""
    return float(np.nan_to_num(roll_from_keypoints(found.points.astype(np.float64))[0]))


class PoseHead(nn.Module):
    """Rotations ``[N, 3, 3]`` of the upright squares from ``[N, C, CELLS, CELLS]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(channels, _STEM, 1),
            *_convolution(_STEM, _WIDTH, 3),
            *_convolution(_WIDTH, _DEEP, 3, 2),
            *_convolution(_DEEP, _DEEP, 3),
            _Residual(_DEEP),
            nn.Flatten(),
            nn.Linear(_DEEP * (_CELLS // 2) ** 2, 6),
        )

    def forward(self, read: Tensor) -> Tensor:
        """Return the rotations."""
        first, second = self.layers(read).split(3, dim=1)
        x = functional.normalize(first, dim=1)
        y = functional.normalize(second - (x * second).sum(1, keepdim=True) * x, dim=1)
        return torch.stack([x, y, torch.linalg.cross(x, y)], dim=2)


class _Residual(nn.Module):
    """A separable convolution and its input, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        depthwise = nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False)
        pointwise = nn.Conv2d(width, width, 1, bias=False)
        norms = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.branch = nn.Sequential(depthwise, norms[0], nn.ReLU(), pointwise, norms[1])

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape ``[B, C, H, W]``."""
        return functional.relu(features + self.branch(features))


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


def upright(views: Sequence[View]) -> Tensor:
    """Rotations ``[N, 3, 3]`` as they stand in the upright squares."""
    return torch.from_numpy(np.stack([turns(each).T @ each.rotation for each in views])).float()


def turns(seen: View) -> Float64Array:
    """Turn of the square against the frame, ``[3, 3]``."""
    roll = np.deg2rad(roll_of(seen.found))
    return np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])


def train(read: Tensor, rotations: Tensor, epochs: int) -> PoseHead:
    """Train a head; the rate falls to zero."""
    torch.manual_seed(SEED)
    head = PoseHead(read.shape[1])
    optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=1e-2)
    steps = epochs * max(len(read) // _BATCH, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    order = torch.Generator().manual_seed(SEED)
    for _ in range(epochs):
        for chosen in torch.randperm(len(read), generator=order)[: max(len(read) // _BATCH, 1) * _BATCH].split(_BATCH):
            # The chord of the angle between the rotations; grows linearly, so that single wrong labels count little.
            apart = head(read[chosen].float()) - rotations[chosen]
            loss = (apart.square().sum((1, 2)) + 1e-6).sqrt().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    head.eval()
    return head


def read_views(faces: Sequence[LabelledFace], network: DetectorNet, wanted: int) -> tuple[Tensor, Tensor]:
    """Features of ``wanted`` views, less those where the face is not found, and their rotations."""
    rng = np.random.default_rng(SEED)
    read, rotations, batch = [], [], []
    for number in range(wanted):
        face = faces[int(rng.integers(len(faces)))]
        seen = view(face, float(np.exp(rng.uniform(*np.log((_SMALLEST, _LARGEST))))), rng, network, varied=True)
        batch += [seen] if seen is not None else []
        if batch and (len(batch) == _TOGETHER or number == wanted - 1):
            read.append(features(network, batch))
            rotations.append(upright(batch))
            batch = []
    if not read:
        raise InputError("the detector finds none of the faces: is this checkpoint trained?")
    return torch.cat(read), torch.cat(rotations)


def answer(head: PoseHead, network: DetectorNet, seen: View) -> Float64Array:
    """The head's rotation ``[3, 3]`` in the view."""
    with torch.inference_mode():
        said = head(features(network, [seen]).float())[0].double().numpy()
    return np.asarray(turns(seen) @ said)


def load_network(checkpoint: Path) -> DetectorNet:
    """The averaged network of a training."""
    network = DetectorNet()
    network.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["average"])
    network.eval()
    return network
