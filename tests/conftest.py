"""What all tests share: where the data lies, and the instruction sets to run over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of checkpoints, labelled photos and the video, which is not part of the project."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs the project's data folder, which is kept outside the repository")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
