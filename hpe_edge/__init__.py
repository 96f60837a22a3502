"""Head pose estimation: from a trained checkpoint to fast inference with verified angles.

>>> from hpe_edge import PoseEngine, open_detector
>>> engine, detector = PoseEngine("lightweight.onnx"), open_detector("yunet.onnx")
>>> poses = engine(frame, detector(frame).boxes)
>>> poses.yaw, poses.pitch, poses.roll
"""

from typing import TYPE_CHECKING

from hpe_edge.errors import (
    BackendError,
    HpeEdgeError,
    InputError,
    ModelError,
    ModelNotFoundError,
    OutputError,
    SourceError,
)
from hpe_edge.version import __version__

if TYPE_CHECKING:
    from hpe_edge.batching.batcher import DynamicBatcher
    from hpe_edge.camera import Camera
    from hpe_edge.drawing.draw_poses import draw_poses
    from hpe_edge.engine import PoseEngine
    from hpe_edge.faces.detector import Detections, Detector
    from hpe_edge.faces.haar import HaarDetector
    from hpe_edge.faces.open_detector import open_detector
    from hpe_edge.faces.smoother import PoseSmoother
    from hpe_edge.faces.tracker import Tracker
    from hpe_edge.poses import Poses
    from hpe_edge.sources.open_source import open_source
    from hpe_edge.spec import Crop, ModelSpec
else:
    # Imported on first use: NumPy, OpenCV and the compiled module take most of the time until a command can handle
    # Ctrl-C or report what is wrong with its arguments.
    _MODULES = {
        "Camera": "camera",
        "Crop": "spec",
        "Detections": "faces.detector",
        "Detector": "faces.detector",
        "DynamicBatcher": "batching.batcher",
        "HaarDetector": "faces.haar",
        "ModelSpec": "spec",
        "PoseEngine": "engine",
        "PoseSmoother": "faces.smoother",
        "Poses": "poses",
        "Tracker": "faces.tracker",
        "draw_poses": "drawing.draw_poses",
        "open_detector": "faces.open_detector",
        "open_source": "sources.open_source",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return __all__


__all__ = [
    "BackendError",
    "Camera",
    "Crop",
    "Detections",
    "Detector",
    "DynamicBatcher",
    "HaarDetector",
    "HpeEdgeError",
    "InputError",
    "ModelError",
    "ModelNotFoundError",
    "ModelSpec",
    "OutputError",
    "PoseEngine",
    "PoseSmoother",
    "Poses",
    "SourceError",
    "Tracker",
    "__version__",
    "draw_poses",
    "open_detector",
    "open_source",
]
