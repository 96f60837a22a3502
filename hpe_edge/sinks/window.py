"""Window with the annotated frames. OpenCV requires that the thread that opened it, the main thread, serves it."""

from __future__ import annotations

import subprocess
import sys
import threading

from hpe_edge.errors import OutputError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.sinks.sink import Image
from hpe_edge.util.atomic import Pending

_ENDS = (ord("q"), 27)  # 27: Esc
_TITLE = "hpe-edge"
# Without a display, Qt aborts the process instead of raising; so a subprocess tries first.
_TRIAL = "import cv2; cv2.namedWindow('hpe-edge'); cv2.destroyAllWindows()"
_TRIAL_S = 30


class Window:
    """Window that shows the newest frame. Implements :class:`hpe_edge.sinks.sink.PictureSink`.

    ``write_picture`` may be called from any thread, all else from the one that created the window.
    """

    pending: Pending | None = None

    def __init__(self) -> None:
        """Open the window.

        Raises:
            OutputError: OpenCV was built without windows, or there is no display.
        """
        self.notes: list[str] = []
        self._guard = threading.Lock()
        self._newest: Image | None = None
        self._shown = False
        reason = _window_problem()
        if reason is not None:
            raise OutputError(
                f"cannot open a window ({reason}): --show needs a display (DISPLAY or WAYLAND_DISPLAY set; over ssh: "
                "ssh -X) and opencv-python rather than opencv-python-headless; without one use -o"
            )
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def write_picture(self, result: Result, drawn: Image) -> None:
        """See :class:`hpe_edge.sinks.sink.PictureSink`."""
        with self._guard:
            self._newest = drawn

    def serve(self) -> bool:
        """Show the newest frame and handle the keyboard; true after q, Esc or the window's close button."""
        with self._guard:
            image, self._newest = self._newest, None
        if image is not None:
            if not self._shown:
                cv2.resizeWindow(_TITLE, image.shape[1], image.shape[0])
                self._shown = True
            cv2.imshow(_TITLE, image)
        if cv2.pollKey() & 0xFF in _ENDS:
            return True
        return self._shown and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self.abort()

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        cv2.destroyAllWindows()


def _window_problem() -> str | None:
    """Return the reason why no window can be opened; None if it can."""
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL], capture_output=True, text=True, errors="replace", timeout=_TRIAL_S
        )
    except subprocess.TimeoutExpired:
        return f"the display does not respond within {_TRIAL_S} s"
    if trial.returncode == 0:
        return None
    return next((line.strip() for line in trial.stderr.splitlines() if line.strip()), "no reason given")
