"""HTTP server on 127.0.0.1 that hands out files by their paths, and notes what it was asked."""

from __future__ import annotations

import contextlib
import mimetypes
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}


@dataclass
class PageServer:
    """Files and their server.

    Attributes:
        files: by their paths, without a slash in front; each a file or its text.
        headers: of every answer.
        url: address of the server, which ends with a slash.
        asked: grows with each request: its method and path.
        posted: bodies of POST requests.
    """

    files: dict[str, Path | str]
    headers: Mapping[str, str]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    posted: queue.Queue[bytes] = field(default_factory=queue.Queue)


@contextlib.contextmanager
def serving_page(files: Mapping[str, Path | str], headers: Mapping[str, str] | None = None) -> Iterator[PageServer]:
    """Run a server; with :data:`ISOLATED` as headers its pages may use threads."""
    state = PageServer(dict(files), headers or {})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = self.path.partition("?")[0].lstrip("/")
            state.asked.append(f"{self.command} {self.path}")
            content = state.files.get(name)
            if content is None:
                self.send_error(404)
                return
            body = content.read_bytes() if isinstance(content, Path) else content.encode()
            kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for header, value in state.headers.items():
                self.send_header(header, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def do_POST(self) -> None:
            state.asked.append(f"{self.command} {self.path}")
            state.posted.put(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
