"""hpe-edge export distill, from pictures to a student: resumed, stopped, refused."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn_faces import face, poses, reader

from export import zoo
from export.distill import STUDENTS, main, train
from export.distillation import lesson, train_student, training, views
from export.teaching import teachers
from export.teaching.material import TeacherChoice
from hpe_edge.geometry import geodesic_deg, rotation_from_zxy
from hpe_edge.samples import BOXES, FOLDER

BATCH = 8
Run = Callable[..., int]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small batches, a checkpoint every four steps, and the same sums in the same order."""
    for module in (training, train_student, views):
        monkeypatch.setattr(module, "BATCH", BATCH)
    monkeypatch.setattr(train_student, "_SAVE_EVERY", 4)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def distil(checkpoint: Path, tmp_path: Path) -> Run:
    """The command on the bundled photos, with a teacher that was never trained."""

    def run(name: str, *options: str, steps: int = 12) -> int:
        given = list(options)
        if "--teacher" not in given:
            given += ["--teacher", str(checkpoint)]
        if "--images" not in given:
            given += ["--images", str(FOLDER), "--boxes", str(BOXES)]
        return main([*given, "--views", str(steps * BATCH), "-o", str(tmp_path / name)])

    return run


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)  # type: ignore[no-any-return]


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a run."""
    learn = training.Training._learn

    def learn_or_stop(self: training.Training, batch: object) -> object:
        if self.step == step:
            signal.raise_signal(signal.SIGINT)
        return learn(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(training.Training, "_learn", learn_or_stop)


def test_a_stopped_run_resumes_and_ends_as_if_it_had_not_been(
    distil: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert distil("whole.pth") == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_at(10, patch)
        assert distil("stopped.pth") == 130
    assert "resumes from" in capsys.readouterr().err
    assert not (tmp_path / "stopped.pth").exists()
    kept = torch.load(tmp_path / "stopped.run" / "checkpoint.pth", weights_only=True)
    assert kept["step"] == 8
    assert distil("stopped.pth") == 0
    assert "resumes at step 8" in capsys.readouterr().out
    assert equal(weights(tmp_path / "whole.pth"), weights(tmp_path / "stopped.pth"))
    logs = [(tmp_path / f"{name}.run" / "log.jsonl").read_text().splitlines() for name in ("whole", "stopped")]
    whole, stopped = ([{**json.loads(line), "seconds": 0} for line in log] for log in logs)
    assert whole == stopped and [record["step"] for record in whole] == [4, 8, 12]
    assert (cv2.imread(str(tmp_path / "stopped.run" / "curves.png")) != 255).any()


def test_a_finished_run_stays_as_it_is(distil: Run, tmp_path: Path) -> None:
    assert distil("out.pth", steps=4) == 0
    before = weights(tmp_path / "out.pth")
    kept = torch.load(tmp_path / "out.run" / "checkpoint.pth", weights_only=True)
    assert equal(before, kept["state_dict"]) and not equal(before, kept["student"])  # the averaged weights
    (tmp_path / "out.pth").unlink()
    assert distil("out.pth", steps=4) == 0
    assert equal(before, weights(tmp_path / "out.pth"))


def test_another_seed_gives_other_weights(distil: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests above could not fail."""
    assert distil("one.pth", steps=2) == 0
    monkeypatch.setattr(training, "SEED", 1)
    assert distil("other.pth", steps=2) == 0
    assert not equal(weights(tmp_path / "one.pth"), weights(tmp_path / "other.pth"))


