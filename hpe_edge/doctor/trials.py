"""Trials that may crash or hang: ``python trials.py NAME [ARGUMENT]`` runs one and prints its result as JSON.

:meth:`hpe_edge.doctor.machine.Machine.trial` runs each in a subprocess. A trial imports what it needs.
"""

from __future__ import annotations

import base64
import ctypes
import json
import re
import sys
from pathlib import Path
from typing import Any

# CUdevice_attribute in cuda.h
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18

# Smallest model, to check that a library starts: one Relu from x to y, float32 [1, 4], opset 13, IR 7, as
# onnx.helper.make_model serialises it.
_RELU = base64.b64decode("CAc6OwoMCgF4EgF5IgRSZWx1EgF0WhMKAXgSDgoMCAESCAoCCAEKAggEYhMKAXkSDgoMCAESCAoCCAEKAggEQgQKABAN")


def native_module() -> dict[str, Any]:
    """Import the compiled module, which crashes if it was built for another processor.

    Returns:
        ``isa``: instruction sets; ``cuda``: CUDA version of the build, 0 without; ``no_gpu``: reason why the
        kernels find no GPU, empty if they do; or ``problem``.
    """
    try:
        from hpe_edge.ops.native import native
    except ImportError as error:
        return {"problem": str(error)}
    probe = native.probe_cuda()
    return {"isa": native.isa_names(), "cuda": probe.runtime_version, "no_gpu": probe.reason}


def cuda_driver() -> dict[str, Any]:
    """List the devices of NVIDIA's driver.

    Only the driver interface (libcuda.so.1) is called: it is part of the driver, needs no CUDA toolkit, and its first
    call shows whether the driver works.

    Returns:
        ``devices`` with ``name``, ``capability`` (as 8.7), ``memory_mb`` and ``integrated`` (shares the host's memory),
        and ``cuda``, the newest CUDA version that the driver supports; ``problem``, with the error's ``code`` and
        ``name``; or ``absent``.
    """
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return {"absent": str(error)}
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
    texts = []
    for function in (library.cuGetErrorName, library.cuGetErrorString):
        text = ctypes.c_char_p()
        function(code, ctypes.byref(text))
        texts.append((text.value or b"unknown").decode(errors="replace"))
    return {"problem": f"{call} fails with {texts[0]} ({code}): {texts[1]}", "code": code, "name": texts[0]}


def onnx_session(provider: str) -> dict[str, Any]:
    """Run one node with a provider of ONNX Runtime.

    The list of providers depends on the package's build; whether one starts depends on driver, CUDA, cuDNN and
    TensorRT.

    Returns:
        ``version`` and ``providers`` of the package; ``works``, and if it is false, ``problem``.
    """
    import numpy as np

    try:
        import onnxruntime
    except ImportError as error:
        return {"problem": f"cannot import onnxruntime: {error}"}
    from hpe_edge.backends.onnx.open_session import preload

    answer: dict[str, Any] = {
        "version": onnxruntime.__version__,
        "providers": onnxruntime.get_available_providers(),
        "cuda": getattr(onnxruntime, "cuda_version", "") or "",
        "works": False,
    }
    if provider not in answer["providers"]:
        return {**answer, "problem": f"this package was built without {provider}"}
    if provider != "CPUExecutionProvider":
        preload(onnxruntime, tensorrt=provider == "TensorrtExecutionProvider")
    try:
        session = onnxruntime.InferenceSession(_RELU, providers=[provider], enable_fallback=0)
        used = session.get_providers()
        values = np.array([[-1, 0, 1, 2]], np.float32)
        right = bool((session.run(None, {"x": values})[0] == values.clip(0)).all())
    except Exception as error:  # ONNX Runtime's errors share no base class
        return {**answer, "problem": str(error).strip() or type(error).__name__}
    if provider not in used:
        return {**answer, "problem": "it does not start"}
    if not right:
        return {**answer, "problem": "it computes wrong results"}
    return {**answer, "works": True}


