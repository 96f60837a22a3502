"""Face detectors by name, or from ONNX files."""

from __future__ import annotations

import logging
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hpe_edge.backends.native.native_session import NativeSession
from hpe_edge.backends.options import without_onnx_runtime
from hpe_edge.errors import BackendError, InputError, ModelError, ModelNotFoundError
from hpe_edge.faces.detector import Detector
from hpe_edge.faces.grids.anchor_free import GridDetector
from hpe_edge.faces.grids.embedded import EmbeddedDetector
from hpe_edge.faces.grids.scrfd import ScrfdDetector
from hpe_edge.faces.grids.yunet import Yunet2022Detector, YunetDetector
from hpe_edge.faces.stretched_frames import on_stretched_frames
from hpe_edge.fetch.detector_files import DETECTOR_FILES, detector_file
from hpe_edge.files.file_type import file_type
from hpe_edge.files.graph_kind import graph_kind
from hpe_edge.files.other_file import refuse_other_file
from hpe_edge.models import FACE_DETECTOR, FACE_DETECTOR_NATIVE
from hpe_edge.spec import METADATA_KEY

EMBEDDED = FACE_DETECTOR.stem
NAMES = (EMBEDDED, *DETECTOR_FILES)

_log = logging.getLogger(__name__)


def open_detector(
    name_or_path: str | os.PathLike[str],
    *,
    threads: int | None = 1,
    min_score: float | None = None,
    min_face: float | None = None,
    detect_size: int | None = None,
    stretch: bool = False,
) -> Detector:
    """Open a face detector.

    ``"face-detector"`` comes with hpe_edge; where ONNX Runtime is not installed, native code runs it and finds the same
    faces. ``"yunet"`` and ``"scrfd"`` are fetched from their publishers on first use
    and kept in the user's cache; SCRFD's weights are not for commercial use. With ``HPE_EDGE_OFFLINE=1`` nothing is
    fetched. In a file, SCRFD (with or without key points), YuNet (from 2021 on, also INT8) and detectors trained by
    :mod:`export.detector` are recognised by the graph. A .hpe file of ``hpe-edge export native`` needs no ONNX Runtime.

    Args:
        name_or_path: a name, or an .onnx or .hpe file; a file that is called like a name is used instead of it.
        threads: CPU threads that one call may use; None leaves it to ONNX Runtime (all cores). A .hpe file uses them
            for several regions of a frame, not within one.
        min_score: threshold, 0..1; None: 0.6, for YuNet 0.7, for SCRFD 0.5.
        min_face: leave out faces whose box in ``boxes`` is lower, in pixels of the frame.
        detect_size: longer side that frames get in the network, in pixels, 64 to 4096; smaller ones are enlarged. None:
            640, for YuNet the frame's own up to 1280; then frames without a found face are looked at once more, larger.
        stretch: stretch each frame to full contrast before detection, for dark and flat videos.

    Raises:
        ModelNotFoundError: neither a name nor a file, or the named file cannot be fetched.
        ModelError: not an ONNX or .hpe file, truncated, a head-pose model, or another graph; or a fetched file is not
            the expected one.
        InputError: ``min_score``, ``min_face``, ``detect_size`` or ``threads`` out of range, a graph of another size
            than ``detect_size``, or an address.
        OutputError: the cache cannot be written.
        BackendError: the file needs ONNX Runtime, which is not installed.
    """
    name = os.fspath(name_or_path)
    path = Path(name)
    if path.is_file():
        if name in NAMES:
            _log.warning("%s is a file here and is used instead of the detector of that name", path.resolve())
    elif re.match("[A-Za-z][A-Za-z0-9+.-]+:/", name):
        raise InputError(
            f"a detector is a name ({', '.join(NAMES)}) or a file, got the address {name}; download it and name the "
            "file"
        )
    elif name == EMBEDDED:
        path = FACE_DETECTOR if find_spec("onnxruntime") else FACE_DETECTOR_NATIVE
    elif name in DETECTOR_FILES:
        path = detector_file(name)
    else:
        raise ModelNotFoundError(
            f"there is no face detector {name}: it is neither a name ({', '.join(NAMES)}) nor the .onnx or "
            ".hpe file of a face detector"
        )
    detector = _open_file(path, threads, (min_score, min_face, detect_size))
    return on_stretched_frames(detector) if stretch else detector


def _open_file(path: Path, threads: int | None, settings: tuple[float | None, float | None, int | None]) -> Detector:
    refuse_other_file(path, "detector")
    found = file_type(path)
    if found is not None and found.key == "native":
        native = NativeSession(path, threads=threads)
        return _kind(native, path)(native, path, *settings)
    # Imported on demand: ONNX Runtime takes a while to load.
    try:
        from hpe_edge.backends.onnx.dynamic_size import free_size
        from hpe_edge.backends.onnx.open_session import open_session
    except ModuleNotFoundError as error:
        raise without_onnx_runtime(path, error) from None

    session = open_session(path, threads=threads)
    if METADATA_KEY in session.get_modelmeta().custom_metadata_map:
        raise ModelError(f"{path} is a head-pose model, not a face detector; give {', '.join(NAMES)} or a file of one")
    kind = _kind(session, path)
    (given,) = session.get_inputs()
    if kind is ScrfdDetector and all(isinstance(side, int) for side in given.shape) and settings[2] is None:
        return kind(session, path, *settings)
    # YuNet's files state an input of 120 x 160, 320 or 640, which most graphs do not need. InsightFace's files of SCRFD
    # leave it open, but state the outputs of 640, which ONNX Runtime may build upon.
    any_size = open_session(path, threads=threads, graph=free_size(path.read_bytes(), given.name))
    try:
        return kind(any_size, path, *settings)
    except (BackendError, ModelError) as error:
        # Shapes within the graph may be of the stated size.
        try:
            return kind(session, path, *settings)
        except (BackendError, ModelError) as again:
            raise (again if isinstance(again, ModelError) > isinstance(error, ModelError) else error) from None


def _kind(session: Any, path: Path) -> type[GridDetector]:
    for kind in (EmbeddedDetector, ScrfdDetector, YunetDetector, Yunet2022Detector):
        if kind.recognises(session):
            return kind
    raise ModelError(_unknown_graph(path, session))


def _unknown_graph(path: Path, session: Any) -> str:
    inputs, outputs = (
        ", ".join(f"{value.name} {value.shape}" for value in values)
        for values in (session.get_inputs(), session.get_outputs())
    )
    shapes = [tuple(value.shape) for value in session.get_inputs()]
    kind = graph_kind(shapes, [(value.name, tuple(value.shape)) for value in session.get_outputs()])
    if kind is not None:
        return (
            f"{path} is {kind}, which does not run here: SCRFD, YuNet and detectors of hpe-edge export do; run it by "
            f"itself and pass its boxes (--boxes CSV; in Python: boxes=), or use a detector by name: {', '.join(NAMES)}"
        )
    return (
        f"{path} is not a supported face detector: SCRFD has 3 outputs of 1 column, 3 of 4 and, with key points, 3 of "
        f"10; YuNet has 6, 3 and 3, until 2022 one each of 14, 2 and 1; detectors of "
        f"hpe-edge export have 4, 4 and 4. This graph takes {inputs} and gives {outputs}; "
        f"for another detector, pass its boxes, or use one by name: {', '.join(NAMES)}"
    )
