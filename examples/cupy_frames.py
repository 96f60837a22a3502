"""Frames that CuPy holds on the GPU, written on a stream of one's own.

    python examples/cupy_frames.py model.onnx

CuPy names its current stream, and only the work on that one is waited for: call the engine where the stream is current.
An engine on the same GPU cuts faces out there; for one on the CPU the frame is copied to the host. Needs cupy and
cuda-bindings. GPU: tested against mocks, not on a device.
"""

import sys

import cupy
import cv2

from hpe_edge import PoseEngine
from hpe_edge.samples import FOLDER

if len(sys.argv) != 2:
    sys.exit(__doc__)

picture = cv2.imread(str(FOLDER / "astronaut.jpg"))
with PoseEngine(sys.argv[1]) as engine, cupy.cuda.Stream(non_blocking=True):
    frame = cupy.asarray(picture)
    print(engine(frame, [[181, 88, 269, 178]]))
