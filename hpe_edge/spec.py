"""ModelSpec: everything needed to run a model, in one frozen dataclass with one JSON form.

The JSON is stored in the ONNX file's metadata under :data:`METADATA_KEY`. Reading is strict: an unknown field, a
missing one or a newer format is a :class:`~hpe_edge.errors.ModelError`, never a guess. Format 2 adds heads beside the
pose; a spec without them is written in format 1, which earlier versions read.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import operator
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from hpe_edge.errors import ModelError

FORMAT = 2
PADDED_CHANNELS = 8  # of an input with channels last, see hpe_edge.ops.crop.CropNormalize
METADATA_KEY = "hpe_edge.spec"
MAX_BINS = 4096
MAX_COLUMNS = 1 << 20
MAX_BATCH = 4096  # of a graph or a plan; buffers are made for it
MAX_WHOLE = 1 << 53  # of whole numbers in JSON: beyond it readers differ
MAX_MARGIN = 100.0  # a hundred boxes to each side; beyond that, a slip of the decimal point
MAX_LANDMARKS = 4096
MAX_SIDE = 1024  # of a heatmap, in pixels
MAX_COEFFICIENTS = 512  # of a shape basis
PROJECTION = 8  # numbers of a shape's projection, before its coefficients

_LONGEST_SHOWN = 200  # characters of a wrong value, in messages

Triple = tuple[float, float, float]
Square = Literal["extend", "shrink", "none"]
Upright = Literal["keypoints", "second-pass"]
Precision = Literal["fp32", "fp16", "int8", "int8+fp16"]
Layout = Literal["xy", "planes"]
MapScale = Literal["probability", "logit"]
Activation = Literal["none", "sigmoid"]


@dataclass(frozen=True)
class Crop:
    """Region of the frame around a box that becomes the input, by steps in this order.

    Attributes:
        margins: left, top, right, bottom; how far each side moves out, as a fraction of the box's width (left, right)
            or height (top, bottom). Negative margins shrink the box.
        square: ``"extend"`` grows the shorter side about the centre, so that no pixel is invented inside the frame;
            ``"shrink"`` cuts the longer side to the shorter one about the centre, after resizing, as torchvision's
            Resize(side) and CenterCrop(side) do; ``"none"`` stretches the window to the input as it is.
        clip: cut the window at the frame's edges, after squaring; the picture is then stretched to the input.
        fill: levels 0..255 of pixels outside the frame, in the network's colour order.
        resampling: ``"bilinear"`` samples as ``cv2.resize`` does; ``"antialias"`` widens the filter when shrinking, as
            PIL and torchvision do.
    """

    margins: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    square: Square = "extend"
    clip: bool = False
    fill: Triple = (0.0, 0.0, 0.0)
    resampling: Literal["bilinear", "antialias"] = "bilinear"

    def __post_init__(self) -> None:
        _set_numbers(self, "crop", "margins", 4)
        _set_numbers(self, "crop", "fill", 3)
        if not all(abs(margin) <= MAX_MARGIN for margin in self.margins):
            raise ModelError(f"crop.margins are fractions of the box, {MAX_MARGIN:g} at most, got {self.margins}")
        if self.margins[0] + self.margins[2] <= -1 or self.margins[1] + self.margins[3] <= -1:
            raise ModelError(f"crop.margins {self.margins} leave nothing of the box: opposite ones must sum above -1")
        if not all(0 <= level <= 255 for level in self.fill):
            raise ModelError(f"crop.fill must be levels 0..255, got {self.fill}")
        _check_choice("crop.square", self.square, get_args(Square))
        _check_choice("crop.resampling", self.resampling, ("bilinear", "antialias"))

    def with_margins(self, margins: float | tuple[float, float, float, float]) -> Crop:
        """Return this crop with other margins and nothing else changed.

        Args:
            margins: left, top, right, bottom, or one number for all four sides.

        Raises:
            ModelError: see the class.
        """
        sides = (margins,) * 4 if isinstance(margins, (int, float)) else margins
        return dataclasses.replace(self, margins=sides)


@dataclass(frozen=True)
class Input:
    """The network's input tensor: ``[N, 3, size, size]``, value = (level * scale - mean) / std per channel.

    Attributes:
        name: the input's name in the graph.
        size: side in pixels.
        color: channel order, ``"RGB"`` or ``"BGR"``; mean and std are in this order.
        scale: factor of levels 0..255 before mean and std (1/255 for torchvision's mean and std).
        dtype: ``"float32"``, ``"float16"`` or ``"uint8"``; uint8 holds levels and needs scale 1, mean 0, std 1.
    """

    size: int
    color: Literal["RGB", "BGR"]
    scale: float
    mean: Triple
    std: Triple
    name: str = "image"
    dtype: Literal["float32", "float16", "uint8"] = "float32"

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 1 <= self.size <= 4096:
            raise ModelError(f"input.size must be 1..4096 whole pixels, got {self.size!r}")
        _check_choice("input.color", self.color, ("RGB", "BGR"))
        _check_choice("input.dtype", self.dtype, ("float32", "float16", "uint8"))
        _check_numbers("input.scale", (self.scale,), 1)
        _set_numbers(self, "input", "mean", 3)
        _set_numbers(self, "input", "std", 3)
        if self.scale <= 0 or not all(s > 0 for s in self.std):
            raise ModelError(f"input.scale and input.std must be positive, got {self.scale} and {self.std}")
        if not all(
            self.scale / std < 1e30 and abs(mean) / std < 1e30 for mean, std in zip(self.mean, self.std, strict=True)
        ):
            raise ModelError(f"input.scale, mean and std leave float32's range: {self.scale}, {self.mean}, {self.std}")
        if self.dtype == "uint8" and (self.scale, self.mean, self.std) != (1.0, (0.0,) * 3, (1.0,) * 3):
            raise ModelError("a uint8 input takes levels as they are: scale 1, mean 0 and std 1")


@dataclass(frozen=True)
class BinHead:
    """One angle as logits over bins; bin k stands for ``first_deg + k * step_deg``.

    Attributes:
        output: name of the graph output that holds the logits.
        column: first of ``count`` columns in that output.
        first_deg: angle of bin 0, as the checkpoint was trained: lower edges and centres differ by half a step.
        step_deg: negative for families with the opposite sign.
        count: number of bins.
        circular: the bins span the full circle; decoded by the circular mean.
    """

    output: str
    column: int
    first_deg: float
    step_deg: float
    count: int
    circular: bool = False

    def __post_init__(self) -> None:
        _check_numbers("decode bins", (self.first_deg, self.step_deg), 2)
        _check_column(self.column)
        if not 1 <= self.count <= MAX_BINS or self.step_deg == 0:
            raise ModelError(
                f"a bin head needs 1..{MAX_BINS} bins and a step other than 0, "
                f"got {self.count} bins, step {self.step_deg}"
            )
        if self.circular and not math.isclose(abs(self.step_deg) * self.count, 360.0, rel_tol=1e-6):
            raise ModelError(f"a circular head spans 360 degrees, got {self.count} bins of {self.step_deg} degrees")


@dataclass(frozen=True)
class AngleHead:
    """One angle as a number: degrees = value * ``factor``, which sets unit and sign."""

    output: str
    column: int
    factor: float = 1.0

    def __post_init__(self) -> None:
        _check_numbers("decode factor", (self.factor,), 1)
        _check_column(self.column)
        if self.factor == 0:
            raise ModelError("an angle head needs a factor other than 0")


@dataclass(frozen=True)
class BinsDecode:
    """Softmax over bins per angle, then its expectation and standard deviation.

    Attributes:
        yaw, pitch, roll: the heads.
        order: of the turns that the heads stand for. ``"xyz"``: the labels', R = Rx(-pitch) Ry(yaw) Rz(roll).
            ``"zxy"``: R = Rz(roll) Rx(-pitch) Ry(yaw), whose angles stay unique in profile; the pose's angles are then
            the label triple of that R, and its sigma that of the heads.
    """

    kind: ClassVar[str] = "bins"
    yaw: BinHead
    pitch: BinHead
    roll: BinHead
    order: Literal["xyz", "zxy"] = "xyz"


@dataclass(frozen=True)
class AnglesDecode:
    """Yaw, pitch and roll regressed directly."""

    kind: ClassVar[str] = "angles"
    yaw: AngleHead
    pitch: AngleHead
    roll: AngleHead


@dataclass(frozen=True)
class RotationDecode:
    """One head that gives a rotation matrix; the matrix encodes the label triple, from which the pose is built.

    Attributes:
        output: name of the graph output that holds the numbers.
        column: first of ``width`` columns in that output.
        signs: 1 or -1 for yaw, pitch and roll. The matrix is Rz(roll) Ry(yaw) Rx(pitch) of the signed angles, the
            convention of 6DRepNet.
    """

    kind: ClassVar[str]
    width: ClassVar[int]
    output: str
    column: int = 0
    signs: Triple = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        _check_column(self.column)
        _set_numbers(self, "decode", "signs", 3)
        if not all(abs(sign) == 1 for sign in self.signs):
            raise ModelError(f"decode.signs must be 1 or -1 for yaw, pitch and roll, got {self.signs}")


@dataclass(frozen=True)
class Rot6dDecode(RotationDecode):
    """6DRepNet's six numbers per face: two matrix columns, orthonormalised by Gram-Schmidt."""

    kind: ClassVar[str] = "rot6d"
    width: ClassVar[int] = 6


@dataclass(frozen=True)
class MatrixDecode(RotationDecode):
    """Nine numbers per face: the matrix, row-major."""

    kind: ClassVar[str] = "matrix"
    width: ClassVar[int] = 9


@dataclass(frozen=True)
class QuaternionDecode(RotationDecode):
    """Four numbers per face: quaternion w x y z of any length above 0."""

    kind: ClassVar[str] = "quaternion"
    width: ClassVar[int] = 4


Decode = BinsDecode | AnglesDecode | Rot6dDecode | MatrixDecode | QuaternionDecode


@dataclass(frozen=True)
class Coordinates:
    """Landmarks as numbers: fraction of the crop = value * ``scale`` + ``offset``.

    Of a crop (0, 0) is the top left corner and (1, 1) the opposite one.

    Attributes:
        output: name of the graph output that holds them.
        count: number of landmarks.
        layout: ``"xy"``: x y of each landmark in turn; ``"planes"``: all x, then all y.
        scale, offset: of both x and y.
        column: first of ``2 * count`` columns in that output.
        names: of the landmarks in order; empty if they have none.
    """

    kind: ClassVar[str] = "coordinates"
    output: str
    count: int
    layout: Layout = "xy"
    scale: float = 1.0
    offset: float = 0.0
    column: int = 0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_points(self.count, self.names)
        _check_choice("landmarks.layout", self.layout, get_args(Layout))
        _check_numbers("landmarks.scale and offset", (self.scale, self.offset), 2)
        if self.scale == 0:
            raise ModelError("landmarks.scale must not be 0: all points would be one")
        _check_column(self.column)

    @property
    def width(self) -> int:
        """Number of columns."""
        return 2 * self.count


@dataclass(frozen=True)
class Heatmaps:
    """Landmarks as the peaks of maps, ``[N, count, side, side]``, that span the crop; see
    :mod:`hpe_edge.ops.heatmap_peaks`.

    Attributes:
        output: name of the graph output that holds them.
        count: number of landmarks.
        side: rows and columns of a map.
        scale: meaning of a map's values. ``"probability"``: not negative, and a parabola is fitted to their logarithms;
            ``"logit"``: to the values themselves.
        names: of the landmarks in order; empty if they have none.
    """

    kind: ClassVar[str] = "heatmaps"
    column: ClassVar[int] = 0
    output: str
    count: int
    side: int
    scale: MapScale = "probability"
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_points(self.count, self.names)
        _check_choice("landmarks.scale", self.scale, get_args(MapScale))
        if not 1 <= self.side <= MAX_SIDE:
            raise ModelError(f"landmarks.side must be 1..{MAX_SIDE} pixels, got {self.side}")

    @property
    def width(self) -> int:
        """Number of columns of the flattened maps."""
        return self.count * self.side * self.side


@dataclass(frozen=True)
class ShapeBasis:
    """Landmarks as coefficients of a face model, and its projection into the crop.

    The first eight numbers are a 2x4 matrix P, row-major, the others coefficients c. A landmark is P (X, Y, Z, 1), a
    fraction of the crop, of the point (X, Y, Z) = mean + sum over k of c_k basis_k.

    Attributes:
        output: name of the graph output that holds them.
        count: number of landmarks.
        mean: x y z of each landmark in turn, ``3 * count`` numbers.
        basis: as many numbers for each coefficient, one after another.
        column: first of the columns in that output.
        names: of the landmarks in order; empty if they have none.
    """

    kind: ClassVar[str] = "shape-basis"
    output: str
    count: int
    mean: tuple[float, ...]
    basis: tuple[float, ...]
    column: int = 0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_points(self.count, self.names)
        _check_column(self.column)
        size = 3 * self.count
        if len(self.mean) != size or len(self.basis) % size or self.coefficients > MAX_COEFFICIENTS:
            raise ModelError(
                f"landmarks.mean must be {size} numbers, 3 for each landmark, and landmarks.basis as many for each of "
                f"at most {MAX_COEFFICIENTS} coefficients; got {len(self.mean)} and {len(self.basis)}"
            )
        if not all(map(math.isfinite, (*self.mean, *self.basis))):
            raise ModelError("landmarks.mean and landmarks.basis must be finite numbers")

    @property
    def coefficients(self) -> int:
        """Number of coefficients."""
        return len(self.basis) // (3 * self.count)

    @property
    def width(self) -> int:
        """Number of columns."""
        return PROJECTION + self.coefficients


LandmarkHead = Coordinates | Heatmaps | ShapeBasis


@dataclass(frozen=True)
class Visibility:
    """Visibility of each landmark, 0 hidden to 1 visible.

    Attributes:
        output: name of the graph output that holds one number per landmark.
        column: first of them in that output.
        activation: ``"sigmoid"`` of the numbers, or ``"none"`` where the graph has applied it.
    """

    output: str
    column: int = 0
    activation: Activation = "none"

    def __post_init__(self) -> None:
        _check_column(self.column)
        _check_choice("visibility.activation", self.activation, get_args(Activation))


# Union -> its classes by the field "kind" of their JSON.
_KINDS: dict[Any, dict[str, Any]] = {
    union: {cls.kind: cls for cls in get_args(union)} for union in (Decode, LandmarkHead)
}


@dataclass(frozen=True)
class Origin:
    """Source of a model.

    Attributes:
        checkpoint: file name of the checkpoint; an ensemble's members are joined by " + ".
        sha256: of its bytes, in hexadecimal; joined alike.
        tools: name -> version of the tools that made the file.
        merged: names of convolutions whose groups were merged at export: the same sums in fewer groups, which ONNX
            Runtime runs faster.
    """

    checkpoint: str
    sha256: str
    tools: dict[str, str] = field(default_factory=dict)
    merged: tuple[str, ...] = ()


@dataclass(frozen=True)
class GateResult:
    """Angular errors of the last export step, in degrees, on ``faces`` crops of ``source``.

    Attributes:
        compared: what was compared, such as ``"onnx with pytorch"``.
        mean_deg, p99_deg, worst_deg: geodesic distance between the two rotations.
        limits: the limits that applied, such as ``{"worst_deg": 0.01}``.
        landmarks_mean, landmarks_worst: distance between the landmarks as a fraction of the box's side: mean over
            faces and landmarks, and the largest; None for a model without landmarks.
    """

    omitted: ClassVar[tuple[str, ...]] = ("landmarks_mean", "landmarks_worst")
    compared: str
    source: str
    faces: int
    mean_deg: float
    p99_deg: float
    worst_deg: float
    limits: dict[str, float] = field(default_factory=dict)
    landmarks_mean: float | None = None
    landmarks_worst: float | None = None


@dataclass(frozen=True)
class SigmaCalibration:
    """Calibration of sigma: with these factors about 68 % of the errors lie within one sigma, 95 % within two.

    Attributes:
        yaw, pitch, roll: factors of the standard deviation of each angle's bins.
        faces: number of faces that they were measured on.
        source: those faces, and the model's reference where they have no labels.
        labelled: measured against labels; otherwise against the poses of another, calibrated model.
        limit_deg: default of ``max_sigma``, a limit on the root mean square of the three calibrated sigmas, above which
            a pose is doubtful; None for no limit.
    """

    yaw: float
    pitch: float
    roll: float
    faces: int
    source: str
    labelled: bool
    limit_deg: float | None = None

    def __post_init__(self) -> None:
        _check_numbers("sigma's factors", self.factors, 3)
        if not all(1e-3 <= factor <= 1e3 for factor in self.factors):
            raise ModelError(f"sigma's factors must be from 0.001 to 1000, got {self.factors}")
        if self.limit_deg is not None and not 0 < self.limit_deg < math.inf:
            raise ModelError(f"sigma.limit_deg must be a number of degrees above 0, got {self.limit_deg!r}")

    @property
    def factors(self) -> Triple:
        """Factors of yaw, pitch and roll."""
        return (self.yaw, self.pitch, self.roll)


@dataclass(frozen=True)
class Quantization:
    """A step after the export that lowered the network's precision.

    Attributes:
        precision: of the network after it; ``"int8+fp16"``: FP16 where it is not INT8.
        source: file name of the model it was made from.
        sha256: of that file's bytes, in hexadecimal.
        kept: names of the layers that stayed in float32.
        ranges: calibration method of the activation ranges; empty if none are needed.
        tools: name -> version of the tools that made the file.
        gate: of the source; the spec's own gate is this step's.
    """

    renamed: ClassVar[dict[str, str]] = {"numbers": "precision"}
    precision: Precision
    source: str
    sha256: str
    kept: tuple[str, ...] = ()
    ranges: str = ""
    tools: dict[str, str] = field(default_factory=dict)
    gate: GateResult | None = None


@dataclass(frozen=True)
class ModelSpec:
    """Everything needed to run a model; the module's docstring describes the storage.

    Attributes:
        architecture: the family, see ``hpe-edge export onnx --arch``; an ensemble's joined by " + ".
        input: the input tensor and its normalisation.
        outputs: names of the graph's outputs, in order.
        crop: the default crop for boxes that fit the face tightly (chin to eyebrows, as landmarks span it).
        decode: conversion of the outputs to angles.
        origin: the checkpoint and tools that it was made from.
        gate: last result of the accuracy gate; None before the first.
        quantizations: the steps after the export that lowered the precision, in their order.
        exported_precision: of the exported or adopted graph; see :attr:`precision`.
        sigma: calibration of sigma; None: factors of 1 and no limit. For decodes with a distribution only.
        upright: default of the engine's ``upright``, by which it turns crops so that faces stand upright in them; None:
            crops are not turned.
        landmarks: the head that gives landmarks, and its form; None: there is none.
        visibility: the head that gives the landmarks' visibility; None: there is none.
    """

    renamed: ClassVar[dict[str, str]] = {"reductions": "quantizations"}
    omitted: ClassVar[tuple[str, ...]] = ("landmarks", "visibility")

    architecture: str
    input: Input
    outputs: tuple[str, ...]
    crop: Crop
    decode: Decode
    origin: Origin
    gate: GateResult | None = None
    quantizations: tuple[Quantization, ...] = ()
    exported_precision: Precision = "fp32"
    sigma: SigmaCalibration | None = None
    upright: Upright | None = None
    landmarks: LandmarkHead | None = None
    visibility: Visibility | None = None

    def __post_init__(self) -> None:
        if self.upright is not None:
            _check_choice("upright", self.upright, get_args(Upright))
        if len(set(self.outputs)) != len(self.outputs):
            raise ModelError(f"the outputs must have different names, got {self.outputs}")
        for head in self.heads():
            if head.output not in self.outputs:
                raise ModelError(f"the decode reads output {head.output!r}, but the outputs are {self.outputs}")
        if self.visibility is not None and self.landmarks is None:
            raise ModelError("visibility is that of landmarks, but the spec has none; add them or leave it out")
        for other in (self.landmarks, self.visibility):
            if other is not None and other.output not in self.outputs:
                raise ModelError(f"a head reads output {other.output!r}, but the outputs are {self.outputs}")
        if self.sigma is not None and not isinstance(self.decode, BinsDecode):
            raise ModelError(f"a decode of {self.decode.kind} gives no sigma, so there is none to calibrate")

    @property
    def precision(self) -> Precision:
        """Precision of the network's layers; ``"int8+fp16"``: FP16 where it is not INT8."""
        return self.quantizations[-1].precision if self.quantizations else self.exported_precision

    def heads(self) -> tuple[BinHead | AngleHead | RotationDecode, ...]:
        """Return the heads that the decode reads: yaw, pitch and roll, or the one rotation head."""
        if isinstance(self.decode, (BinsDecode, AnglesDecode)):
            return (self.decode.yaw, self.decode.pitch, self.decode.roll)
        return (self.decode,)

    def to_json(self, indent: int | None = None) -> str:
        """Return the spec as JSON, format number first: the oldest format that holds it."""
        return json.dumps({"format": 1 if self.landmarks is None else 2, **to_plain(self)}, indent=indent)

    @staticmethod
    def from_json(text: str) -> ModelSpec:
        """Read a spec.

        Raises:
            ModelError: not JSON, a newer format, an unknown or missing field, a value of the wrong type or range.
        """
        spec = read_json(ModelSpec, text, FORMAT, "the model's spec", "spec")
        assert isinstance(spec, ModelSpec)
        return spec


def read_json(kind: type, text: str, newest: int, what: str, where: str) -> Any:
    """Rebuild a dataclass from its JSON, format number first.

    Args:
        kind: the dataclass.
        text: the JSON.
        newest: the newest format that is known.
        what, where: names of the document and of its root field, for messages.

    Raises:
        ModelError: not JSON, a newer format, an unknown or missing field, a value of the wrong type or range.
    """
    try:
        plain = json.loads(text, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{what} is not JSON ({error}); export the model again") from None
    if not isinstance(plain, dict) or type(plain.get("format")) is not int:
        raise ModelError(f"{what} has no format number; export the model again")
    if plain["format"] > newest:
        raise ModelError(f"{what} has format {plain['format']}, this hpe_edge reads up to {newest}: upgrade hpe_edge")
    if plain["format"] < 1:
        raise ModelError(f"{what} has format {plain['format']}, which never existed; export it again")
    del plain["format"]
    return _from_plain(kind, plain, where)


def is_picture_spec(text: str) -> bool:
    """Return True for the spec of a whole-picture model, which :class:`hpe_edge.PictureEngine` runs."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(plain, dict) and plain.get("kind") == "picture"


def _check_numbers(what: str, values: tuple[float, ...], count: int) -> None:
    if len(values) != count or not all(math.isfinite(v) for v in values):
        raise ModelError(f"{what} must be {count} finite number(s), got {values}")


def _set_numbers(owner: Any, where: str, name: str, count: int) -> None:
    """Check a field of numbers and convert it to a tuple, so that lists are accepted and the dataclass is hashable."""
    values = getattr(owner, name)
    try:
        numbers = tuple(map(_number, values))
    except (TypeError, ValueError, OverflowError):
        raise ModelError(f"{where}.{name} must be {count} numbers, got {values!r}") from None
    _check_numbers(f"{where}.{name}", numbers, count)
    object.__setattr__(owner, name, numbers)  # the dataclass is frozen


def _number(value: Any) -> float:
    """Return a number, of Python or NumPy, as float; text that looks like one is none, nor is a bool."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError
    return float(value)


def _check_column(column: int) -> None:
    if not 0 <= column < MAX_COLUMNS:
        raise ModelError(f"a head's first column must be 0..{MAX_COLUMNS - 1}, got {column}")


def _check_points(count: int, names: tuple[str, ...]) -> None:
    if not 1 <= count <= MAX_LANDMARKS:
        raise ModelError(f"landmarks.count must be 1..{MAX_LANDMARKS}, got {count}")
    if names and (len(names) != count or len(set(names)) != count):
        raise ModelError(f"landmarks.names must be {count} different names or none, got {len(names)}")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) != len(pairs):
        raise ModelError("the model's spec names a field twice; export the model again")
    return plain


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ModelError(f"{what} must be one of {', '.join(choices)}, got {value!r}")


def to_plain(value: Any) -> Any:
    """Convert a dataclass of this module to plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        for name in getattr(value, "omitted", ()):  # fields that earlier versions do not know
            if plain[name] is None:
                del plain[name]
        kind = getattr(value, "kind", None)
        return {"kind": kind, **plain} if kind else plain
    if isinstance(value, tuple):
        return [to_plain(v) for v in value]
    return value


def _from_plain(kind: Any, plain: Any, where: str) -> Any:
    """Rebuild a value of type ``kind`` from JSON; ``where`` names the field in messages."""
    if kind is Any:
        return plain
    if get_origin(kind) is Literal:
        _expect(plain in get_args(kind), where, f"one of {', '.join(get_args(kind))}", plain)
        return plain
    if kind in _KINDS:
        return _one_of_from_plain(_KINDS[kind], plain, where)
    if type(None) in get_args(kind):
        inner: Any = functools.reduce(operator.or_, (k for k in get_args(kind) if k is not type(None)))
        return None if plain is None else _from_plain(inner, plain, where)
    if get_origin(kind) is tuple:
        return _tuple_from_plain(get_args(kind), plain, where)
    if get_origin(kind) is dict:
        _expect(isinstance(plain, dict), where, "an object", plain)
        return {name: _from_plain(get_args(kind)[1], v, f"{where}.{name}") for name, v in plain.items()}
    if dataclasses.is_dataclass(kind):
        return _dataclass_from_plain(kind, plain, where)
    if kind is float:
        _expect(isinstance(plain, (int, float)) and not isinstance(plain, bool), where, "a number", plain)
        _expect(abs(plain) < 1e300, where, "a finite number", plain)
        return float(plain)
    if kind is int:
        _expect(type(plain) is int, where, "int", plain)
        _expect(abs(plain) < MAX_WHOLE, where, f"a whole number below {MAX_WHOLE}", plain)
        return plain
    _expect(isinstance(plain, kind) and (kind is bool or not isinstance(plain, bool)), where, kind.__name__, plain)
    return plain


def _tuple_from_plain(kinds: tuple[Any, ...], plain: Any, where: str) -> tuple[Any, ...]:
    _expect(isinstance(plain, list), where, "a list", plain)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(plain)
    _expect(len(plain) == len(kinds), where, f"a list of {len(kinds)}", plain)
    return tuple(_from_plain(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, plain, strict=True)))


def _dataclass_from_plain(cls: Any, plain: Any, where: str) -> Any:
    _expect(isinstance(plain, dict), where, "an object", plain)
    renamed = {old: new for old, new in getattr(cls, "renamed", {}).items() if new not in plain}
    plain = {renamed.get(name, name): value for name, value in plain.items()}  # names of earlier versions
    hints = get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(plain) - set(fields))
    if unknown:
        raise ModelError(
            f"{where} has the unknown field {unknown[0]!r}; it was written by another version: upgrade hpe_edge or "
            "export the model again"
        )
    required = [
        name
        for name, f in fields.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in plain]
    if missing:
        raise ModelError(f"{where} lacks the field {missing[0]!r}; export the model again")
    return cls(**{name: _from_plain(hints[name], value, f"{where}.{name}") for name, value in plain.items()})


def _one_of_from_plain(kinds: dict[str, Any], plain: Any, where: str) -> Any:
    _expect(isinstance(plain, dict), where, "an object", plain)
    kind = plain.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise ModelError(f"{where}.kind must be one of {', '.join(kinds)}, got {kind!r}; upgrade hpe_edge?")
    return _dataclass_from_plain(kinds[kind], {k: v for k, v in plain.items() if k != "kind"}, where)


def _expect(ok: bool, where: str, what: str, got: Any) -> None:
    if not ok:
        raise ModelError(f"{where} must be {what}, got {_shortened(got)}; export the model again")


def _shortened(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number of very many digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
