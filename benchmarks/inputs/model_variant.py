"""Model files with their float32 originals, and variants by backend and precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.harness.suite import default_or
from benchmarks.inputs.backend_config import is_plan
from benchmarks.inputs.crops import AS_CUT
from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.spec import ModelSpec


@dataclass(frozen=True)
class ModelFile:
    """A model and its float32 reference, which for a float32 file is the file itself."""

    path: Path
    spec: ModelSpec
    reference: Path


def find_models(paths: Sequence[Path]) -> list[ModelFile]:
    """Find the float32 file of each model among them; raises InputError where it is missing."""
    specs = {}
    for path in paths:
        with PoseEngine(path, threads=None if is_plan(path) else 1) as engine:
            specs[path] = engine.spec
    models = []
    for path, spec in specs.items():
        same_weights = spec.architecture, spec.origin.sha256
        alike = [
            other
            for other, its in specs.items()
            if not is_plan(other) and its.precision == "fp32" and (its.architecture, its.origin.sha256) == same_weights
        ]
        if not alike:
            raise InputError(
                f"{path} computes in {spec.precision}, and its answers are compared with the float32 ONNX file of the "
                f"same weights ({spec.origin.checkpoint}); name that one with --model, too"
            )
        models.append(ModelFile(path, spec, path if path in alike else alike[0]))
    return models


@dataclass(frozen=True)
class ModelVariant:
    """A model as it is run: with the crop of its spec (``own``), and on windows as they are given (``as_cut``)."""

    label: str
    own: PoseEngine
    as_cut: PoseEngine


@contextmanager
def open_variants(
    models: Sequence[Path], backends: Sequence[BackendName], precisions: Sequence[Precision]
) -> Iterator[list[ModelVariant]]:
    """Open every combination; empty sequences stand for the embedded model and for what PoseEngine chooses.

    Raises:
        InputError: a precision without OpenVINO.
    """
    if precisions and "openvino" not in backends:
        raise InputError("--precision is for OpenVINO; name it with --backend openvino, or a file of another precision")
    with ExitStack() as stack:
        variants = []
        none: list[None] = [None]
        for path in [default_or(model) for model in models or none]:
            for backend in backends or none:
                for precision in precisions or none if backend == "openvino" else none:
                    own = stack.enter_context(PoseEngine(path, backend=backend, precision=precision, threads=1))
                    # How a window is sampled belongs to the model, whatever the window.
                    crop = replace(AS_CUT, resampling=own.spec.crop.resampling)
                    as_cut = PoseEngine(path, backend=backend, precision=precision, threads=1, crop=crop, upright=None)
                    label = ", ".join(str(part) for part in (path.stem, backend, precision) if part)
                    variants.append(ModelVariant(label, own, stack.enter_context(as_cut)))
        yield variants
