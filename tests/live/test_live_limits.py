"""The page under many viewers: one encoding for all, at a page's rate, and a limit on browsers and connections."""

from __future__ import annotations

import http.client
import logging
import resource
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from test_live import ONE, browser, encoded, parsed, result_of  # noqa: F401
from websocket_client import WebSocketClient

from hpe_edge.live import app, door, feed
from hpe_edge.live.server import LivePage


@pytest.fixture
def page() -> Iterator[LivePage]:
    with LivePage(port=0) as opened:
        yield opened


def numbers_until(client: WebSocketClient, last: int, found: list[int]) -> None:
    """Acknowledge everything at once, as the fastest browser would, until a result arrives."""
    while not found or found[-1] < last:
        found.append(parsed(client.receive())[1]["number"])
        client.send_text("shown")


def test_any_number_of_fast_browsers_costs_one_encoding_at_a_pages_rate(
    page: LivePage,
    encoded: list[int],  # noqa: F811
) -> None:
    seen: list[list[int]] = [[] for _ in range(6)]
    last = 300
    viewers = [threading.Thread(target=numbers_until, args=(browser(page), last, found)) for found in seen]
    for viewer in viewers:
        viewer.start()
    start = time.monotonic()
    for index in range(last):
        page.publish(result_of(ONE, index=index))
        time.sleep(1 / 400)
    for viewer in viewers:
        viewer.join(60)
    took_s = time.monotonic() - start
    assert encoded == sorted(set(encoded)) and len(encoded) <= took_s * feed.PAGE_HZ + 2
    assert len(encoded) < last / 2
    for found in seen:
        assert found == sorted(set(found)) and set(found) <= set(encoded) and found[-1] == last


def test_a_browser_too_many_is_told_and_comes_in_when_another_leaves(
    page: LivePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MOST_BROWSERS", 2)
    first, second = browser(page), browser(page)
    page.publish(result_of(ONE))
    assert first.receive() and second.receive()
    with pytest.raises(ConnectionResetError, match="1013 2 browsers show this page, and no more can; close one"):
        browser(page).receive()
    first.close()
    for _ in range(100):
        try:
            assert browser(page).receive()
            break
        except ConnectionResetError:  # the server has not noticed yet
            time.sleep(0.05)
    else:
        pytest.fail("there was no room for another browser")


def address(page: LivePage) -> tuple[str, int]:
    parts = urlsplit(page.url)
    assert parts.hostname is not None and parts.port is not None
    return parts.hostname, parts.port


def asked(page: LivePage) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*address(page), timeout=30)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_connection_too_many_gets_a_plain_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "MOST_CONNECTIONS", 8)
    with caplog.at_level(logging.DEBUG), LivePage(port=0) as page:
        idle = [socket.create_connection(address(page)) for _ in range(8)]
        for _ in range(3):
            status, text = asked(page)
            assert status == 503 and b"too many connections" in text
        for each in idle[:2]:
            each.close()
        for _ in range(100):
            status, text = asked(page)
            if status == 200:
                break
            time.sleep(0.05)
        assert status == 200 and b"<!doctype html>" in text
        for each in idle:
            each.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_connection_that_says_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "SILENCE_S", 0.2)
    with LivePage(port=0) as page:
        silent = socket.create_connection(address(page), timeout=30)
        assert silent.recv(1) == b""
        silent.close()
        assert asked(page)[0] == 200
        shown = browser(page)  # one that has said something stays
        page.publish(result_of(ONE))
        assert shown.receive()
        time.sleep(0.5)
        page.publish(result_of(ONE))
        assert shown.receive()


@pytest.mark.parametrize(
    ("files", "most"), [(1024, 256), (400, 100), (2, 1), (resource.RLIM_INFINITY, 256), (1 << 20, 256)]
)
def test_the_limit_leaves_files_for_the_pipeline(files: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert door.Door(lambda: None).most == most  # type: ignore[arg-type, return-value]


def test_silent_connections_do_not_delay_the_end() -> None:
    page = LivePage(port=0)
    silent = [socket.create_connection(address(page), timeout=30) for _ in range(5)]
    assert asked(page)[0] == 200  # so they have been accepted
    page.close()
    for each in silent:
        assert each.recv(1) == b""
        each.close()
