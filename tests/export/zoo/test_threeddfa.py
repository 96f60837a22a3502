"""3DDFA V2 against numbers of its original code: rows of the rotation by rule weights and by the published ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rule_weights import rule_state

from export import zoo
from export.checkpoints.network import load_network
from export.step import quiet
from export.zoo import threeddfa
from hpe_edge.geometry import geodesic_deg
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.samples import read_photo
from hpe_edge.spec import Origin

FAMILY = zoo.get("3ddfa")
NARROW, WIDE = FAMILY.layouts
Y_UP = np.diag([1.0, -1.0, -1.0])

# Made with models/mobilenet_v1.py, utils/pose.py and the .pkl of cleardusk/3DDFA_V2, torch 2.13.0: the first two rows
# of the rotation as P2sRt returns them, of two inputs.
RULE_NARROW = [
    [[0.253866, -0.066175, -0.964973], [-0.663131, 0.716990, 0.214902]],
    [[0.156355, -0.042988, -0.986765], [-0.672351, 0.705343, 0.224577]],
]
RULE_WIDE = [
    [[-0.307802, -0.310930, 0.899211], [-0.001992, 0.783257, 0.621695]],
    [[-0.010754, -0.400784, 0.916109], [0.099591, 0.723673, 0.682920]],
]
PUBLISHED_NARROW = [
    [[0.400551, 0.398612, -0.825026], [-0.461293, 0.867954, -0.184025]],
    [[-0.078171, 0.580881, 0.810226], [-0.223623, 0.892701, -0.391251]],
]


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal((2, 3, 8, 8))
    return np.kron(noise, np.ones((1, 1, 15, 15))).astype(np.float32)


@pytest.fixture(scope="module")
def folder(data: Path) -> Path:
    return data / "checkpoints/3ddfa_v2"


@pytest.fixture(scope="module")
def published(folder: Path) -> torch.nn.Module:
    return load_network([folder / "mb05_120x120.pth"], [], trust=False, report=quiet).net


def rows(net: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """The two rows in the original's axes, of length 1."""
    with torch.inference_mode():
        numbers = net(torch.from_numpy(images)).numpy().reshape(-1, 2, 3)
    numbers = numbers * [[1, -1, -1], [-1, 1, 1]]
    return numbers / np.linalg.norm(numbers, axis=2, keepdims=True)


@pytest.mark.parametrize(("layout", "wanted"), [(NARROW, RULE_NARROW), (WIDE, RULE_WIDE)])
def test_rule_weights_give_the_originals_rows(images, layout, wanted):
    net = FAMILY.load(rule_state(layout, ()))
    assert np.abs(rows(net, images) - wanted).max() < 2e-6
    assert np.abs(rows(FAMILY.export_form(net), images) - wanted).max() < 1e-5


def test_published_weights_give_the_originals_rows(images, published):
    assert np.abs(rows(published, images) - PUBLISHED_NARROW).max() < 2e-6


def test_constants_are_the_published_files(folder):
    with (folder / "param_mean_std_62d_120x120.pkl").open("rb") as file:
        numbers = pickle.load(file)  # ours: tests trust the shared data
    for name, found in (("mean", threeddfa._MEAN), ("std", threeddfa._STD)):
        assert np.array_equal(numbers[name][list(threeddfa._ROWS)], np.float32(found))


def test_decode_gives_the_rotation_with_y_and_z_turned_round():
    """R = F M F, for M by Gram-Schmidt on the original's rows."""
    rng = np.random.default_rng(0)
    original = np.linalg.qr(rng.normal(size=(50, 3, 3)))[0]
    original *= np.linalg.det(original)[:, None, None]
    wanted = Y_UP @ original @ Y_UP
    spec = FAMILY.spec(Origin("none", "0" * 64))
    # What the network's forward makes of the rows; their length does not matter.
    numbers = (3.7 * wanted[:, :2]).reshape(-1, 6).astype(np.float32)
    found = DecodeHeads(spec)([np.ascontiguousarray(numbers)]).rotation
    assert geodesic_deg(found, wanted).max() < 0.05


def test_landmarks_are_pixels_of_the_crop(published):
    """A picture that moves by 6 pixels moves the points by 6, and a larger one spreads them."""
    photo, box = read_photo(), np.array([181.0, 88.0, 269.0, 178.0])
    net = published
    assert isinstance(net, threeddfa.ThreeDdfa)
    middle, side = (box[:2] + box[2:]) / 2, 1.25 * (box[2:] - box[:2]).max()

    def points(scale: float, shift: float) -> np.ndarray:
        zoom = scale * 120 / side
        x, y = 60 - zoom * middle
        crop = cv2.warpAffine(photo, np.float32([[zoom, 0, x + shift], [0, zoom, y]]), (120, 120))
        image = torch.from_numpy((crop.astype(np.float32) - 127.5) / 128).permute(2, 0, 1)[None]
        with torch.inference_mode():
            found: np.ndarray = net.landmarks(image)[0].numpy()
        return found

    plain = points(1.0, 0.0)
    assert plain.shape == (68, 2)
    right_eye, left_eye, mouth = plain[36:42].mean(axis=0), plain[42:48].mean(axis=0), plain[48:68].mean(axis=0)
    assert right_eye[0] < mouth[0] < left_eye[0]
    assert mouth[1] > left_eye[1] + 15
    moved = points(1.0, 6.0) - plain
    assert moved.mean(axis=0) == pytest.approx([6.0, 0.0], abs=1.0)
    assert np.ptp(points(1.1, 0.0), axis=0) == pytest.approx(1.1 * np.ptp(plain, axis=0), rel=0.04)
