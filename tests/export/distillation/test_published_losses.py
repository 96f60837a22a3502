"""The published losses against plain formulas in double precision, and that short trainings by them learn."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn_faces import drawn_pool, face, poses

from export import zoo
from export.distill import main, train_labelled
from export.distillation import train_student, training, views
from export.distillation.published_losses import EnsembleLoss, MultiLoss, Objective
from export.distillation.train_labelled import pool_of_labels
from export.distillation.training import Training
from export.distillation.views import upright_views
from export.teaching.arrays import FACE, MIDDLE
from export.uncertainty.labelled_faces import read_labels
from export.zoo.bins import BinNet
from hpe_edge.errors import InputError
from hpe_edge.geometry import euler_full_yaw, rotation_from_zxy
from hpe_edge.spec import BinHead, BinsDecode

FACES, STEPS = 16, 40
STUDENT = zoo.get("student-v2")
DECODE = BinsDecode(
    yaw=BinHead("logits", 0, -178.5, 3.0, 120, circular=True),
    pitch=BinHead("logits", 120, -97.5, 3.0, 66),
    roll=BinHead("logits", 186, -97.5, 3.0, 66),
)
HEADS = (DECODE.yaw, DECODE.pitch, DECODE.roll)
ANGLES = torch.tensor([[0.4, -2.9, 10.0], [179.0, 40.0, -99.9], [-178.0, -97.0, 120.0], [-95.5, 0.0, 5.0]])


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def logits_of(seed: int) -> torch.Tensor:
    return 3 * torch.randn(len(ANGLES), 252, generator=torch.Generator().manual_seed(seed))


def plain_multi(logits: torch.Tensor, alpha: float, wrapped: bool) -> torch.Tensor:
    """Face by face, angle by angle and bin by bin."""
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(ANGLES)):
        for k, head in enumerate(HEADS):
            angle = float(ANGLES[i, k])
            own = [logits[i, head.column + j].double() for j in range(head.count)]
            powers = torch.stack([value.exp() for value in own])
            chances = powers / powers.sum()
            values = [head.first_deg + head.step_deg * j for j in range(head.count)]
            holds = [abs(angle - value) <= 1.5 for value in values]
            wanted = holds.index(True) if any(holds) else 0 if angle < 0 else head.count - 1
            expected = sum(p * value for p, value in zip(chances, values, strict=True))
            error = (expected - angle).abs()
            if wrapped and head.circular and error > 180:
                error = 360 - error
            total = total + (-chances[wanted].log() + alpha * error**2) / len(ANGLES)
    return total


def slope(loss: Callable[[torch.Tensor], torch.Tensor], logits: torch.Tensor) -> tuple[float, torch.Tensor]:
    leaf = logits.clone().requires_grad_()
    value = loss(leaf)
    value.backward()
    assert leaf.grad is not None
    return float(value), leaf.grad


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.001, 2.0])
def test_multi_and_wrapped_loss_and_their_gradients(alpha: float, wrapped: bool) -> None:
    logits = logits_of(1)
    # An expectation far on the other side of the circle, where the two differ.
    logits[1, :120] = torch.where(torch.arange(120) == 2, 9.0, 0.0)
    ours = MultiLoss(DECODE, alpha, wrapped=wrapped)
    value, gradient = slope(lambda x: ours(x, ANGLES, torch.zeros(0)), logits)
    want, wanted = slope(lambda x: plain_multi(x, alpha, wrapped), logits)
    assert value == pytest.approx(want, rel=1e-4)
    torch.testing.assert_close(gradient, wanted.float(), rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


def test_the_wrapped_error_takes_the_shorter_way() -> None:
    sure = torch.full((1, 252), -30.0)
    sure[0, 0] = sure[0, 120 + 33] = sure[0, 186 + 33] = 30.0  # -178.5, 1.5 and 1.5 degrees
    angles = torch.tensor([[178.5, 1.5, 1.5]])
    plain, wrapped = (MultiLoss(DECODE, 1.0, wrapped=each)(sure, angles, torch.zeros(0)) for each in (False, True))
    assert float(plain - wrapped) == pytest.approx(357.0**2 - 3.0**2, rel=1e-4)


def test_divergence_from_an_ensemble_and_its_gradient() -> None:
    taught = [logits_of(seed) for seed in (2, 3, 4)]
    teachers = [Constant(each) for each in taught]
    ours = EnsembleLoss(DECODE, teachers)
    value, gradient = slope(lambda x: ours(x, ANGLES, torch.zeros(0)), logits_of(1))

    def plain(logits: torch.Tensor) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for head in HEADS:
            part = slice(head.column, head.column + head.count)
            own = torch.softmax(logits[:, part].double(), dim=1)
            aim = sum(torch.softmax(each[:, part].double(), dim=1) for each in taught) / len(taught)
            total = total + (aim * (aim / own).log()).sum() / len(ANGLES)
        return total

    want, wanted = slope(plain, logits_of(1))
    assert value == pytest.approx(want, rel=1e-4)
    torch.testing.assert_close(gradient, wanted.float(), rtol=1e-3, atol=1e-6)
    alike, flat = slope(lambda x: EnsembleLoss(DECODE, teachers[:1])(x, ANGLES, torch.zeros(0)), taught[0])
    assert alike == pytest.approx(0, abs=1e-5) and float(flat.abs().max()) < 1e-5


class Constant(torch.nn.Module):
    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.logits


def teacher() -> torch.nn.Module:
    """A network with the student's bins that reads levels."""
    torch.manual_seed(5)
    net = STUDENT.builds[0]()
    assert isinstance(net, BinNet)

    class OfLevels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net.eval()

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return 20 * self.net(image / 64 - 2)

    return OfLevels()


