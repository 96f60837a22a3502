"""Export a whole-picture model: ``python -m export.picture CHECKPOINT --mean ... -o img2pose.onnx``.

The file finds the faces of a picture and their poses itself; :class:`hpe_edge.PictureEngine` runs it. Its faces are
compared with PyTorch's before it appears under its name. In Python: :func:`export`.
"""

from export.picture.exporting import export, main

__all__ = ["export", "exporting", "main"]
