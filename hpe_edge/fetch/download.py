"""Files of the cache: fetched from their publishers on first use, verified by size and SHA-256 before every use."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hpe_edge.errors import ModelError, ModelNotFoundError, OutputError
from hpe_edge.fetch.transfer import TransferError, transfer
from hpe_edge.util.file_lock import locked
from hpe_edge.util.progress import progress_bar

OFFLINE = "HPE_EDGE_OFFLINE"  # environment variable

# Without any configuration, Python prints warnings of a logger to standard error as they are.
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteFile:
    """A file of a publisher.

    Attributes:
        name: in the cache.
        urls: addresses of the same bytes, tried in this order.
        sha256: of the file, in hexadecimal.
        size: in bytes.
        licence: of the file.
        non_commercial: the licence forbids commercial use.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    size: int
    licence: str
    non_commercial: bool = False

    @property
    def terms(self) -> str:
        """The licence, and that it forbids commercial use if it does."""
        return f"{self.licence}, NOT for commercial use" if self.non_commercial else self.licence


def fetch_file(remote: RemoteFile, folder: Path) -> Path:
    """Return the path of the verified file in a folder; fetch it if it is not there.

    A transfer that is stopped, by Ctrl-C or a lost connection, is resumed by the next call. Of several processes one
    fetches the file, the others wait for it. The licence and the address are logged before the transfer.

    Args:
        remote: the file.
        folder: made if missing.

    Raises:
        ModelNotFoundError: no address delivers the file, or it is not there and ``HPE_EDGE_OFFLINE`` is set. The
            message holds the command that puts it there by hand.
        ModelError: the addresses deliver another file, or another one is there and ``HPE_EDGE_OFFLINE`` is set.
        OutputError: the file cannot be written.
    """
    path = folder / remote.name
    if is_cached(remote, folder):
        return path
    if os.environ.get(OFFLINE, "") not in ("", "0"):
        raise _offline_error(remote, path)
    # Without locks, two processes may spoil one another's part; its hash tells.
    with locked(path):
        if not is_cached(remote, folder):  # another process may have fetched it meanwhile
            if path.exists():
                _log.warning("%s is not the expected file and is replaced", path)
            size_mb, host = remote.size / 1e6, urlsplit(remote.urls[0]).hostname
            _log.warning(
                "fetching %s (%.1f MB) from %s into %s; licence: %s", remote.name, size_mb, host, folder, remote.terms
            )
            _fetch(remote, path)
    return path


def is_cached(remote: RemoteFile, folder: Path) -> bool:
    """Return True if the folder holds the file with the right content."""
    path = folder / remote.name
    try:
        state = path.stat()
    except OSError:
        return False
    return state.st_size == remote.size and _digest(path, state.st_mtime_ns, state.st_ino) == remote.sha256


def by_hand(remote: RemoteFile, folder: Path) -> str:
    """Return the shell command that puts the file into a folder."""
    return f"curl -fL --create-dirs -o {shlex.quote(str(folder / remote.name))} {remote.urls[0]}"


@functools.lru_cache(maxsize=32)
def _digest(path: Path, changed_ns: int, inode: int) -> str:
    """Return the SHA-256 of a file; computed once per process unless the file changes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _fetch(remote: RemoteFile, path: Path) -> None:
    """Fetch the file from the first address that has it."""
    reasons: list[str] = []
    altered = False
    part = path.with_name(f"{path.name}.part")
    for url in remote.urls:
        try:
            digest = _received(url, part, remote)
        except TransferError as error:
            reasons.append(f"{url}: {error}")
            continue
        except OutputError:  # a full disk is not left fuller
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        if digest == remote.sha256:
            part.replace(path)
            return
        part.unlink()
        altered = True
        reasons.append(
            f"{url}: the SHA-256 is {digest}, {remote.sha256} is expected: the publisher changed the file, or a proxy "
            "altered it"
        )
    kind = ModelError if altered else ModelNotFoundError
    raise kind(f"cannot fetch {remote.name}: {'; '.join(reasons)}. {_remedy(remote, path.parent)}")


def _received(url: str, part: Path, remote: RemoteFile) -> str:
    """Complete the partial file; return its SHA-256."""
    resumed = part.exists()
    # disable=None: no bar unless standard error is a terminal
    with progress_bar(total=remote.size, unit="B", unit_scale=True, desc=remote.name, leave=False, disable=None) as bar:

        def show(size: int) -> None:
            bar.update(size - bar.n)

        transfer(url, part, remote.size, show)
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        if resumed and digest != remote.sha256:  # what was there may be of other bytes: the whole once more
            part.unlink()
            transfer(url, part, remote.size, show)
            digest = hashlib.sha256(part.read_bytes()).hexdigest()
    return digest


def _offline_error(remote: RemoteFile, path: Path) -> ModelNotFoundError | ModelError:
    remedy = _remedy(remote, path.parent)
    if path.exists():
        return ModelError(f"{path} is not the expected file, and {OFFLINE} forbids to fetch it. {remedy}")
    return ModelNotFoundError(f"{path} is missing, and {OFFLINE} forbids to fetch it. {remedy}")


def _remedy(remote: RemoteFile, folder: Path) -> str:
    return (
        f"To put it there by hand: `{by_hand(remote, folder)}` (SHA-256 {remote.sha256}; licence: {remote.terms}); "
        "or name another detector's .onnx file"
    )
