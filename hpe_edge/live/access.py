"""Access control of the live page.

On loopback every program of this machine has access, and the threat is another web site in the same browser. It can
point its own name at 127.0.0.1 (DNS rebinding), so the Host header must be a name of this machine; and it can open
WebSockets to any host, so an Origin header must be the page's own. Beyond loopback a token in the path is required.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Access:
    """Requirements of a request.

    Attributes:
        token: first part of its path; None if not required.
        local_name: allowed name of this machine besides ``localhost`` and loopback addresses; None allows any name,
            since the names of this machine in a network are not known.
    """

    token: str | None
    local_name: str | None

    def refusal(self, path: str, host: str, origin: str | None) -> str | None:
        """Return the reason why a request is refused; None if it is accepted.

        Args:
            path: of the URL, from its first slash.
            host: the Host header.
            origin: the Origin header, if there is one.
        """
        if self.local_name is not None and not _is_local(host, self.local_name):
            return "this page is available under the names of this machine only; use the printed address"
        if self.token is not None and not self._has_token(path):
            return "the token is missing or wrong; use the printed address"
        # Not by urlsplit, which raises on some malformed headers.
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return "another site may not read this page"
        return None

    def _has_token(self, path: str) -> bool:
        given = path.split("/", 2)[1] if path.startswith("/") else ""
        return secrets.compare_digest(given.encode(errors="backslashreplace"), (self.token or "").encode())


def _is_local(host: str, local_name: str) -> bool:
    # Any port: a tunnel has its own.
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in ("localhost", local_name.lower()):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
