"""Motion JPEG over HTTP, as IP cameras and mjpg-streamer send it: only the newest picture is decoded.

The stream has no times, so nobody can see how old a picture is, and a decoder that reads them one after the other falls
behind without a sign. Here a thread reads all, and keeps the bytes of the last.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import threading
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from hpe_edge.opencv.lazy import cv2

_MULTIPART = "multipart/x-mixed-replace"
_LARGEST = 1 << 26  # bytes of a picture or a line; more is no such stream


class MjpegCapture:
    """Pictures of a multipart response. Implements :class:`hpe_edge.sources.capture.recording.Capture`.

    Attributes:
        skipped: number of pictures that were replaced by newer ones before they were decoded.
    """

    def __init__(self, response: Any, boundary: bytes, timeout_s: float) -> None:
        """
        Args:
            response: of the HTTP request, read up to the body.
            boundary: between the pictures.
            timeout_s: longest wait for one.
        """
        self.skipped = 0
        self._response, self._boundary, self._timeout_s = response, boundary, timeout_s
        self._newest: bytes | None = None
        self._again = b""  # a line that belongs to the next part
        self._ended = self._released = False
        self._changed = threading.Condition()
        threading.Thread(target=self._receive, name="mjpeg", daemon=True).start()

    def isOpened(self) -> bool:
        """Return True until it is released."""
        return not self._released

    def read(self) -> tuple[bool, Any]:
        """Wait for a picture newer than the last; false at the end, after the time-out and for a damaged picture."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ended, self._timeout_s)
            data, self._newest = self._newest, None
        if data is None:
            return False, None
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            image = None
        return image is not None, image

    def get(self, property_id: int, /) -> float:
        """Return 0: the stream tells neither rate nor length nor times."""
        return 0.0

    def release(self) -> None:
        """Let the connection be closed, after the picture that is being received."""
        self._released = True

    def _receive(self) -> None:
        try:
            while not self._released and (data := self._part()) is not None:
                with self._changed:
                    self.skipped += self._newest is not None
                    self._newest = data
                    self._changed.notify_all()
        except (OSError, ValueError, http.client.HTTPException):  # lost
            pass
        finally:
            with contextlib.suppress(OSError):
                self._response.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _part(self) -> bytes | None:
        """Return the bytes of the next picture, None at the end."""
        length, headers = 0, False
        while line := self._line():
            text = line.strip()
            if headers and not text:
                return self._exactly(length) if length else self._until_boundary()
            if text.startswith((b"--" + self._boundary, self._boundary)):
                headers, length = True, 0
            elif headers and text.lower().startswith(b"content-length:"):
                length = int(text.partition(b":")[2])
                if not 0 <= length <= _LARGEST:
                    raise ValueError(f"a picture of {length} bytes")
        return None

    def _line(self) -> bytes:
        line, self._again = self._again, b""
        return line or bytes(self._response.readline(_LARGEST))

    def _exactly(self, length: int) -> bytes | None:
        data = bytes(self._response.read(length))
        return data if len(data) == length else None

    def _until_boundary(self) -> bytes | None:
        data = bytearray()
        while line := self._line():
            if line.startswith(b"--" + self._boundary):
                self._again = line
                return bytes(data)
            data += line
            if len(data) > _LARGEST:
                raise ValueError("a picture without an end")
        return None


def open_mjpeg(url: str, timeout_s: float) -> MjpegCapture | None:
    """Open an http address if a multipart stream answers; None for anything else, errors included."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return None
    user, _, place = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=place).geturl())
    if user:
        login = ":".join(map(unquote, user.split(":", 1))).encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(login).decode())
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    boundary = response.headers.get_param("boundary")
    if response.headers.get_content_type() != _MULTIPART or not isinstance(boundary, str):
        response.close()
        return None
    return MjpegCapture(response, boundary.strip().strip('"').removeprefix("--").encode(), timeout_s)
