"""Face crops that travel with a TensorRT-RTX engine, for its accuracy gate on each GPU: ``<engine>.gate.npz``.

TensorRT-RTX compiles the kernels on the GPU that runs them, so an engine is verified there, and once per GPU. The file
holds the crops in 8-bit levels and the poses that ONNX Runtime gave for exactly these levels on the build machine.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.tensorrt.plan_file import EngineInfo
from hpe_edge.errors import ModelError
from hpe_edge.spec import Input


@dataclass(frozen=True)
class GateCrops:
    """Crops of the gate and the reference's poses.

    Attributes:
        levels: uint8 ``[N, 3, size, size]``, in the network's order of colours.
        rotation: float32 ``[N, 3, 3]``, of the reference.
        compared: the two variants, such as ``"engine with onnx"``.
        source: origin of the faces.
        limits: the largest differences that pass, by the names of :class:`hpe_edge.spec.GateResult`.
    """

    levels: NDArray[np.uint8]
    rotation: NDArray[np.float32]
    compared: str
    source: str
    limits: dict[str, float]

    def to_bytes(self, plan_sha256: str) -> bytes:
        """Return the file's content; it belongs to one plan."""
        texts = {name: value for name, value in asdict(self).items() if name not in ("levels", "rotation")}
        about = json.dumps({"plan_sha256": plan_sha256, **texts})
        file = io.BytesIO()
        np.savez_compressed(file, steps=_steps(self.levels), rotation=self.rotation, about=np.array(about))
        return file.getvalue()


def gate_file(path: Path) -> Path:
    """Return the path of an engine's crops."""
    return path.with_name(f"{path.name}.gate.npz")


def read_gate_crops(path: Path, info: EngineInfo) -> GateCrops:
    """Read the crops of the engine ``path``.

    Raises:
        ModelError: they are missing, damaged, or of another plan.
    """
    beside = gate_file(path)
    remedy = f"copy {path.name} with the files beside it, or build it again: {info.rebuild}"
    try:
        with np.load(beside, allow_pickle=False) as file:
            about: dict[str, Any] = json.loads(str(file["about"]))
            levels, rotation = _levels(file["steps"]), file["rotation"]
        sha256 = about.pop("plan_sha256")
        crops = GateCrops(levels, rotation, **about)
        fits = levels.dtype == np.uint8 and levels.shape == (len(rotation), 3, *[info.spec.input.size] * 2)
        fits = fits and len(levels) > 0 and rotation.shape[1:] == (3, 3) and crops.limits != {}
    except FileNotFoundError:
        raise ModelError(
            f"{path} has no {beside.name} beside it, so its angles cannot be verified on this GPU; {remedy}"
        ) from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"{beside} is damaged ({error}); {remedy}") from None
    if not fits or sha256 != info.plan_sha256:
        raise ModelError(f"{beside} belongs to another engine than {path.name}; {remedy}")
    return crops


def _steps(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Differences of neighbours in a row, then in a column, modulo 256: a quarter smaller when compressed."""
    for axis in (3, 2):
        levels = np.diff(levels, axis=axis, prepend=np.uint8(0))
    return levels


def _levels(steps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    for axis in (2, 3):
        steps = np.cumsum(steps, axis=axis, dtype=np.uint8)
    return steps


def levels_of(crops: NDArray[Any], given: Input) -> NDArray[np.uint8]:
    """Round crops ``[N, 3, size, size]``, as the network takes them, to 8-bit levels."""
    if given.dtype == "uint8":
        return np.asarray(crops, np.uint8)
    mean, std = (np.reshape(np.asarray(each, np.float64), (3, 1, 1)) for each in (given.mean, given.std))
    return np.asarray(np.clip(np.rint((crops * std + mean) / given.scale), 0, 255), np.uint8)


def input_of(levels: NDArray[np.uint8], given: Input) -> NDArray[Any]:
    """Return the network's input for 8-bit levels ``[N, 3, size, size]``, the same on every machine."""
    if given.dtype == "uint8":
        return levels
    mean, std = (np.reshape(np.asarray(each, np.float64), (3, 1, 1)) for each in (given.mean, given.std))
    return np.asarray((levels * given.scale - mean) / std, given.dtype)
