"""The families against the outputs of the originals' own code, in torch and after the export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from export import zoo
from export.zoo.bins import fuse_heads
from hpe_edge.backends.onnxruntime import OnnxRuntimeBackend
from hpe_edge.errors import ModelError
from hpe_edge.ops import DecodeHeads, crop_normalize
from hpe_edge.spec import BinsDecode, Input, Origin

GOLDENS = [
    ("lightweight_b66", "lightweight"),
    ("ehpnet_resnet18", "ehpnet"),
    ("mhpnet_resnet18", "ehpnet"),
    ("hopenet_resnet50", "hopenet"),
]
# The originals themselves differ by 1e-5 of the largest logit and 1e-4 degrees between float32 and float64.
LOGIT_TOLERANCE = 1e-4
TORCH_TOLERANCE_DEG = 1e-3
ONNX_TOLERANCE_DEG = 1e-2
ORIGIN = Origin(checkpoint="none", sha256="0" * 64)


def decode(family, logits):
    return DecodeHeads(family.spec(ORIGIN))([np.ascontiguousarray(logits)]).angles


@pytest.mark.parametrize(("arch", "name"), GOLDENS)
def test_torch_module_gives_the_originals_logits_and_angles(golden, arch, name):
    original = golden(arch)
    family = zoo.get(name)
    net = family.load(original.state)
    for suffix, image in original.inputs(family.input.size).items():
        with torch.inference_mode():
            logits = net(torch.from_numpy(image)).numpy()
        wanted = original.logits(suffix)
        assert np.abs(logits - wanted).max() <= LOGIT_TOLERANCE * np.abs(wanted).max()
        assert np.abs(decode(family, logits) - original.angles(suffix)).max() <= TORCH_TOLERANCE_DEG


@pytest.mark.parametrize(("arch", "name"), GOLDENS)
def test_exported_model_gives_the_originals_angles(golden, exported, arch, name):
    original = golden(arch)
    backend = OnnxRuntimeBackend(exported(arch, original.state))
    assert backend.spec.architecture == name
    heads = DecodeHeads(backend.spec)
    context = backend.context()
    for suffix, image in original.inputs(backend.spec.input.size).items():
        context.input(2)[...] = image
        angles = heads(context.run(2)).angles
        assert np.abs(angles - original.angles(suffix)).max() <= ONNX_TOLERANCE_DEG


def test_published_lightweight_weights_give_the_originals_angles(data: Path, golden, published):
    with np.load(data / "golden/lightweight_b66/golden_published_ckpt.npz") as arrays:
        wanted = {suffix: arrays[f"model-b66.pkl::angles_ypr_deg{suffix}"] for suffix in ("", "_blocky")}
    backend = OnnxRuntimeBackend(published)
    context = backend.context()
    for suffix, image in golden("lightweight_b66").inputs(224).items():
        context.input(2)[...] = image
        angles = DecodeHeads(backend.spec)(context.run(2)).angles
        assert np.abs(angles - wanted[suffix]).max() <= ONNX_TOLERANCE_DEG


@pytest.mark.parametrize("name", zoo.names())
def test_spec_decodes_every_column_of_the_output_in_order(name):
    family = zoo.get(name)
    assert isinstance(family.decode, BinsDecode)
    count = family.decode.yaw.count
    heads = (family.decode.yaw, family.decode.pitch, family.decode.roll)
    assert [head.column for head in heads] == [0, count, 2 * count]
    # All the weight on one bin of each head gives that bin's angle.
    logits = np.zeros((1, 3 * count), np.float32)
    logits[0, [5, count + 20, 2 * count + 40]] = 50
    wanted = [head.first_deg + k * head.step_deg for head, k in zip(heads, (5, 20, 40), strict=True)]
    assert decode(family, logits)[0] == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "flat_deg"),
    [("lightweight", 0.0), ("hopenet", -1.5), ("ehpnet", -1.5)],  # centres, lower edges, lower edges
)
def test_flat_logits_show_whether_bins_are_centres_or_edges(name, flat_deg):
    family = zoo.get(name)
    flat = np.zeros((1, 3 * family.decode.yaw.count), np.float32)
    assert decode(family, flat)[0] == pytest.approx([flat_deg] * 3, abs=1e-4)


@pytest.mark.parametrize(("arch", "name"), GOLDENS)
def test_normalisation_is_the_originals(data: Path, arch, name):
    stated = json.loads((data / "golden" / arch / "meta.json").read_text())["input_norm"]
    levels = np.array([0.0, 100.0, 255.0])[:, None]
    scaled = levels / 255 if stated["range"] == "x/255" else levels
    made = zoo.get(name).input
    assert made.color == stated["colour"][:3]
    assert np.allclose(
        (levels * made.scale - made.mean) / np.array(made.std), (scaled - stated["mean"]) / np.array(stated["std"])
    )


@pytest.mark.parametrize(("width", "height"), [(100, 125), (50, 125), (200, 125)])
def test_hopenet_crop_is_its_test_codes(width, height):
    """Its steps on boxes for which they end on whole pixels, before and after resizing."""
    frame = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    x1, y1, x2, y2 = box = (60, 70, 60 + width, 70 + height)
    x1 -= 0.4 * (x2 - x1)
    y1 -= 0.4 * (y2 - y1)
    x2 += 0.4 * (x2 - x1)
    y2 += 0.12 * (y2 - y1)
    cut = Image.fromarray(frame).crop((round(x1), round(y1), round(x2), round(y2)))
    scale = 224 / min(cut.size)
    resized = cut.resize([round(side * scale) for side in cut.size], Image.Resampling.BILINEAR)
    x, y = ((side - 224) // 2 for side in resized.size)
    wanted = np.asarray(resized.crop((x, y, x + 224, y + 224)), np.float32)

    levels = Input(size=224, color="RGB", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))
    found = crop_normalize(frame, [box], zoo.get("hopenet").crop, levels, color="RGB")[0]
    # PIL rounds to whole levels after each of its two passes.
    assert np.abs(found.transpose(1, 2, 0) - wanted).max() <= 1.01


def test_fused_heads_give_the_same_logits(lightweight_state):
    net = zoo.get("lightweight").load(lightweight_state)
    image = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        apart, fused = net(image), fuse_heads(net)(image)
    # One matrix product may sum in another order than three.
    assert torch.allclose(apart, fused, rtol=1e-6, atol=1e-5)


def test_ehpnet_logits_of_a_face_do_not_depend_on_the_batch(golden):
    original = golden("ehpnet_resnet18")
    family = zoo.get("ehpnet")
    net = family.load(original.state)
    image = torch.from_numpy(original.inputs(112)[""])
    with torch.inference_mode():
        together, alone = net(image)[:1], net(image[:1])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", zoo.names())
def test_each_family_is_recognised_by_its_own_weights(name):
    state = {key: torch.zeros(shape) for key, shape in zoo.get(name).expected.items()}
    assert zoo.recognise(state).name == name


def test_old_files_without_batch_counters_load(lightweight_state):
    old = {key: tensor for key, tensor in lightweight_state.items() if not key.endswith("num_batches_tracked")}
    assert len(old) < len(lightweight_state)
    assert zoo.recognise(old).name == "lightweight"
    zoo.get("lightweight").load(old)


@pytest.mark.parametrize(("name", "extra"), [("ehpnet", "fc_mask"), ("hopenet", "fc_finetune")])
def test_heads_that_are_not_exported_are_named(name, extra):
    state = {key: torch.zeros(shape) for key, shape in zoo.get(name).expected.items()}
    assert zoo.get(name).dropped(state) == ()
    state[f"{extra}.weight"] = torch.zeros(2, 512)
    (drop,) = zoo.get(name).dropped(state)
    assert extra in drop.why
    assert zoo.recognise(state).name == name


def test_unknown_weights_list_the_nearest_families_and_keys(lightweight_state):
    state = {key: tensor for key, tensor in lightweight_state.items() if not key.startswith("fc_roll")}
    state["fc_extra.weight"] = torch.zeros(3, 128)
    with pytest.raises(ModelError, match=r"no known family.*lightweight \(missing fc_roll.weight, fc_roll.bias; "):
        zoo.recognise(state)
    with pytest.raises(ModelError, match=r"unexpected fc_extra\.weight"):
        zoo.get("lightweight").load(state)


def test_nearest_is_the_family_with_the_most_keys_in_common():
    # So few of HopeNet's keys that the smaller families miss fewer.
    keys = list(zoo.get("hopenet").expected.items())[-30:]
    with pytest.raises(ModelError, match=r"the nearest are hopenet \("):
        zoo.recognise({key: torch.zeros(shape) for key, shape in keys})


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "_orig_mod.module.net."])
def test_prefix_of_all_keys_is_taken_off(lightweight_state, prefix):
    wrapped = {f"{prefix}{key}": tensor for key, tensor in lightweight_state.items()}
    found, state = zoo.strip_prefix(wrapped)
    assert found == prefix
    assert list(state) == list(lightweight_state)


def test_prefix_that_is_not_shared_or_does_not_help_stays(lightweight_state):
    mixed = {"model.epoch": torch.zeros(1), **lightweight_state}
    assert zoo.strip_prefix(mixed) == ("", mixed)
    foreign = {"conv.weight": torch.zeros(2), "conv.bias": torch.zeros(2)}
    assert zoo.strip_prefix(foreign) == ("", foreign)


def test_other_shapes_are_named(lightweight_state):
    state = {**lightweight_state, "fc_yaw.weight": torch.zeros(62, 128)}
    with pytest.raises(ModelError, match=r"fc_yaw\.weight \[62, 128\] in place of \[66, 128\]"):
        zoo.get("lightweight").load(state)


def test_weights_that_fit_two_families_need_a_name(lightweight_state, monkeypatch):
    monkeypatch.setattr(zoo, "_REGISTRY", {"lightweight": zoo._REGISTRY["lightweight"]} | {"twin": "twin"})
    family = zoo.get("lightweight")
    monkeypatch.setattr(zoo, "get", lambda name: family)
    with pytest.raises(ModelError, match=r"lightweight and lightweight alike; say which they are with --arch"):
        zoo.recognise(lightweight_state)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"no architecture 'resnet'.*lightweight"):
        zoo.get("resnet")
