"""Conversion of a face detector for native code, verified by what it finds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from export.graph.linear_pairs import linear_pairs, with_own_weights
from export.graph.onnx_file import read_onnx
from export.native.agreement import Agreement, AgreementLimits, compare
from export.native.correct_bias import correct_bias
from export.native.hpe_file import FileNetwork, to_bytes
from export.native.integers import fold_input, measured_tensors, stored_tensors, to_floats, to_integers
from export.native.lower import lower_detector
from export.quantize.calibrate import find_bounds, find_channels
from export.quantize.equalize import equalize
from export.step import Notes, byte_size, write_bytes
from hpe_edge.backends.native.native_file import DETECTOR_FORMAT, DETECTOR_KEY
from hpe_edge.errors import ModelError
from hpe_edge.faces.grids.anchor_free import GridDetector, letterbox
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.samples import FOLDER
from hpe_edge.sources.open_source import open_source
from hpe_edge.spec import Input
from hpe_edge.util.atomic import Pending
from hpe_edge.version import __version__

_MOST_FRAMES = 128
_FEW_FRAMES = 16  # with fewer, calibration and gate take all of them
_SIDE = 384  # of the calibration's pictures
_CORRECTED = 8  # of these, for the biases: every tensor of them is in memory
_SCALES = (1.0, 2.0)  # frames fill the picture, or half of it, in turns: faces of both sizes
_LIMITS = {"fp32": AgreementLimits(0.0, 0.999, 1e-3), "int8": AgreementLimits(0.05, 0.9, 0.3)}
_ADVICE = "Give more and more varied pictures with faces, or use --fp32"

Frames = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class DetectorExport:
    """A face detector in native code.

    Attributes:
        path: the file that was written.
        agreement: with the ONNX file.
        size_bytes: of the file.
        replaced: a file of that name was there before.
        notes: everything reported, ``"stage: line"``.
    """

    path: Path
    agreement: Agreement
    size_bytes: int
    replaced: bool
    notes: tuple[str, ...] = ()


def make_detector(path: Path, out: Path, fp32: bool, images: Path | None, notes: Notes) -> DetectorExport:
    """Convert a detector, verify it, and write it; see :func:`export.native.export_detector`."""
    original = open_detector(path)
    if not isinstance(original, GridDetector):
        raise ModelError(f"{path} has no grids of cells, which the native executor gives")
    model, sha256 = read_onnx(path)
    network = lower_detector(model)
    notes("layers", [f"{len(network.layers)}, for pictures of any multiples of {network.multiple} pixels"])
    frames = _frames(images or FOLDER)
    calibrating, checking = (frames[::2], frames[1::2]) if len(frames) >= _FEW_FRAMES else (frames, frames)
    if fp32:
        file, precision = to_floats(network), "fp32"
    else:
        file, precision = _in_integers(path, model, original.INPUT, calibrating), "int8"
        notes("calibration", [f"{len(calibrating)} of {len(frames)} frames"])
    spec: dict[str, Any] = {
        DETECTOR_KEY: DETECTOR_FORMAT,
        "outputs": list(network.outputs),
        "precision": precision,
        "source": path.name,
        "sha256": sha256,
        "hpe_edge": __version__,
    }
    pending = Pending(out)
    try:
        write_bytes(pending, to_bytes(file, json.dumps(spec)))
        found = compare(original, open_detector(pending.temp), original.min_score, checking)
        notes("agreement", [str(found)])
        _LIMITS[precision].require(found, _ADVICE)
        data = to_bytes(file, json.dumps({**spec, "agreement": asdict(found)}))
        write_bytes(pending, data)
        notes("file", [f"{precision}, {byte_size(len(data))}"])
        replaced = out.exists()
        pending.commit()
    finally:
        pending.discard()
    return DetectorExport(out, found, len(data), replaced, notes.lines)


def _frames(path: Path) -> list[NDArray[np.uint8]]:
    """Frames of pictures or of a video, spread over it."""
    source = open_source(path)
    try:
        found = [frame.image for frame in source]
    finally:
        source.close()
    return found[:: max(1, -(-len(found) // _MOST_FRAMES))]


def _in_integers(path: Path, model: ModelProto, input: Input, frames: Frames) -> FileNetwork:
    levels = Input(_SIDE, input.color, 1.0, (0.0,) * 3, (1.0,) * 3, dtype="uint8")
    pictures = np.concatenate(
        [
            letterbox(frame, _SIDE, _SIDE, _SCALES[i % len(_SCALES)] * max(frame.shape[:2]) / _SIDE, levels)
            for i, frame in enumerate(frames)
        ]
    )
    mean, std = (np.array(each, np.float32)[:, None, None] for each in (input.mean, input.std))
    normalised = (pictures.astype(np.float32) * np.float32(input.scale) - mean) / std
    # Elsewhere nothing needs it. Between two convolutions without an activation channels differ most.
    own = with_own_weights(model)
    evened, _ = equalize(own, find_channels(path, own, linear_pairs(own), normalised))
    network = lower_detector(evened)
    ranges = find_bounds(path, evened, measured_tensors(network), normalised)
    folded, pad_levels = fold_input(network, input)
    stored = stored_tensors(folded, ranges)
    some = pictures[:: -(-len(pictures) // _CORRECTED)]
    return to_integers(correct_bias(folded, pad_levels, stored, some), pad_levels, stored)
