"""What callers say to choose how a network is run; imported by the command line, so nothing heavy is imported here."""

from typing import Literal

BackendName = Literal["onnxruntime", "onnxruntime-tensorrt", "tensorrt", "openvino"]
Precision = Literal["fp32", "bf16", "fp16"]
