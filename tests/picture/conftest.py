"""img2pose with the tests' weights: its golden outputs, its arrays, and its file, exported once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_weights import GOLDEN, picture_state

torch = pytest.importorskip("torch", reason="the export tests need torch")
pytest.importorskip("onnxsim", reason="the export tests need onnxsim")

from export.picture import export  # noqa: E402
from export.picture.exporting import PictureReport  # noqa: E402


@dataclass(frozen=True)
class Published:
    """Files as the repository has them: weights under ``fpn_model``, and three arrays."""

    checkpoint: Path
    mean: Path
    deviation: Path
    points: Path


@pytest.fixture(scope="session")
def golden_picture() -> dict[str, NDArray[np.float32]]:
    """Outputs of torchvision's parts for ``noise_picture``; see torchvision_reference.py."""
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def head_points() -> NDArray[np.float64]:
    """68 points on the front half of an ellipsoid, about as large as a head in decimetres."""
    rng = np.random.default_rng(6)
    unit = rng.normal(size=(68, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    unit[:, 2] = -np.abs(unit[:, 2])
    return unit * [0.7, 0.9, 0.8]


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("img2pose")
    files = Published(*(folder / name for name in ("img2pose.pth", "mean.npy", "deviation.npy", "points.npy")))
    state = {f"module.{key}": tensor for key, tensor in picture_state().items()}
    torch.save({"fpn_model": state, "optimizer": {"state": {}, "param_groups": [{"lr": 0.001}]}}, files.checkpoint)
    np.save(files.mean, np.array([0.1, -0.2, 0.05, 0.02, -0.03, 3.0]))
    np.save(files.deviation, np.array([0.5, 1.0, 0.4, 0.3, 0.3, 1.5]))
    np.save(files.points, head_points())
    return files


@pytest.fixture(scope="session")
def exported(published: Published) -> PictureReport:
    """The file with 100 proposals on small pictures, made by the step with its gate."""
    return export(
        published.checkpoint,
        mean=published.mean,
        deviation=published.deviation,
        points=published.points,
        output=published.checkpoint.with_suffix(".onnx"),
        shorter=160,
        longer=400,
        proposals=100,
    )
