"""Anchor-free face detectors on grids of cells: base class, letterbox and NMS."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.native.native_session import NativeSession
from hpe_edge.boxes.box_fit import BoxFit
from hpe_edge.errors import BackendError, InputError, ModelError
from hpe_edge.faces.detector import Detections, check_detect_size, check_min_face, check_min_score, without_small
from hpe_edge.faces.grids.looks import (
    Candidates,
    Look,
    centred_in,
    fitted,
    parts_of_faces,
    tiles,
    uncut,
    wide_look,
    without_rivals,
)
from hpe_edge.ops.crop import cached_crop
from hpe_edge.ops.frames import MAX_COORDINATE, check_frame
from hpe_edge.spec import Crop, Input

Array = NDArray[np.float32]
Pixels = NDArray[Any]  # float32, or uint8 levels

_WHOLE = Crop(square="none")  # fill 0, before normalisation

MOST_CANDIDATES = 5000  # before NMS; OpenCV's FaceDetectorYN keeps as many

_WIDE_LEAST = 0.4  # smallest face that the wide look adds, of the frame's shorter side
_SMALL = 2  # enlargement of the look for small faces
_TURNED_SIDE = 640  # most pixels of the longer side of looks at turned frames


class GridDetector:
    """A face detector in ONNX Runtime or native code. Implements :class:`hpe_edge.faces.detector.Detector`.

    A subclass defines the outputs of its graph, and how the values of a cell become a box.
    """

    STRIDES: ClassVar[tuple[int, ...]] = (8, 16, 32)  # sides of a cell in input pixels, one grid each
    SCORE: ClassVar[float]  # default score threshold
    NMS_IOU: ClassVar[float]
    MULTIPLE: ClassVar[int] = 32  # sides of the input are multiples of it
    LONGEST_SIDE: ClassVar[int]  # of the input, if the graph's size is dynamic
    ENLARGES: ClassVar[bool]  # smaller frames are enlarged to it
    # A look at the shrunk frame with a margin, for faces that fill the frame or leave it.
    WIDE_LOOK: ClassVar[Literal["always", "none found", "never"]] = "none found"
    LARGEST: ClassVar[float] = math.inf  # longer side of a box in input pixels beyond which it asks for the wide look
    UNSURE: ClassVar[float] = 0.0  # best score below which the turned frame is looked at; 0: if no face was found
    TURNED_SCORE: ClassVar[float]  # threshold of faces that are found there
    BOXES_PER_CELL: ClassVar[int]
    # Columns of the outputs of one grid: scores, which multiply, then box, then key points.
    OUTPUTS: ClassVar[tuple[tuple[int, ...], ...]]
    INPUT: ClassVar[Input]
    FIT: ClassVar[BoxFit]

    @classmethod
    def recognises(cls, session: Any) -> bool:
        """Return True if the graph's input and outputs are those of this kind."""
        columns = columns_of(session)
        return columns is not None and any(columns == Counter(each * len(cls.STRIDES)) for each in cls.OUTPUTS)

    def __init__(
        self,
        session: Any,
        path: Path,
        min_score: float | None = None,
        min_face: float | None = None,
        detect_size: int | None = None,
    ) -> None:
        """
        Args:
            session: of a graph of this kind.
            path: its file, for messages.
            min_score: threshold, 0..1; None for the kind's default.
            min_face: leave out faces whose box in ``boxes`` is lower, in pixels of the frame.
            detect_size: longer side of the frame in the input, in pixels; None for the kind's own.

        Raises:
            InputError: ``min_score``, ``min_face`` or ``detect_size`` is out of range, or the graph has another size.
            ModelError: the graph's outputs are not those of this kind.
            BackendError: the graph does not run.
        """
        self.min_score = check_min_score(min_score, self.SCORE)
        self.min_face = check_min_face(min_face)
        self.detect_size = check_detect_size(detect_size)
        self._use(session)
        self._path = path
        (given,) = session.get_inputs()
        self._input = given.name
        if given.shape[0] not in (None, 1) and not isinstance(given.shape[0], str):
            raise ModelError(
                f"{path}: its graph takes {given.shape[0]} pictures at a time, one is needed; export it with a batch "
                "of 1"
            )
        height, width = given.shape[2:]
        self._fixed = (width, height) if isinstance(width, int) and isinstance(height, int) else None
        if self._fixed is not None and (width % self.MULTIPLE or height % self.MULTIPLE):
            raise ModelError(f"{path}: its input is {width} x {height}, a multiple of {self.MULTIPLE} each is needed")
        if self._fixed is not None and detect_size not in (None, max(self._fixed)):
            raise InputError(
                f"{path} runs at {width} x {height} pixels only, and detect_size is {detect_size}; leave it out"
            )
        self._names = self._try_out()

    def _use(self, session: Any) -> None:
        self._session, self._quiet = session, None
        self._pictures = self.INPUT  # as the network takes them
        if isinstance(session, NativeSession):
            if session.takes_levels:
                levels = Input(self.INPUT.size, self.INPUT.color, 1.0, (0.0,) * 3, (1.0,) * 3, dtype="uint8")
                self._pictures = levels
            return
        import onnxruntime  # takes a while to load

        self._quiet = onnxruntime.RunOptions()
        self._quiet.log_severity_level = 4  # errors of a run are raised, and not printed as well

    def __getstate__(self) -> dict[str, Any]:
        """Pickle without the session, which each process opens itself."""
        state = {name: value for name, value in vars(self).items() if name not in ("_session", "_quiet")}
        if isinstance(self._session, NativeSession):
            return state | {"_session": self._session}  # pickled as its file
        from hpe_edge.backends.onnx.open_session import reopening

        return state | {"_open": reopening(self._session)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        session = state.pop("_session") if "_session" in state else state.pop("_open")()
        vars(self).update(state)
        self._use(session)

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find faces, see :class:`hpe_edge.faces.detector.Detector`."""
        frame = check_frame(frame_bgr)
        height, width = frame.shape[:2]
        first = Look(*self._canvas(width, height))
        parts = [self._look(frame, first)]
        sides = _longer_sides(parts[0].boxes)
        too_large = self.LARGEST * first.scale < min(max(width, height), sides.max(initial=0))
        if self.WIDE_LOOK == "always" or (self.WIDE_LOOK == "none found" and not len(sides)) or too_large:
            found = self._look(frame, wide_look(width, height, self._fixed, self.MULTIPLE))
            found = found.where(_longer_sides(found.boxes) >= _WIDE_LEAST * min(height, width))
            parts = [parts[0].where(~parts_of_faces(parts[0], found)), found]
        if max(each.scores.max(initial=0) for each in parts) < max(self.UNSURE, self.min_score):
            turned = Candidates.joined(self._turned_looks(frame))
            parts = without_rivals(Candidates.joined(parts), turned)
        if not any(len(each.scores) for each in parts):
            parts += self._small_looks(frame, first)
        return self._detections(*Candidates.joined(parts))

    def first_look(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find faces in the whole frame, without the further looks of a call."""
        frame = check_frame(frame_bgr)
        found = self._look(frame, Look(*self._canvas(frame.shape[1], frame.shape[0])))
        return self._detections(*found)

    def _look(self, frame: NDArray[np.uint8], look: Look) -> Candidates:
        """Return what a look at a BGR frame finds."""
        return self._found(letterbox(frame, *look.size, look.scale, self._pictures, look.corner), look)

    def _found(self, picture: Pixels, look: Look) -> Candidates:
        """Return what the network finds in the picture of a look, in the frame."""
        if look.quarters:
            picture = np.ascontiguousarray(np.rot90(picture, look.quarters, axes=(2, 3)))
        scores, boxes, keypoints = self._candidates(picture)
        corners = look.in_frame(boxes.reshape(-1, 2, 2))
        if look.quarters:
            sound = sound_boxes(boxes)  # before the turn, which would put inverted corners in order
            boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
            sound &= sound_boxes(boxes)
        else:
            boxes = corners.reshape(-1, 4)
            sound = sound_boxes(boxes)
        turns = np.full(np.count_nonzero(sound), look.quarters, np.intp)
        return Candidates(scores[sound], boxes[sound], look.in_frame(keypoints[sound]), turns)

    def _turned_looks(self, frame: NDArray[np.uint8]) -> list[Candidates]:
        """Look at the frame turned by 90, 180 and 270 degrees, for faces that lie or stand upside down."""
        height, width = frame.shape[:2]
        upright = Look(*self._canvas(width, height, _TURNED_SIDE))
        square = self._fixed is None or self._fixed[0] == self._fixed[1]
        picture = letterbox(frame, *upright.size, upright.scale, self._pictures)
        found = [self._found(picture, upright._replace(quarters=turn)) for turn in ((1, 2, 3) if square else (2,))]
        return [
            each.where((each.scores >= self.TURNED_SCORE) & centred_in(each.boxes, width, height)) for each in found
        ]

    def _small_looks(self, frame: NDArray[np.uint8], first: Look) -> list[Candidates]:
        """Look closer at a frame that was shrunk, for small faces."""
        height, width = frame.shape[:2]
        if self.detect_size is not None or self.min_face > 0 or first.scale <= 1:
            return []
        if self._fixed is None:
            return [self._look(frame, Look(*self._canvas(width, height, _SMALL * self.LONGEST_SIDE)))]
        parts = []
        for tile in tiles(first, width, height):
            found = self._look(frame, tile)
            parts.append(found.where(uncut(tile, found.boxes, width, height)))
        return parts

    def _detections(
        self, scores: Array, boxes: Array, keypoints: Array, quarters: NDArray[np.intp] | None = None
    ) -> Detections:
        """Return the faces that NMS keeps, from left to right; ``quarters`` None: all upright."""
        best = best_candidates(scores)
        scores, boxes, keypoints = scores[best], boxes[best], keypoints[best]
        quarters = None if quarters is None else quarters[best]
        kept = nms(boxes, scores, self.NMS_IOU)
        kept = kept[np.argsort(boxes[kept, 0], kind="stable")]
        points = keypoints[kept] if keypoints.shape[1] else None
        turns = np.zeros(len(kept), np.intp) if quarters is None else quarters[kept]
        found = Detections(fitted(self.FIT, boxes[kept], turns), boxes[kept], scores[kept], points)
        return without_small(found, self.min_face)

    def _candidates(self, picture: Pixels) -> tuple[Array, Array, Array]:
        """Return scores ``[N]``, boxes ``[N, 4]``, key points ``[N, 5 or 0, 2]`` from the threshold on, before NMS."""
        grids = self._run(picture, self._names)
        found = [self._find(stride, grid, picture.shape[3]) for stride, grid in zip(self.STRIDES, grids, strict=True)]
        scores, boxes, keypoints = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return scores, boxes, keypoints

    @staticmethod
    def _boxes(cells: Array, stride: int, numbers: Array) -> Array:
        """Decode the graph's numbers ``[N, 4]`` of cells ``[N, 2]`` (column, row); return boxes in input pixels."""
        raise NotImplementedError

    def _find(self, stride: int, outputs: list[Array], width: int) -> tuple[Array, Array, Array]:
        """Return scores ``[N]``, boxes ``[N, 4]`` and key points ``[N, 5, 2]`` (or ``[N, 0, 2]``) of one grid."""
        scores = self._scores(outputs)
        index = np.flatnonzero(scores >= self.min_score)
        cell = index // self.BOXES_PER_CELL
        columns = width // stride
        cells = np.stack([cell % columns, cell // columns], axis=1).astype(np.float32)
        numbers = [output[index] for output in outputs if output.shape[1] > 1]
        boxes = self._boxes(cells, stride, numbers[0])
        if len(numbers) == 1:
            return scores[index], boxes, np.empty((len(index), 0, 2), np.float32)
        return scores[index], boxes, (cells[:, None] + numbers[1].reshape(-1, 5, 2)) * np.float32(stride)

    @staticmethod
    def _scores(outputs: list[Array]) -> Array:
        """Return scores ``[rows]``: the geometric mean of the outputs with one column."""
        single = [output[:, 0] for output in outputs if output.shape[1] == 1]
        return single[0] if len(single) == 1 else np.sqrt(single[0] * single[1])

    def _canvas(self, width: int, height: int, most: int | None = None) -> tuple[tuple[int, int], float]:
        """Return width and height of the input for a frame, and frame pixels per input pixel.

        Args:
            width, height: of the frame.
            most: limit of the frame's longer side in the input, beyond which frames are not enlarged either; None: as
                the kind or the caller's size says.
        """
        if self._fixed is not None:
            return self._fixed, max(width / self._fixed[0], height / self._fixed[1])
        scale = max(width, height) / (most or self._longest(width, height))
        if most is not None or not (self.ENLARGES or self.detect_size):
            scale = max(scale, 1.0)
        step = self.MULTIPLE
        # Slightly less before rounding up, so that 1280.0000001 stays 1280.
        in_width, in_height = (int(-(-(side / scale - 1e-6) // step)) * step for side in (width, height))
        return (in_width, in_height), scale

    def _longest(self, width: int, height: int) -> float:
        """Return the longer side that a frame gets in the input."""
        return self.detect_size or self.LONGEST_SIDE

    def _run(self, picture: Pixels, names: list[list[str]]) -> list[list[Array]]:
        """Run the graph; return the outputs ``[rows, columns]`` grid by grid."""
        flat = [name for grid in names for name in grid]
        try:
            self._session = _usable(self._session)
            found = self._session.run(flat, {self._input: picture}, self._quiet)
        except Exception as error:  # ONNX Runtime's errors share no base class
            runtime = "native code" if isinstance(self._session, NativeSession) else "ONNX Runtime"
            raise BackendError(f"{runtime} failed on {self._path}: {error}") from None
        arrays = iter(found)
        return [[_rows(next(arrays)) for _ in grid] for grid in names]

    def _try_out(self) -> list[list[str]]:
        """Return the outputs' names grid by grid, score first, from a run on an empty picture.

        Names differ between exports, and shapes stated in a graph may be wrong.
        """
        (width, height), names, outputs = self._outputs()
        grids: list[list[str]] = []
        for stride in self.STRIDES:
            rows = (width // stride) * (height // stride) * self.BOXES_PER_CELL
            mine = [(array.shape[1], name) for name, array in zip(names, outputs, strict=True) if len(array) == rows]
            mine.sort(key=lambda output: output[0])
            if tuple(columns for columns, _ in mine) not in self.OUTPUTS:
                raise ModelError(
                    f"{self._path}: a picture of {width} x {height} should give {rows} rows at stride {stride}, "
                    f"{self.BOXES_PER_CELL} per cell; the graph gives {output_shapes(names, outputs)}"
                )
            grids.append([name for _, name in mine])
        for name, array in zip(names, outputs, strict=True):
            if array.shape[1] == 1:
                self._check_scores(name, array)
        return grids

    def _outputs(self) -> tuple[tuple[int, int], list[str], list[Array]]:
        """Return width and height of an empty picture, and names and values of the outputs for it."""
        # A size that no file is made for: a graph that runs at one size only must not pass for one of any size.
        width, height = self._fixed or (3 * self.MULTIPLE, self.MULTIPLE)
        names = [output.name for output in self._session.get_outputs()]
        (outputs,) = self._run(self._empty(1, height, width), [names])
        return (width, height), names, outputs

    def _empty(self, count: int, height: int, width: int) -> Pixels:
        """Return pictures of zeros as the network takes them."""
        return np.zeros((count, 3, height, width), self._pictures.dtype)

    def _check_scores(self, name: str, scores: Array) -> None:
        """Refuse scores that are no probabilities."""
        if not (scores.min() >= 0 and scores.max() <= 1):
            raise ModelError(
                f"{self._path}: its scores {name!r} are {scores.min():.3g} to {scores.max():.3g}, not within 0..1; "
                "export it with the sigmoid or softmax in the graph"
            )


def _usable(session: Any) -> Any:
    """Return a session that this process can use."""
    if isinstance(session, NativeSession):
        return session
    from hpe_edge.backends.onnx.open_session import usable_here

    return usable_here(session)


def columns_of(session: Any) -> Counter[int | str] | None:
    """Count the outputs by their columns; None if the graph does not take one float picture ``[1, 3, H, W]``."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        return None
    if inputs[0].shape[1] != 3:
        return None
    # Rows are not counted: files of dynamic size still state those of the exported size.
    return Counter(output.shape[-1] for output in session.get_outputs() if output.shape)


def output_shapes(names: list[str], outputs: list[Array]) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in zip(names, outputs, strict=True))


def _rows(array: NDArray[Any]) -> Array:
    """Reshape an output ``[1, rows, columns]`` or ``[rows, columns]`` to the latter."""
    return np.asarray(array, np.float32).reshape(-1, array.shape[-1])


def _longer_sides(boxes: Array) -> Array:
    sides: Array = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    return sides


def letterbox(
    frame: NDArray[np.uint8], width: int, height: int, scale: float, input: Input, corner: tuple[float, float] = (0, 0)
) -> Pixels:
    """Resize, pad with black and normalise, in one pass.

    Args:
        frame: BGR, from :func:`hpe_edge.ops.frames.check_frame`; not checked again.
        width, height: of the result.
        scale: frame pixels per pixel of the result; the frame must fit.
        input: colour order and normalisation; its size is ignored.
        corner: x and y of the frame's top left in the result; a point of the result less it, times ``scale``, is the
            point of the frame.

    Returns:
        float32 or uint8, as ``input`` says, ``[1, 3, height, width]``, C-contiguous.
    """
    side = max(width, height)
    crop = cached_crop(_WHOLE, replace(input, size=side))
    square: Pixels = np.empty((1, 3, side, side), input.dtype)
    left, top = corner
    box = np.array([[-left, -top, side - left, side - top]], np.float32) * np.float32(scale)
    crop.crop_checked((frame, None), box, square, "BGR")
    return np.ascontiguousarray(square[:, :, :height, :width])


def sound_boxes(boxes: Array) -> NDArray[np.bool_]:
    """Bool ``[N]``: boxes that the engine accepts. Cells without a face may hold any values."""
    with np.errstate(invalid="ignore"):
        area = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
        return np.asarray(area & (np.abs(boxes) <= MAX_COORDINATE).all(axis=1))


def best_candidates(scores: Array) -> NDArray[np.intp]:
    """Return the indices of the best ``MOST_CANDIDATES`` candidates, in their order.

    A low threshold makes a candidate of every cell, of which NMS compares each with all others.
    """
    if len(scores) <= MOST_CANDIDATES:
        return np.arange(len(scores))
    return np.sort(np.argsort(-scores, kind="stable")[:MOST_CANDIDATES])


def nms(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression, best score first; of equal scores the earlier box wins.

    Args:
        boxes: ``[N, 4]``, x1 y1 x2 y2 with x1 < x2 and y1 < y2.
        scores: ``[N]``.
        iou: a box is removed if its intersection over union with a kept one is larger.

    Returns:
        Indices of the kept boxes, best score first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    corners, ends = boxes[:, :2], boxes[:, 2:]
    areas = (ends - corners).prod(axis=1)
    kept = []
    left = np.arange(len(order))
    # One iteration per kept box over the undecided ones: faces are few, candidates per face are many.
    while left.size:
        best, left = left[0], left[1:]
        kept.append(best)
        sides = np.minimum(ends[left], ends[best]) - np.maximum(corners[left], corners[best])
        shared = np.maximum(sides, 0).prod(axis=1)
        left = left[shared <= iou * (areas[left] + areas[best] - shared)]
    return order[np.array(kept, np.intp)]
