"""MediaPipe's face landmarker: 478 points of a face in three dimensions, and the pose that fits its canonical face.

The network gives x, y and z of each point in pixels of its input, z on the scale of x and growing away from the camera.
MediaPipe's own pose is a weighted Procrustes fit of its canonical face to 33 of the points, seen by a camera. Here the
same points and weights give the affine map of the canonical face to the points, by least squares, which is linear in
the points; the nearest rotation is the pose. It is that of a camera that looks straight at the face, as are the poses
of the other families.

Sources: Kartynnik et al., 2019, arXiv:1907.06724; Grishchenko et al., 2020, arXiv:2006.10962 (the network); MediaPipe's
geometry_pipeline_metadata_landmarks.binarypb (the canonical face); Bjorck and Bowie, 1971, doi:10.1137/0708036 (the
nearest rotation).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from export.zoo.family import Family
from hpe_edge.errors import ModelError
from hpe_edge.spec import Crop, Input, MatrixDecode

OUTPUT = "matrix"
SIZE = 256
POINTS = 478

_STAGES = ((16, 4), (32, 5), (64, 5), (128, 5), (128, 5), (128, 5), (128, 5))  # channels and blocks
_ITERATIONS = 8  # of the nearest rotation: from a singular value of 0.2 to 1 in float32

# Point, its place on the canonical face in centimetres (x to the right of the image, y up, z towards the camera), and
# its weight in the fit.
_CANONICAL = (
    (4, 0.0000, -0.4632, 7.5866, 0.07091),
    (6, 0.0000, 2.4733, 5.7886, 0.03210),
    (10, 0.0000, 8.2618, 4.4815, 0.00845),
    (33, -4.4459, 2.6640, 3.1734, 0.05872),
    (54, -6.2793, 6.6154, 1.4259, 0.00767),
    (67, -3.5240, 8.0060, 3.7292, 0.00908),
    (117, -5.2587, 0.9458, 2.9743, 0.00979),
    (119, -3.3007, 0.8616, 3.8728, 0.01457),
    (121, -1.8207, 1.4680, 4.2241, 0.01859),
    (127, -7.7431, 2.3650, -2.0052, 0.00520),
    (129, -1.7858, -0.9783, 4.8505, 0.12063),
    (132, -7.2709, -2.8909, -2.2525, 0.00556),
    (133, -1.8564, 2.5852, 3.7579, 0.05329),
    (136, -5.0853, -7.1786, 0.7147, 0.06689),
    (143, -6.4076, 2.2360, 1.5608, 0.01482),
    (147, -6.2349, -1.9444, 1.6635, 0.01426),
    (198, -1.2468, 0.2303, 5.6810, 0.02546),
    (205, -3.8329, -1.5373, 4.1377, 0.04725),
    (263, 4.4459, 2.6640, 3.1734, 0.05872),
    (284, 6.2793, 6.6154, 1.4259, 0.00767),
    (297, 3.5240, 8.0060, 3.7292, 0.00908),
    (346, 5.2587, 0.9458, 2.9743, 0.00979),
    (348, 3.3007, 0.8616, 3.8728, 0.01457),
    (350, 1.8207, 1.4680, 4.2241, 0.01859),
    (356, 7.7431, 2.3650, -2.0052, 0.00520),
    (358, 1.7858, -0.9783, 4.8505, 0.12063),
    (361, 7.2709, -2.8909, -2.2525, 0.00556),
    (362, 1.8564, 2.5852, 3.7579, 0.05329),
    (365, 5.0853, -7.1786, 0.7147, 0.06689),
    (372, 6.4076, 2.2360, 1.5608, 0.01482),
    (376, 6.2349, -1.9444, 1.6635, 0.01426),
    (420, 1.2468, 0.2303, 5.6810, 0.02546),
    (425, 3.8329, -1.5373, 4.1377, 0.04725),
)


class _Block(nn.Module):
    """Half the channels, filter each, project; a stage's first block halves the maps too."""

    def __init__(self, wide_in: int, wide: int, *, halve: bool) -> None:
        super().__init__()
        narrow = wide // 2
        side = 2 if halve else 1
        self.reduce = nn.Conv2d(wide_in, narrow, side, stride=side)
        self.act1 = nn.PReLU(narrow)
        self.filter = nn.Conv2d(narrow, narrow, 3, padding=1, groups=narrow)
        self.project = nn.Conv2d(narrow, wide, 1)
        self.act2 = nn.PReLU(wide)
        self._halve, self._new = halve, wide - wide_in

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.filter(self.act1(self.reduce(x))))
        if self._halve:
            x = functional.max_pool2d(x, 2)
        if self._new:
            x = functional.pad(x, (0, 0, 0, 0, 0, self._new))  # channels of zeros
        return self.act2(x + y)


