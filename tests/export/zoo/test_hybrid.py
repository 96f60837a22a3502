"""The hybrid network's coarse heads, which its graph leaves out."""

from __future__ import annotations

import numpy as np
import torch

from export import zoo


def test_all_fifteen_heads_give_the_originals_logits(golden):
    original = golden("hybrid_coarse_fine")
    net = zoo.get("hybrid").load(original.state)
    for suffix, image in original.inputs(224).items():
        with torch.inference_mode():
            features = net.embed(torch.from_numpy(image))
            for angle in ("yaw", "pitch", "roll"):
                for level in ("", "_1", "_2", "_3", "_4"):
                    wanted = original.arrays[f"{angle}{level}_logits{suffix}"]
                    found = net.get_submodule(f"fc_{angle}{level}")(features).numpy()
                    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
