"""The layers of a finished engine as a table, from TensorRT's inspector."""

from __future__ import annotations

import json
from typing import Any

from hpe_edge.errors import BackendError

_WIDEST = 60  # names of fused layers can fill a page


def layer_table(trt: Any, engine: Any) -> list[str]:
    """One line per layer, in the order in which they run.

    Args:
        trt: the tensorrt package.
        engine: built with detailed profiling verbosity.

    Raises:
        BackendError: the inspector's output cannot be read.
    """
    rows = [_row(layer) for layer in _layers(trt, engine)]
    rows.insert(0, ("layer", "kind", "gives", "kernel"))
    widths = [min(max(len(row[i]) for row in rows), _WIDEST) for i in range(3)]
    return [
        "  ".join([*(f"{_cut(cell):{width}}" for cell, width in zip(row[:3], widths, strict=True)), row[3]]).rstrip()
        for row in rows
    ]


def dla_layers(trt: Any, engine: Any) -> list[str]:
    """Names of the layers that run on a DLA.

    Args:
        trt, engine: see :func:`layer_table`.

    Raises:
        BackendError: the inspector's output cannot be read.
    """
    layers = [layer for layer in _layers(trt, engine) if isinstance(layer, dict)]
    return [str(layer.get("Name", "?")) for layer in layers if "DLA" in str(layer.get("LayerType", "")).upper()]


def _layers(trt: Any, engine: Any) -> list[Any]:
    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        return list(json.loads(text)["Layers"])
    except (ValueError, KeyError, TypeError) as error:
        raise BackendError(f"TensorRT's engine inspector gives no layers ({error}); leave --layers out") from None


def _row(layer: Any) -> tuple[str, str, str, str]:
    if isinstance(layer, str):  # all that a plan without details holds
        return layer, "", "", ""
    gives = [
        f"{output.get('Format/Datatype', output.get('Datatype', '?'))} {output.get('Dimensions', '?')}"
        for output in layer.get("Outputs", [])
    ]
    return (
        str(layer.get("Name", "?")),
        str(layer.get("ParameterType", layer.get("LayerType", "?"))),
        ", ".join(gives),
        str(layer.get("TacticName", "")),
    )


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
