"""CDR encoding of ROS 2 messages: XCDR1, little endian, aligned to each value's size from the end of the header.

Source: OMG Common Object Request Broker Architecture, CDR transfer syntax, and DDS-RTPS 2.3, 10.2.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from hpe_edge.ros.ros_definitions import DEFINITIONS, fields_of

_HEADER = b"\x00\x01\x00\x00"  # CDR_LE, no options
_NUMBERS = {"int32": "i", "uint32": "I", "float64": "d"}


def encode(kind: str, message: Mapping[str, Any]) -> bytes:
    """Encode a message.

    Args:
        kind: its name in :data:`hpe_edge.ros.ros_definitions.DEFINITIONS`.
        message: its fields; messages within it are mappings, sequences and arrays are sequences.
    """
    body = bytearray()
    _message(body, kind, message)
    return _HEADER + bytes(body)


def _message(body: bytearray, kind: str, message: Mapping[str, Any]) -> None:
    for name, field_kind, length in fields_of(kind):
        value = message[name]
        if length is None:
            _value(body, field_kind, value)
            continue
        if length == 0:
            _number(body, "I", len(value))
        elif len(value) != length:
            raise ValueError(f"{kind}.{name} has {length} values, got {len(value)}")
        _values(body, field_kind, value)


def _values(body: bytearray, kind: str, values: Sequence[Any]) -> None:
    if kind in _NUMBERS and values:
        _number(body, _NUMBERS[kind], values[0])
        body += struct.pack(f"<{len(values) - 1}{_NUMBERS[kind]}", *values[1:])  # they stay aligned
        return
    for each in values:
        _value(body, kind, each)


def _value(body: bytearray, kind: str, value: Any) -> None:
    if kind in DEFINITIONS:
        _message(body, kind, value)
    elif kind == "string":
        data = str(value).encode("utf-8", "replace") + b"\0"
        _number(body, "I", len(data))
        body += data
    else:
        _number(body, _NUMBERS[kind], value)


def _number(body: bytearray, code: str, value: float) -> None:
    size = struct.calcsize(code)
    body += bytes(-len(body) % size)
    body += struct.pack(f"<{code}", value)