def test_drawn_faces_are_learned_from_teachers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The student reads faces that it has not seen; a third teacher, who is wrong, hardly matters."""
    photos, rows = tmp_path / "photos", ["file,x1,y1,x2,y2"]
    photos.mkdir()
    truth = poses(40)
    for number, zxy in enumerate(truth):
        cv2.imwrite(str(photos / f"{number:02}.png"), face(zxy, np.array([60.0, 60.0]), 60, 120, 120))
        rows.append(f"{number:02}.png,30,30,90,90")
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    known = {
        "a": reader(),
        "b": reader(lambda zxy: zxy + np.array([0.0, 1.0, 0.0]), name="b"),
        "wrong": reader(lambda zxy: np.array([0.0, -60.0, 0.0]), name="wrong"),
    }
    monkeypatch.setattr(lesson, "open_teacher", lambda path, report: known[path.name])
    monkeypatch.setattr(views, "disturbed", lambda image, rng: image)
    found = train(
        ["a", "b", TeacherChoice(Path("wrong"), (0.3, 0.3, 0.3))],
        images=photos,
        boxes=tmp_path / "boxes.csv",
        views=120 * BATCH,
        output=tmp_path / "out.pth",
    )
    assert found.kept_error_deg < 12  # a constant pose misses by 25
    net = zoo.get("student-v2").builds[0]()
    net.load_state_dict(weights(found.path))
    others = poses(20, seed=9, roll=0.0)
    crops = np.stack([face(zxy, np.array([56.0, 56.0]), 112 / 1.25, 112, 112) for zxy in others])[..., ::-1]
    with torch.inference_mode():
        image = (torch.from_numpy(crops.copy()).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
        heads = training.Heads(zoo.get("student-v2").decode, torch.device("cpu"))  # type: ignore[arg-type]
        seen = heads.rotations(heads.log_probabilities(net.eval()(image))).numpy()
    assert geodesic_deg(seen, rotation_from_zxy(others)).mean() < 12


def test_a_checkpoint_of_another_run_is_refused(distil: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert distil("out.pth", steps=1) == 0
    assert distil("out.pth", steps=2) == 2
    assert "other views" in capsys.readouterr().err


def test_the_teachers_are_asked_once(distil: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert distil("one.pth", steps=1) == 0
    monkeypatch.setattr(teachers, "look", None)
    assert distil("two.pth", steps=1) == 0


def test_a_damaged_checkpoint_says_what_to_do(distil: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert distil("out.pth", steps=1) == 0
    (tmp_path / "out.run" / "checkpoint.pth").write_bytes(b"no checkpoint")
    assert distil("out.pth", steps=1) == 1
    assert "remove it to start again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--teacher", "nothing.onnx"], "there is no teacher"),
        (["--teacher", "nothing.pth"], "there is no checkpoint"),
        (["--images", "nowhere"], "nowhere"),
        (["--images", str(FOLDER), "--detector", "nothing.onnx"], "nothing.onnx"),
    ],
)
def test_what_is_missing_is_named(
    options: list[str], message: str, distil: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert distil("out.pth", *options) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["-o", "out.onnx"],
        ["--views", "0"],
        ["--boxes-from", "yunet"],
        ["--boxes", "b.csv", "--boxes-from", "nothing known"],
        ["--student", "6drepnet"],
        ["--teacher", "b.onnx=1,2"],
    ],
)
def test_wrong_usage(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--teacher", "a.onnx", "--images", "b", *options]) == 2
    assert "error:" in capsys.readouterr().err


def test_the_command_line_knows_the_students() -> None:
    assert set(STUDENTS) == {name for name in zoo.names() if name.startswith("student")}


@pytest.mark.parametrize("student", STUDENTS)
def test_every_student_learns(student: str, distil: Run, tmp_path: Path) -> None:
    assert distil("out.pth", "--student", student, steps=1) == 0
    assert zoo.get(student).builds[0]().load_state_dict(weights(tmp_path / "out.pth"))


def test_the_function_returns_what_was_written_and_prints_nothing(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.pth"
    written = train(checkpoint, images=FOLDER, boxes=BOXES, views=2 * BATCH, output=out)
    assert (written.path, written.size_bytes, written.run) == (out, out.stat().st_size, tmp_path / "out.run")
    (record,) = (tmp_path / "out.run" / "log.jsonl").read_text().splitlines()
    assert written.kept_error_deg == json.loads(record)["kept_error_deg"] > 0
    assert any(note.startswith("student: student-v2") for note in written.notes)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
