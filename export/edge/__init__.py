"""Convert an ONNX model for the library of a phone or board: ``python -m export.edge MODEL.onnx --to ncnn -o FILE``.

The converter runs in a process of its own, and so does the library that reads its file: the angles are compared with
the ONNX file's on real faces before anything appears under its name. In Python: :func:`export`.
"""

from export.edge.exporting import export, main

__all__ = ["export", "exporting", "main", "targets", "worker_process"]
