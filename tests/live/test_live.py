"""The live page's server: what a browser gets, who gets nothing, and what comes and goes without a trace."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from chromium import wait_until
from media import noise, write_video
from websocket_client import WebSocketClient

import hpe_edge.live
from hpe_edge.camera import Camera
from hpe_edge.cli.main import main
from hpe_edge.drawing.draw_poses import draw_poses, identity_color
from hpe_edge.drawing.style import Style
from hpe_edge.errors import BackendError, InputError, OutputError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.live import address, app, feed
from hpe_edge.live.access import Access
from hpe_edge.live.server import LivePage
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import Poses
from hpe_edge.sources.open_source import Frame

PAGE = Path(hpe_edge.live.__file__).parent / "page"
TOKEN = "sixteen_or-more_0"
ONE = [[20.0, 10.0, 5.0]]


def result_of(
    angles: Any, image: np.ndarray | None = None, ids: list[int] | None = None, sigma: float = np.nan, index: int = 0
) -> Result:
    angles = np.array(angles, np.float32).reshape(-1, 3)
    count = len(angles)
    image = np.full((240, 320, 3), 90, np.uint8) if image is None else image
    left = np.arange(count)[:, None] * 60
    boxes = (np.float32([[20, 60, 70, 130]]) + np.concatenate([left, 0 * left] * 2, axis=1)).astype(np.float32)
    return Result(
        Frame("clip.mp4", index, index / 30, image),
        Poses(
            angles,
            np.full((count, 3), sigma, np.float32),
            rotation_from_euler(angles),
            boxes=boxes,
            scores=np.full(count, 0.5, np.float32),
            ids=np.arange(1, count + 1) if ids is None else np.array(ids, np.int64),
        ),
    )


def parsed(message: bytes) -> tuple[float, dict[str, Any], np.ndarray]:
    latency, length = struct.unpack_from("<fI", message)
    picture = cv2.imdecode(np.frombuffer(message[8 + length :], np.uint8), cv2.IMREAD_COLOR)
    return latency, json.loads(message[8 : 8 + length]), picture


def browser(page: LivePage, **headers: str) -> WebSocketClient:
    return WebSocketClient(page.url.replace("http:", "ws:") + "stream", headers=headers)


def get(page: LivePage, path: str = "", method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    parts = urlsplit(page.url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    connection.request(method, path if path.startswith("/") else parts.path + path, headers=headers)
    return connection.getresponse()


def live_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("hpe-edge-live")]


@pytest.fixture
def page() -> Iterator[LivePage]:
    with LivePage(port=0) as opened:
        yield opened
    assert live_threads() == []


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the results that are encoded."""
    numbers: list[int] = []
    encode = feed.encode

    def noted(result: Result, stamp: Any, *rest: Any) -> bytes:
        numbers.append(stamp.number)
        return encode(result, stamp, *rest)

    monkeypatch.setattr(feed, "encode", noted)
    return numbers


# --- what arrives ----------------------------------------------------------------------------------------------------


def test_message_holds_picture_and_poses(page: LivePage) -> None:
    result = result_of([[20, 10, 5], [-30, 0, 12.25]], ids=[7, -1], sigma=2.5)
    wanted = result.frame.image.copy()
    draw_poses(wanted, result.poses, boxes=result.boxes, ids=result.ids)
    page.publish(result)
    latency, facts, picture = parsed(browser(page).receive())
    assert np.isnan(latency)
    assert facts["name"] == "clip.mp4"
    assert facts["number"] == 1
    assert [face["id"] for face in facts["faces"]] == [7, -1]
    for face, identity in zip(facts["faces"], (7, 1), strict=True):
        assert tuple(bytes.fromhex(face["color"][1:])[::-1]) == identity_color(identity)
    for key, values in (
        ("box", result.boxes),
        ("angles_deg", result.poses.angles),
        ("sigma_deg", result.poses.sigma),
        ("rotation", result.poses.rotation.reshape(-1, 9)),
    ):
        np.testing.assert_array_equal(np.float32([face[key] for face in facts["faces"]]), values)
    assert picture.shape == wanted.shape
    assert np.abs(picture.astype(int) - wanted).mean() < 3
    assert (result.frame.image == 90).all()