class FaceLandmarker(nn.Module):
    """The network in the order of its published file, and the pose."""

    def __init__(self) -> None:
        super().__init__()
        wide_in = _STAGES[0][0]
        self.stem = nn.Conv2d(3, wide_in, 3, stride=2)
        self.act = nn.PReLU(wide_in)
        blocks = []
        for stage, (wide, count) in enumerate(_STAGES):
            for i in range(count):
                blocks.append(_Block(wide_in, wide, halve=stage > 0 and i == 0))
                wide_in = wide
        self.blocks = nn.Sequential(*blocks)
        self.tongue = nn.Conv2d(wide_in, 1, 2)
        self.presence = nn.Conv2d(wide_in, 1, 2)
        self.points = nn.Conv2d(wide_in, 3 * POINTS, 2)
        self.register_buffer("fit", _affine_fit(), persistent=False)

    def embed(self, image: Tensor) -> Tensor:
        """``[N, 3, 256, 256]`` to ``[N, 128, 2, 2]``."""
        # TensorFlow pads an even size on the right and at the bottom only.
        x: Tensor = self.blocks(self.act(self.stem(functional.pad(image, (0, 1, 0, 1)))))
        return x

    def landmarks(self, image: Tensor) -> Tensor:
        """``[N, 3, 256, 256]`` to x, y and z of the points in pixels of the crop, ``[N, 478, 3]``."""
        return self.points(self.embed(image)).reshape(-1, POINTS, 3)

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, 256, 256]`` to the rows of the transposed rotation, ``[N, 9]``."""
        return nearest_rotation(self.fit @ self.landmarks(image)).reshape(-1, 9)


class _FusedFit(nn.Module):
    """A FaceLandmarker whose last convolution gives the affine map in place of the points."""

    def __init__(self, net: FaceLandmarker) -> None:
        super().__init__()
        self.net = net
        self.map = nn.Conv2d(net.points.in_channels, 9, 2)
        with torch.no_grad():
            # Row i, column j of the map: the fit's row i with coordinate j of all points.
            self.map.weight.copy_(_fitted(net.fit, net.points.weight.flatten(1)).reshape(self.map.weight.shape))
            self.map.bias.copy_(_fitted(net.fit, net.points.bias[:, None]).flatten())

    def forward(self, image: Tensor) -> Tensor:
        return nearest_rotation(self.map(self.net.embed(image)).reshape(-1, 3, 3)).reshape(-1, 9)


def fuse_fit(net: FaceLandmarker) -> nn.Module:
    """The same outputs with 9 in place of 1434 numbers before the nearest rotation."""
    return _FusedFit(net).eval()


def _fitted(fit: Tensor, weight: Tensor) -> Tensor:
    """``[3, 478]`` and ``[3 * 478, K]`` to ``[9, K]``."""
    return torch.einsum("ip,pjk->ijk", fit, weight.reshape(POINTS, 3, -1)).flatten(0, 1)


def nearest_rotation(maps: Tensor) -> Tensor:
    """The rotations nearest to matrices ``[N, 3, 3]`` of any scale, in products and sums only.

    Iterates X (3 - X^T X) / 2, which converges for singular values between 0 and the root of 3.
    """
    length = maps.square().sum(dim=(1, 2), keepdim=True).sqrt()
    x = maps * (1.5 / length)  # a rotation's singular values are then 0.87
    for _ in range(_ITERATIONS):
        x = 1.5 * x - 0.5 * (x @ (x.transpose(1, 2) @ x))
    return x


def _affine_fit() -> Tensor:
    """The matrix ``[3, 478]`` whose product with the points is the transpose of the affine map of the canonical face.

    With the weighted canonical points c about their mean, in this project's axes, and the points p, the map A minimises
    the sum of w |A c - p|^2: A = (sum of w p c^T) (sum of w c c^T)^-1.
    """
    table = np.array(_CANONICAL)
    number, weight = table[:, 0].astype(int), table[:, 4] / table[:, 4].sum()
    canonical = table[:, 1:4] * [1.0, -1.0, -1.0]
    about = canonical - weight @ canonical
    weighted = about * weight[:, None]
    fit = np.zeros((3, POINTS))
    fit[:, number] = np.linalg.solve(weighted.T @ about, weighted.T)
    return torch.from_numpy(fit.astype(np.float32))


def state_from_tflite(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the published file's arrays to the state dict, by their order.

    Args:
        arrays: ``operator/kind/input`` -> array on TensorFlow's axes; see :mod:`export.checkpoints.tflite`.

    Raises:
        ModelError: an array is missing, left over or of another shape; the message names the first.
    """
    expected = FAMILY.layouts[0]
    state = {}
    for (key, shape), (name, array) in zip(expected.items(), arrays.items(), strict=False):
        tensor = _from_tensorflow_axes(array, name.split("/")[1])
        if tuple(tensor.shape) != shape:
            raise _other_file(f"{name} {list(array.shape)} stands where {key} {list(shape)} is due")
        state[key] = tensor.contiguous()
    if len(arrays) != len(expected):
        raise _other_file(f"{len(arrays)} in place of {len(expected)}")
    return state