@pytest.mark.parametrize("name", ["multi", "wrapped", "ensemble"])
def test_a_short_training_learns(name: str) -> None:
    assert isinstance(STUDENT.decode, BinsDecode)
    objective: Objective = (
        EnsembleLoss(STUDENT.decode, [teacher(), teacher()])
        if name == "ensemble"
        else MultiLoss(STUDENT.decode, 0.001, wrapped=name == "wrapped")
    )
    pool = drawn_pool(poses(FACES, 0))
    batch = upright_views(pool, STUDENT.crop, STUDENT.input, np.arange(FACES))
    learner = Training(STUDENT, lambda step: batch, STEPS, objective)
    course = [each.divergence for each in learner.run(STEPS)]
    assert np.mean(course[-4:]) < 0.6 * np.mean(course[:4])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Ten drawn faces and the table of their angles."""
    folder = tmp_path / "photos"
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "x1", "y1", "x2", "y2", "yaw", "pitch", "roll"])
        for i, zxy in enumerate(poses(10, 3)):
            cv2.imwrite(str(folder / f"{i}.png"), face(zxy, np.array([150.0, 110.0]), 80.0, 220, 300))
            angles = euler_full_yaw(rotation_from_zxy(zxy[None]))[0]
            rows.writerow([f"{i}.png", 110, 70, 190, 150, *angles])
    return folder / "labels.csv"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (training, train_student, views):
        monkeypatch.setattr(module, "BATCH", 4)
    monkeypatch.setattr(train_student, "_SAVE_EVERY", 2)


def test_patches_are_about_the_labels_boxes(labels: Path) -> None:
    table = read_labels(labels)
    pool = pool_of_labels(table, np.arange(10))
    np.testing.assert_allclose(pool.boxes[:, 0], [[MIDDLE - FACE / 2] * 2 + [MIDDLE + FACE / 2] * 2] * 10)
    want = cv2.resize(table.image(3)[70:150, 110:190], (FACE, FACE), interpolation=cv2.INTER_LINEAR)
    inner = slice(int(MIDDLE - FACE / 2), int(MIDDLE + FACE / 2))
    assert np.abs(pool.pictures[3][inner, inner].astype(int)[4:-4, 4:-4] - want[4:-4, 4:-4]).mean() < 3


@pytest.mark.usefixtures("small")
def test_labels_make_a_student_that_is_exported_and_resumed(labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.pth"
    done = train_labelled(labels, loss="multi", student="student-v2", views=16, output=out)
    assert done.path == out and math.isfinite(done.kept_error_deg)
    again = train_labelled(labels, loss="multi", student="student-v2", views=16, output=out)
    assert any("resumes at step 4" in note for note in again.notes)
    with pytest.raises(InputError, match="a run with other loss"):
        train_labelled(labels, loss="wrapped", student="student-v2", views=16, output=out)
    taught = train_labelled(labels, loss="ensemble", teachers=[out], views=8, output=tmp_path / "taught.pth")
    assert taught.path.is_file()
    assert torch.load(out, weights_only=True).keys() == torch.load(taught.path, weights_only=True).keys()


@pytest.mark.usefixtures("small")
def test_the_command_line(labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--labels", str(labels), "--loss", "wrapped", "--alpha", "0.01", "--student", "student-dense"]
    assert main([*given, "--views", "8", "-o", str(tmp_path / "dense.pth")]) == 0
    assert (tmp_path / "dense.pth").is_file() and "hpe-edge export onnx" in capsys.readouterr().out
    assert main([*given, "--teacher", str(tmp_path / "dense.pth"), "--views", "8", "-o", str(tmp_path / "b.pth")]) != 0
    assert "the others take none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "focal"}, "the loss must be one of"),
        ({"loss": "ensemble"}, "needs teachers"),
        ({"alpha": float("nan")}, "alpha"),
        ({"student": "resnet"}, "the student must be one of"),
    ],
)
def test_refusals(labels: Path, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_labelled(labels, views=8, output=tmp_path / "x.pth", **changes)  # type: ignore[arg-type]


@pytest.mark.usefixtures("small")
def test_a_teacher_with_other_bins_is_refused(labels: Path, tmp_path: Path) -> None:
    train_labelled(labels, student="student-dense", views=4, output=tmp_path / "dense.pth")
    with pytest.raises(InputError, match="input or bins"):
        train_labelled(labels, loss="ensemble", teachers=[tmp_path / "dense.pth"], views=4, output=tmp_path / "x.pth")
