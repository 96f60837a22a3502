"""Downloads from a server on this machine: verified, resumed, retried, and explained where they fail."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import pty
import shlex
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from file_server import FileServer, serving

from hpe_edge.errors import ModelError, ModelNotFoundError, OutputError
from hpe_edge.fetch import transfer
from hpe_edge.fetch.download import RemoteFile, by_hand, fetch_file, is_cached

CONTENT = bytes(range(256)) * 1500  # several chunks
OTHER = CONTENT[::-1]
SIZE = len(CONTENT)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "requests_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("HPE_EDGE_OFFLINE", raising=False)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which are not waited for."""
    waited: list[float] = []
    monkeypatch.setattr(transfer, "sleep", waited.append)
    return waited


def remote(*urls: str, content: bytes = CONTENT, non_commercial: bool = False) -> RemoteFile:
    digest = hashlib.sha256(content).hexdigest()
    return RemoteFile("model.onnx", urls, digest, len(content), "MIT", non_commercial)


def part(folder: Path) -> Path:
    return folder / "model.onnx.part"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("conduct", ["whole", "chunked"])
def test_fetches_once_and_verifies(tmp_path: Path, conduct: str) -> None:
    folder = tmp_path / "cache" / "detectors"
    with serving(CONTENT, conduct) as server:
        path = fetch_file(remote(server.url), folder)
        assert path == folder / "model.onnx" and path.read_bytes() == CONTENT and not part(folder).exists()
        assert fetch_file(remote(server.url), folder) == path
        assert server.ranges() == [""]


def test_licence_and_address_are_said_once_before_the_transfer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(CONTENT, "404") as server:
        for _ in range(3):
            with contextlib.suppress(ModelNotFoundError):
                fetch_file(remote(server.url, non_commercial=True), tmp_path)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 2  # of the transfer that failed, and of the next one
    assert all("127.0.0.1" in line and "MIT, NOT for commercial use" in line for line in said)


def test_the_notice_reaches_standard_error_and_no_bar_does(tmp_path: Path) -> None:
    with serving(CONTENT) as server:
        done = run(server.url, tmp_path)
    assert done.returncode == 0 and done.stdout == ""
    assert done.stderr.startswith("fetching model.onnx") and done.stderr.count("\n") == 1 and "%" not in done.stderr


def test_a_terminal_shows_progress(tmp_path: Path) -> None:
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with serving(CONTENT) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", script(server.url, tmp_path)], stderr=theirs, env={**os.environ, "COLUMNS": "80"}
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # at its end
            while block := os.read(mine, 4096):
                shown += block
        os.close(mine)
        assert process.wait(60) == 0
    assert b"model.onnx: " in shown and b"%" in shown


def test_a_wrong_file_is_removed(tmp_path: Path) -> None:
    with serving(OTHER) as server, pytest.raises(ModelError, match="the publisher changed the file, or a proxy"):
        fetch_file(remote(server.url), tmp_path)
    assert not (tmp_path / "model.onnx").exists() and not part(tmp_path).exists()


@pytest.mark.parametrize("content", [CONTENT + b"!", CONTENT[:-1]])
def test_another_length_is_refused(tmp_path: Path, content: bytes) -> None:
    with serving(content) as server, pytest.raises(ModelNotFoundError, match=f"it has {len(content)} bytes"):
        fetch_file(remote(server.url), tmp_path)
    assert not part(tmp_path).exists()


def test_an_endless_answer_is_cut(tmp_path: Path) -> None:
    with (
        serving(CONTENT + b"!" * 10_000_000, "chunked") as server,
        pytest.raises(ModelNotFoundError, match="more than the expected"),
    ):
        fetch_file(remote(server.url), tmp_path)
    assert not (tmp_path / "model.onnx").exists()


def test_the_second_address_has_it(tmp_path: Path) -> None:
    with serving(OTHER) as wrong, serving(CONTENT, "404") as gone, serving(CONTENT) as right:
        urls = (wrong.url, gone.url, f"http://127.0.0.1:{free_port()}/", right.url)
        assert fetch_file(remote(*urls), tmp_path).read_bytes() == CONTENT
        assert len(right.asked) == 1


@pytest.mark.parametrize("etag", ["", '"a"', 'W/"a"'])
def test_a_broken_transfer_is_resumed(tmp_path: Path, etag: str) -> None:
    with serving(CONTENT, "break 100000", "break 100000", etag=etag) as server:
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
        assert server.ranges() == ["", "bytes=100000-", "bytes=200000-"]
        expected = etag if etag == '"a"' else ""
        assert [if_range for *_, if_range in server.asked] == ["", expected, expected]


