"""MHPNet's second output, and what EHPNet's teachers share with it."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from export import zoo
from export.graph.trace import simplify, trace

TEACHERS = ("ehpnet-resnet101", "ehpnet-res2net50", "ehpnet-botnet50")


@pytest.fixture(scope="module")
def mhpnet(golden):
    original = golden("mhpnet_resnet18")
    return original, zoo.get("mhpnet").load(original.state)


def test_mask_logits_are_the_originals(mhpnet):
    original, net = mhpnet
    fused = zoo.get("mhpnet").export_form(net)
    for suffix, image in original.inputs(112).items():
        wanted = original.arrays[f"mask_logits{suffix}"]
        with torch.inference_mode():
            for form in (net, fused):
                assert np.abs(form(torch.from_numpy(image))[1].numpy() - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_mask_logits_stay_in_the_exported_graph(mhpnet):
    original, net = mhpnet
    family = zoo.get("mhpnet")
    model = simplify(trace(family.export_form(net), family.input, family.outputs, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = original.inputs(112)[""]
    wanted = original.arrays["mask_logits"]
    for rows in ([0], [0, 1, 1]):
        (mask,) = session.run(["mask"], {family.input.name: image[rows]})
        assert mask.shape == (len(rows), 2)
        assert np.abs(mask - wanted[rows]).max() <= 1e-4 * np.abs(wanted).max()


def test_file_with_a_mask_head_is_mhpnets_and_without_it_ehpnets(golden):
    state = golden("mhpnet_resnet18").state
    assert zoo.recognise(state).name == "mhpnet"
    assert zoo.recognise({key: t for key, t in state.items() if not key.startswith("fc_mask")}).name == "ehpnet"


@pytest.mark.parametrize("name", TEACHERS)
def test_teacher_reads_and_gives_what_ehpnet_does(name):
    student, teacher = zoo.get("ehpnet"), zoo.get(name)
    assert (teacher.input, teacher.decode, teacher.crop) == (student.input, student.decode, student.crop)


def test_resnet101_has_as_many_parameters_as_torchvisions(golden):
    """44,549,160, less the classifier's 2048 x 1000 + 1000; hidden layer and heads are the Res2Net teacher's."""
    ours = {key: np.prod(shape) for key, shape in zoo.get("ehpnet-resnet101").layouts[0].items()}
    head = {key: np.prod(tensor.shape) for key, tensor in golden("ehpnet_teacher_res2net50").state.items()}
    head = {key: size for key, size in head.items() if key.startswith(("linear.", "fc_"))}
    assert {key: ours[key] for key in head} == head
    trained = sum(size for key, size in ours.items() if "running_" not in key and "num_batches" not in key)
    assert trained - sum(head.values()) == 44_549_160 - 2_049_000
