"""``cv2``, imported at its first use: any OpenCV that is installed, from pip, a distribution or JetPack.

>>> from hpe_edge.opencv.lazy import cv2
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hpe_edge.errors import BackendError


def need_opencv() -> None:
    """Import OpenCV.

    Raises:
        BackendError: it is not installed, or does not load; the message names the remedy.
    """
    _imported()


def _imported() -> Any:
    try:
        return import_module("cv2")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cv2":
            raise BackendError(
                "pictures and videos need OpenCV, which is not installed: pip install 'hpe-edge[video]', or the "
                "distribution's or JetPack's python3-opencv; frames that are arrays need none"
            ) from None
        raise BackendError(
            f"cannot import cv2 ({error}): on a server without a display install Debian's libgl1, or "
            "opencv-python-headless in place of opencv-python"
        ) from None


class _Lazy:
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":  # asked by inspect and its like
            raise AttributeError(name)
        return getattr(_imported(), name)


if TYPE_CHECKING:
    import cv2 as cv2
else:
    cv2 = _Lazy()