def test_an_earlier_part_is_resumed(tmp_path: Path) -> None:
    part(tmp_path).write_bytes(CONTENT[:1000])
    with serving(CONTENT) as server:
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
        assert server.ranges() == ["bytes=1000-"]


def test_a_complete_part_needs_no_transfer(tmp_path: Path) -> None:
    part(tmp_path).write_bytes(CONTENT)
    with serving(CONTENT) as server:
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
        assert server.asked == []


@pytest.mark.parametrize("length", [1000, SIZE, SIZE + 5])
def test_a_part_of_another_file_costs_a_second_transfer(tmp_path: Path, length: int) -> None:
    part(tmp_path).write_bytes((OTHER * 2)[:length])
    with serving(CONTENT) as server:
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
        assert server.ranges()[-1] == ""


@pytest.mark.parametrize("conduct", ["no range", "shifted", "refuse range"])
def test_servers_without_ranges_send_the_whole(tmp_path: Path, conduct: str) -> None:
    part(tmp_path).write_bytes(CONTENT[:1000])
    with serving(CONTENT, conduct) as server:
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
        assert server.ranges()[0] == "bytes=1000-" and len(server.asked) == (1 if conduct == "no range" else 2)


def test_a_file_that_changes_during_the_transfer_is_fetched_anew(tmp_path: Path) -> None:
    with serving(OTHER, "break 100000", etag='"old"') as server:

        def replace(_: float) -> None:
            server.content, server.etag = CONTENT, '"new"'

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transfer, "sleep", replace)
            assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_faults_are_tried_again(tmp_path: Path, pauses: list[float], status: int) -> None:
    with serving(CONTENT, str(status), str(status)) as server:
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
    assert len(pauses) == 2 and 0 < pauses[0] < pauses[1]


@pytest.mark.parametrize(
    ("conduct", "message", "attempts"),
    [
        ("404", "HTTP 404", 1),
        ("403", "HTTP 403", 1),
        ("503", "HTTP 503", transfer.ATTEMPTS),
        ("page", "a web page came instead", 1),
        ("break 10", "the connection broke off", transfer.ATTEMPTS),
    ],
)
def test_lasting_faults_end_with_the_command_that_helps(
    tmp_path: Path, conduct: str, message: str, attempts: int
) -> None:
    with serving(CONTENT, *[conduct] * 20) as server:
        with pytest.raises(ModelNotFoundError, match=message) as caught:
            fetch_file(remote(server.url), tmp_path)
        assert len(server.asked) == attempts
        assert by_hand(remote(server.url), tmp_path) in str(caught.value) and server.url in str(caught.value)