@pytest.mark.parametrize("style", ["axes", "cube", "arrow"])
def test_poses_are_drawn_as_asked(style: Style) -> None:
    result = result_of(ONE)
    wanted = result.frame.image.copy()
    draw_poses(wanted, result.poses, boxes=result.boxes, style=style, ids=result.ids)
    with LivePage(port=0, style=style) as page:
        page.publish(result)
        picture = parsed(browser(page).receive())[2]
    assert (np.abs(picture.astype(int) - wanted).max(axis=-1) > 60).mean() < 2e-3


def test_serve_hands_the_style_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Noted:
        def __init__(self, *_: object, style: Style, **__: object) -> None:
            styles.append(style)
            raise OutputError("enough")

    styles: list[Style] = []
    monkeypatch.setattr("hpe_edge.live.server.LivePage", Noted)
    clip = write_video(tmp_path / "v.mp4", frames=2)
    assert main(["serve", str(clip), "--model", str(tmp_path / "none.onnx"), "--draw", "cube"]) == 1
    assert styles == ["cube"]


def test_what_is_not_known_is_null(page: LivePage) -> None:
    page.publish(result_of([[np.nan] * 3, [1, 2, 3]]))
    faces = parsed(browser(page).receive())[1]["faces"]
    assert faces[0]["angles_deg"] == faces[0]["sigma_deg"] == faces[1]["sigma_deg"] == [None] * 3
    assert faces[0]["rotation"] == [None] * 9
    assert faces[1]["angles_deg"] == [1, 2, 3]


def test_large_picture_is_shrunk_with_its_boxes(page: LivePage) -> None:
    result = result_of(ONE, np.zeros((1000, 2560, 3), np.uint8))
    page.publish(result)
    _, facts, picture = parsed(browser(page).receive())
    assert picture.shape == (500, 1280, 3)
    np.testing.assert_allclose(facts["faces"][0]["box"], result.boxes[0] / 2)


def test_shrunk_picture_is_seen_by_a_shrunk_camera(page: LivePage) -> None:
    result = result_of(ONE, np.zeros((1440, 2560, 3), np.uint8))
    wanted = np.zeros((720, 1280, 3), np.uint8)
    draw_poses(wanted, result.poses, boxes=result.boxes / 2, camera=Camera(600, 600, 640, 360))
    page.publish(replace(result, camera=Camera(1200, 1200, 1280, 720)))
    picture = parsed(browser(page).receive())[2]
    assert (np.abs(picture.astype(int) - wanted).max(axis=-1) > 60).mean() < 1e-4
    assert (wanted > 60).any()


def test_zero_faces(page: LivePage) -> None:
    page.publish(result_of([]))
    assert parsed(browser(page).receive())[1]["faces"] == []


def test_newest_wins_and_nothing_is_encoded_for_nobody(page: LivePage, encoded: list[int]) -> None:
    for index in range(50):
        page.publish(result_of(ONE, index=index))
    late = browser(page)
    assert parsed(late.receive())[1]["number"] == 50
    late.close()
    page.publish(result_of(ONE))
    assert parsed(browser(page).receive())[1]["number"] == 51
    assert encoded == [50, 51]


def test_two_browsers_share_the_encoding(page: LivePage, encoded: list[int]) -> None:
    page.publish(result_of(ONE))
    first, second = browser(page), browser(page)
    assert first.receive() == second.receive()
    page.publish(result_of(ONE))
    assert parsed(first.receive())[1]["number"] == parsed(second.receive())[1]["number"] == 2
    assert encoded == [1, 2]


def test_latency_is_from_publishing_to_the_answer(page: LivePage) -> None:
    client = browser(page)
    page.publish(result_of(ONE))
    client.receive()
    client.send_text("shown")
    latencies = []
    for _ in range(3):
        page.publish(result_of(ONE))
        latencies.append(parsed(client.receive())[0])
        client.send_text("shown")
    assert 0 < latencies[-1] < 30_000


# --- browsers that are slow, rude or gone ----------------------------------------------------------------------------


