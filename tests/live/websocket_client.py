"""A blocking WebSocket client (RFC 6455) that does no more than it is told: it can stop reading, or leave mid-frame."""

from __future__ import annotations

import base64
import os
import socket
import struct
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WebSocketClient:
    """Connects on construction; ConnectionRefusedError with the status line where the server does not want it."""

    def __init__(self, url: str, timeout_s: float = 30.0, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=timeout_s)
        lines = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.socket.sendall(f"GET {parts.path or '/'} HTTP/1.1\r\n{head}\r\n".encode())
        self._reader = self.socket.makefile("rb")
        status = self._reader.readline().decode()
        while self._reader.readline().strip():
            pass
        if " 101 " not in status:
            self.close()
            raise ConnectionRefusedError(status.strip())

    def send_text(self, text: str) -> None:
        """A text message."""
        self._send(TEXT, text.encode())

    def receive(self) -> bytes:
        """The next message; pings are answered. ConnectionResetError when the server says goodbye, with its reason."""
        message = b""
        while True:
            first, second = self._exactly(2)
            length = second & 0x7F
            if length > 125:
                length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
            payload = self._exactly(length)
            kind = first & 0x0F
            if kind == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                self._send(CLOSE, payload[:2])
                raise ConnectionResetError(f"{code} {payload[2:].decode()}")
            if kind == PING:
                self._send(PONG, payload)
            elif kind != PONG:
                message += payload
                if first & 0x80:
                    return message

    def close(self) -> None:
        """Leave without a word."""
        self._reader.close()
        self.socket.close()

    def _send(self, kind: int, payload: bytes) -> None:
        # A client must mask; with a mask of zeros the payload stays as it is.
        length = len(payload)
        if length < 126:
            size = bytes([0x80 | length])
        else:
            size = b"\xfe" + struct.pack(">H", length) if length <= 0xFFFF else b"\xff" + struct.pack(">Q", length)
        self.socket.sendall(bytes([0x80 | kind]) + size + bytes(4) + payload)

    def _exactly(self, count: int) -> bytes:
        data = self._reader.read(count)
        if len(data) < count:
            raise ConnectionResetError("the server has gone")
        return data
