"""Face detectors from ONNX files."""

from __future__ import annotations

import os
from pathlib import Path

from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.faces.detector import Detector
from hpe_edge.faces.scrfd import ScrfdDetector
from hpe_edge.faces.yunet import YunetDetector
from hpe_edge.spec import METADATA_KEY


def open_detector(
    path: str | os.PathLike[str],
    *,
    score: float | None = None,
    threads: int | None = None,
    min_score: float | None = None,
    min_face: float | None = None,
) -> Detector:
    """Open a face detector's ONNX file: SCRFD, with or without key points, or YuNet, recognised by its graph.

    Args:
        path: the file.
        score: threshold, 0..1; None: 0.5 for SCRFD, 0.7 for YuNet.
        threads: CPU threads that one call may use; None leaves it to ONNX Runtime (all cores).

    Raises:
        ModelNotFoundError: no such file.
        ModelError: not an ONNX file, truncated, a head-pose model, or another graph.
        InputError: ``score`` or ``threads`` out of range.
    """
    # Imported on demand: ONNX Runtime takes a while to load, and the Haar detector does not need it.
    from hpe_edge.backends.onnx.dynamic_size import free_size
    from hpe_edge.backends.onnx.open_session import open_session

    if path == "haar":
        from hpe_edge.faces.haar import HaarDetector

        return HaarDetector()
    file = Path(path)
    if not file.is_file():
        raise ModelNotFoundError(f"there is no face detector {file}; name the .onnx file of a SCRFD or YuNet model")
    session = open_session(file, threads=threads)
    if METADATA_KEY in session.get_modelmeta().custom_metadata_map:
        raise ModelError(f"{file} is a head-pose model, not a face detector; SCRFD or YuNet is needed here")
    if ScrfdDetector.recognises(session):
        return ScrfdDetector(session, file, score)
    if YunetDetector.recognises(session):
        # Files state an input of 320 or 640, which the graph does not need.
        (given,) = session.get_inputs()
        any_size = open_session(file, threads=threads, graph=free_size(file.read_bytes(), given.name))
        return YunetDetector(any_size, file, score)
    inputs, outputs = (
        ", ".join(f"{value.name} {value.shape}" for value in values)
        for values in (session.get_inputs(), session.get_outputs())
    )
    raise ModelError(
        f"{file} is not a supported face detector: SCRFD has 3 outputs of 1 column, 3 of 4 and, with key points, "
        f"3 of 10; YuNet has 6, 3 and 3. This graph takes {inputs} and gives {outputs}; for another detector, pass "
        "its boxes"
    )