def openvino_session() -> dict[str, Any]:
    """Run one node on every device of OpenVINO: a driver may list a device and fail to run on it.

    Returns:
        ``version``; ``devices``: per OpenVINO device ``name``, supported ``precisions`` of the backend, and
        ``problem``, empty if it works; or ``problem`` or ``absent``.
    """
    from hpe_edge.backends.openvino.load_openvino import load_openvino
    from hpe_edge.errors import BackendError

    try:
        ov = load_openvino()
    except BackendError as error:
        absent = isinstance(error.__context__, ModuleNotFoundError) and error.__context__.name == "openvino"
        return {"absent" if absent else "problem": str(error.__context__ or error)}
    core = ov.Core()
    devices = {name: _openvino_device(core, name) for name in core.available_devices}
    return {"version": ov.__version__.partition("-")[0], "devices": devices}


def _openvino_device(core: Any, name: str) -> dict[str, Any]:
    import io
    from typing import get_args

    import numpy as np

    from hpe_edge.backends.openvino.load_openvino import short_error
    from hpe_edge.backends.options import Precision

    answer: dict[str, Any] = {"name": "", "precisions": [], "problem": ""}
    try:
        answer["name"] = str(core.get_property(name, "FULL_DEVICE_NAME"))
        can = [str(each).lower() for each in core.get_property(name, "OPTIMIZATION_CAPABILITIES")]
        answer["precisions"] = [each for each in get_args(Precision) if each in can]
        values = np.array([[-1, 0, 1, 2]], np.float32)
        found = core.compile_model(core.read_model(io.BytesIO(_RELU)), name)(values)
        right = bool((found[0] == values.clip(0)).all())
    except Exception as error:  # OpenVINO's errors share no base class
        return {**answer, "problem": short_error(error) or type(error).__name__}
    return answer if right else {**answer, "problem": "it computes wrong results"}


def opencv_build() -> dict[str, Any]:
    """Import OpenCV, which may abort.

    Returns:
        See :func:`describe_opencv`; or ``problem`` or ``absent``.
    """
    try:
        import cv2
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "cv2"
        return {"absent" if absent else "problem": str(error)}
    return describe_opencv(cv2.__version__, cv2.getBuildInformation())


def describe_opencv(version: str, information: str) -> dict[str, Any]:
    """Read OpenCV's build information.

    Args:
        version: OpenCV's.
        information: ``cv2.getBuildInformation()``.

    Returns:
        ``version``; ``gui``: the window system, empty without one; ``gstreamer`` and ``ffmpeg``: true if built in.
    """
    gui = re.search(r"^[ \t]*GUI:[ \t]*(\S.*)$", information, re.MULTILINE)
    backend = gui.group(1).strip() if gui else ""
    if not backend:  # on its own line below in some builds
        backend = next((name for name in ("QT", "GTK+") if _yes(name, information)), "")
    return {
        "version": version,
        "gui": "" if backend.upper() == "NONE" else backend,
        "gstreamer": _yes("GStreamer", information),
        "ffmpeg": _yes("FFMPEG", information),
    }


def _yes(name: str, information: str) -> bool:
    return re.search(rf"^\s*{re.escape(name)}:\s*YES", information, re.MULTILINE) is not None


def tensorrt_import() -> dict[str, Any]:
    """Import TensorRT, a gigabyte of libraries, and call nothing: its Runtime would crash without a working driver.

    Returns:
        ``version``; or ``problem``.
    """
    try:
        import tensorrt
    except (ImportError, OSError) as error:
        return {"problem": str(error)}
    return {"version": tensorrt.__version__}


def tensorrt_rtx_import() -> dict[str, Any]:
    """Import TensorRT-RTX.

    Returns:
        ``version``; or ``problem``.
    """
    from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt
    from hpe_edge.errors import BackendError

    try:
        return {"version": load_tensorrt("tensorrt-rtx").__version__}
    except BackendError as error:
        return {"problem": str(error.__context__ or error)}


_TRIALS = {
    trial.__name__: trial
    for trial in (
        native_module,
        cuda_driver,
        onnx_session,
        openvino_session,
        opencv_build,
        tensorrt_import,
        tensorrt_rtx_import,
    )
}


def main() -> None:
    """Print the result of the trial that the arguments name."""
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import hpe_edge  # noqa: F401  # this one, whatever is on the path

    del sys.path[0]  # OpenCV does not load where a folder is in the path twice
    name, *arguments = sys.argv[1:]
    print(json.dumps(_TRIALS[name](*arguments)))


if __name__ == "__main__":
    main()
