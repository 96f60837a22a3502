"""Composed pictures, the loss and the training of the detector, on synthetic faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from export.detection import train_detector
from export.detection.compose import SIDE, Composer
from export.detection.judge import finder
from export.detection.mining import mine
from export.detection.pictures import Picture, Pictures
from export.detection_net.decoding import Faces, detect
from export.detection_net.exporting import write_onnx
from export.detection_net.loss import DetectorLoss, Targets, giou, iou
from export.detection_net.network import STRIDES, DetectorNet
from export.labelling.fuse import NO_LABELS, Labels
from export.labelling.hull import outline
from hpe_edge.faces.open_detector import open_detector

COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)]
FIVE = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.55], [0.35, 0.8], [0.65, 0.8]])


def face_picture(seed: int, side: int = 200) -> Picture:
    """A white square with five coloured dots on noise."""
    rng = np.random.default_rng(seed)
    image = rng.integers(60, 120, (side, side, 3)).astype(np.uint8)
    size = rng.uniform(0.3, 0.6) * side
    corner = rng.uniform(0.1 * side, 0.9 * side - size, 2)
    box = np.concatenate([corner, corner + size])
    low, high = box[:2].astype(int), box[2:].astype(int)
    image[low[1] : high[1], low[0] : high[0]] = 255
    points = corner + FIVE * size
    dot = max(int(size / 20), 2)
    for (x, y), color in zip(points.astype(int), COLORS, strict=True):
        image[y - dot : y + dot, x - dot : x + dot] = color
    outlines = outline(box[None], np.zeros(1))
    return Picture(f"people_{seed:05d}.webp", image, Labels(outlines, points[None], np.ones(1), np.zeros((0, 4))))


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    faces = [face_picture(seed) for seed in range(8)]
    empty = [
        Picture("object_0.webp", np.random.default_rng(i).integers(60, 120, (150, 180, 3)).astype(np.uint8), NO_LABELS)
        for i in range(4)
    ]
    return Pictures(faces, empty, faces[:2])


def test_composed_labels_stay_with_their_pixels(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under each key point of a composed picture is its colour, however it was turned, mirrored and shrunk."""
    monkeypatch.setattr("export.detection.compose.with_faults", lambda image, rng: (image, 0.0))
    compose = Composer(Pictures(pictures.people, pictures.empty, []), 3)
    checked, mirrored = 0, 0
    for number in range(60):
        image, boxes, points, _ = compose(number)
        for box, five in zip(boxes, points, strict=True):
            if max(box[2:] - box[:2]) < 60:
                continue
            right = 0
            for i, (x, y) in enumerate(five):
                if 2 <= x < SIDE - 2 and 2 <= y < SIDE - 2:
                    color = image[int(y), int(x)].astype(int)
                    wanted = {tuple(COLORS[i]), tuple(COLORS[[1, 0, 2, 4, 3][i]])}
                    right += min(np.abs(color - each).max() for each in wanted) < 60
            across = five[1] - five[0]
            down = five[3:].mean(axis=0) - five[:2].mean(axis=0)
            # The person's right eye stays on the left of an upright face, also where it is mirrored.
            assert across[0] * down[1] - across[1] * down[0] > 0
            mirrored += int(
                abs(image[int(five[0, 1]) % SIDE, int(five[0, 0]) % SIDE].astype(int) - COLORS[1]).max() < 60
            )
            checked += right >= 4
    assert checked > 15 and mirrored > 3


