"""The families against the outputs of the originals' own code, in torch and after the export."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from export import zoo
from export.zoo.bins import fuse_heads
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import ModelError
from hpe_edge.geometry import geodesic_deg, rotation_from_euler, rotation_from_zxy, wrap_deg
from hpe_edge.ops.crop import crop_normalize
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import BinsDecode, Input, Origin

# Golden data -> the family that its weights are exported as.
GOLDENS = {
    "lightweight_b66": "lightweight",
    "hopenet_resnet50": "hopenet",
    "hopenet_resnet50_regression": "hopenet-regression",
    "hopenet_alexnet": "hopenet-alexnet",
    "hopenet_lite_stable": "hopenet-lite",
    "hopenet_lite_v2": "hopenet-lite",
    "hybrid_coarse_fine": "hybrid",
    "ehpnet_resnet18": "ehpnet",
    "mhpnet_resnet18": "mhpnet",
    "ehpnet_teacher_res2net50": "ehpnet-res2net50",
    "fsanet_omasaht_1x1": "fsanet-1x1",
    "fsanet_omasaht_var": "fsanet-var",
    "fsanet_vietlinhtspt_weight": "fsanet180-1x1",
    "fsanet_vietlinhtspt_var": "fsanet180-var",
    "sixdrepnet_b1g2": "6drepnet",
    "sixdrepnet_b1g2_deploy": "6drepnet",
    "sixdrepnet_a0": "6drepnet-a0",
    "sixdrepnet_a0_deploy": "6drepnet-a0",
    "sixdrepnet360": "6drepnet360",
    "sixdrepnet2_resnet50": "6drepnet2",
    "yakhyo_resnet18": "resnet18-6d",
    "yakhyo_resnet34": "resnet34-6d",
    "yakhyo_resnet50": "resnet50-6d",
    "yakhyo_mobilenetv2": "mobilenetv2-6d",
    "yakhyo_mobilenetv3_small": "mobilenetv3-small-6d",
    "yakhyo_mobilenetv3_large": "mobilenetv3-large-6d",
    "opal23_euler": "opal23-euler",
    "opal23_quaternion": "opal23-quaternion",
    "opal23_6d": "opal23-6d",
}
# The originals themselves differ by 1e-5 of the largest number and 1e-4 degrees between float32 and float64.
HEAD_TOLERANCE = 1e-4
TORCH_TOLERANCE_DEG = 1e-3
ONNX_TOLERANCE_DEG = 1e-2
# What the golden data calls the heads: one for each angle, or one alone.
HEAD_NAMES = [[f"{angle}_{kind}" for angle in ("yaw", "pitch", "roll")] for kind in ("fc_out", "logits")]
HEAD_NAMES += [["sixd"], ["fc_out"], ["angles_ypr_deg"]]
ORIGIN = Origin(checkpoint="none", sha256="0" * 64)


def decode(family, head):
    spec = family.spec(ORIGIN)
    return DecodeHeads(replace(spec, outputs=spec.outputs[:1]))([np.ascontiguousarray(head)]).angles


def first(said):
    return said[0] if isinstance(said, tuple) else said


def agree_deg(found, wanted):
    return float(np.abs(wrap_deg(found.astype(np.float64) - wanted)).max())


@pytest.fixture(scope="module", params=GOLDENS)
def arch(request):
    """Each golden network; with this scope all tests of a network run before those of the next."""
    return request.param


@pytest.fixture(scope="module")
def original(golden, arch):
    return golden(arch)


@pytest.fixture(scope="module")
def family(arch):
    return zoo.get(GOLDENS[arch])


@pytest.fixture(scope="module")
def net(family, original):
    return family.load(original.state)


@pytest.fixture(scope="module")
def head(net, family, original):
    """The head's numbers by torch, for each input."""
    with torch.inference_mode():
        return {
            suffix: first(net(torch.from_numpy(image))).numpy()
            for suffix, image in original.inputs(family.input.size).items()
        }


