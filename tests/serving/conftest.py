"""A real Triton server with two repositories of the embedded model, and a client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import CAMERAS, IDLE_S, Client, open_server

triton = pytest.importorskip("export.triton")
pytest.importorskip("tritonclient.grpc", reason="the tests of Triton need tritonclient")


@pytest.fixture(scope="session")
def server_python() -> Path:
    """Python of an environment with nvidia-pytriton."""
    from benchmarks.serving.triton_server import PYTHON_VARIABLE

    if PYTHON_VARIABLE not in os.environ:
        pytest.skip(f"needs the Triton server of nvidia-pytriton: {PYTHON_VARIABLE} names its environment's Python")
    return Path(os.environ[PYTHON_VARIABLE])


@pytest.fixture(scope="session")
def server(server_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Models ``head_pose_…``, and ``tight_…`` with small limits."""
    folder = tmp_path_factory.mktemp("triton")
    triton.export(output=folder / "plain", backend="python")
    triton.export(
        output=folder / "tight",
        backend="python",
        name="tight",
        max_batch=1,
        queue=1,
        cameras=CAMERAS,
        idle_s=IDLE_S,
    )
    with open_server([folder / "plain", folder / "tight"], folder / "work", server_python) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    opened = Client(server)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    import cv2

    from hpe_edge.samples import FOLDER

    return cv2.imread(str(FOLDER / "astronaut.jpg"))