def test_faces_that_a_fault_hides_are_ignored(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.detection.compose.with_faults", lambda image, rng: (image, 0.0))
    plain = [Composer(pictures, 1)(number) for number in range(12)]
    largest = max(float((boxes[:, 2:] - boxes[:, :2]).max(initial=0)) for _, boxes, _, _ in plain)
    monkeypatch.setattr("export.detection.compose.with_faults", lambda image, rng: (image, largest))
    hidden = [Composer(pictures, 1)(number) for number in range(12)]
    assert sum(len(boxes) for _, boxes, _, _ in hidden) == 1
    for (_, boxes, _, ignored), (_, kept, points, more) in zip(plain, hidden, strict=True):
        assert len(boxes) + len(ignored) == len(kept) + len(more) and len(points) == len(kept)


def test_a_number_gives_one_picture(pictures: Pictures) -> None:
    first, again = Composer(pictures, 5), Composer(pictures, 5)
    for number in (3, 1, 3):
        for one, other in zip(first(number), again(number), strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first(1)[0], Composer(pictures, 6)(1)[0])


def test_pieces_around_false_boxes_are_drawn_often(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.detection.compose.with_faults", lambda image, rng: (image, 0.0))
    marked = pictures.empty[2].image.copy()
    marked[20:60, 30:70] = (255, 0, 255)
    empty = [*pictures.empty[:2], Picture("object_9.webp", marked, NO_LABELS), *(list(pictures.empty[3:]) * 12)]

    def shares(hard: np.ndarray | None) -> list[float]:
        compose = Composer(Pictures(pictures.people, empty, []), 2, hard)
        return [float((np.abs(compose(n)[0].astype(int) - (255, 0, 255)).max(axis=2) < 30).mean()) for n in range(80)]

    plain, hard = shares(None), shares(np.array([[2.0, 30, 20, 70, 60, 0.6]]))
    seen = [sum(share > 0.0005 for share in each) for each in (plain, hard)]
    assert seen[1] > 1.3 * seen[0] > 0
    # Drawn 0.4 to 2 times as large: 16 to 80 pixels of 320, several at once seldom.
    assert np.quantile([share for share in hard if share > 0.0005], 0.9) < 2 * (80 / SIDE) ** 2


def test_false_boxes_are_mined_from_the_highest_score_on(pictures: Pictures) -> None:
    scores = iter([[0.3], [], [0.9, 0.25], [0.5]])

    def find(image: np.ndarray, least: float) -> Faces:
        own = np.array(next(scores), np.float32)
        assert (own >= least).all()
        boxes = np.repeat(np.array([[1, 2, 3, 4]], np.float32), len(own), axis=0) * own[:, None]
        return Faces(boxes, np.zeros((len(own), 5, 2), np.float32), own)

    found = mine(find, Pictures([], pictures.empty, []))
    np.testing.assert_array_equal(found[:, 0], [2, 3, 0, 2])
    np.testing.assert_allclose(found[:, 5], [0.9, 0.5, 0.3, 0.25], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:5], found[:, 5:] * [1, 2, 3, 4], rtol=1e-6)


def test_false_boxes_beside_people_are_mined_where_no_face_is_near(pictures: Pictures) -> None:
    labels = Labels(
        outline(np.array([[100.0, 100, 140, 150]]), np.zeros(1)),
        np.zeros((1, 5, 2)),
        np.ones(1),
        np.array([[10.0, 10, 30, 30]]),
    )
    person = Picture("people_1.webp", pictures.empty[0].image, labels)
    on_it, beside = [105, 105, 135, 145], [50, 110, 80, 140]
    touching, apart, unsure = [145, 110, 165, 130], [170, 110, 190, 130], [12, 12, 28, 28]

    def find(image: np.ndarray, least: float) -> Faces:
        boxes = np.array([on_it, beside, touching, apart, unsure], np.float32)
        return Faces(boxes, np.zeros((5, 5, 2), np.float32), np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32))

    found = mine(find, Pictures([person], [], []))
    np.testing.assert_allclose(found, [[0, *beside, 0.8], [0, *apart, 0.6]], rtol=1e-6)


