"""HopeNet-lite's second key layout, whose golden data state figures of the outputs only."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from export import zoo
from export.zoo.hopenet_lite import HopeNetLite, HopeNetLiteV2

FIRST_UNIT = {"2": 0, "3": 4, "4": 12}


def v2_key(key):
    """The second version's name for what the stable one calls ``key``."""
    key = re.sub(r"^stage(\d)\.(\d)\.b", lambda m: f"features.{FIRST_UNIT[m[1]] + int(m[2])}.b", key)
    key = key.replace("branch", "banch").replace("conv5", "conv_last")
    return re.sub(r"^fc_([ypr])\.", r"fc_\1.0.", key)


def test_layout_is_chosen_by_the_keys(golden):
    family = zoo.get("hopenet-lite")
    assert isinstance(family.load(golden("hopenet_lite_stable").state), HopeNetLite)
    assert isinstance(family.load(golden("hopenet_lite_v2").state), HopeNetLiteV2)


def test_stable_weights_under_the_other_keys_give_the_same_logits(golden):
    stable = golden("hopenet_lite_stable")
    state = {v2_key(key): tensor for key, tensor in stable.state.items()}
    assert list(state) == list(golden("hopenet_lite_v2").state)
    net = zoo.get("hopenet-lite").load(state)
    for suffix, image in stable.inputs(224).items():
        with torch.inference_mode():
            found = net(torch.from_numpy(image)).numpy()
        wanted = stable.head(suffix)
        assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_outputs_have_the_figures_that_the_original_second_version_gave(data: Path, golden):
    stated = json.loads((data / "golden/hopenet_lite_v2/meta.json").read_text())
    original = golden("hopenet_lite_v2")
    net = zoo.get("hopenet-lite").load(original.state)
    for suffix, image in original.inputs(224).items():
        with torch.inference_mode():
            heads = net(torch.from_numpy(image)).numpy().reshape(2, 3, 66)
        for i, angle in enumerate(("yaw", "pitch", "roll")):
            name = f"{angle}_logits{suffix}"
            head = heads[:, i]
            assert np.abs(head).max() == pytest.approx(stated["output_abs_max"][name], rel=1e-5)
            assert np.abs(head[0] - head[1]).max() == pytest.approx(stated["between_inputs_max_abs"][name], rel=1e-4)
