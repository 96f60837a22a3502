"""Server of the live page, in a thread of its own beside the pipeline, and the sink that feeds it."""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hpe_edge.attention.zone import Zone
from hpe_edge.drawing.style import Style
from hpe_edge.errors import BackendError, InputError
from hpe_edge.live.access import Access
from hpe_edge.live.address import is_loopback, listen, url_of
from hpe_edge.live.feed import Feed
from hpe_edge.live.message import Scene
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.util.atomic import Pending

if TYPE_CHECKING:
    from types import TracebackType


def require_aiohttp() -> None:
    """Check that the web server's package is installed.

    Raises:
        BackendError: it is not.
    """
    if find_spec("aiohttp") is None:
        raise BackendError("the live page needs aiohttp, which is not installed: run `pip install 'hpe-edge[serve]'`")


class LivePage:
    """Live page in browsers, from construction until ``close``; also a context manager.

    Nothing is encoded without a connected browser. Each browser gets the newest result as fast as it can show it. The
    page, in the folder ``page``, loads nothing from elsewhere.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        *,
        style: Style = "axes",
        zones: Iterable[Zone] = (),
        learn_s: float | None = None,
    ) -> None:
        """Start to listen.

        Args:
            host: name or address of this machine to listen on.
            port: 0 takes any free one, which ``url`` then names.
            token: required in the address. None: no token on loopback, a random one elsewhere.
            style: of the poses in the picture.
            zones: those of the results' attention, to be drawn.
            learn_s: time for which neutral poses are learned; None if they are given.

        Raises:
            InputError: the host, the port or the token cannot be used.
            OutputError: the port is taken.
            BackendError: aiohttp is not installed.
        """
        require_aiohttp()
        from hpe_edge.live.app import serve

        if token is not None and not re.fullmatch("[A-Za-z0-9_-]{16,}", token):
            raise InputError("a token is 16 or more of the characters A-Z a-z 0-9 _ -; leave it out for a random one")
        listening = listen(host, port)
        loopback = is_loopback(listening)
        if token is None and not loopback:
            token = secrets.token_urlsafe()
        self._url = url_of(listening, host) + (f"{token}/" if token is not None else "")
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._feed = Feed(self._loop, style, Scene(tuple(zones), learn_s))
        started: Future[None] = Future()

        def work() -> None:
            asyncio.set_event_loop(self._loop)
            access = Access(token, host if loopback else None)
            try:
                self._loop.run_until_complete(
                    serve(listening, self._feed, access, self._stop, lambda: started.set_result(None))
                )
            except BaseException as error:
                if started.done():
                    raise
                started.set_exception(error)
            finally:
                self._feed.close()
                self._loop.close()
                listening.close()

        self._thread = threading.Thread(target=work, name="hpe-edge-live", daemon=True)
        self._thread.start()
        started.result()

    @property
    def url(self) -> str:
        """The address for a browser, with the token if there is one."""
        return self._url

    def publish(self, result: Result) -> None:
        """Show a result in place of the previous one; never waits. No effect after ``close``.

        It is drawn later, on a copy: its picture must not change.
        """
        self._feed.publish(result)

    def wait_for_viewer(self, timeout_s: float) -> bool:
        """Wait for the first browser that shows the page; return True once there was one."""
        return self._feed.viewer.wait(timeout_s)

    def close(self) -> None:
        """Disconnect the browsers and end all threads; takes a second or two if one does not respond."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> LivePage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LiveOutput:
    """Sink that shows every result on a live page. Implements :class:`hpe_edge.sinks.sink.Sink`."""

    pending: Pending | None = None

    def __init__(self, page: LivePage) -> None:
        """
        Args:
            page: closed with this output.
        """
        self._page = page

    def write(self, result: Result) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self._page.publish(result)

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self._page.close()

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        self._page.close()