def test_torch_module_gives_the_originals_heads_and_angles(original, family, net, head):
    for suffix, image in original.inputs(family.input.size).items():
        with torch.inference_mode():
            exported = first(family.export_form(net)(torch.from_numpy(image))).numpy()
        assert np.isfinite(head[suffix]).all()
        if exported.shape == head[suffix].shape:  # branches that are fused into one sum in another order
            assert np.abs(exported - head[suffix]).max() <= HEAD_TOLERANCE * np.abs(head[suffix]).max()
        if not original.arrays:
            continue
        wanted = original.head(suffix)
        assert np.abs(exported - wanted).max() <= HEAD_TOLERANCE * np.abs(wanted).max()
        if "angles_ypr_deg" in original.arrays:
            assert agree_deg(decode(family, exported), original.angles(suffix)) <= TORCH_TOLERANCE_DEG


def test_heads_are_as_large_and_as_far_apart_as_the_originals(original, head):
    """Two figures for each head, which are there for every network, also where the outputs themselves are not."""
    names = next(names for names in HEAD_NAMES if names[0] in original.largest)
    for suffix, numbers in head.items():
        for name, part in zip(names, np.split(numbers, len(names), axis=1), strict=True):
            largest = original.largest[name + suffix]
            assert abs(np.abs(part).max() - largest) <= HEAD_TOLERANCE * largest
            assert abs(np.abs(part[0] - part[1]).max() - original.spread[name + suffix]) <= HEAD_TOLERANCE * largest


def test_every_layer_is_set_as_the_originals(original, family, net):
    """Strides, padding, groups and BatchNorm's eps, which no state dict shows; the only check where no outputs are."""
    compared = 0
    for name, layer in net.named_modules():
        kind, settings = original.layers.get(name, ("", {}))
        if not isinstance(layer, torch.nn.Conv2d | torch.nn.BatchNorm2d | torch.nn.Linear):
            continue
        assert type(layer).__name__ == kind, name
        for setting, wanted in settings.items():
            found = getattr(layer, setting)
            if setting == "bias":
                found = found is not None
            assert (list(found) if isinstance(found, tuple) else found) == wanted, (name, setting)
        compared += 1
    weighted = sum(kind in ("Conv2d", "BatchNorm2d", "Linear") for kind, _ in original.layers.values())
    assert compared == weighted - len(family.dropped(original.state))


def test_exported_model_gives_the_originals_angles_alone_and_in_a_batch(exported, arch, original, family, head):
    backend = OnnxRuntimeBackend(exported(arch, original.state, family.name))
    assert backend.spec.architecture == family.name
    heads = DecodeHeads(backend.spec)
    context = backend.context()
    for suffix, image in original.inputs(backend.spec.input.size).items():
        exact = "angles_ypr_deg" in original.arrays
        wanted = original.angles(suffix) if exact else decode(family, head[suffix])
        context.input(1)[...] = image[:1]
        assert agree_deg(heads(context.run(1)).angles, wanted[:1]) <= ONNX_TOLERANCE_DEG
        context.input(8)[...] = image[[0, 1, 0, 1, 0, 1, 0, 1]]
        assert agree_deg(heads(context.run(8)).angles, wanted[[0, 1] * 4]) <= ONNX_TOLERANCE_DEG


def test_published_lightweight_weights_give_the_originals_angles(data: Path, golden, published):
    with np.load(data / "golden/lightweight_b66/golden_published_ckpt.npz") as arrays:
        wanted = {suffix: arrays[f"model-b66.pkl::angles_ypr_deg{suffix}"] for suffix in ("", "_blocky")}
    backend = OnnxRuntimeBackend(published)
    context = backend.context()
    for suffix, image in golden("lightweight_b66").inputs(224).items():
        context.input(2)[...] = image
        assert agree_deg(DecodeHeads(backend.spec)(context.run(2)).angles, wanted[suffix]) <= ONNX_TOLERANCE_DEG


