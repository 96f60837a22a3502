"""A float32 file and those of reduced precision made from it, by ONNX Runtime and by OpenVINO."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.timing import Alternative, Case
from hpe_edge.backends.options import Precision
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError


@dataclass(frozen=True)
class PrecisionVariant:
    """A file and its engine; ``label`` is unique within its network."""

    label: str
    path: Path
    engine: PoseEngine


def open_variants(
    paths: Sequence[Path], openvino: Sequence[Precision], stack: ExitStack, *, same_crops: bool = False
) -> list[PrecisionVariant]:
    """Open a float32 file and those made from it by ONNX Runtime, then all of them by OpenVINO in each precision.

    Args:
        paths: the files.
        openvino: the precisions.
        stack: closes the engines.
        same_crops: turn no crop upright. A second pass depends on the first answer: where one variant takes it and
            another does not, they see different crops.

    Raises:
        InputError: the first is not float32, or another was not made from it.
    """
    upright: Literal["model"] | None = None if same_crops else "model"
    variants = [
        PrecisionVariant(path.stem, path, stack.enter_context(PoseEngine(path, threads=1, upright=upright)))
        for path in paths
    ]
    first = variants[0]
    sha256 = hashlib.sha256(first.path.read_bytes()).hexdigest()
    if first.engine.spec.quantizations:
        raise InputError(f"{first.path} is not float32; name the float32 file first")
    for variant in variants[1:]:
        steps = variant.engine.spec.quantizations
        if not steps or steps[0].sha256 != sha256:
            raise InputError(
                f"{variant.path} was not made from {first.path}; make it with hpe-edge export fp16 or int8"
            )
    for precision in openvino:
        for path in paths:
            engine = stack.enter_context(
                PoseEngine(path, backend="openvino", precision=precision, threads=1, upright=upright)
            )
            variants.append(PrecisionVariant(f"{path.stem}, OpenVINO in {precision}", path, engine))
    return variants


def network_case(variants: Sequence[PrecisionVariant], photo: NDArray[np.uint8], boxes: NDArray[np.float32]) -> Case:
    """The network's run on one face, by each variant."""
    alternatives = []
    for variant in variants:
        context = variant.engine._backend.context()
        variant.engine._crop(photo, boxes, context.input(1))
        what = "the network's run on one face, input ready"
        alternatives.append(Alternative(variant.label, what, partial(context.run, 1), lambda outputs: {}))
    spec = variants[0].engine.spec
    return Case("network", {"model": spec.architecture, "size": spec.input.size}, alternatives)
