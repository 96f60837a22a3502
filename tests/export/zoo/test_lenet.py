"""LeNet-5 against the counts of weights in the paper that it is defined after."""

from __future__ import annotations

import numpy as np

from export import zoo


def test_layers_have_the_papers_numbers_of_weights():
    sizes = {key: int(np.prod(shape)) for key, shape in zoo.get("lenet5").layouts[0].items()}
    weights = {layer: sizes[f"{layer}.weight"] + sizes[f"{layer}.bias"] for layer in ("c1", "c3", "c5", "f6")}
    assert weights["c1"] == 156 + 2 * 6 * 25  # the paper's, and two more colours
    assert weights["c3"] == 1516 + (6 * 16 - 60) * 25  # the paper connects 60 of the 96 pairs of maps
    assert weights["c5"] == 48_120
    assert weights["f6"] == 10_164
