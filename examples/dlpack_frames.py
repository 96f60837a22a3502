"""Frames of any library that exports DLPack; here a class of one's own that hands out another's memory.

    python examples/dlpack_frames.py model.onnx

The memory is taken where it lies, on the CPU and on the engine's GPU, there once its library has made CUDA's default
stream wait for the work on it, for which cuda-bindings is needed. GPU: tested against mocks, not on a device.
"""

import sys

import cv2

from hpe_edge import PoseEngine
from hpe_edge.samples import FOLDER

if len(sys.argv) != 2:
    sys.exit(__doc__)


class Picture:
    """A frame as a decoder might give it: it has no methods of an array, only those of DLPack."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **wanted):
        return self._array.__dlpack__(**wanted)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


frame = Picture(cv2.imread(str(FOLDER / "astronaut.jpg")))
with PoseEngine(sys.argv[1]) as engine:
    print(engine(frame, [[181, 88, 269, 178]]))
