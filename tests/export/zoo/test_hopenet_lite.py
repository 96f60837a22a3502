"""HopeNet-lite's second key layout, whose golden data state figures of the outputs only, and fr_pose.onnx."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from export import zoo
from export.gate import crops
from export.onnx import adopt
from export.zoo.hopenet_lite import HopeNetLite, HopeNetLiteV2
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.ops.decode import DecodeHeads

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


def test_fr_pose_is_adopted_with_a_dynamic_batch(monkeypatch, golden, tmp_path):
    """Three heads of a batch of one, as in fr_pose.onnx; angles by its package's sums, with the bins' centres."""
    net = zoo.get("hopenet-lite").load(golden("hopenet_lite_stable").state)

    class Heads(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, image):
            return self.net(image).chunk(3, dim=1)

    theirs, out = tmp_path / "fr_pose.onnx", tmp_path / "out.onnx"
    names = {"input_names": ["input"], "output_names": ["output", "out617", "out618"]}
    with torch.inference_mode():
        torch.onnx.export(Heads(), (torch.zeros(1, 3, 224, 224),), theirs, **names, dynamo=False)
    monkeypatch.setattr(crops, "MIN_CROPS", 4)
    adopt(theirs, arch="fr-pose", dynamic_batch=True, output=out)
    backend = OnnxRuntimeBackend(out)
    image = golden("hopenet_lite_stable").inputs(224)["_blocky"]
    context = backend.context()
    context.input(2)[...] = image
    found = DecodeHeads(backend.spec)(context.run(2)).angles
    session = onnxruntime.InferenceSession(theirs)
    for row, each in zip(found, image, strict=True):
        heads = [head[0].astype(float) for head in session.run(None, {"input": each[None]})]
        wanted = [(np.exp(head) / np.exp(head).sum() * np.arange(66)).sum() * 3 - 97.5 for head in heads]
        assert row == pytest.approx(wanted, abs=1e-2)
