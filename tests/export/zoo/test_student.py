"""The students: small files of plain layers, and student-v2's heads over the full range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from reference import decode_bins, rx, ry, rz

from export import zoo
from export.distill import STUDENTS
from export.gate.comparison import Limits
from export.onnx import export
from hpe_edge import PoseEngine
from hpe_edge.geometry import geodesic_deg
from hpe_edge.spec import BinsDecode


@pytest.mark.parametrize("student", STUDENTS)
def test_a_student_is_exported_and_small(student: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = zoo.get(student).builds[0]().eval().state_dict()
    # Untrained, it gives nearly the same for all faces, which the gate takes for damage.
    for head in ("fc_yaw", "fc_pitch", "fc_roll"):
        state[f"{head}.weight"] *= 30
    torch.save(state, tmp_path / "loud.pth")
    out = tmp_path / "student.onnx"
    export(tmp_path / "loud.pth", output=out, limits=Limits(worst_deg=0.05))
    assert out.stat().st_size <= 1_000_000
    assert {node.op_type for node in onnx.load(out).graph.node} <= {"Conv", "Relu", "Add", "Flatten", "Reshape", "Gemm"}
    with PoseEngine(out) as engine:
        assert engine.spec.architecture == student
        assert engine.spec.input.size == 112
        found = engine(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8), [[50, 50, 150, 150]])
        assert np.isfinite(found.sigma).all() and np.isfinite(found.rotation).all()


def test_the_full_range_decode_covers_the_circle_once() -> None:
    decode = zoo.get("student-v2").decode
    assert isinstance(decode, BinsDecode) and decode.order == "zxy"
    columns = []
    for head, circular in ((decode.yaw, True), (decode.pitch, False), (decode.roll, True)):
        at = head.first_deg + head.step_deg * np.arange(head.count)
        np.testing.assert_allclose(at, -at[::-1])  # a mirrored face is the mirrored distribution
        assert head.circular is circular
        assert np.ptp(at) + head.step_deg == (360 if circular else 198)
        columns += range(head.column, head.column + head.count)
    assert columns == list(range(306))


def test_logits_are_yaw_pitch_and_roll_in_this_order() -> None:
    """Each head's own layer, side by side, as the fused one gives them."""
    torch.manual_seed(0)
    family = zoo.get("student-v2")
    net = family.builds[0]().eval()
    image = torch.randn(2, 3, 112, 112)
    with torch.inference_mode():
        features = net.embed(image)
        parts = [getattr(net, name)(features) for name in ("fc_yaw", "fc_pitch", "fc_roll")]
        torch.testing.assert_close(family.export_form(net)(image), torch.cat(parts, dim=1), atol=1e-4, rtol=1e-4)
    assert [part.shape[1] for part in parts] == [120, 66, 120]


def test_the_engine_turns_by_roll_pitch_and_yaw(tmp_path: Path) -> None:
    """Logits hardly vary: every pose is about Rz(roll) Rx(-pitch) Ry(yaw) of their expectations."""
    family = zoo.get("student-v2")
    torch.manual_seed(0)
    net = family.builds[0]()
    logits = {"fc_yaw": (120, 150.0), "fc_pitch": (66, -40.0), "fc_roll": (120, 100.0)}
    state, angles = net.eval().state_dict(), []
    for name, (count, angle) in logits.items():
        at = -(count - 1) * 1.5 + 3.0 * np.arange(count)
        bias = -0.5 * ((at - angle) / 6.0) ** 2
        state[f"{name}.weight"] *= 10
        state[f"{name}.bias"] = torch.from_numpy(np.maximum(bias, -30)).float()
        angles.append(decode_bins(np.maximum(bias, -30)[None], at[0], 3.0, count == 120)[0].item())
    torch.save(state, tmp_path / "nearly.pth")
    out = tmp_path / "nearly.onnx"
    export(tmp_path / "nearly.pth", output=out)
    yaw, pitch, roll = angles
    with PoseEngine(out, upright=None) as engine:
        assert engine.spec.upright == "second-pass"
        found = engine(np.full((200, 200, 3), 128, np.uint8), [[50, 50, 150, 150]])
    assert geodesic_deg(found.rotation[0], rz(roll) @ rx(-pitch) @ ry(yaw)) < 1.5