def test_slow_browser_costs_no_memory(page: LivePage) -> None:
    image = noise(640, 480)
    slow = browser(page)
    page.publish(result_of(ONE, image))
    first = slow.receive()
    page.publish(result_of(ONE, image))
    slow.receive()
    tracemalloc.start()
    try:
        quick = browser(page)
        for _ in range(100):
            page.publish(result_of(ONE, image.copy()))
            quick.receive()
            quick.send_text("shown")
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(first) > 100_000
    assert grown < 5 * image.nbytes
    # None of the hundred is on its way; after an answer comes the newest.
    slow.send_text("shown")
    assert parsed(slow.receive())[1]["number"] == 102


def test_browser_that_leaves_in_the_middle_of_a_picture(page: LivePage) -> None:
    stays = browser(page)
    for number in range(1, 6):
        leaves = browser(page)
        # Its end says RST at once, with the picture still in the buffers.
        leaves.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        page.publish(result_of(ONE, noise(1280, 720)))
        leaves.socket.recv(1000)
        leaves.close()
        assert parsed(stays.receive())[1]["number"] == number
        stays.send_text("shown")


def test_answer_to_nothing_ends_the_stream(page: LivePage) -> None:
    client = browser(page)
    client.send_text("shown")
    with pytest.raises(ConnectionResetError, match="1008"):
        client.receive()


def test_picture_that_cannot_be_shown_ends_the_stream_only(
    page: LivePage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(feed, "encode", lambda *_: 1 / 0)
        client = browser(page)
        page.publish(result_of(ONE))
        with pytest.raises(ConnectionResetError, match="1011"):
            client.receive()
    assert "cannot show" in caplog.text
    assert parsed(browser(page).receive())[1]["number"] == 1


# --- the end ---------------------------------------------------------------------------------------------------------


def test_close_says_goodbye_and_leaves_no_thread() -> None:
    page = LivePage(port=0)
    listens, deaf = browser(page), browser(page)
    for _ in range(3):
        page.publish(result_of(ONE, noise(1920, 1080)))
        listens.receive()
        listens.send_text("shown")
    assert live_threads() != []
    heard: list[str] = []

    def hear() -> None:
        try:
            listens.receive()
        except ConnectionResetError as error:
            heard.append(str(error))

    hearing = threading.Thread(target=hear)
    hearing.start()
    page.close()
    hearing.join()
    assert heard == ["1001 the program has ended"]
    assert live_threads() == []
    page.publish(result_of(ONE))
    page.close()
    deaf.close()
    with pytest.raises(ConnectionRefusedError):
        browser(page)


def test_port_is_free_after_the_end() -> None:
    with LivePage(port=0) as first:
        port = urlsplit(first.url).port
        assert port is not None
        browser(first).close()
    with LivePage(port=port) as second:
        assert second.url == first.url


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        *((name, True) for name in ("localhost", "LOCALHOST:1", "127.0.0.1:8765", "127.8.8.8", "[::1]:8765", "me")),
        *((name, False) for name in ("evil.example", "localhost.evil.example", "192.168.0.7", "", "[::1", "0x7f.1")),
    ],
)
def test_host_names_on_loopback(host: str, allowed: bool) -> None:
    assert (Access(None, "me").refusal("/", host, None) is None) == allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        *((origin, True) for origin in (None, "http://localhost:8765", "HTTP://LOCALHOST:8765")),
        *((o, False) for o in ("http://localhost:3000", "http://localhost", "https://evil.example", "null", "")),
        *((o, False) for o in ("http://[bad", "http://[::1", "http://\u2100", "http://e://localhost:8765")),
    ],
)
def test_origins(origin: str | None, allowed: bool) -> None:
    assert (Access(None, "localhost").refusal("/stream", "localhost:8765", origin) is None) == allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        *((path, True) for path in (f"/{TOKEN}/", f"/{TOKEN}/stream", f"/{TOKEN}")),
        *(
            (path, False)
            for path in ("/", "/stream", f"/{TOKEN}x/", f"/{TOKEN[:-1]}/", f"//{TOKEN}/", "*", "/\xe9\udc80/")
        ),
    ],
)
def test_tokens(path: str, allowed: bool) -> None:
    assert (Access(TOKEN, None).refusal(path, "anything", None) is None) == allowed