def test_no_network(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no connection: Connection refused"):
        fetch_file(remote(f"http://127.0.0.1:{free_port()}/model.onnx"), tmp_path)


def test_a_silent_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_TIMEOUT_S", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(20)
        with pytest.raises(ModelNotFoundError, match="no answer within"):
            fetch_file(remote(f"http://127.0.0.1:{silent.getsockname()[1]}/"), tmp_path)


def test_redirects_are_followed(tmp_path: Path) -> None:
    part(tmp_path).write_bytes(CONTENT[:1000])
    with serving(CONTENT, "to /elsewhere") as server:
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
        assert [(path, wanted) for path, wanted, _ in server.asked][1] == ("/elsewhere", "bytes=1000-")


def test_offline_asks_nobody_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPE_EDGE_OFFLINE", "1")
    folder = tmp_path / "a folder"
    with serving(CONTENT) as server:
        with pytest.raises(ModelNotFoundError, match="HPE_EDGE_OFFLINE") as caught:
            fetch_file(remote(server.url), folder)
        assert server.asked == [] and not folder.exists()
        command = str(caught.value).split("`")[1]
        assert command == by_hand(remote(server.url), folder)
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        subprocess.run(shlex.split(command), check=True, capture_output=True)
        assert fetch_file(remote(server.url), folder).read_bytes() == CONTENT
        (folder / "model.onnx").write_bytes(OTHER)
        with pytest.raises(ModelError, match=r"not the expected file.*HPE_EDGE_OFFLINE"):
            fetch_file(remote(server.url), folder)
        monkeypatch.setenv("HPE_EDGE_OFFLINE", "0")
        assert fetch_file(remote(server.url), folder).read_bytes() == CONTENT


@pytest.mark.parametrize("damaged", [OTHER, CONTENT[:-1], b""])
def test_a_damaged_file_in_the_cache_is_replaced(
    tmp_path: Path, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "model.onnx").write_bytes(damaged)
    with serving(CONTENT) as server:
        assert not is_cached(remote(server.url), tmp_path)
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
    assert "is not the expected file and is replaced" in caplog.text


def test_a_file_that_is_damaged_later_is_noticed(tmp_path: Path) -> None:
    with serving(CONTENT) as server:
        path = fetch_file(remote(server.url), tmp_path)
        path.write_bytes(OTHER)
        os.utime(path, ns=(1, 1))
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
        assert len(server.asked) == 2


def test_a_filled_cache_may_be_read_only(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(CONTENT)
    before = sorted(tmp_path.iterdir())
    assert fetch_file(remote("http://127.0.0.1:1/"), tmp_path).read_bytes() == CONTENT
    assert sorted(tmp_path.iterdir()) == before  # no lock file, which could not be made there


def test_the_proxy_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(CONTENT) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/model.onnx"))
        url = "http://publisher.invalid/model.onnx"
        assert fetch_file(remote(url), tmp_path).read_bytes() == CONTENT
        assert proxy.asked[0][0] == url


def test_no_proxy_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(CONTENT) as server:
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT


def test_a_dead_proxy_is_named_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{port}")
    with pytest.raises(ModelNotFoundError, match=rf"through the proxy 127\.0\.0\.1:{port}: ") as caught:
        fetch_file(remote("http://publisher.invalid/model.onnx"), tmp_path)
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that signs itself, with its key, as of a company's own authority."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", folder / "key", "-out", folder / "ca"], check=True, capture_output=True
    )
    (folder / "both.pem").write_bytes((folder / "key").read_bytes() + (folder / "ca").read_bytes())
    return folder / "both.pem"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_of_ones_own_is_trusted_if_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: Path, variable: str
) -> None:
    with serving(CONTENT, certificate=certificate) as server:
        with pytest.raises(ModelNotFoundError, match=r"self.signed certificate.*SSL_CERT_FILE"):
            fetch_file(remote(server.url), tmp_path)
        monkeypatch.setenv(variable, str(certificate.with_name("ca")))
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT


def test_a_full_disk(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    part(tmp_path).symlink_to("/dev/full")
    with serving(CONTENT) as server, pytest.raises(OutputError, match="No space left on device; make room"):
        fetch_file(remote(server.url), tmp_path)
    assert not part(tmp_path).is_symlink() and Path("/dev/full").is_char_device()


def test_a_cache_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(OutputError, match="XDG_CACHE_HOME"):
        fetch_file(remote("http://127.0.0.1:1/"), tmp_path / "cache" / "detectors")


def script(url: str, folder: Path) -> str:
    return (
        "from pathlib import Path; from hpe_edge.fetch.download import RemoteFile, fetch_file; "
        f"fetch_file({remote(url)!r}, Path({str(folder)!r}))"
    )


def run(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script(url, folder)], capture_output=True, text=True, timeout=60, check=False
    )


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@contextlib.contextmanager
def started(server: FileServer, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that fetches, once it has half of the file."""
    process = subprocess.Popen([sys.executable, "-c", script(server.url, folder)], stderr=subprocess.PIPE)
    try:
        wait_until(lambda: part(folder).exists() and part(folder).stat().st_size == SIZE // 2)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_transfer_is_resumed_by_the_next(tmp_path: Path, number: signal.Signals) -> None:
    with serving(CONTENT, f"hang {SIZE // 2}") as server:
        with started(server, tmp_path) as process:
            process.send_signal(number)
            assert process.wait(30) != 0
        assert part(tmp_path).read_bytes() == CONTENT[: SIZE // 2] and not (tmp_path / "model.onnx").exists()
        assert fetch_file(remote(server.url), tmp_path).read_bytes() == CONTENT
        assert server.ranges() == ["", f"bytes={SIZE // 2}-"]


def test_of_several_processes_one_fetches(tmp_path: Path) -> None:
    with serving(CONTENT, f"hang {SIZE // 2}") as server:
        with started(server, tmp_path) as first, ThreadPoolExecutor(3) as pool:
            others = [pool.submit(run, server.url, tmp_path) for _ in range(2)]
            others.append(pool.submit(fetch_file, remote(server.url), tmp_path))
            time.sleep(0.5)  # the others reach the lock
            server.go_on.set()
            assert first.wait(30) == 0
            assert [other.result(60).returncode for other in others[:2]] == [0, 0]
            others[2].result(60)
        assert server.ranges() == [""] and (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_default_certificates_are_those_of_the_system() -> None:
    assert transfer._tls().verify_mode is ssl.CERT_REQUIRED
