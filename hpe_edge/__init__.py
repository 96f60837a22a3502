"""Head poses, fast, with proof that the angles did not change on the way.

>>> from hpe_edge import PoseEngine
>>> engine = PoseEngine("lightweight.onnx")
>>> poses = engine(frame, boxes)
>>> poses.yaw, poses.pitch, poses.roll
"""

from hpe_edge.engine import PoseEngine
from hpe_edge.errors import (
    BackendError,
    HpeEdgeError,
    InputError,
    ModelError,
    ModelNotFoundError,
    OutputError,
    SourceError,
)
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec
from hpe_edge.version import __version__

__all__ = [
    "BackendError",
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