def test_loopback_asks_for_the_name(page: LivePage) -> None:
    assert page.url == f"http://127.0.0.1:{urlsplit(page.url).port}/"
    assert get(page).status == 200
    for path in ("", "page.js", "stream", "nothing"):
        assert get(page, path, Host="evil.example").status == 403
    assert get(page, Host="localhost:99").status == 200
    with pytest.raises(ConnectionRefusedError, match="403"):
        browser(page, Host="evil.example")
    with pytest.raises(ConnectionRefusedError, match="403"):
        browser(page, Origin="http://evil.example")
    browser(page, Origin=page.url.rstrip("/")).close()


def test_beyond_loopback_asks_for_the_token() -> None:
    with LivePage("0.0.0.0", 0) as page, LivePage("0.0.0.0", 0) as other:
        found = re.fullmatch(r"http://([^/]+):\d+/([A-Za-z0-9_-]{40,})/", page.url)
        assert found is not None
        assert found[1] != "0.0.0.0"
        assert found[2] not in other.url
        assert get(page).status == get(page, "style.css").status == 200
        assert get(page, "nothing").status == 404
        for path in ("/", "/page.js", "/stream", "/nothing", f"/{found[2][:-1]}/", "/a/" + found[2], "/%ff%fe/"):
            refused = get(page, path)
            assert refused.status == 403
            assert b"token" in refused.read()
        local = page.url.replace(found[1], "127.0.0.1").replace("http:", "ws:")
        page.publish(result_of(ONE))
        assert WebSocketClient(local + "stream").receive()
        with pytest.raises(ConnectionRefusedError, match="403"):
            WebSocketClient(local.replace(found[2], "guess") + "stream")


def test_token_of_ones_own() -> None:
    with LivePage(port=0, token=TOKEN) as page:
        assert page.url.endswith(f"/{TOKEN}/")
        assert get(page).status == 200
        assert get(page, "/").status == 403


def test_token_without_the_last_slash_leads_to_the_page() -> None:
    with LivePage(port=0, token=TOKEN) as page:
        answer = get(page, f"/{TOKEN}")
        assert answer.status == 303
        assert answer.headers["Location"] == f"/{TOKEN}/"
        assert answer.headers["Cache-Control"] == "no-store"
        for wrong in (f"/{TOKEN[:-1]}", f"/{TOKEN}x", f"//{TOKEN}"):
            assert get(page, wrong).status == 403
        assert get(page, f"/{TOKEN}", Host="evil.example").status == 403


