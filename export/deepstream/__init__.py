"""Write a folder for NVIDIA DeepStream: ``python -m export.deepstream MODEL.onnx -o folder``.

A variant of the model that takes levels 0 to 255 and gives degrees, the configuration of a secondary nvinfer, probes in
Python that give it the model's crop and read the poses, and the source of a parser library. In Python: :func:`export`.
Not run on DeepStream.
"""

from export.deepstream.exporting import DeepStreamReport, export, main

__all__ = ["DeepStreamReport", "export", "exporting", "main"]
