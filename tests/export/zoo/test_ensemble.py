"""Several checkpoints in one graph: their distributions averaged, against the mean worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import reference as oracle
import torch

from export import zoo
from export.onnx import export, main
from export.zoo.ensemble import average, check_members
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import InputError
from hpe_edge.geometry import wrap_deg
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import Origin


@pytest.fixture(scope="module")
def members(golden, tmp_path_factory):
    """EHPNet and its Res2Net teacher."""
    folder = tmp_path_factory.mktemp("members")
    originals = [golden("ehpnet_resnet18"), golden("ehpnet_teacher_res2net50")]
    paths = [folder / "student.pth", folder / "teacher.pth"]
    for original, path in zip(originals, paths, strict=True):
        torch.save(original.state, path)
    return originals, paths


@pytest.mark.usefixtures("no_other_readings")
def test_distributions_are_averaged(members):
    originals, paths = members
    out = paths[0].with_name("ensemble.onnx")
    assert export(paths, output=out).gate.passed
    backend = OnnxRuntimeBackend(out)
    assert backend.spec.architecture == "ehpnet + ehpnet-res2net50"
    assert backend.spec.origin.checkpoint == "student.pth + teacher.pth"
    assert [len(digest) for digest in backend.spec.origin.sha256.split(" + ")] == [64, 64]
    context = backend.context()
    for suffix, image in originals[0].inputs(112).items():
        context.input(2)[...] = image
        poses = DecodeHeads(replace(backend.spec, sigma=None))(context.run(2))
        for i in range(3):
            logits = [original.head(suffix)[:, 62 * i : 62 * i + 62].astype(np.float64) for original in originals]
            mean = np.mean([oracle.softmax(each) for each in logits], axis=0)
            degrees = -93 + 3 * np.arange(62)
            angle = mean @ degrees
            assert np.abs(poses.angles[:, i] - angle).max() < 1e-3
            sigma = np.sqrt((mean * (degrees - angle[:, None]) ** 2).sum(axis=1))
            assert np.abs(poses.sigma[:, i] - sigma).max() < 1e-2
            # Neither the mean of the angles nor of the logits.
            assert np.abs(angle - oracle.decode_bins(np.mean(logits, axis=0), -93, 3, False)[0]).max() > 0.05


def test_graph_is_one_with_one_output(members):
    model = onnx.load(members[1][0].with_name("ensemble.onnx"))
    assert [node.name for node in model.graph.output] == ["logits"]
    assert not {"Shape", "Gather", "Expand", "Where"} & {node.op_type for node in model.graph.node}


def test_certain_members_that_disagree_leave_two_peaks():
    family = zoo.get("ehpnet")

    class Certain(torch.nn.Module):
        def __init__(self, bin):
            super().__init__()
            self.bin = bin

        def forward(self, image):
            logits = torch.full((len(image), 186), -200.0)
            logits[:, self.bin :: 62] = 200.0
            return logits

    with torch.inference_mode():
        logits = average([family, family], [Certain(10), Certain(50)])(torch.zeros(1, 3, 112, 112)).numpy()
    assert np.isfinite(logits).all()
    poses = DecodeHeads(family.spec(Origin("none", "0")))([logits])
    assert poses.yaw[0] == pytest.approx(-93 + 3 * 30, abs=1e-3)
    assert poses.sigma[0, 0] == pytest.approx(60, abs=1e-2)


def test_mean_of_both_fsanets_is_the_published_one(data, golden, tmp_path):
    paths = [data / "checkpoints/fsanet" / name for name in ("fsa1x1-08082020.chkpt", "fsavar-09082020.chkpt")]
    out = tmp_path / "fsanet.onnx"
    export(paths, output=out, arch=("fsanet-1x1", "fsanet-var"))
    backend = OnnxRuntimeBackend(out)
    context = backend.context()
    for suffix, image in golden("fsanet_omasaht_1x1").inputs(64).items():
        said = []
        for arch, path in zip(("1x1", "var"), paths, strict=True):
            with np.load(data / f"golden/fsanet_omasaht_{arch}/golden_published_ckpt.npz") as arrays:
                said.append(arrays[f"{path.name}::angles_ypr_deg{suffix}"])
        context.input(2)[...] = image
        assert np.abs(DecodeHeads(backend.spec)(context.run(2)).angles - np.mean(said, axis=0)).max() < 0.01


@pytest.mark.parametrize(
    ("name", "said", "mean"),
    [
        ("fsanet180-1x1", [(179, 10, 0), (-177, 20, 4)], (-179, 15, 2)),
        ("fsanet180-1x1", [(-20, 0, 0), (40, 0, 0), (10, 0, 3)], (10, 0, 1)),
        ("opal23-euler-panoptic", [(-0.95, 0, 0), (0.95, 0.5, 0)], (180, 45, 0)),
    ],
)
def test_angles_are_averaged_round_the_circle(name, said, mean):
    family = zoo.get(name)

    class Says(torch.nn.Module):
        def __init__(self, angles):
            super().__init__()
            self.angles = torch.tensor([angles], dtype=torch.float32)

        def forward(self, image):
            return self.angles.expand(len(image), 3)

    size = family.input.size
    with torch.inference_mode():
        numbers = average([family] * len(said), [Says(angles) for angles in said])(torch.zeros(2, 3, size, size))
    angles = DecodeHeads(family.spec(Origin("none", "0")))([numbers.numpy()]).angles
    assert np.abs(wrap_deg(angles - np.array(mean, np.float32))).max() < 1e-3


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("ehpnet", "lightweight"), "their inputs differ (112 pixels, BGR"),
        (("lightweight", "hopenet"), "their decodes differ"),
        (("resnet18-6d", "resnet18-6d"), "gives rotations"),
    ],
)
def test_members_that_do_not_fit_are_refused(names, message):
    with pytest.raises(InputError) as refusal:
        check_members([zoo.get(name) for name in names])
    assert message in str(refusal.value)


def test_archs_and_checkpoints_must_agree_in_number(capsys, checkpoint):
    assert main([str(checkpoint)] * 3 + ["--arch", "ehpnet"] * 2) == 2
    assert "2 --arch for 3 checkpoints" in capsys.readouterr().err
