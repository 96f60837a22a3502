"""HTTP server on 127.0.0.1 that hands out one file, well or badly, and notes what it was asked."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class FileServer:
    """The file and the server's conduct.

    Attributes:
        content: the file.
        plan: one entry per request, in order; then "whole". "whole": as good servers do; "no range": ignores Range;
            "break N": ends the connection N bytes after the start of the answer; "hang N": waits for ``go_on`` there;
            "chunked": without Content-Length; "shifted": another range than the one asked for; "page": a web page;
            "refuse range": 416; "to /path": a redirect; a number: that status.
        etag: sent with the file if not empty.
        asked: per request its path, Range and If-Range, empty if absent.
    """

    content: bytes
    plan: list[str] = field(default_factory=list)
    etag: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def ranges(self) -> list[str]:
        return [asked[1] for asked in self.asked]


@contextlib.contextmanager
def serving(content: bytes, *plan: str, etag: str = "", certificate: Path | None = None) -> Iterator[FileServer]:
    """Run a server; ``certificate``: a .pem file with key and certificate, for https."""
    state = FileServer(content, list(plan), etag)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append((self.path, wanted, self.headers.get("If-Range", "")))
            conduct, _, number = (state.plan.pop(0) if state.plan else "whole").partition(" ")
            self.close_connection = True
            if conduct.isdecimal():
                return self.send_error(int(conduct))
            if conduct == "refuse":
                return self.send_error(416)
            if conduct == "to":
                self.send_response(302)
                self.send_header("Location", number)
                self.send_header("Content-Length", "0")
                return self.end_headers()
            start = int(wanted[len("bytes=") : -1]) if wanted and conduct != "no" else 0
            if self.headers.get("If-Range", state.etag) != state.etag:
                start = 0
            if conduct == "shifted":
                start = max(start - 7, 0)
            body = b"<!DOCTYPE html><title>Sign in</title>" if conduct == "page" else state.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            if conduct == "chunked":
                self.send_header("Transfer-Encoding", "chunked")
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            else:
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "text/html" if conduct == "page" else "application/octet-stream")
            if state.etag:
                self.send_header("ETag", state.etag)
            self.end_headers()
            if conduct in ("break", "hang"):
                self.wfile.write(body[: int(number)])
                self.wfile.flush()
                if conduct == "break":
                    return None
                state.go_on.wait(30)
                body = body[int(number) :]
            with contextlib.suppress(OSError):
                self.wfile.write(body)
            return None

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{server.server_port}/model.onnx"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