def test_pieces_of_scenes_with_people_hold_no_face(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.detection.compose.with_faults", lambda image, rng: (image, 0.0))
    image = pictures.people[0].image.copy()
    image[20:60, 30:70] = (255, 0, 255)  # the false box
    image[70:, 80:] = (0, 255, 0)  # stands for the face, without a label in the composition
    fist = Picture("people_9.webp", image, pictures.people[0].labels)
    compose = Composer(Pictures([fist], pictures.empty, []), 3, np.array([[len(pictures.empty), 30, 20, 70, 60, 0.9]]))
    monkeypatch.setattr(compose, "_fill", lambda *_: None)  # no scene is drawn with its own faces
    seen = []
    for number in range(60):
        made = compose(number)[0].astype(int)
        seen.append([(np.abs(made - color).max(axis=2) < 30).mean() for color in ((255, 0, 255), (0, 255, 0))])
    piece, face = np.array(seen).T
    assert (piece > 0.0005).sum() > 5 and face.max() < 0.0005


def one_face(box: list[float], ignored: list[float] | None = None) -> Targets:
    x1, y1, x2, y2 = box
    points = torch.tensor(FIVE, dtype=torch.float32) * torch.tensor([x2 - x1, y2 - y1]) + torch.tensor([x1, y1])
    return Targets(
        torch.tensor([[box]]), points[None, None], torch.tensor([[True]]), torch.tensor([[ignored or [0.0] * 4]])
    )


@pytest.mark.parametrize("side", [8.0, 16, 30, 60, 120, 250])
def test_every_size_has_cells_near_its_middle(side: float) -> None:
    loss = DetectorLoss(SIDE, SIDE)
    low = 150 - side / 2
    targets = one_face([low, low, low + side, low + side])
    scores = torch.full((1, len(loss.cells), 1), 0.01)
    boxes = torch.cat([loss.cells - 2 * loss.strides[:, None], loss.cells + 2 * loss.strides[:, None]], dim=1)[None]
    _, quality = loss._assign(scores[..., 0], boxes, targets)
    mine = (quality[0] > 0).nonzero()[:, 0]
    assert 1 <= len(mine) <= 9
    assert float((loss.cells[mine] - 150).abs().max()) <= max(0.25 * side, 0.75 * float(loss.strides[mine].max()))
    best = float(loss.strides[quality[0].argmax()])
    assert best == min(STRIDES, key=lambda stride: abs(np.log2(side / 4.5 / stride)))


def test_perfect_outputs_cost_little_and_ignored_cells_nothing() -> None:
    loss = DetectorLoss(64, 64)
    box = [16.0, 16.0, 48.0, 48.0]

    def cost(targets: Targets, elsewhere: float) -> float:
        true, points = targets.boxes[0, 0], targets.points[0, 0]
        outputs = []
        for stride in STRIDES:
            n = 64 // stride
            centre = (torch.stack(torch.meshgrid(torch.arange(n), torch.arange(n), indexing="xy"), -1) + 0.5) * stride
            place = torch.cat([centre - true[:2], true[2:] - centre, (points - centre[..., None, :]).flatten(2)], -1)
            near = ((centre - 32).abs() <= 8).all(-1) if stride == 8 else torch.zeros(n, n, dtype=torch.bool)
            score = torch.where(near, 8.0, -8.0)
            if stride < 32:
                score[-1, -1] = elsewhere
            outputs.append((score[None, ..., None], place[None] / stride))
        return float(loss(outputs, targets).total)

    assert cost(one_face(box), -8.0) < 0.01 < 1 < cost(one_face(box), 8.0)
    ignored = one_face(box, [48.0, 48, 64, 64])
    assert cost(ignored, 8.0) == pytest.approx(cost(ignored, -8.0), abs=1e-4)


def test_overlaps_against_areas() -> None:
    a, b = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[2.0, 2, 6, 6]])
    assert float(iou(a, b)) == pytest.approx(4 / 28)
    assert float(giou(a, b)) == pytest.approx(4 / 28 - (36 - 28) / 36)
    apart = torch.tensor([[10.0, 10, 12, 12]])
    assert float(iou(a, apart)) == 0 and float(giou(a, apart)) == pytest.approx(-(144 - 20) / 144)


