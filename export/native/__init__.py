"""Convert an ONNX model for native code: ``python -m export.native MODEL.onnx --calibration-images FOLDER -o OUT.hpe``.

The file needs no runtime library: :class:`hpe_edge.PoseEngine` runs it in its compiled module. Its angles are compared
with the ONNX file's on real faces before it appears under its name. With ``--detector`` the model is a face detector,
which :func:`hpe_edge.open_detector` runs, and what it finds is compared. In Python: :func:`export` and
:func:`export_detector`.
"""

from export.native.exporting import export, export_detector, main

__all__ = ["export", "export_detector", "exporting", "hpe_file", "integers", "layers", "lower", "main"]
