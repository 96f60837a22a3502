"""HTTP transfer of a file of known size into a partial file, resumed where it broke off.

Proxies are those of the environment (``https_proxy``, ``http_proxy``, ``no_proxy``), certificates those of the system,
of ``SSL_CERT_FILE`` and of ``REQUESTS_CA_BUNDLE``.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from time import sleep
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, OpenerDirector, Request, build_opener, getproxies, proxy_bypass

from hpe_edge.util.atomic import output_error
from hpe_edge.version import __version__

ATTEMPTS = 5
_FIRST_PAUSE_S = 0.5  # doubles with each attempt
_TIMEOUT_S = 20.0  # to connect, and of each read
_CHUNK = 1 << 16
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be gone a moment later


class TransferError(Exception):
    """The address does not deliver the file. The message is the reason."""


class _BrokenError(Exception):
    """The transfer failed, and may succeed at the next attempt."""


def transfer(url: str, part: Path, size: int, progress: Callable[[int], None]) -> None:
    """Bring a partial file to its full size; what it holds already is not fetched again if the server allows that.

    The bytes are not verified, and a file that is too long stays as it is. The partial file stays after an error or an
    interrupt, for the next call.

    Args:
        url: http or https; redirects are followed.
        part: the partial file; need not exist.
        size: of the whole file, in bytes.
        progress: called with the size of the partial file.

    Raises:
        TransferError: after several attempts, or where another one is of no use.
        OutputError: the partial file cannot be written.
    """
    opener = build_opener(HTTPSHandler(context=_tls()))
    etag, reason = "", ""
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
        have = part.stat().st_size if part.exists() else 0
        if have >= size:
            return
        try:
            with _open(opener, url, have, etag) as response:
                start = have if response.status == 206 else 0
                etag = response.headers.get("ETag") or ""
                _receive(response, part, start, size, progress)
            return
        except _BrokenError as error:
            reason = str(error)
            if etag.startswith("W/"):  # a weak one does not promise the same bytes
                etag = ""
    raise TransferError(f"{reason} ({ATTEMPTS} attempts)")


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()  # OpenSSL itself reads SSL_CERT_FILE and SSL_CERT_DIR
    bundle = os.environ.get("REQUESTS_CA_BUNDLE", "")
    if bundle and Path(bundle).is_file():
        context.load_verify_locations(bundle)
    return context


def _open(opener: OpenerDirector, url: str, have: int, etag: str) -> HTTPResponse:
    """Request the file from byte ``have`` on."""
    headers = {"User-Agent": f"hpe-edge/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if etag:
            headers["If-Range"] = etag
    try:
        response: HTTPResponse = opener.open(Request(url, headers=headers), timeout=_TIMEOUT_S)
    except HTTPError as error:
        with error:
            what = f"HTTP {error.code} {error.reason}"
            if error.code == 416 and have:
                return _open(opener, url, 0, "")
            raise (_BrokenError if error.code in _PASSING else TransferError)(what) from None
    except URLError as error:  # no connection
        raise TransferError(f"no connection{_proxy_of(url)}: {_reason(error.reason)}") from None
    except (OSError, HTTPException) as error:  # a connection, but no answer
        raise _BrokenError(f"the connection broke off: {_reason(error)}") from None
    if response.status == 206 and _range_start(response) != have:
        response.close()
        return _open(opener, url, 0, "")
    return response


def _receive(response: HTTPResponse, part: Path, start: int, size: int, progress: Callable[[int], None]) -> None:
    chunk = _read(response)
    if start == 0:
        _check_start(response, chunk, size)
    try:
        with part.open("ab" if start else "wb", buffering=0) as file:
            have = start
            while chunk:
                have += file.write(chunk)
                progress(have)
                if have > size:
                    raise TransferError(f"it sends more than the expected {size} bytes")
                chunk = _read(response)
    except OSError as error:  # of the disk: those of the network have another type
        raise output_error(part, error) from None
    if have < size:
        raise _BrokenError(f"the connection broke off after {have} of {size} bytes")


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)
    except (OSError, HTTPException) as error:
        raise _BrokenError(f"the connection broke off: {_reason(error)}") from None


def _check_start(response: HTTPResponse, start: bytes, size: int) -> None:
    """Refuse what is evidently another file, before it is written."""
    if response.headers.get_content_type() == "text/html" or start.lstrip()[:1] == b"<":
        raise TransferError(
            "a web page came instead of the file; a network's sign-in page or a proxy may answer in the server's place"
        )
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != size:
        raise TransferError(
            f"it has {length} bytes instead of {size}: the publisher changed the file, or a proxy altered it"
        )


def _range_start(response: HTTPResponse) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _reason(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{error.verify_message}; where the network has a certificate authority of its own, name its file in "
            "SSL_CERT_FILE"
        )
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT_S:.0f} s"
    return getattr(error, "strerror", None) or str(error)


def _proxy_of(url: str) -> str:
    """Return the proxy of an address for messages, without its password."""
    address = urlsplit(url)
    proxy = getproxies().get(address.scheme, "")
    if not proxy or proxy_bypass(address.hostname or ""):
        return ""
    return f" through the proxy {proxy.rpartition('@')[2]}"
