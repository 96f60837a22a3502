"""Files whose bundled spec is recognised by their graph's ends."""

from __future__ import annotations

from pathlib import Path

from export.adoption.spec_file import bundled_specs, read_spec_file
from export.graph.match_heads import heads_of
from export.graph.onnx_file import read_onnx, shape_of
from hpe_edge.errors import ModelError

_FIRST_OPENTRACK, _OPENTRACK = "opentrack-1", "opentrack"


def bundled_spec_of(path: Path) -> Path:
    """The bundled spec that reads outputs of this file's names from pictures of its size.

    Opentrack's models of version 2 and newer have other axes than the first ones, whose files state no version.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is no ONNX file, or none fits.
    """
    model, _ = read_onnx(path)
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [shape_of(given) for given in model.graph.input if given.name not in weights]
    outputs = {given.name for given in model.graph.output}
    fitting = []
    for name in bundled_specs():
        spec = read_spec_file(Path(name))
        size = [spec.input.size] * 2
        named = {head.output for head in heads_of(spec.decode)}
        if named <= outputs and len(inputs) == 1 and size in ([*inputs[0][2:]], [*inputs[0][1:3]]):
            fitting.append(name)
    if _OPENTRACK in fitting:
        return Path(_OPENTRACK if model.model_version > 1 else _FIRST_OPENTRACK)
    if len(fitting) != 1:
        raise ModelError(
            f"{path} does not show which network it is; name its family with --arch (--list shows them), or describe "
            "it with --spec, which --template prints"
        )
    return Path(fitting[0])
