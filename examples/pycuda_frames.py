"""Frames that PyCUDA holds on the GPU, in a context of its own and written on a stream of its own.

    python examples/pycuda_frames.py model.onnx
    python examples/pycuda_frames.py model.engine     runs in PyCUDA's context, for that is current

PyCUDA does not say which stream wrote an array, so all work in the array's context is waited for. An engine that was
made in that context cuts faces out there; others copy the frame to the host. The context that is current stays so.
Needs pycuda and cuda-bindings. GPU: tested against mocks, not on a device.
"""

import sys

import cv2
import pycuda.autoinit  # makes a context and leaves it current
import pycuda.driver
import pycuda.gpuarray

from hpe_edge import PoseEngine
from hpe_edge.samples import FOLDER

if len(sys.argv) != 2:
    sys.exit(__doc__)

picture = cv2.imread(str(FOLDER / "astronaut.jpg"))
stream = pycuda.driver.Stream()
with PoseEngine(sys.argv[1]) as engine:
    frame = pycuda.gpuarray.to_gpu_async(picture, stream=stream)
    print(engine(frame, [[181, 88, 269, 178]]))