def test_the_loss_falls_and_a_training_resumes_bit_for_bit(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"BATCH": 4, "_WARM_UP": 3, "_SAVED": 4, "_LOGGED": 4, "_JUDGED": 8, "_PLACES_ALONE": 2, "_MINED_FROM": 16}
    for name, value in small.items():
        monkeypatch.setattr(train_detector, name, value)
    monkeypatch.setattr(train_detector, "mine", lambda find, pictures: np.array([[1.0, 20, 20, 60, 60, 0.5]]))
    monkeypatch.setattr(train_detector, "judge", lambda find, kept: {})
    lines: list[str] = []

    def run(folder: str, steps: int) -> train_detector.Run:
        return train_detector.train(pictures, pictures, tmp_path / folder, steps=steps, report=lines.append)[0]

    once = run("once", 24)
    batch = next(train_detector.batches(pictures, once.hard, 100, 101))
    before, after = (
        each.loss(each.network(batch.images), batch.targets).total for each in (train_detector.Run(), once)
    )
    assert after < 0.9 * before
    run("twice", 4)
    assert not len(run("twice", 12).hard)
    assert len(run("twice", 18).hard)  # the false boxes stand in the checkpoint
    twice = run("twice", 24)
    for name, value in once.average.state_dict().items():
        assert torch.equal(value, twice.average.state_dict()[name]), name
    steps = [json.loads(line)["step"] for line in (tmp_path / "twice" / "log.jsonl").read_text().splitlines()]
    # Twice where a judgement follows: at every eighth step, and at the end of a run.
    assert steps == [4, 4, 8, 8, 12, 12, 16, 16, 18, 18, 20, 24, 24]
    # The last phase is a copy; the constant phase goes on as if it had not been.
    finished, done = train_detector.train(pictures, pictures, tmp_path / "twice", decay=3, report=lines.append)
    assert done and finished.step == 27
    longer, straight = run("twice", 26), run("once", 26)
    for name, value in straight.network.state_dict().items():
        assert torch.equal(value, longer.network.state_dict()[name]), name


def test_boxes_learn_their_form_first(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_detector, "BATCH", 2)
    monkeypatch.setattr(train_detector, "_PLACES_ALONE", 1)
    run = train_detector.Run()
    for batch, moved in zip(
        train_detector.batches(pictures, run.hard, 0, 2), ((True, False), (True, True)), strict=True
    ):
        before = {name: value.clone() for name, value in run.network.state_dict().items()}
        run.learn(batch, 1e-3)
        changed = {name for name, value in run.network.state_dict().items() if not torch.equal(value, before[name])}
        assert (any(".place." in name for name in changed), any(".place." not in name for name in changed)) == moved


def test_the_file_gives_what_the_network_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = DetectorNet()
    for head in network.heads:
        head.score[0].weight.data.normal_(0, 2.0)
        head.score[1].bias.data.fill_(-1.0)
    path = tmp_path / "a.onnx"
    assert write_onnx(network, path) < 1e-4
    assert path.stat().st_size < 400_000
    frame = np.random.default_rng(0).integers(0, 256, (128, 192, 3)).astype(np.uint8)
    scores = np.sort(detect(network, frame[None], 0.0)[0].scores)
    detector = open_detector(path, min_score=float((scores[-8] + scores[-9]) / 2))
    detector.WIDE_LOOK = "never"  # type: ignore[attr-defined]
    found, expected = detector(frame), finder(network)(frame, float(detector.min_score))  # type: ignore[attr-defined]
    assert len(found) == len(expected.boxes) > 0
    order = np.argsort(expected.boxes[:, 0], kind="stable")
    np.testing.assert_allclose(found.boxes, expected.boxes[order], atol=0.05)
    np.testing.assert_allclose(found.keypoints, expected.points[order], atol=0.05)
    np.testing.assert_allclose(found.scores, expected.scores[order], atol=1e-4)