def _other_file(difference: str) -> ModelError:
    return ModelError(
        f"the arrays are not the face landmarker's ({difference}); export face_landmarks_detector.tflite, which is in "
        "MediaPipe's face_landmarker.task, a zip archive"
    )


def _from_tensorflow_axes(array: Tensor, kind: str) -> Tensor:
    """Out, height, width, in to out, in, height, width; of a depthwise kernel, the last axis counts the channels."""
    if array.ndim == 4:
        return array.permute(3, 0, 1, 2) if kind == "depthwise" else array.permute(0, 3, 1, 2)
    return array.flatten() if kind == "prelu" else array


FAMILY = Family(
    name="face-landmarker",
    title="MediaPipe's face landmarker, 478 points in space and the rotation of its canonical face, 256x256 RGB",
    source="google-ai-edge/mediapipe, face_landmarker.task (Apache-2.0); Kartynnik et al., 2019, arXiv:1907.06724",
    published="none for the pose",
    crop_note="found by agreement with 3ddfa, lightweight and fsanet on unlabelled faces; MediaPipe's own is 1.5 times "
    "a box about all points, turned upright",
    builds=(FaceLandmarker,),
    export_form=fuse_fit,
    input=Input(size=SIZE, color="RGB", scale=1 / 255, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    crop=Crop(margins=(0.325, 0.425, 0.325, 0.225), square="extend", clip=False, resampling="bilinear"),
    decode=MatrixDecode(OUTPUT, signs=(-1.0, 1.0, -1.0)),
    outputs=(OUTPUT,),
    unexported=("the points, and the scores of a face and of a tongue: the pose needs none of them",),
    from_arrays={"tflite": state_from_tflite},
)
