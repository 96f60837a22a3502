"""Asks NVIDIA's driver library for its devices and prints the answer as JSON. Run in a process of its own.

Only calls of the driver interface (libcuda.so.1) are made: it belongs to the driver, so it is there without CUDA's
toolkit, and its first call says whether the driver works.
"""

from __future__ import annotations

import ctypes
import json
from typing import Any

# CUdevice_attribute in cuda.h
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18


def ask(library: Any) -> dict[str, Any]:
    """Devices of the machine.

    Args:
        library: libcuda, loaded.

    Returns:
        ``devices`` with ``name``, ``capability`` (as 8.7), ``memory_mb`` and ``integrated`` (shares the host's memory),
        and ``cuda``, the newest CUDA version that the driver serves; or ``problem``, with the error's ``code`` and
        ``name``.
    """
    code = library.cuInit(0)
    if code != 0:
        return _failure(library, "cuInit", code)
    version = ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    count = ctypes.c_int()
    code = library.cuDeviceGetCount(ctypes.byref(count))
    if code != 0:
        return _failure(library, "cuDeviceGetCount", code)
    devices = [_device(library, index) for index in range(count.value)]
    return {"cuda": f"{version.value // 1000}.{version.value % 1000 // 10}", "devices": devices}


def _device(library: Any, index: int) -> dict[str, Any]:
    handle = ctypes.c_int()
    library.cuDeviceGet(ctypes.byref(handle), index)
    name = ctypes.create_string_buffer(256)
    library.cuDeviceGetName(name, len(name), handle)
    memory = ctypes.c_size_t()
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    attributes = []
    for attribute in (_MAJOR, _MINOR, _INTEGRATED):
        value = ctypes.c_int()
        library.cuDeviceGetAttribute(ctypes.byref(value), attribute, handle)
        attributes.append(value.value)
    major, minor, integrated = attributes
    return {
        "name": name.value.decode(errors="replace"),
        "capability": f"{major}.{minor}",
        "memory_mb": memory.value >> 20,
        "integrated": bool(integrated),
    }


def _failure(library: Any, call: str, code: int) -> dict[str, Any]:
    said = []
    for function in (library.cuGetErrorName, library.cuGetErrorString):
        text = ctypes.c_char_p()
        function(code, ctypes.byref(text))
        said.append((text.value or b"unknown").decode(errors="replace"))
    return {"problem": f"{call} fails with {said[0]} ({code}): {said[1]}", "code": code, "name": said[0]}


def main() -> None:
    """Print the answer."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        print(json.dumps({"absent": str(error)}))
        return
    print(json.dumps(ask(library)))


if __name__ == "__main__":
    main()
