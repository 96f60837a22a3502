"""Calibration: clipping ranges of activations for INT8, measured on real faces.

ONNX Runtime's own calibrators keep all activations of all images in memory; these build histograms batch by batch, of
magnitudes only, as TensorRT's INT8 is symmetric.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def find_ranges(
    path: Path, model: ModelProto, tensors: list[str], crops: NDArray[Any], method: Method
) -> dict[str, float]:
    """Run the crops and find the clipping range of each tensor.

    Args:
        path: names the model in messages.
        model: float32, with one input.
        tensors: names of activations, which may include the input.
        crops: ``[N, 3, size, size]``, as inference sees them.
        method: ``"minmax"``: the largest magnitude; ``"percentile"``: the :data:`PERCENTILE` of all magnitudes;
            ``"entropy"``: least divergence of the quantized from the original distribution (Migacz, 8-bit Inference
            with TensorRT, 2017).

    Raises:
        ModelError: it does not run, or an activation is NaN or infinite.
    """
    input_name = model.graph.input[0].name
    inner = [name for name in tensors if name != input_name]
    session = _session(path, model, inner)
    largest = dict.fromkeys(tensors, 0.0)
    for name, values in _run(session, input_name, inner, tensors, crops):
        largest[name] = float(np.maximum(largest[name], np.abs(values).max(initial=0)))  # NaN stays NaN
    for name, value in largest.items():
        if not np.isfinite(value):
            raise ModelError(f"{path}: {name} is NaN or infinite on some faces; no range can be found for it")
    if method == "minmax":
        return largest
    counts = {name: np.zeros(_BINS, np.int64) for name in tensors}
    for name, values in _run(session, input_name, inner, tensors, crops):
        if largest[name] > 0:
            counts[name] += np.histogram(np.abs(values), _BINS, (0, largest[name]))[0]
    clip = _percentile if method == "percentile" else _entropy
    return {name: clip(counts[name]) / _BINS * largest[name] for name in tensors}


def _session(path: Path, model: ModelProto, tensors: Iterable[str]) -> onnxruntime.InferenceSession:
    """Open the model with these tensors as its outputs."""
    watched = ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors)
    return open_session(path, graph=watched.SerializeToString())


def _run(
    session: onnxruntime.InferenceSession, input_name: str, inner: list[str], tensors: list[str], crops: NDArray[Any]
) -> Iterator[tuple[str, NDArray[Any]]]:
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
