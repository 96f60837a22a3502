"""Convert an ONNX model for native code: ``python -m export.native MODEL.onnx --calibration-images FOLDER -o OUT.hpe``.

The file needs no runtime library: :class:`hpe_edge.PoseEngine` runs it in its compiled module. Its angles are compared
with the ONNX file's on real faces before it appears under its name. In Python: :func:`export`.
"""

from export.native.exporting import export, main

__all__ = ["export", "exporting", "hpe_file", "integers", "lower", "main"]
