"""Web application: the page's files and the stream. The only module that imports aiohttp.

A WebSocket carries the stream. The browser acknowledges each message once it is on the screen, and at most two are in
flight: a slow browser gets fewer pictures, never old ones, and the time to the acknowledgement is the latency.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from importlib import resources

from aiohttp import WSCloseCode, web
from aiohttp.typedefs import Handler, Middleware

from hpe_edge.live.access import Access
from hpe_edge.live.door import Door
from hpe_edge.live.feed import Feed

_log = logging.getLogger(__name__)
# aiohttp logs malformed requests, which anybody who can connect may send; keep them off the terminal.
_silent_log = logging.getLogger(f"{__name__}.requests")
_silent_log.addHandler(logging.NullHandler())
_silent_log.propagate = False
logging.getLogger("aiohttp.websocket").addHandler(logging.NullHandler())

_SCRIPTS = ("page", "stream", "message", "people", "card", "head", "plot", "zones", "events", "rates", "dom")
_FILES = {
    "": ("index.html", "text/html"),
    **{f"{name}.css": (f"{name}.css", "text/css") for name in ("style", "people", "attention")},
    **{f"{name}.js": (f"{name}.js", "text/javascript") for name in _SCRIPTS},
    "head.json": ("head.json", "application/json"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the path may hold the token
    "Server": "hpe-edge",
    "X-Content-Type-Options": "nosniff",
}
_IN_FLIGHT = 2  # one being shown, one in transfer
_HEARTBEAT_S = 15.0  # a browser that does not respond is dropped after 1.5 times this
_GOODBYE_S = 1.0  # for browsers that do not respond
_LONGEST_ANSWER = 64  # bytes
MOST_BROWSERS = 64  # that are shown the stream; each picture is sent to each


async def serve(
    listening: socket.socket, feed: Feed, access: Access, stop: asyncio.Event, started: Callable[[], None]
) -> None:
    """Serve on a socket until ``stop`` is set, then close it."""
    streams = Streams(feed)
    app = web.Application(middlewares=[_gate(access)])
    app.on_response_prepare.append(_add_headers)
    root = f"/{access.token}/" if access.token is not None else "/"
    for path, (name, kind) in _FILES.items():
        app.router.add_get(root + path, _file(name, kind), allow_head=False)
    app.router.add_get(root + "stream", streams.handle, allow_head=False)
    if access.token is not None:
        app.router.add_get(f"/{access.token}", _to_the_page, allow_head=False)
    runner = web.AppRunner(app, access_log=None, logger=_silent_log, handle_signals=False, shutdown_timeout=_GOODBYE_S)
    await runner.setup()
    try:
        assert runner.server is not None
        door = Door(runner.server)
        await door.open(listening)
        started()
        await stop.wait()
        door.close()
        await streams.close()
    finally:
        await runner.cleanup()


class Streams:
    """Connected browsers."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._open: set[web.WebSocketResponse] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Stream to one browser until it disconnects."""
        # Pictures are compressed already.
        stream = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, compress=False, max_msg_size=_LONGEST_ANSWER)
        await stream.prepare(request)
        if len(self._open) >= MOST_BROWSERS:  # a status of HTTP would reach no script of the page
            reason = f"{MOST_BROWSERS} browsers show this page, and no more can; close one"
            await stream.close(code=WSCloseCode.TRY_AGAIN_LATER, message=reason.encode())
            return stream
        self._open.add(stream)
        browser = _Browser(self._feed, stream)
        sender = asyncio.create_task(browser.send())
        try:
            async for _ in stream:
                if not browser.answered():
                    await stream.close(code=WSCloseCode.POLICY_VIOLATION, message=b"unexpected acknowledgement")
        finally:
            self._open.discard(stream)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
        return stream

    async def close(self) -> None:
        """Close all streams; browsers that do not respond are dropped."""
        goodbyes = [
            asyncio.create_task(stream.close(code=WSCloseCode.GOING_AWAY, message=b"the program has ended"))
            for stream in self._open
        ]
        if goodbyes:
            _, silent = await asyncio.wait(goodbyes, timeout=_GOODBYE_S)
            for goodbye in silent:
                goodbye.cancel()


class _Browser:
    """State of one browser's stream: messages sent and acknowledged."""

    def __init__(self, feed: Feed, stream: web.WebSocketResponse) -> None:
        self._feed = feed
        self._stream = stream
        self._room = asyncio.Semaphore(_IN_FLIGHT)
        self._since_s: deque[float] = deque()  # publication times of unacknowledged messages
        self._latency_ms = float("nan")

    async def send(self) -> None:
        """Send the newest message whenever the browser can take one."""
        number = 0
        try:
            while True:
                await self._room.acquire()
                message = await self._feed.newer_than(number)
                # The first picture may have been published long before the browser connected.
                self._since_s.append(message.stamp.published_s if number else time.monotonic())
                number = message.stamp.number
                await self._stream.send_bytes(struct.pack("<f", self._latency_ms) + message.data)
        except ConnectionError:
            pass  # disconnected, which the reading side handles
        except Exception:
            _log.exception("the live page cannot show a picture")
            await self._stream.close(code=WSCloseCode.INTERNAL_ERROR, message=b"a picture cannot be shown")

    def answered(self) -> bool:
        """Record that the oldest unacknowledged message is on the screen; false if there is none."""
        if not self._since_s:
            return False
        self._latency_ms = 1e3 * (time.monotonic() - self._since_s.popleft())
        self._room.release()
        return True


def _gate(access: Access) -> Middleware:
    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            reason = access.refusal(request.path, request.headers.get("Host", ""), request.headers.get("Origin"))
            if reason is not None:
                raise web.HTTPForbidden(text=f"{reason}\n")
            return await handler(request)
        except (web.HTTPException, ConnectionError):
            raise  # a response, or a lost connection
        except Exception:
            _log.exception("the live page cannot answer")
            raise  # aiohttp sends the 500

    return gate


def _file(name: str, kind: str) -> Handler:
    content = resources.files(__package__).joinpath("page").joinpath(name).read_bytes()

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type=kind, charset="utf-8")

    return answer


async def _to_the_page(request: web.Request) -> web.StreamResponse:
    # Without the trailing slash the page's files would resolve beside the token, not below it.
    raise web.HTTPSeeOther(f"{request.path}/")


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
