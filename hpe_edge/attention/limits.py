"""Checks of the numbers that a user gives."""

from __future__ import annotations

import math
from typing import Any

from hpe_edge.errors import InputError


def checked_number(name: str, value: Any, least: float, most: float = math.inf, unit: str = "degrees") -> float:
    """Return a finite number from ``least`` to ``most``.

    Raises:
        InputError: not a number, not finite, or out of range.
    """
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and least <= number <= most):
        allowed = f"{least:g} or more" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise InputError(f"{name} must be a number {allowed} ({unit}), got {value!r}")
    return number
