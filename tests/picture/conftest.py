"""img2pose with the tests' weights: its golden outputs, and its file, exported once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_weights import GOLDEN


@pytest.fixture(scope="session")
def golden_picture() -> dict[str, NDArray[np.float32]]:
    """Outputs of torchvision's parts for ``noise_picture``; see torchvision_reference.py."""
    with np.load(GOLDEN) as arrays:
        return dict(arrays)