@pytest.mark.parametrize("name", zoo.names())
def test_spec_decodes_every_column_of_the_output_in_order(name):
    family = zoo.get(name)
    heads = family.spec(ORIGIN).heads()
    if not isinstance(family.decode, BinsDecode):
        assert [head.column for head in heads] == list(range(len(heads)))
        assert {head.output for head in heads} == {family.outputs[0]}
        return
    counts = [head.count for head in heads]
    assert [head.column for head in heads] == [0, counts[0], counts[0] + counts[1]]
    # All the weight on one bin of each head gives that bin's angle.
    logits = np.zeros((1, sum(counts)), np.float32)
    for head, k in zip(heads, (5, 20, 40), strict=True):
        logits[0, head.column + k] = 50
    wanted = np.array([head.first_deg + k * head.step_deg for head, k in zip(heads, (5, 20, 40), strict=True)])
    if family.decode.order == "zxy":
        assert geodesic_deg(rotation_from_euler(decode(family, logits)[0]), rotation_from_zxy(wanted)) < 1e-3
        return
    assert decode(family, logits)[0] == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "flat_deg"),
    [("lightweight", 0.0), ("hopenet", -1.5), ("ehpnet", -1.5)],  # centres, lower edges, lower edges
)
def test_flat_logits_show_whether_bins_are_centres_or_edges(name, flat_deg):
    family = zoo.get(name)
    flat = np.zeros((1, 3 * family.decode.yaw.count), np.float32)
    assert decode(family, flat)[0] == pytest.approx([flat_deg] * 3, abs=1e-4)


@pytest.mark.parametrize("arch", [*GOLDENS, "whenet_keras_b0"])
def test_normalisation_is_the_originals(data: Path, arch):
    stated = json.loads((data / "golden" / arch / "meta.json").read_text())["input_norm"]
    levels = np.array([0.0, 100.0, 255.0])[:, None]
    divisor = next((int(text) for text in ("255", "256") if stated["range"].startswith(f"x/{text}")), 1)
    made = zoo.get(GOLDENS.get(arch, "whenet")).input
    assert made.color == stated["colour"][:3]
    mean, std = (0.0 if stated["mean"] is None else stated["mean"]), (1.0 if stated["std"] is None else stated["std"])
    assert np.allclose(
        (levels * made.scale - made.mean) / np.array(made.std), (levels / divisor - mean) / np.array(std)
    )


@pytest.mark.parametrize("arch", GOLDENS)
def test_size_is_the_originals(data: Path, arch):
    stated = json.loads((data / "golden" / arch / "meta.json").read_text())
    assert [zoo.get(GOLDENS[arch]).input.size] * 2 == stated["input_hw"]


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


TWINS = [{"fsanet-1x1", "fsanet180-1x1"}, {"fsanet-var", "fsanet180-var"}, {"6drepnet360", "resnet50-6d"}]
TWINS += [{"opal23-euler", "opal23-euler-panoptic"}]


@pytest.mark.parametrize("name", zoo.names())
def test_each_layout_of_a_family_is_recognised_or_its_twins_are_named(name):
    family = zoo.get(name)
    for layout in family.layouts:
        state = {key: torch.zeros(shape) for key, shape in layout.items()}
        twins = next((pair for pair in TWINS if name in pair), None)
        if twins is None:
            assert zoo.recognise(state).name == {"whenet-linear": "whenet", "fr-pose": "hopenet-lite"}.get(name, name)
        else:
            with pytest.raises(ModelError, match="does not distinguish") as refusal:
                zoo.recognise(state)
            assert set(re.findall(r"--arch ([\w-]+):", str(refusal.value))) == twins


def test_old_files_without_batch_counters_load(lightweight_state):
    old = {key: tensor for key, tensor in lightweight_state.items() if not key.endswith("num_batches_tracked")}
    assert len(old) < len(lightweight_state)
    assert zoo.recognise(old).name == "lightweight"
    zoo.get("lightweight").load(old)


@pytest.mark.parametrize("name", ["hopenet", "hybrid"])
def test_weights_that_are_left_out_are_named(name):
    family = zoo.get(name)
    state = {key: torch.zeros(shape) for key, shape in family.layouts[0].items()}
    assert family.dropped(state) == ()
    state["fc_finetune.weight"] = torch.zeros(3, 2051)
    (drop,) = family.dropped(state)
    assert "fc_finetune" in drop.why
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
    keys = list(zoo.get("hopenet").layouts[0].items())[-30:]
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


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"no architecture 'resnet'.*lightweight"):
        zoo.get("resnet")
