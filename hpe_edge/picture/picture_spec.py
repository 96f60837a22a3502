"""PictureSpec: everything needed to run a whole-picture model, in the metadata entry of :mod:`hpe_edge.spec`.

Its JSON has format 2 and ``"kind": "picture"``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Literal

from hpe_edge.errors import ModelError
from hpe_edge.spec import Origin, Triple, read_json, to_plain

FORMAT = 2
STRIDES = (4, 8, 16, 32)  # pixels per cell of the levels that regions are pooled from

Six = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class PictureInput:
    """The resized picture: ``[1, 3, H, W]``, value = (level * scale - mean) / std per channel.

    Attributes:
        shorter, longer: the picture is scaled, with its proportions, until its shorter side has ``shorter`` pixels or
            its longer one ``longer``, whichever is smaller; bilinearly, and then padded with 0 to multiples of 32.
        color: order of the channels; mean and std are in it.
        scale: factor of levels 0..255 before mean and std.
    """

    shorter: int
    longer: int
    color: Literal["RGB", "BGR"]
    scale: float
    mean: Triple
    std: Triple

    def __post_init__(self) -> None:
        if not 32 <= self.shorter <= self.longer <= 8192:
            raise ModelError(
                f"the picture's shorter and longer side must be 32..8192 pixels, got {self.shorter} and {self.longer}"
            )
        if not (self.scale > 0 and all(std > 0 for std in self.std)):
            raise ModelError(f"input.scale and input.std must be positive, got {self.scale} and {self.std}")


@dataclass(frozen=True)
class ProposalRule:
    """Choice of the regions that the second network sees.

    Attributes:
        anchors: side in pixels of each level's anchors, the finest level first; areas are those of squares.
        ratios: height by width of the anchors at a cell.
        per_level: best anchors of each level that take part.
        overlap: intersection over union above which the weaker proposal of a level is dropped.
        count: best proposals that the second network sees.
    """

    anchors: tuple[int, ...]
    ratios: tuple[float, ...]
    per_level: int
    overlap: float
    count: int

    def __post_init__(self) -> None:
        if len(self.anchors) != len(STRIDES) + 1 or not self.ratios:
            raise ModelError(f"proposals.anchors must be {len(STRIDES) + 1} sides, with ratios, got {self.anchors}")
        if min(*self.anchors, *self.ratios) <= 0 or min(self.per_level, self.count) < 1 or not 0 <= self.overlap <= 1:
            raise ModelError(f"proposals must have positive sides, ratios and counts, and an overlap 0..1, got {self}")


@dataclass(frozen=True)
class FaceRule:
    """Conversion of regions, scores and poses to faces.

    Attributes:
        min_score: regions of a lower score are dropped.
        overlap: intersection over union of projected boxes above which the weaker face is dropped.
        mean, deviation: of the six numbers, a rotation vector in radians and a translation.
        points: the head's 68 landmarks in the frame that the poses refer to.
        unit_m: metres of one unit of the points, by which translations become metres.
        grown_x, grown_y: sides of the drawn box in those of the projected points.
        forehead: part of the points' extent that the drawn box is longer above the brow.
        rectification: ``"linear"``: from the region's camera to the picture's by K^-1 K_region and the nearest
            rotation, as the network was trained; see :mod:`hpe_edge.picture.place_faces`.
    """

    min_score: float
    overlap: float
    mean: Six
    deviation: Six
    points: tuple[Triple, ...]
    grown_x: float
    grown_y: float
    forehead: float
    unit_m: float
    rectification: Literal["linear"] = "linear"

    def __post_init__(self) -> None:
        numbers = (*self.mean, *self.deviation, *(each for point in self.points for each in point))
        if not all(map(math.isfinite, numbers)) or len(self.points) < 3:
            raise ModelError("faces.mean, deviation and points must be finite, with three points or more")
        if not 0 < self.unit_m < math.inf:
            raise ModelError(f"faces.unit_m must be a positive number of metres, got {self.unit_m}")
        if not (0 <= self.min_score <= 1 and 0 <= self.overlap <= 1):
            raise ModelError(f"faces.min_score and overlap must be 0..1, got {self.min_score} and {self.overlap}")


@dataclass(frozen=True)
class PictureGate:
    """Result of the last export step's comparison with its original.

    Attributes:
        compared: such as ``"onnx with pytorch"``.
        source: of the pictures.
        pictures, faces: number of pictures, and of faces that both found.
        one_sided: faces that only one of the two found.
        mean_deg, worst_deg: geodesic distances of matched faces.
        worst_translation: largest distance of matched faces' translations, relative to their length.
        limits: that applied.
    """

    compared: str
    source: str
    pictures: int
    faces: int
    one_sided: int
    mean_deg: float
    worst_deg: float
    worst_translation: float
    limits: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PictureSpec:
    """Everything needed to run a whole-picture model.

    Attributes:
        architecture: such as ``"img2pose"``.
        input, proposals, faces: the steps before, between and after the two networks.
        origin: the checkpoint and tools that it was made from.
        gate: last result of the gate; None before the first.
    """

    architecture: str
    input: PictureInput
    proposals: ProposalRule
    faces: FaceRule
    origin: Origin
    gate: PictureGate | None = None
    kind: Literal["picture"] = "picture"

    def to_json(self, indent: int | None = None) -> str:
        """Return the spec as JSON, format number first."""
        return json.dumps({"format": FORMAT, **to_plain(self)}, indent=indent)

    @staticmethod
    def from_json(text: str) -> PictureSpec:
        """Read a spec.

        Raises:
            ModelError: not JSON, a newer format, an unknown or missing field, a value of the wrong type or range.
        """
        spec = read_json(PictureSpec, text, FORMAT, "the model's spec", "spec")
        assert isinstance(spec, PictureSpec)
        return spec
