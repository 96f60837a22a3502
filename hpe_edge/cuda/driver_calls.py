"""Addresses of the driver's functions, for the native calls of a batch."""

from __future__ import annotations

from typing import Any

from hpe_edge.errors import BackendError
from hpe_edge.ops.native import native

_CUDA = 12000  # 12.0: the oldest driver that hpe_edge runs with; newer ones keep the functions of that version


def driver_calls(driver: Any) -> native.DriverCalls:
    """Look the functions up in the driver.

    Args:
        driver: ``cuda.bindings.driver``, initialised.

    Raises:
        BackendError: the driver lacks one.
    """
    addresses = {}
    for name in native.DRIVER_CALLS:
        status, address, *_ = driver.cuGetProcAddress(name.encode(), _CUDA, 0)
        if int(status) != 0 or not address:
            raise BackendError(
                f"the GPU's driver has no {name} of CUDA 12 ({status.name}); update the driver, `hpe-edge doctor` "
                "shows its version"
            )
        addresses[name] = int(address)
    return native.DriverCalls(addresses)
