"""Motion JPEG over HTTP: the newest picture alone is decoded."""

from __future__ import annotations

import base64
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from hpe_edge.errors import SourceError
from hpe_edge.sources.capture.mjpeg import MjpegCapture, open_mjpeg
from hpe_edge.sources.live_stream import open_url

Send = Callable[[BaseHTTPRequestHandler], None]


def picture(number: int) -> bytes:
    """A JPEG whose level tells its number."""
    return cv2.imencode(".jpg", np.full((32, 48, 3), 10 + 2 * number, np.uint8))[1].tobytes()


def number_of(image: np.ndarray) -> int:
    return round((float(image.mean()) - 10) / 2)


@pytest.fixture
def serve() -> Iterator[Callable[[Send], str]]:
    """Start servers that answer as told."""
    servers = []

    def start(send: Send) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    send(self)

            def log_message(self, *_: object) -> None: ...

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/live"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def begin(handler: BaseHTTPRequestHandler, boundary: str = "frame") -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={boundary}")
    handler.end_headers()


def part(number: int, *, length: bool = True, name: str = "--frame") -> bytes:
    data = picture(number)
    size = f"Content-Length: {len(data)}\r\n" if length else ""
    return f"{name}\r\nContent-Type: image/jpeg\r\n{size}\r\n".encode() + data + b"\r\n"


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("boundary", ["frame", "--frame", '"frame"'])
def test_pictures_come_whole_and_in_order(serve: Callable[[Send], str], length: bool, boundary: str) -> None:
    wait = threading.Semaphore(0)

    def send(handler: BaseHTTPRequestHandler) -> None:
        begin(handler, boundary)
        for number in range(6):
            handler.wfile.write(part(number, length=length) + (b"" if length else b"--frame\r\n"))
            wait.acquire(timeout=5)

    capture = open_mjpeg(serve(send), 5.0)
    assert isinstance(capture, MjpegCapture) and capture.isOpened()
    for number in range(6):
        found, image = capture.read()
        assert found and number_of(image) == number
        wait.release()
    assert capture.read() == (False, None) and capture.skipped == 0
    capture.release()
    assert not capture.isOpened()


def test_a_slow_reader_gets_the_newest(serve: Callable[[Send], str]) -> None:
    taken, seen = threading.Event(), threading.Event()

    def send(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        for number in range(100):
            handler.wfile.write(part(number))
            if number == 0:
                taken.wait(10)
        seen.wait(60)

    source = open_url(serve(send))
    frames = iter(source)
    numbers = [number_of(next(frames).image)]
    taken.set()
    while numbers[-1] < 99:  # a busy machine may receive them over several frames
        time.sleep(0.2)
        numbers.append(number_of(next(frames).image))
    seen.set()
    assert numbers == sorted(set(numbers)) and len(numbers) < 50
    source.close()
    assert list(frames) == []
    assert "skipped undecoded" in source.notes[-1]


def test_damaged_pictures_are_left_out(serve: Callable[[Send], str]) -> None:
    def send(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        for number in range(40):
            broken = b"--frame\r\nContent-Length: 9\r\n\r\nno JPEG!!\r\n"
            handler.wfile.write(broken if number % 2 else part(number))
            time.sleep(0.05)

    source = open_url(serve(send))
    numbers = [number_of(frame.image) for frame in itertools.islice(source, 5)]
    assert all(number % 2 == 0 for number in numbers) and numbers == sorted(numbers)


def test_login(serve: Callable[[Send], str]) -> None:
    def send(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:s@cret").decode():
            handler.send_error(401)
            return
        begin(handler)
        handler.wfile.write(part(3))
        time.sleep(1)

    url = serve(send)
    assert open_mjpeg(url, 5.0) is None
    capture = open_mjpeg(url.replace("//", "//me:s%40cret@"), 5.0)
    assert capture is not None and capture.read()[0]


@pytest.mark.parametrize("kind", ["text/html", "multipart/x-mixed-replace", "video/mp4"])
def test_other_answers(serve: Callable[[Send], str], kind: str) -> None:
    """No such stream, or one without a boundary, is left to FFmpeg, which says what it thinks of it."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        handler.wfile.write(b"nothing")

    url = serve(send)
    assert open_mjpeg(url, 5.0) is None
    with pytest.raises(SourceError, match="cannot be opened"):
        open_url(url)


@pytest.mark.parametrize("size", ["-1", "99999999999", "x"])
def test_sizes_that_cannot_be(serve: Callable[[Send], str], size: str) -> None:
    def send(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        handler.wfile.write(f"--frame\r\nContent-Length: {size}\r\n\r\n".encode() + picture(1))

    capture = open_mjpeg(serve(send), 2.0)
    assert capture is not None and capture.read() == (False, None)
