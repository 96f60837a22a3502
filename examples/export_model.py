"""Export a checkpoint to ONNX, then quantize it to INT8; both are verified on face crops.

    python examples/export_model.py model-b66.pkl photos/

Needs the packages of pip install 'hpe-edge[export]'. The folder should hold 500 or more photos of faces.
"""

import sys

from export.int8 import quantize
from export.onnx import export


def main(checkpoint: str, images: str) -> None:
    fp32 = export(checkpoint, output="model.onnx")
    int8 = quantize(fp32.path, output="int8.onnx", calibration_images=images)
    for report in (fp32, int8):
        print(report.path, report.size_bytes, "bytes; accuracy gate in degrees:")
        print(report.gate.summary())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
