"""The same network in libraries for phones and boards, converted by ``export.edge``, run in this process."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import HpeEdgeError
from hpe_edge.spec import ModelSpec

_NAMES = ("ncnn", "mnn")  # the converter for TensorFlow Lite needs another Python


@dataclass
class OtherLibraries:
    """Loaded files of one model.

    Attributes:
        spec: of the model.
        runs: name -> what runs a crop ``[1, 3, size, size]`` on one thread.
        skipped: name -> why it is missing.
    """

    spec: ModelSpec
    runs: dict[str, Callable[[Any], list[Any]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def load_other_libraries(model: Path, folder: Path) -> OtherLibraries:
    """Convert an ONNX file for those that are installed, into new folders in ``folder``."""
    with closing(OnnxRuntimeBackend(model, threads=1)) as backend:
        found = OtherLibraries(backend.spec)
    for name in _NAMES:
        (folder / name).mkdir()
        try:
            found.runs[f"{name} fp32"] = _load(model, name, found.spec, folder / name)
        except (HpeEdgeError, ImportError) as error:
            found.skipped[f"{name} fp32"] = str(error)
    return found


def _load(model: Path, name: Any, spec: ModelSpec, folder: Path) -> Callable[[Any], list[Any]]:
    from export.edge import export
    from export.edge.targets import find_target
    from export.gate.comparison import Limits

    target = find_target(name)
    out = folder / f"model{target.suffixes[0]}"
    export(model, to=name, output=out, limits=Limits(180.0, 180.0, 180.0, 180.0))  # the angles are compared here
    about = json.loads(out.with_name(f"{out.name}.json").read_text(encoding="utf-8"))
    job = {
        "files": [str(folder / file["name"]) for file in about["files"]],
        "input": spec.input.name,
        "outputs": list(spec.outputs),
        "graph_outputs": [each["output"] for each in sorted(about["outputs"], key=lambda each: str(each["name"]))],
        "settings": about["settings"],
    }
    run: Callable[[Any], list[Any]] = importlib.import_module(f"export.edge.workers.{target.worker}").load(job)
    return run
