"""Calibration: clipping ranges of activations for INT8, measured on real faces.

ONNX Runtime's own calibrators keep all activations of all images in memory; these build histograms batch by batch, of
magnitudes only, as TensorRT's INT8 is symmetric.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from export.quantize.calibration_file import Method
from hpe_edge.backends.onnx.open_session import open_session
from hpe_edge.errors import ModelError

PERCENTILE = 99.999  # of the magnitudes, so one in 100,000 is clipped; docs/precision.md compares others
_BINS = 2048
_LEVELS = 128  # magnitudes in INT8, with 0
_BATCH = 8
_IMAGE_AXES = 4  # batch, channel, row, column

Channels = NDArray[np.float64]


def find_channels(path: Path, model: ModelProto, tensors: list[str], crops: NDArray[Any]) -> dict[str, Channels]:
    """Run the crops and find the largest magnitude in each channel of each tensor.

    Args:
        path: names the model in messages.
        model: float32, with one input.
        tensors: names of activations, which may include the input.
        crops: ``[N, 3, size, size]``, as inference sees them.

    Returns:
        Tensor -> ``[C]``, along axis 1 of an image; of other tensors a single value.

    Raises:
        ModelError: it does not run, or an activation is NaN or infinite.
    """
    found: dict[str, Channels] = {}
    for name, values in _run(path, model, tensors, crops):
        axes = (0, 2, 3) if values.ndim == _IMAGE_AXES else None
        # NaN stays NaN. Two passes are faster than one over the magnitudes.
        largest = np.atleast_1d(np.maximum(values.max(axis=axes, initial=0), -values.min(axis=axes, initial=0)))
        found[name] = np.maximum(found.get(name, 0.0), largest.astype(np.float64))
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise ModelError(f"{path}: {name} is NaN or infinite on some faces; no range can be found for it")
    return found


def find_bounds(
    path: Path, model: ModelProto, tensors: list[str], crops: NDArray[Any]
) -> dict[str, tuple[float, float]]:
    """Run the crops and find the least and the largest value of each tensor; see :func:`find_channels`."""
    found: dict[str, tuple[float, float]] = {}
    for name, values in _run(path, model, tensors, crops):
        low, high = found.get(name, (np.inf, -np.inf))
        found[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return found


def find_ranges(
    path: Path, model: ModelProto, largest: Mapping[str, float], crops: NDArray[Any], method: Method
) -> dict[str, float]:
    """Run the crops and find the clipping range of each tensor.

    Args:
        path, model, crops: see :func:`find_channels`.
        largest: tensor -> its largest magnitude on these crops.
        method: ``"minmax"``: the largest magnitude; ``"percentile"``: the :data:`PERCENTILE` of all magnitudes;
            ``"entropy"``: least divergence of the quantized from the original distribution (Migacz, 8-bit Inference
            with TensorRT, 2017).

    Raises:
        ModelError: it does not run.
    """
    if method == "minmax":
        return dict(largest)
    counts = {name: np.zeros(_BINS, np.int64) for name in largest}
    for name, values in _run(path, model, list(largest), crops):
        if largest[name] > 0:
            counts[name] += _histogram(values, largest[name])
    clip = _percentile if method == "percentile" else _entropy
    return {name: clip(counts[name]) / _BINS * largest[name] for name in largest}


def _histogram(values: NDArray[Any], largest: float) -> NDArray[np.int64]:
    """Counts of the magnitudes in :data:`_BINS` bins up to ``largest``; what rounding puts above is in the last."""
    place = np.abs(values).ravel() * np.float32(_BINS / largest)
    return np.bincount(np.minimum(place, _BINS - 1).astype(np.int32), minlength=_BINS)


def _session(path: Path, model: ModelProto, tensors: Iterable[str]) -> onnxruntime.InferenceSession:
    """Open the model with these tensors as its outputs."""
    watched = ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors)
    return open_session(path, graph=watched.SerializeToString())


def _run(
    path: Path, model: ModelProto, tensors: Sequence[str], crops: NDArray[Any]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Values of the tensors, batch by batch."""
    input_name = model.graph.input[0].name
    inner = [name for name in tensors if name != input_name]
    session = _session(path, model, inner)
    fixed = session.get_inputs()[0].shape[0]
    batch = fixed if isinstance(fixed, int) else _BATCH
    for at in range(0, len(crops), batch):
        rows = crops[at : at + batch]
        # A fixed batch is padded with faces: zeros would bring values that no face has.
        fed = np.resize(rows, (batch, *rows.shape[1:])) if isinstance(fixed, int) else rows
        if input_name in tensors:
            yield input_name, fed
        yield from zip(inner, session.run(inner, {input_name: fed}), strict=True) if inner else ()


def _percentile(counts: NDArray[np.int64]) -> float:
    """The number of bins from 0 that hold :data:`PERCENTILE` of the values."""
    total = counts.sum()
    if total == 0:
        return 0.0
    return float(np.searchsorted(np.cumsum(counts), PERCENTILE / 100 * total) + 1)


def _entropy(counts: NDArray[np.int64]) -> float:
    """The number of bins from 0 to keep, by the smallest Kullback-Leibler divergence of q from p.

    For each number of bins, p is the counts with the tail added to the last bin that is not empty; q is the counts
    without the tail, spread evenly over the bins of each INT8 level that are not empty.
    """
    if counts.sum() == 0:
        return 0.0
    counts = counts.copy()
    counts[0] = counts[1]  # zeros are exact at any scale, and would outweigh the rest
    best, found = np.inf, _BINS
    tail = counts.sum() - np.cumsum(counts)
    for kept in range(_LEVELS, _BINS + 1, 4):
        p = counts[:kept].astype(np.float64)
        filled = p > 0
        level = np.arange(kept) * _LEVELS // kept
        sums = np.bincount(level, p, _LEVELS)
        sizes = np.bincount(level, filled, _LEVELS)
        q = np.where(filled, (sums / np.maximum(sizes, 1))[level], 0)
        if tail[kept - 1]:
            if not filled.any():
                continue
            p[np.flatnonzero(filled)[-1]] += tail[kept - 1]
        divergence = _divergence(p, q)
        if divergence < best:
            best, found = divergence, kept
    return float(found)


def _divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence in nats; infinite where q is 0 and p is not."""
    if q.sum() == 0:
        return np.inf
    p, q = p / p.sum(), q / q.sum()
    some = p > 0
    if (q[some] == 0).any():
        return np.inf
    return float((p[some] * np.log(p[some] / q[some])).sum())
