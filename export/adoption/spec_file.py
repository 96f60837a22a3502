"""Spec files: the user's own description of a network that is of no known family.

The JSON is that of :class:`hpe_edge.spec.ModelSpec`, without what is read from the file itself: the origin, the names
and types of the graph's ends, the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from export.adoption.rotation import Reading, check_reading, read_decode
from export.graph.match_heads import heads_of
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.spec import Crop, Decode, Input, ModelSpec, Origin, Triple, Upright, read_json

FORMAT = 1

_BUNDLED = Path(__file__).parent / "specs"


@dataclass(frozen=True)
class FileInput:
    """Picture that the network takes; layout and type are read from its graph.

    Attributes:
        size: side in pixels.
        color: order of the channels; for a grey picture either.
        scale, mean, std: the network was trained on (level * scale - mean) / std, levels from 0 to 255. Scale 1, mean 0
            and std 1 for a graph that takes levels.
    """

    size: int
    color: Literal["RGB", "BGR"] = "RGB"
    scale: float = 1.0
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class SpecFile:
    """A spec file's content.

    Attributes:
        architecture: a name for the network.
        input: the picture.
        crop, decode, upright: see :class:`hpe_edge.spec.ModelSpec`; the decode names the file's outputs.
        rotation: how a quaternion or a matrix is to be read, see :data:`export.adoption.rotation.Reading`.
    """

    architecture: str
    input: FileInput
    crop: Crop
    decode: Decode
    upright: Upright | None = None
    rotation: Reading = "labels"

    def __post_init__(self) -> None:
        check_reading(self.rotation, self.decode)

    def spec(self, origin: Origin) -> ModelSpec:
        """The model's spec."""
        given = self.input
        return ModelSpec(
            architecture=self.architecture,
            input=Input(given.size, given.color, given.scale, given.mean, given.std),
            outputs=tuple(dict.fromkeys(head.output for head in heads_of(self.decode))),
            crop=self.crop,
            decode=read_decode(self.rotation, self.decode),
            origin=origin,
            upright=self.upright,
        )


def read_spec_file(path: Path) -> SpecFile:
    """Read a spec file, or one of those that are bundled, by its name.

    Raises:
        ModelNotFoundError: there is none.
        ModelError: it is no JSON, or a field is missing, unknown, or of a wrong type or range.
    """
    if not path.exists() and path.name in bundled_specs():
        path = _BUNDLED / f"{path.name}.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelNotFoundError(
            f"there is no spec {path}: it is neither a file nor one of {', '.join(bundled_specs())}; --template prints "
            "one to start from"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the spec {path} cannot be read ({error}); --template prints one to start from") from None
    try:
        found = read_json(SpecFile, text, FORMAT, "it", "spec")
    except ModelError as error:
        fault = str(error).replace("export the model again", "correct it; --template prints one to compare with")
        raise ModelError(f"the spec {path}: {fault}") from None
    assert isinstance(found, SpecFile)
    return found


def bundled_specs() -> list[str]:
    """Names of the bundled specs, of networks whose code is not here."""
    return sorted(path.stem for path in _BUNDLED.glob("*.json"))
