"""Faces drawn from three marks, a teacher that reads their pose back from the pixels, and a head of 68 points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from export.distillation.views import Pool
from export.teaching.arrays import FACE, MIDDLE, SIDE, Labels, Patches
from export.teaching.teachers import Teacher
from hpe_edge.geometry import euler_from_rotation, rotation_from_zxy
from hpe_edge.spec import AngleHead, AnglesDecode, Crop, Input, ModelSpec, Origin

Array = NDArray[np.float64]
RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)
EYES, CHIN = np.array([0.0, -0.25]), np.array([0.0, 0.25])  # in box sides from the middle of the box
DEG_PER_SIDE = 300.0  # the nose moves by a box side in this many degrees of yaw or pitch
SPEC = ModelSpec(
    architecture="reader",
    input=Input(size=112, color="RGB", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3),
    outputs=("angles",),
    crop=Crop(margins=(0.125,) * 4),
    decode=AnglesDecode(*(AngleHead("angles", column) for column in range(3))),
    origin=Origin("reader", "0" * 64),
)


def clockwise(turn_deg: float) -> Array:
    """The turn of points x y, y down, as a viewer sees it."""
    angle = np.deg2rad(turn_deg)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def dots(
    points: Array, colors: list[tuple[int, int, int]], height: int, width: int, radius: float
) -> NDArray[np.uint8]:
    """Black, with a disc of each colour; corners of pixels are at whole numbers."""
    y, x = np.mgrid[:height, :width] + 0.5
    image = np.zeros((height, width, 3))
    for (px, py), color in zip(points, colors, strict=True):
        cover = np.clip(radius - np.hypot(x - px, y - py) + 0.5, 0, 1)
        image = np.maximum(image, cover[..., None] * color)
    return np.rint(image).astype(np.uint8)


def place_of(image: NDArray[np.uint8], color: tuple[int, int, int]) -> Array:
    """The middle of the disc of a colour of one channel."""
    channel = color.index(255)
    levels = image.astype(np.int16)
    weight = levels[..., channel] - np.maximum(levels[..., channel - 1], levels[..., channel - 2])
    y, x = np.nonzero(weight >= max(1.0, 0.4 * weight.max()))
    weights = weight[y, x].astype(np.float64)
    return np.array([(x + 0.5) @ weights, (y + 0.5) @ weights]) / max(weights.sum(), 1e-9)


def marks(zxy_deg: Array, middle: Array, side: float) -> Array:
    """Eyes, nose and chin ``[3, 2]`` of a face; the nose moves to the left with yaw, upwards with pitch."""
    yaw, pitch, roll = zxy_deg
    upright = np.array([EYES, [-yaw / DEG_PER_SIDE, -pitch / DEG_PER_SIDE], CHIN])
    return upright @ clockwise(roll).T * side + middle


def face(zxy_deg: Array, middle: Array, side: float, height: int, width: int) -> NDArray[np.uint8]:
    """A picture with a face whose box has that middle and side."""
    return dots(marks(zxy_deg, middle, side), [RED, GREEN, BLUE], height, width, radius=0.05 * side)


def read(image: NDArray[np.uint8]) -> Array:
    """Yaw, pitch and roll (zxy) of the face in a BGR picture."""
    eyes, nose, chin = (place_of(image, color) for color in (RED, GREEN, BLUE))
    up = eyes - chin
    roll = np.rad2deg(np.arctan2(up[0], -up[1]))
    side = np.linalg.norm(up) / (CHIN - EYES)[1]
    x, y = (nose - (eyes + chin) / 2) @ clockwise(roll) / side
    return np.array([-x * DEG_PER_SIDE, -y * DEG_PER_SIDE, roll])


def reader(change: Callable[[Array], Array] = lambda zxy_deg: zxy_deg, name: str = "reader") -> Teacher:
    """A teacher that reads drawn faces; ``change`` makes it err."""

    def run(crops: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        pictures = np.clip(np.rint(crops[:, ::-1]), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
        poses = rotation_from_zxy(np.stack([change(read(each)) for each in pictures]))
        return [euler_from_rotation(poses).astype(np.float32)]

    return Teacher(name, f"{name:0>64}", SPEC, lambda: run)


def poses(count: int, seed: int = 0, roll: float = 6.0) -> Array:
    """Random yaw, pitch and roll (zxy), to 40 and 30 degrees and the given roll."""
    return np.random.default_rng(seed).uniform([-40, -30, -roll], [40, 30, roll], (count, 3))


def drawn_patches(zxy_deg: Array) -> Patches:
    """Patches of drawn faces, one from each picture."""
    pictures = np.stack([face(each, np.array([MIDDLE, MIDDLE]), FACE, SIDE, SIDE) for each in zxy_deg])
    box = np.array([MIDDLE - FACE / 2, MIDDLE - FACE / 2, MIDDLE + FACE / 2, MIDDLE + FACE / 2], np.float32)
    return Patches(pictures, np.tile(box, (len(zxy_deg), 1)), np.arange(len(zxy_deg)))


def drawn_pool(zxy_deg: Array) -> Pool:
    """The same as a pool with their labels."""
    patches = drawn_patches(zxy_deg)
    labels = Labels(rotation_from_zxy(zxy_deg), np.full((len(zxy_deg), 3), 2.0))
    return Pool(patches.pictures, patches.boxes[:, None], labels, np.ones(len(zxy_deg)))


def head() -> Array:
    """A symmetric head of the 68 landmarks of 300W: x to its left in the image's right, y down, z backwards."""
    along = np.linspace(-1, 1, 17)
    jaw = np.stack([0.5 * np.sin(along * np.pi / 2), -0.1 + 0.6 * np.cos(along * np.pi / 2), 0.1 + 0.4 * along**2], 1)
    brow = np.array(
        [[-0.42, -0.38, 0.1], [-0.35, -0.45, 0.03], [-0.27, -0.48, 0], [-0.18, -0.46, -0.02], [-0.09, -0.42, -0.03]]
    )
    bridge = np.array([[0, -0.3, -0.05], [0, -0.2, -0.1], [0, -0.1, -0.16], [0, 0, -0.22]])
    base = np.array([[-0.12, 0.06, -0.02], [-0.06, 0.08, -0.07], [0, 0.09, -0.09]])
    eye = np.array(
        [
            [-0.32, -0.28, 0.08],
            [-0.26, -0.32, 0.03],
            [-0.19, -0.32, 0.02],
            [-0.13, -0.28, 0.03],
            [-0.19, -0.26, 0.03],
            [-0.26, -0.26, 0.04],
        ]
    )
    upper = np.array([[-0.18, 0.24, 0.03], [-0.1, 0.21, -0.03], [-0.04, 0.19, -0.06], [0, 0.2, -0.07]])
    lower = np.array([[-0.1, 0.3, -0.02], [-0.04, 0.32, -0.05]])
    inner = np.array([[-0.15, 0.245, 0.02], [-0.05, 0.23, -0.04], [0, 0.235, -0.05]])

    def other(points: Array) -> Array:
        return points[::-1] * (-1, 1, 1)

    eye_left = (eye * (-1, 1, 1))[[3, 2, 1, 0, 5, 4]]
    lips = [upper, other(upper[:3]), other(lower), np.array([[0, 0.325, -0.055]]), lower[::-1]]
    inside = [inner, other(inner[:2]), np.array([[0.05, 0.25, -0.04], [0, 0.255, -0.045], [-0.05, 0.25, -0.04]])]
    lips[2] = lower * (-1, 1, 1)  # from the left corner towards the middle
    points = np.concatenate([jaw, brow, other(brow), bridge, base, other(base[:2]), eye, eye_left, *lips, *inside])
    return np.asarray(points - points.mean(axis=0))
