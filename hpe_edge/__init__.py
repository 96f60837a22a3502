"""Head pose estimation: from a trained checkpoint to fast inference with verified angles.

>>> engine = hpe_edge.PoseEngine()
>>> poses = engine(frame)
>>> poses.yaw, poses.pitch, poses.roll

>>> for result in hpe_edge.track("clip.mp4", engine, smooth=True):
...     result.time_s, result.poses
"""

from typing import TYPE_CHECKING

from hpe_edge.errors import (
    BackendError,
    BoxesWarning,
    HpeEdgeError,
    InputError,
    ModelError,
    ModelNotFoundError,
    OutputError,
    SourceError,
)
from hpe_edge.version import __version__

if TYPE_CHECKING:
    from hpe_edge.attention.attention import Attention, ZoneEvent
    from hpe_edge.attention.learner import NeutralLearner
    from hpe_edge.attention.meter import AttentionMeter
    from hpe_edge.attention.mount import CameraMount
    from hpe_edge.attention.neutral import NeutralPose
    from hpe_edge.attention.zone import Zone, load_zones
    from hpe_edge.batching.batcher import DynamicBatcher
    from hpe_edge.boxes.box_fit import BoxFit
    from hpe_edge.camera import Camera
    from hpe_edge.drawing.draw_poses import draw_poses
    from hpe_edge.engine import PoseEngine
    from hpe_edge.faces.detector import Detections, Detector
    from hpe_edge.faces.open_detector import open_detector
    from hpe_edge.faces.smoother import PoseSmoother
    from hpe_edge.faces.tracker import Tracker
    from hpe_edge.picture.picture_engine import PictureEngine
    from hpe_edge.pipeline.frame_result import Result
    from hpe_edge.pipeline.track import track
    from hpe_edge.poses import Pose, Poses
    from hpe_edge.sources.open_source import open_source
    from hpe_edge.spec import Crop, ModelSpec
else:
    # Imported on first use: NumPy, OpenCV and the compiled module take most of the time until a command can handle
    # Ctrl-C or report what is wrong with its arguments.
    _MODULES = {
        "Attention": "attention.attention",
        "AttentionMeter": "attention.meter",
        "CameraMount": "attention.mount",
        "NeutralLearner": "attention.learner",
        "NeutralPose": "attention.neutral",
        "Zone": "attention.zone",
        "ZoneEvent": "attention.attention",
        "load_zones": "attention.zone",
        "BoxFit": "boxes.box_fit",
        "Camera": "camera",
        "Crop": "spec",
        "Detections": "faces.detector",
        "Detector": "faces.detector",
        "DynamicBatcher": "batching.batcher",
        "ModelSpec": "spec",
        "PictureEngine": "picture.picture_engine",
        "Pose": "poses",
        "PoseEngine": "engine",
        "PoseSmoother": "faces.smoother",
        "Poses": "poses",
        "Result": "pipeline.frame_result",
        "Tracker": "faces.tracker",
        "draw_poses": "drawing.draw_poses",
        "open_detector": "faces.open_detector",
        "open_source": "sources.open_source",
        "track": "pipeline.track",
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
    "Attention",
    "AttentionMeter",
    "BackendError",
    "BoxFit",
    "BoxesWarning",
    "Camera",
    "CameraMount",
    "Crop",
    "Detections",
    "Detector",
    "DynamicBatcher",
    "HpeEdgeError",
    "InputError",
    "ModelError",
    "ModelNotFoundError",
    "ModelSpec",
    "NeutralLearner",
    "NeutralPose",
    "OutputError",
    "PictureEngine",
    "Pose",
    "PoseEngine",
    "PoseSmoother",
    "Poses",
    "Result",
    "SourceError",
    "Tracker",
    "Zone",
    "ZoneEvent",
    "__version__",
    "draw_poses",
    "load_zones",
    "open_detector",
    "open_source",
    "track",
]
