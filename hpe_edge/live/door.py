"""Connections to the live page: as many as its files allow, and none that says nothing for long.

Anybody who reaches the port can open connections. Without a limit a thousand of them take all file numbers of the
process; its event loop then writes an error a second, and the pipeline cannot open a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
from collections.abc import Callable, Sized
from typing import Protocol, cast

MOST_CONNECTIONS = 256
SILENCE_S = 10.0  # before the first byte
_SHARE = 4  # of the process's file numbers, one in so many
_BACKLOG = 128

_FULL = b"too many connections are open; close one, and load the page again\n"
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 10\r\n"
    b"Connection: close\r\nContent-Length: " + str(len(_FULL)).encode() + b"\r\n\r\n" + _FULL
)


class Handlers(Protocol):
    """Web server: makes a protocol per connection, and counts those that are open."""

    @property
    def connections(self) -> Sized:
        """Those that are open."""

    def __call__(self) -> asyncio.BaseProtocol:
        """Make a protocol for another one."""


class Door:
    """Listener that hands connections on to a web server."""

    def __init__(self, handlers: Callable[[], asyncio.BaseProtocol]) -> None:
        """
        Args:
            handlers: see :class:`Handlers`.
        """
        self._handlers = cast(Handlers, handlers)
        self._silent: set[_Arrival] = set()
        self._server: asyncio.Server | None = None
        files = _most_files()
        self.most = MOST_CONNECTIONS if files is None else max(1, min(MOST_CONNECTIONS, files // _SHARE))

    async def open(self, listening: socket.socket) -> None:
        """Accept connections on a socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Arrival(self), sock=listening, backlog=_BACKLOG)

    def close(self) -> None:
        """Accept no more; connections that have said nothing end."""
        if self._server is not None:
            self._server.close()
        for arrival in list(self._silent):
            arrival.end()

    def admit(self, arrival: _Arrival) -> bool:
        """Return True if there is room for another connection, which then counts until it is handed on or ends."""
        if len(self._silent) + len(self._handlers.connections) >= self.most:
            return False
        self._silent.add(arrival)
        return True

    def forget(self, arrival: _Arrival) -> None:
        """Count a silent connection no more."""
        self._silent.discard(arrival)

    def handler(self) -> asyncio.Protocol:
        """Make the web server's protocol for a connection that has said something."""
        return cast(asyncio.Protocol, self._handlers())


def _most_files() -> int | None:
    """Return how many files this process may open; None without a limit, or where the system has none."""
    with contextlib.suppress(ImportError):
        resource = importlib.import_module("resource")  # of POSIX systems alone
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return None if files == resource.RLIM_INFINITY else int(files)
    return None


class _Arrival(asyncio.Protocol):
    """A connection until its first byte."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._door.admit(self):
            self._transport.write(_REFUSAL)
            self._transport.close()
            return
        self._timer = asyncio.get_running_loop().call_later(SILENCE_S, self.end)

    def data_received(self, data: bytes) -> None:
        if self._timer is None or self._transport is None:  # refused
            return
        self._timer.cancel()
        self._door.forget(self)
        handler = self._door.handler()
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        handler.data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._door.forget(self)

    def end(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()
