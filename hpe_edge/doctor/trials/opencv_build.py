"""Imports OpenCV and prints as JSON what it was built with. Run in a process of its own: the import may abort."""

from __future__ import annotations

import json
import re
from typing import Any


def describe(version: str, information: str) -> dict[str, Any]:
    """What OpenCV's build information says.

    Args:
        version: OpenCV's.
        information: ``cv2.getBuildInformation()``.

    Returns:
        ``version``; ``gui``: the window system, empty without one; ``gstreamer`` and ``ffmpeg``: whether built in.
    """
    gui = re.search(r"^[ \t]*GUI:[ \t]*(\S.*)$", information, re.MULTILINE)
    backend = gui.group(1).strip() if gui else ""
    if not backend:  # on its own line below in some builds
        backend = next((name for name in ("QT", "GTK+") if _yes(name, information)), "")
    return {
        "version": version,
        "gui": "" if backend.upper() == "NONE" else backend,
        "gstreamer": _yes("GStreamer", information),
        "ffmpeg": _yes("FFMPEG", information),
    }


def _yes(name: str, information: str) -> bool:
    return re.search(rf"^\s*{re.escape(name)}:\s*YES", information, re.MULTILINE) is not None


def main() -> None:
    """Print the answer."""
    try:
        import cv2
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "cv2"
        print(json.dumps({"absent" if absent else "problem": str(error)}))
        return
    print(json.dumps(describe(cv2.__version__, cv2.getBuildInformation())))


if __name__ == "__main__":
    main()
