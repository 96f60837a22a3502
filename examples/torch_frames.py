"""Frames that torch holds, on the GPU or on the CPU.

    python examples/torch_frames.py model.onnx

A tensor is taken where it lies: on the GPU by an engine there, once torch's current stream has written it, and on the
CPU. For an engine on the CPU a CUDA tensor is copied to the host. Needs torch, and cuda-bindings for the GPU.
GPU: tested against mocks, not on a device.
"""

import sys

import cv2
import torch

from hpe_edge import PoseEngine
from hpe_edge.samples import FOLDER

if len(sys.argv) != 2:
    sys.exit(__doc__)

picture = cv2.imread(str(FOLDER / "astronaut.jpg"))
frame = torch.from_numpy(picture).to("cuda" if torch.cuda.is_available() else "cpu")
frame = frame.flip(1)  # any work on uint8 [H, W, 3]; of [3, H, W] pass frame.permute(1, 2, 0).contiguous()

left, right = picture.shape[1] - 269, picture.shape[1] - 181  # the face, mirrored
with PoseEngine(sys.argv[1]) as engine:
    print(engine(frame, [[left, 88, right, 178]]))
