"""Head poses, fast, with proof that the angles did not change on the way.

>>> from hpe_edge import PoseEngine
>>> engine = PoseEngine("lightweight.onnx")
>>> poses = engine(frame, boxes)
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
    from hpe_edge.engine import PoseEngine
    from hpe_edge.poses import Poses
    from hpe_edge.spec import Crop, ModelSpec
else:

    def __getattr__(name: str) -> object:
        # Imported when first asked for: NumPy and the compiled module take most of the time until a command can handle
        # Ctrl-C or say what is wrong with its arguments.
        from importlib import import_module

        module = {
            "DynamicBatcher": "batching.batcher",
            "PoseEngine": "engine",
            "Poses": "poses",
            "Camera": "camera",
            "ModelSpec": "spec",
            "Crop": "spec",
        }.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{module}"), name)


__all__ = [
    "BackendError",
    "Camera",
    "Crop",
    "DynamicBatcher",
    "HpeEdgeError",
    "InputError",
    "ModelError",
    "ModelNotFoundError",
    "ModelSpec",
    "OutputError",
    "PoseEngine",
    "Poses",
    "SourceError",
    "__version__",
]
