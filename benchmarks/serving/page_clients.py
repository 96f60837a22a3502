"""Clients of the live page, as a process of its own, until its standard input ends.

    python -m benchmarks.serving.page_clients viewers 50 http://127.0.0.1:8000/
    python -m benchmarks.serving.page_clients idle 1200 http://127.0.0.1:8000/

Viewers take every picture and acknowledge it at once, as the fastest browser would. Idle clients connect, say nothing,
and connect again when they are sent away. Writes a line when all are there, and the number of pictures at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from urllib.parse import urlsplit

from aiohttp import ClientSession

from hpe_edge.util.console import show

_PAUSE_S = 0.1  # before an idle client that was sent away comes again


class Clients:
    """Clients of one page, and the pictures that they have seen."""

    def __init__(self) -> None:
        self.waiting = 0
        self.pictures = 0
        self.all_there = asyncio.Event()

    def there(self) -> None:
        """Count one that is there."""
        self.waiting -= 1
        if self.waiting == 0:
            self.all_there.set()

    async def view(self, session: ClientSession, url: str) -> None:
        """Show pictures."""
        async with session.ws_connect(f"{url}stream", max_msg_size=0) as stream:
            self.there()
            async for _ in stream:
                self.pictures += 1
                await stream.send_str("shown")

    async def idle(self, host: str, port: int) -> None:
        """Connect and say nothing."""
        first = True
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(host, port)
                if first:
                    self.there()
                    first = False
                await reader.read()
                writer.close()
            await asyncio.sleep(_PAUSE_S)


async def main(kind: str, count: int, url: str) -> None:
    """Run until standard input ends."""
    clients = Clients()
    clients.waiting = count
    parts = urlsplit(url)
    async with ClientSession() as session:
        if kind == "viewers":
            jobs = [asyncio.create_task(clients.view(session, url)) for _ in range(count)]
        else:
            assert parts.hostname is not None and parts.port is not None
            jobs = [asyncio.create_task(clients.idle(parts.hostname, parts.port)) for _ in range(count)]
        await clients.all_there.wait()
        show("there")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        show(str(clients.pictures))
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
