"""Writing a verified ONNX file: trace, simplify, merge groups, store the spec, run the accuracy gate."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from onnx import ModelProto

from export.gate.comparison import Comparison, Faces, Limits
from export.gate.verify import Check, verify
from export.graph import trace as graph
from export.graph.merge_groups import merge_groups
from export.sanity.check import check_sanity
from export.sanity.suspect import Suspect
from export.step import Reporter, byte_size
from export.uncertainty.against_model import calibrate_against, faces_and_beliefs
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec
from hpe_edge.util.atomic import Pending
from hpe_edge.version import __version__

_TOOLS = ("torch", "onnx", "onnxsim", "onnxruntime")
_ADVICE = "Please report the family and these figures; --worst-deg sets another limit"


class Exportable(Protocol):
    """Source of an ONNX file: a checkpoint's network, an ensemble, or an ONNX file from elsewhere."""

    @property
    def spec(self) -> ModelSpec:
        """The spec, still without tools and the gate's result."""

    @property
    def crop_note(self) -> str:
        """Source and reliability of the crop."""

    @property
    def compared(self) -> str:
        """Names of the variants that the gate compares, such as ``"onnx with pytorch"``."""

    def to_onnx(self, batch: int | None) -> ModelProto:
        """The graph, not yet simplified, with a fixed batch or, None, a dynamic one."""

    def reference(self, faces: Faces) -> Poses:
        """Poses of the faces by the original."""

    def suspect(self) -> Suspect:
        """The original as the sanity check takes it."""


def write_verified(
    source: Exportable,
    pending: Pending,
    *,
    batch: int | None,
    images: Path | None,
    boxes: Path | None,
    limits: Limits,
    report: Reporter,
) -> tuple[ModelSpec, list[Comparison]]:
    """Write the verified model to ``pending``, not yet under its name.

    Its sigma is calibrated against the embedded model.

    Returns:
        The spec as written, and the comparisons; the first is with the original.

    Raises:
        HpeEdgeError: the graph cannot be written, or there are no faces.
        GateFailed: the angles differ from the original's by more than ``limits``.
        SanityFailed: the angles do not follow turned heads, for a known reason.
    """
    raw = source.to_onnx(batch)
    model = graph.simplify(raw)
    merged = merge_groups(model)
    report(
        "graph",
        [
            f"opset {graph.opset(model)}, batch {graph.batch(model) or 'dynamic'}; simplified from "
            f"{len(raw.graph.node)} nodes ({byte_size(raw.ByteSize())}) to {len(model.graph.node)} "
            f"({byte_size(model.ByteSize())})",
            *(
                [f"{len(merged)} pointwise convolutions have fewer, larger groups; the sums are the same"]
                * bool(merged)
            ),
        ],
    )
    origin = replace(source.spec.origin, tools=_tools(model), merged=tuple(merged))
    spec = replace(source.spec, origin=origin)
    graph.save(model, spec, pending)
    believed = faces_and_beliefs(spec, images, boxes)
    faces = believed.faces
    report("faces", [faces.source, *faces.notes])
    check = Check(source.compared, faces, limits, _ADVICE, report)
    reference = source.reference(faces)
    comparisons = verify(reference, pending.temp, replace(spec, sigma=None), check)
    check_sanity(source.suspect(), report)
    # A file that is adopted again keeps its calibration.
    sigma = spec.sigma or calibrate_against(spec, reference, believed, report)
    spec = replace(spec, gate=comparisons[0].result(), sigma=sigma)
    graph.save(model, spec, pending)
    return spec, comparisons


def _tools(model: ModelProto) -> dict[str, str]:
    versions = {name: str(importlib.import_module(name).__version__) for name in _TOOLS}
    producer = f"{model.producer_name} {model.producer_version}".strip()
    return {"hpe_edge": __version__, **versions, "producer": producer, "opset": str(graph.opset(model))}
