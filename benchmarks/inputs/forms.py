"""The forms of models that a suite runs: a file, what runs it, and what it computes in."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

from benchmarks.inputs.models import default_or
from benchmarks.inputs.windows import AS_CUT
from hpe_edge import InputError, PoseEngine
from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.spec import ModelSpec


@dataclass(frozen=True)
class Form:
    """A model as it is run.

    Attributes:
        label: tells it from the others.
        own: cuts as the model's spec says.
        as_cut: cuts what it is given.
    """

    label: str
    own: PoseEngine
    as_cut: PoseEngine

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self.own.spec


def add_form_options(parser: argparse.ArgumentParser) -> None:
    """--model, --backend and --precision; every combination is a form."""
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        metavar="MODEL",
        help="an ONNX file made by export.onnx, fp16 or int8, or a TensorRT engine; may be given several times, and "
        "the others are then compared with the first; default: the embedded one",
    )
    parser.add_argument(
        "--backend",
        nargs="+",
        choices=get_args(BackendName),
        default=[None],
        help="what runs the models, each of these; default: what PoseEngine takes",
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=get_args(Precision),
        help="what OpenVINO computes floating point in, each of these; default: fp32",
    )


@contextmanager
def open_forms(args: argparse.Namespace) -> Iterator[list[Form]]:
    """All forms that the options name, the first one being what the others are compared with.

    Raises:
        InputError: a precision without OpenVINO.
    """
    if args.precision and "openvino" not in args.backend:
        raise InputError("--precision is for OpenVINO; name it with --backend openvino, or a file of another precision")
    with ExitStack() as stack:
        forms = []
        for model in args.model or [None]:
            path = default_or(model)
            for backend in args.backend:
                for precision in (args.precision or [None]) if backend == "openvino" else [None]:
                    label = ", ".join(str(part) for part in (path.stem, backend, precision) if part)
                    engine = partial(PoseEngine, path, backend=backend, precision=precision, threads=1)
                    own = stack.enter_context(engine())
                    # How a window is sampled belongs to the model, whatever the window.
                    as_cut = stack.enter_context(engine(crop=replace(AS_CUT, resampling=own.spec.crop.resampling)))
                    forms.append(Form(label, own, as_cut))
        yield forms
