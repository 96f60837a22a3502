"""Comparison of an engine's layers with ONNX Runtime's on this machine's GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from export.graph.trace import batch
from export.inspection.compare_layers import compare_layers
from export.inspection.drift import Drift
from export.inspection.run_plan import run_plan
from export.step import Reporter, quiet
from export.tensorrt.build import build_plan
from export.tensorrt.prepare_graph import prepare_graph
from export.tensorrt.settings import Settings, Version
from hpe_edge.cuda.device import Device
from hpe_edge.spec import ModelSpec

_FACES = 4  # of a comparison, where the file does not fix the batch

# By the precision of the engine. The rounding of FP16 alone, emulated, lets layers of the embedded model drift by up to
# 0.0008, those of lightweight and FSA-Net by up to 0.003; that of FP16 between INT8 layers, the embedded one's by 0.04.
TOLERANCES = {"fp32": 1e-3, "fp16": 0.02, "int8": 0.1}


def compare_engine_layers(
    trt: Any,
    gpu: Device,
    path: Path,
    model: ModelProto,
    spec: ModelSpec,
    settings: Settings,
    cache: Path,
    crops: NDArray[Any],
    tolerance: float | None,
    report: Reporter,
) -> list[Drift]:
    """Build and run an engine whose layers are outputs; see :func:`export.inspection.compare_layers.compare_layers`.

    Args:
        trt: the tensorrt package.
        gpu: the device.
        path, model: the ONNX file.
        spec: the model's.
        settings: of the build.
        cache: the timing cache's file.
        crops: faces, of which a few are run.
        tolerance: drift to name a layer for; None is that of the precision in ``TOLERANCES``.
        report: takes the stages of the build and the table.

    Raises:
        ModelError: the graph cannot be compared.
        BackendError: TensorRT or CUDA failed.
    """
    rows = batch(model) or _FACES
    profile, version = (rows, rows, rows), Version.of(trt.__version__)
    faces = crops[np.linspace(0, len(crops) - 1, rows).round().astype(np.intp)]

    def run(marked: ModelProto, faces: NDArray[Any]) -> dict[str, NDArray[Any]]:
        report("layers", ["building another engine, with the layers as outputs"])
        built = build_plan(trt, gpu, marked, settings, profile, cache, detailed=False, report=report)
        return run_plan(trt, gpu, built.plan, faces, version_compatible=settings.version_compatible)

    ready = prepare_graph(model, spec, settings, version, profile, quiet)
    return compare_layers(path, model, ready, faces, run, tolerance or TOLERANCES[settings.precision], report)