# --- addresses -------------------------------------------------------------------------------------------------------


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def reach(url: str, host: str | None = None) -> int:
    """The status that a browser gets there, or with another host in the address."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(host or parts.hostname or "", parts.port, timeout=30)
    connection.request("GET", parts.path)
    return connection.getresponse().status


@pytest.mark.skipif(not has_ipv6() or not socket.has_dualstack_ipv6(), reason="needs IPv6 with IPv4 on one socket")
def test_everywhere_is_ipv4_and_ipv6() -> None:
    with LivePage("::", 0) as page:
        assert len(urlsplit(page.url).path) > 40
        assert reach(page.url) == reach(page.url, "127.0.0.1") == reach(page.url, "::1") == 200


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_everywhere_is_ipv6_where_no_socket_has_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    # Stands in for the documentation's address, to which a test machine may have no route.
    monkeypatch.setitem(address._ANYWHERE, socket.AF_INET6, ("::1", 9))
    with LivePage("::", 0) as page:
        assert page.url.startswith("http://[::1]:")
        assert reach(page.url) == 200
        with pytest.raises(ConnectionRefusedError):
            reach(page.url, "127.0.0.1")


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_loopback_of_ipv6() -> None:
    with LivePage("::1", 0) as page:
        assert re.fullmatch(r"http://\[::1\]:\d+/", page.url)
        assert reach(page.url) == 200


# --- the files -------------------------------------------------------------------------------------------------------


def test_files_and_their_headers(page: LivePage) -> None:
    for name, kind in (("", "text/html"), ("page.js", "text/javascript"), ("head.json", "application/json")):
        answer = get(page, name)
        assert answer.status == 200
        assert answer.headers.get_content_type() == kind
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Server"] == "hpe-edge"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.read() == (PAGE / (name or "index.html")).read_bytes()


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_only_get(page: LivePage, method: str) -> None:
    assert get(page, method=method).status == 405


@pytest.mark.parametrize("path", ["server.py", "/../server.py", "/page/../page.js", "/%2e%2e/server.py", "/page"])
def test_other_paths_lead_nowhere(page: LivePage, path: str) -> None:
    assert get(page, path).status == 404


def test_every_file_of_the_page_is_served_and_local(page: LivePage) -> None:
    for file in PAGE.iterdir():
        assert get(page, "" if file.name == "index.html" else file.name).read() == file.read_bytes()
        addresses = set(re.findall(r"\w+://[^\s\"']*", file.read_text(encoding="utf-8")))
        assert addresses <= {"http://www.w3.org/2000/svg"}


# --- errors ----------------------------------------------------------------------------------------------------------


def test_taken_port(page: LivePage) -> None:
    port = urlsplit(page.url).port
    assert port is not None
    with pytest.raises(OutputError, match=f"port {port} of 127.0.0.1 is taken.*choose another"):
        LivePage(port=port)
    assert len(live_threads()) == 1


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("no-such-host.invalid", 0, "cannot resolve the host 'no-such-host.invalid'.*127.0.0.1"),
        ("a" * 70, 0, "cannot resolve"),
        ("192.0.2.1", 0, "not an address of this machine"),
        ("127.0.0.1", 65536, "got 65536"),
        ("127.0.0.1", -1, "got -1"),
    ],
)
def test_impossible_places(host: str, port: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        LivePage(host, port)
    assert live_threads() == []


@pytest.mark.parametrize("token", ["", "short", "with/slash/and/more/of/it", "ümlaut-and-more-of-it"])
def test_bad_tokens(token: str) -> None:
    with pytest.raises(InputError, match="a token is 16 or more"):
        LivePage(port=0, token=token)


def test_without_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "hpe_edge.live.app", raising=False)
    with pytest.raises(BackendError, match=r"pip install 'hpe-edge\[serve\]'"):
        LivePage(port=0)


BAD_ORIGIN = b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[bad\r\n\r\n"
GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    b"GET / HTTP/9\r\n\r\n",
    b"\r\n" * 50 + b"GET / HTTP/9\r\n\r\n",
    b"GET " + b"x" * 100_000,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: x\r\n" * 9000 + b"\r\n",
    b"GET http://[bad/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [bad\r\n\r\n",
    BAD_ORIGIN,
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n",
    b"GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: none\r\n\r\nnone of it is a frame",
)


def said_to(port: int, garbage: bytes) -> bytes:
    """The response."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        try:
            raw.sendall(garbage)
            first = raw.recv(4096)  # before the end is said, after which no answer need come
            raw.shutdown(socket.SHUT_WR)
            return first + b"".join(iter(lambda: raw.recv(4096), b""))
        except ConnectionError:
            return b""  # it had heard enough


def test_garbage_harms_nobody(page: LivePage) -> None:
    for garbage in GARBAGE:
        assert b" 500 " not in said_to(urlsplit(page.url).port or 0, garbage)
    page.publish(result_of(ONE))
    assert wait_until(lambda: browser(page).receive())


@pytest.mark.parametrize(
    ("start", "garbage"),
    [("", GARBAGE), ("import logging; logging.basicConfig()", GARBAGE[:-1])],  # the last comes with the token only
)
def test_garbage_is_not_for_the_terminal(start: str, garbage: Sequence[bytes]) -> None:
    """In a program of its own: under pytest, logging has another end."""
    show = "with LivePage() as page: print(page.url, flush=True); input()"
    program = f"{start}\nfrom hpe_edge.live.server import LivePage\n{show}"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline().decode().strip()).port
        assert port is not None
        for one in garbage:
            said_to(port, one)
        refused = said_to(port, BAD_ORIGIN)
        _, said = process.communicate(b"\n", timeout=60)
    assert refused.startswith(b"HTTP/1.1 403 ")
    assert said == b""
    assert process.returncode == 0


def test_errors_of_our_own_are_logged(
    page: LivePage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Access, "refusal", lambda *_: 1 / 0)
    assert get(page).status == 500
    ours = [record for record in caplog.records if record.name == app.__name__]
    assert [record.message for record in ours] == ["the live page cannot answer"]
    assert ours[0].exc_info is not None
    assert ours[0].exc_info[0] is ZeroDivisionError
