"""Training pictures composed of scenes, turned and pasted faces, and camera faults; one number, one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from export.detection.faults import with_faults
from export.detection.pictures import Image, Picture, Pictures
from export.labelling.hull import Float64Array, bounds, moved
from hpe_edge.opencv.lazy import cv2

SIDE = 320
MOST_FACES, MOST_IGNORED = 64, 64

_SMALLEST, _LARGEST = 11.0, 0.95 * SIDE  # longer side of a face's box; log-uniform
_IGNORED_BELOW = 7.0
_EMPTY_SHARE, _SPLIT_SHARE, _PASTED_SHARE = 0.18, 0.85, 0.5
_SMALL = 0.35  # of a region's shorter side; a region for a smaller face is split, so that small faces come in groups
_TILED_SHARE, _BARE_SHARE = 0.8, 0.1  # of the parts of a region, those with faces, and with an empty scene
_SPREAD = 0.4  # standard deviation of the logarithm of sizes within a group
_DECOY_SHARE = 0.3  # pictures into which pieces without faces are pasted like faces
_HARD_SHARE = 0.5  # of such pieces and of empty grounds, those around a false box of the network
_HARD_SMALLEST, _HARD_LARGEST = 0.4, 2.0  # its size there, in its own
_LEVEL_SHARE, _WIDE_SHARE = 0.6, 0.36  # of the turns: nearly upright, within _WIDE_DEG; the others any
_LEVEL_DEG, _WIDE_DEG = 10.0, 65.0
_SQUEEZE = 0.12  # standard deviation of the logarithm of width over height
_LABELLED, _IGNORED = 0.6, 0.2  # visible share of a face from which it is labelled, or else ignored
_FEATHER = 0.18


@dataclass
class Composition:
    """A picture in the making.

    Attributes:
        image: BGR ``[SIDE, SIDE, 3]``.
        boxes, points, ignored: lists of ``[4]``, ``[5, 2]`` and ``[4]``.
    """

    image: Image
    boxes: list[Float64Array] = field(default_factory=list)
    points: list[Float64Array] = field(default_factory=list)
    ignored: list[Float64Array] = field(default_factory=list)

    def hide(self, region: Float64Array) -> None:
        """Something covers a region: faces in it that are mostly covered are no longer labelled."""
        kept = [1 - _shared(box, region) for box in self.boxes]
        self.ignored += [box for box, share in zip(self.boxes, kept, strict=True) if share < _LABELLED]
        self.points = [each for each, share in zip(self.points, kept, strict=True) if share >= _LABELLED]
        self.boxes = [each for each, share in zip(self.boxes, kept, strict=True) if share >= _LABELLED]

    def ignore_below(self, smallest: float) -> None:
        """Faces too small to be recognised are neither to be found nor to be left alone."""
        seen = [max(box[2:] - box[:2]) >= smallest for box in self.boxes]
        self.ignored += [box for box, kept in zip(self.boxes, seen, strict=True) if not kept]
        self.points = [each for each, kept in zip(self.points, seen, strict=True) if kept]
        self.boxes = [box for box, kept in zip(self.boxes, seen, strict=True) if kept]

    def add(self, box: Float64Array, points: Float64Array, region: Float64Array) -> None:
        """A face of which only the part in a region is visible."""
        visible = _shared(box, region)
        inside = np.concatenate([np.maximum(box[:2], region[:2]), np.minimum(box[2:], region[2:])])
        if visible >= _LABELLED and max(box[2:] - box[:2]) >= _IGNORED_BELOW:
            self.boxes.append(box)
            self.points.append(points)
        elif visible >= _IGNORED:
            self.ignored.append(inside)


def _shared(box: Float64Array, region: Float64Array) -> float:
    """Share of a box that lies in a region."""
    sides = np.minimum(box[2:], region[2:]) - np.maximum(box[:2], region[:2])
    return float(np.clip(sides, 0, None).prod() / max((box[2:] - box[:2]).prod(), 1e-9))


class Composer:
    """Composes training pictures.

    Args:
        pictures: their parts.
        seed: of all numbers.
        hard: false boxes, see :func:`export.detection.mining.mine`.
    """

    def __init__(self, pictures: Pictures, seed: int, hard: Float64Array | None = None) -> None:
        self._people, self._empty, self._faces = pictures.people, pictures.empty, pictures.faces
        self._seed = seed
        self._shares = [_shares(each) for each in (self._people, self._empty, self._faces)]
        self._hard = np.empty((0, 6)) if hard is None else hard
        self._hard_shares = np.cumsum(self._hard[:, 5] ** 2)

    def __call__(self, number: int) -> tuple[Image, Float64Array, Float64Array, Float64Array]:
        """Picture ``number``: image, boxes ``[N, 4]``, points ``[N, 5, 2]``, ignored boxes ``[M, 4]``."""
        rng = np.random.default_rng([self._seed, number])
        made = Composition(self._ground(rng))
        if rng.random() >= _EMPTY_SHARE:
            self._fill(rng, made, np.array([0, 0, SIDE, SIDE], np.float64), _draw_size(rng))
            if rng.random() < _PASTED_SHARE and self._faces:
                for _ in range(rng.integers(1, 5)):
                    self._paste_face(rng, made)
        if rng.random() < _DECOY_SHARE and self._empty:
            for _ in range(rng.integers(1, 4)):
                self._paste_decoy(rng, made)
        image, smallest = with_faults(made.image, rng)
        made.ignore_below(smallest)
        boxes = np.array(made.boxes[:MOST_FACES]).reshape(-1, 4)
        ignored = np.array((made.boxes[MOST_FACES:] + made.ignored)[:MOST_IGNORED]).reshape(-1, 4)
        return image, boxes, np.array(made.points[:MOST_FACES]).reshape(-1, 5, 2), ignored

    def _draw(self, rng: np.random.Generator, kind: int) -> Picture:
        pictures: Sequence[Picture] = (self._people, self._empty, self._faces)[kind]
        return pictures[int(np.searchsorted(self._shares[kind], rng.random()))]

    def _draw_hard(self, rng: np.random.Generator) -> tuple[Picture, Float64Array] | None:
        """A scene with a false box; None at other times, and where there is none."""
        if not len(self._hard) or rng.random() >= _HARD_SHARE:
            return None
        row = self._hard[int(np.searchsorted(self._hard_shares, rng.random() * self._hard_shares[-1]))]
        scene = int(row[0])
        none = len(self._empty)
        return self._empty[scene] if scene < none else self._people[scene - none], row[1:5]

    def _ground(self, rng: np.random.Generator) -> Image:
        """An empty scene, or one colour."""
        if rng.random() < 0.2 or not self._empty:
            return np.full((SIDE, SIDE, 3), rng.integers(0, 256, 3) if rng.random() < 0.5 else 0, np.uint8)
        return self._bare(rng, SIDE, SIDE)

    def _bare(self, rng: np.random.Generator, width: int, height: int) -> Image:
        """A piece of an empty scene."""
        hard = self._draw_hard(rng)
        if hard is not None and not len(hard[0].labels):  # else there are faces around
            picture, box = hard
            side = _draw_hard_size(rng, box, 0.9 * min(width, height))
            scale = side / max(box[2:] - box[:2])
            matrix = _placed(scale, _draw_turn(rng), rng.random() < 0.5, 1.0, (box[:2] + box[2:]) / 2)
            matrix[:, 2] += rng.uniform(side / 2, np.array([width, height]) - side / 2)
            return _warped(picture.image, matrix, width, height, cv2.BORDER_REFLECT)
        image = self._draw(rng, 1).image
        size, own = np.array([width, height]), np.array(image.shape[1::-1])
        scale = max(size) / min(own) * np.exp(rng.uniform(0, 0.9))
        matrix = _placed(scale, _draw_turn(rng), rng.random() < 0.5, 1.0, own / 2)
        spare = np.maximum(own * scale - size, 0) / 2
        matrix[:, 2] += size / 2 + rng.uniform(-spare, spare)
        return _warped(image, matrix, width, height, cv2.BORDER_REFLECT)

    def _fill(self, rng: np.random.Generator, made: Composition, region: Float64Array, size: float) -> None:
        """Draw a scene with a face of about ``size`` pixels into a region, or several into its parts."""
        span = region[2:] - region[:2]
        if size > _SMALL * min(span) or rng.random() >= _SPLIT_SHARE:
            self._tile(rng, made, region, min(size, 0.95 * min(span)))
            return
        x, y = region[:2] + rng.uniform(0.35, 0.65, 2) * span
        for left, right in ((region[0], x), (x, region[2])):
            for top, bottom in ((region[1], y), (y, region[3])):
                part, draw = np.round([left, top, right, bottom]), rng.random()
                if draw < _TILED_SHARE:
                    self._fill(rng, made, part, max(size * np.exp(rng.normal(0, _SPREAD)), _SMALLEST))
                elif draw < _TILED_SHARE + _BARE_SHARE and self._empty:
                    x1, y1, x2, y2 = part.astype(int)
                    made.image[y1:y2, x1:x2] = self._bare(rng, x2 - x1, y2 - y1)

    def _tile(self, rng: np.random.Generator, made: Composition, region: Float64Array, size: float) -> None:
        """Draw a scene into a region so that one of its faces is there, ``size`` pixels large."""
        picture = self._draw(rng, 0)
        outlines, points = picture.labels.outlines, picture.labels.points
        boxes = bounds(outlines)
        face = int(np.searchsorted(np.cumsum(picture.face_weights), rng.random() * picture.face_weights.sum()))
        scale = size / max(boxes[face, 2:] - boxes[face, :2])
        mirrored = rng.random() < 0.5
        squeeze = np.exp(np.clip(rng.normal(0, _SQUEEZE), -0.3, 0.3)) if rng.random() < 0.4 else 1.0
        matrix = _placed(scale, _draw_turn(rng), mirrored, squeeze, (boxes[face, :2] + boxes[face, 2:]) / 2)
        span = region[2:] - region[:2]
        # Large faces are near the middle; some leave the picture.
        spare = np.maximum(span - size, 0.25 * size) / 2
        matrix[:, 2] += (region[:2] + region[2:]) / 2 + rng.uniform(-spare, spare)
        low, high = region[:2].astype(int), region[2:].astype(int)
        local = matrix.copy()
        local[:, 2] -= low
        part = made.image[low[1] : high[1], low[0] : high[0]]
        border = cv2.BORDER_TRANSPARENT if rng.random() < 0.7 else cv2.BORDER_REPLICATE
        _warped(picture.image, local, part.shape[1], part.shape[0], border, part)
        height, width = picture.image.shape[:2]
        frame = moved(np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64), matrix)
        covered = np.concatenate([np.maximum(frame.min(axis=0), region[:2]), np.minimum(frame.max(axis=0), region[2:])])
        if (covered[:2] >= covered[2:]).any():
            return
        made.hide(covered)
        swap = [1, 0, 2, 4, 3] if mirrored else [0, 1, 2, 3, 4]
        for drawn, five in zip(moved(outlines, matrix), moved(points, matrix), strict=True):
            made.add(bounds(drawn[None])[0], five[swap], covered)
        for box in picture.labels.ignored:
            corners = box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(1, 4, 2)
            at = bounds(moved(corners, matrix))[0]
            made.ignored.append(np.concatenate([np.maximum(at[:2], covered[:2]), np.minimum(at[2:], covered[2:])]))

    def _paste_face(self, rng: np.random.Generator, made: Composition) -> None:
        """Paste a single face where no other is."""
        picture = self._draw(rng, 2)
        outlines, points = picture.labels.outlines, picture.labels.points[0]
        piece = _Piece(rng, picture.image, bounds(outlines)[0], _draw_size(rng, 0.6 * SIDE))
        drawn = bounds(moved(outlines, piece.matrix))[0]
        if any(_shared(drawn, box) > 0.1 or _shared(box, drawn) > 0.1 for box in made.boxes + made.ignored):
            return
        if piece.blend(made.image):
            swap = [1, 0, 2, 4, 3] if piece.mirrored else [0, 1, 2, 3, 4]
            made.add(drawn, moved(points, piece.matrix)[swap], np.array([0, 0, SIDE, SIDE], np.float64))

    def _paste_decoy(self, rng: np.random.Generator, made: Composition) -> None:
        """Paste a piece of an empty scene where no face is."""
        hard = self._draw_hard(rng)
        if hard is not None:
            picture, box = hard
            size = _draw_hard_size(rng, box, 0.6 * SIDE)
        else:
            picture, size = self._draw(rng, 1), _draw_size(rng, 0.6 * SIDE)
            sides = np.array(picture.image.shape[1::-1])
            side = rng.uniform(0.15, 0.5) * min(sides)
            corner = rng.uniform(0, sides - side)
            box = np.concatenate([corner, corner + side])
        piece = _Piece(rng, picture.image, box, size)
        drawn = np.concatenate([piece.target - size * 0.8, piece.target + size * 0.8])
        if not any(_shared(each, drawn) > 0 for each in made.boxes + made.ignored):
            piece.blend(made.image)


class _Piece:
    """A piece of a picture around a box, ``size`` pixels large in another picture, with a soft elliptic edge."""

    def __init__(self, rng: np.random.Generator, image: Image, box: Float64Array, size: float) -> None:
        self._image, self._size = image, size
        self._middle, self._half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
        self.mirrored = bool(rng.random() < 0.5)
        squeeze = np.exp(np.clip(rng.normal(0, 1.3 * _SQUEEZE), -0.45, 0.25))
        self.matrix = _placed(size / (2 * self._half.max()), _draw_turn(rng), self.mirrored, squeeze, self._middle)
        self.target = rng.uniform(0.35 * size, SIDE - 0.35 * size, 2)
        self.matrix[:, 2] += self.target
        self._reach = np.array([rng.uniform(1.15, 1.6), rng.uniform(1.2, 1.7)])

    def blend(self, into: Image) -> bool:
        """Blend it in; False if it lies outside."""
        height, width = self._image.shape[:2]
        mask = _ellipse(width, height, self._middle - (0, 0.12 * self._half[1]), self._half * self._reach)
        low = np.floor(np.maximum(self.target - 1.8 * self._size, 0)).astype(int)
        high = np.ceil(np.minimum(self.target + 1.8 * self._size, SIDE)).astype(int)
        if (high - low < 2).any():
            return False
        local = self.matrix.copy()
        local[:, 2] -= low
        part = into[low[1] : high[1], low[0] : high[0]]
        warped = _warped(self._image, local, part.shape[1], part.shape[0], cv2.BORDER_REPLICATE)
        alpha = _warped(mask, local, part.shape[1], part.shape[0], cv2.BORDER_CONSTANT)[..., None].astype(np.float32)
        part[:] = np.clip(part + (warped.astype(np.float32) - part) * (alpha / 255), 0, 255)
        return True


def _shares(pictures: Sequence[Picture]) -> Float64Array:
    weights = np.cumsum([picture.chance for picture in pictures])
    return np.asarray(weights / weights[-1] if len(weights) else weights)


def _draw_size(rng: np.random.Generator, largest: float = _LARGEST) -> float:
    low = np.log(_SMALLEST)
    return float(np.exp(rng.uniform(low, max(np.log(largest), low + 0.1))))


def _draw_hard_size(rng: np.random.Generator, box: Float64Array, largest: float) -> float:
    own = max(box[2:] - box[:2])
    return float(min(own * np.exp(rng.uniform(np.log(_HARD_SMALLEST), np.log(_HARD_LARGEST))), largest))


def _draw_turn(rng: np.random.Generator) -> float:
    which = rng.random()
    if which < _LEVEL_SHARE:
        return float(rng.normal(0, _LEVEL_DEG))
    return float(rng.uniform(-1, 1) * (_WIDE_DEG if which < _LEVEL_SHARE + _WIDE_SHARE else 180.0))


def _placed(scale: float, turn_deg: float, mirrored: bool, squeeze: float, middle: Float64Array) -> Float64Array:
    """Affine map ``[2, 3]`` that scales, mirrors, squeezes, turns clockwise, and takes ``middle`` to the origin."""
    turn = np.deg2rad(turn_deg)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = scale * linear @ np.diag([(-1 if mirrored else 1) * np.sqrt(squeeze), 1 / np.sqrt(squeeze)])
    return np.column_stack([linear, -linear @ middle])


def _warped(
    image: Image, matrix: Float64Array, width: int, height: int, border: int, into: Image | None = None
) -> Image:
    """The image under a map between points of pixel areas, shrunk without aliasing."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    linear, shift = matrix[:, :2], matrix[:, 2]
    if scale < 0.7:
        old = np.array(image.shape[1::-1])
        new = np.maximum(np.round(old * scale), 1).astype(int)
        image = np.asarray(cv2.resize(image, (int(new[0]), int(new[1])), interpolation=cv2.INTER_AREA), np.uint8)
        linear = linear @ np.diag(old / new)
    centres = np.column_stack([linear, linear @ (0.5, 0.5) + shift - 0.5])
    if into is not None and border == cv2.BORDER_TRANSPARENT:
        into_copy = np.ascontiguousarray(into)
        into[:] = cv2.warpAffine(
            image, centres, (width, height), dst=into_copy, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
        )
        return into
    made = np.asarray(cv2.warpAffine(image, centres, (width, height), flags=cv2.INTER_LINEAR, borderMode=border))
    if into is not None:
        into[:] = made
        return into
    return np.asarray(made, np.uint8)


def _ellipse(width: int, height: int, middle: Float64Array, half: Float64Array) -> NDArray[np.uint8]:
    """255 within an ellipse, falling to 0 at its edge and at the picture's."""
    x, y = (np.arange(n) + 0.5 for n in (width, height))
    radius = np.sqrt(((x - middle[0]) / half[0])[None] ** 2 + ((y - middle[1]) / half[1])[:, None] ** 2)
    rim = np.minimum(np.minimum(x, width - x)[None], np.minimum(y, height - y)[:, None]) / (0.06 * width)
    return np.asarray(255 * np.clip(np.minimum((1 - radius) / _FEATHER, rim), 0, 1), np.uint8)
