"""Listening socket of the live page, and its address for a browser."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket

from hpe_edge.errors import InputError, OutputError

# Reserved for documentation by RFC 5737 and RFC 3849; connecting a UDP socket sends nothing.
_ANYWHERE = {socket.AF_INET: ("192.0.2.1", 9), socket.AF_INET6: ("2001:db8::1", 9)}


def listen(host: str, port: int) -> socket.socket:
    """Listen on the first address of ``host`` that is available; ``::`` includes IPv4 where the system supports it.

    Raises:
        InputError: an invalid port, or the host is unknown or not this machine.
        OutputError: the port is taken, or reserved for other users.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"a port is a number from 0 (any free one) to 65535, got {port}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host name"
        raise InputError(
            f"cannot resolve the host {host!r} ({reason}); give 127.0.0.1 for this machine alone, an address of this "
            "machine, or 0.0.0.0 for all of them"
        ) from None
    failed: OSError | None = None
    for family, _, _, _, address in found:
        try:
            both = family == socket.AF_INET6 and ipaddress.ip_address(address[0]).is_unspecified
            return socket.create_server(address, family=family, dualstack_ipv6=both and socket.has_dualstack_ipv6())
        except OSError as error:
            failed = failed or error
    assert failed is not None
    raise _listen_error(host, port, failed) from None


def is_loopback(listening: socket.socket) -> bool:
    """Return True if only programs on this machine can connect."""
    return _bound(listening).is_loopback


def url_of(listening: socket.socket, host: str) -> str:
    """Return the address for a browser, ending in a slash."""
    name = _outward_address(_families(listening)) if _bound(listening).is_unspecified else host
    return f"http://{f'[{name}]' if ':' in name else name}:{listening.getsockname()[1]}/"


def _bound(listening: socket.socket) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(listening.getsockname()[0])


def _families(listening: socket.socket) -> list[socket.AddressFamily]:
    """Return the address families that can connect, the one with the shorter addresses first."""
    if listening.family == socket.AF_INET:
        return [socket.AF_INET]
    alone = listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return [socket.AF_INET6] if alone else [socket.AF_INET, socket.AF_INET6]


def _outward_address(families: list[socket.AddressFamily]) -> str:
    """Return the address of this machine in its network; its name without a network."""
    for family in families:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(_ANYWHERE[family])
            return str(probe.getsockname()[0])
    return socket.gethostname()


def _listen_error(host: str, port: int, error: OSError) -> InputError | OutputError:
    if error.errno == errno.EADDRINUSE:
        return OutputError(
            f"port {port} of {host} is taken, perhaps by another live page; end that program, or choose another port "
            "(0: any free one)"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return InputError(
            f"{host} is not an address of this machine; give 127.0.0.1 for this machine alone, or 0.0.0.0 for all of "
            "its addresses"
        )
    if error.errno == errno.EACCES:
        return OutputError(f"port {port} is not open to this user; choose one above 1023")
    return OutputError(f"cannot listen on port {port} of {host}: {error.strerror}")
