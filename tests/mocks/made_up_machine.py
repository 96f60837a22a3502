"""Machines that are not here, for the doctor to look at: their answers are such as real ones gave.

Formats of the files and commands are those of reports from such machines: /etc/nv_tegra_release and nvpmodel of a
Jetson Orin, /proc/driver/nvidia/version of both kinds of kernel module, and what ONNX Runtime 1.31 for CUDA 13 writes
on a machine without CUDA.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hpe_edge.doctor.machine import Output

X86_NATIVE = {"isa": ["avx2", "baseline"], "cuda": 12060, "no_gpu": "", "stderr": ""}
OPENCV = {"version": "4.12.0", "gui": "QT5", "gstreamer": False, "ffmpeg": True, "stderr": ""}
OPENVINO = {
    "version": "2025.3.0",
    "devices": {
        "CPU": {"name": "13th Gen Intel(R) Core(TM) i7-13700K", "precisions": ["fp32"], "problem": ""},
        "GPU": {"name": "Intel(R) UHD Graphics 770 (iGPU)", "precisions": ["fp32", "fp16"], "problem": ""},
    },
    "stderr": "",
}
NO_OPENVINO = {"absent": "No module named 'openvino'", "stderr": ""}
EXPORT = {"torch": "2.8.0", "onnx": "1.19.0", "onnxsim": "0.4.36", "safetensors": "0.6.2", "h5py": "3.14.0"}
NO_CUDA_LIBRARIES = """\
[E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] Failed to load library
/venv/onnxruntime/capi/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file:
[W:onnxruntime:Default] Failed to create CUDAExecutionProvider. Require cuDNN 9.* and CUDA 13.*. Please install"""


@dataclass
class MadeUpMachine:
    """Implements :class:`hpe_edge.doctor.machine.Machine` from tables; what is in none of them is not there."""

    machine: str = "x86_64"
    files: dict[str, str] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    trials: dict[str, dict[str, Any]] = field(default_factory=dict)
    installed: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    cached: tuple[str, ...] = ()

    def system(self) -> dict[str, Any]:
        return {"system": "Linux", "machine": self.machine, "python": "3.12.3", "cores": 8}

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def run(self, *command: str) -> Output | None:
        text = self.commands.get(" ".join(command))
        return None if text is None else Output(0, text)

    def trial(self, name: str, *arguments: str) -> dict[str, Any]:
        return self.trials[" ".join((name, *arguments))]

    def packages(self) -> dict[str, str]:
        return self.installed

    def variable(self, name: str) -> str:
        return self.variables.get(name, "")

    def detectors(self) -> dict[str, bool]:
        return {name: name in self.cached for name in ("yunet", "scrfd")}


def session(*providers: str, cuda: str = "", works: bool = True, **more: Any) -> dict[str, Any]:
    """Output of the trial onnx_session."""
    names = [f"{name}ExecutionProvider" for name in providers]
    return {"version": "1.22.0", "providers": names, "cuda": cuda, "works": works, "stderr": "", **more}


def bare_server() -> MadeUpMachine:
    """No GPU, no display, headless OpenCV, nothing for exporting."""
    return MadeUpMachine(
        files={"/proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC 7763\n"},
        trials={
            "native_module": {"isa": ["avx2", "baseline"], "cuda": 0, "no_gpu": "built without", "stderr": ""},
            "cuda_driver": {"absent": "libcuda.so.1: cannot open shared object file", "stderr": ""},
            "onnx_session CPUExecutionProvider": session("Azure", "CPU"),
            "openvino_session": NO_OPENVINO,
            "opencv_build": {**OPENCV, "gui": ""},
        },
        installed={"onnxruntime": "1.22.0", "opencv-python-headless": "4.12.0.88"},
    )


def desktop() -> MadeUpMachine:
    """A GPU on which everything works."""
    gpu = session("Tensorrt", "CUDA", "CPU", cuda="12.8")
    return MadeUpMachine(
        files={
            "/proc/cpuinfo": "model name\t: 13th Gen Intel(R) Core(TM) i7-13700K\n",
            "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.133.07  ",
        },
        commands={
            "nvcc --version": "Cuda compilation tools, release 12.8, V12.8.93\n",
            "ldconfig -p": "\tlibcudart.so.12 (libc6,x86-64) => /usr/local/cuda/lib64/libcudart.so.12\n"
            "\tlibcudnn.so.9 (libc6,x86-64) => /usr/lib/libcudnn.so.9\n"
            "\tlibcudnn_ops.so.9 (libc6,x86-64) => /usr/lib/libcudnn_ops.so.9\n",
        },
        trials={
            "native_module": X86_NATIVE,
            "cuda_driver": {
                "cuda": "12.8",
                "devices": [
                    {
                        "name": "NVIDIA GeForce RTX 4090",
                        "capability": "8.9",
                        "memory_mb": 24564,
                        "integrated": False,
                    }
                ],
                "stderr": "",
            },
            "onnx_session CPUExecutionProvider": gpu,
            "onnx_session CUDAExecutionProvider": gpu,
            "onnx_session TensorrtExecutionProvider": gpu,
            "openvino_session": OPENVINO,
            "opencv_build": OPENCV,
            "tensorrt_import": {"version": "10.9.0.34", "stderr": ""},
            "tensorrt_rtx_import": {"version": "1.7.1.116", "stderr": ""},
        },
        installed={
            "onnxruntime-gpu": "1.22.0",
            "tensorrt-cu12": "10.9.0.34",
            "tensorrt-cu12-libs": "10.9.0.34",
            "tensorrt-cu12-bindings": "10.9.0.34",
            "tensorrt-rtx-cu12-bindings": "1.7.1.116",
            "tensorrt-rtx-cu12-libs": "1.7.1.116",
            "nvidia-cudnn-cu12": "9.8.0.87",
            "cuda-bindings": "12.9.10",
            "openvino": "2025.3.0",
            "openvino-telemetry": "2025.2.0",
            "opencv-python": "4.12.0.88",
            "aiohttp": "3.12.15",
            **EXPORT,
        },
        variables={"DISPLAY": ":1"},
    )


def jetson_orin() -> MadeUpMachine:
    """JetPack 6 as it comes: TensorRT belongs to the system, which an environment made with plain venv does not see."""
    return MadeUpMachine(
        machine="aarch64",
        files={
            "/etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
            "DATE: Wed Jan  8 01:49:37 UTC 2025\n",
            "/proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
        },
        commands={
            "nvpmodel -q": "NV Power Mode: 25W\n1\n",
            "dpkg-query -W -f ${db:Status-Status} ${Version} nvidia-jetpack": "installed 6.2.1+b38",
            "dpkg-query -W -f ${db:Status-Status} ${Version} libnvinfer10": "installed 10.3.0.30-1+cuda12.5",
            "/sbin/ldconfig -p": "\tlibnvinfer.so.10 (libc6,AArch64) => /usr/lib/aarch64-linux-gnu/libnvinfer.so.10\n"
            "\tlibnvinfer_plugin.so.10 (libc6,AArch64) => /usr/lib/libnvinfer_plugin.so.10\n"
            "\tlibcudnn.so.9 (libc6,AArch64) => /usr/lib/libcudnn.so.9\n",
        },
        trials={
            "native_module": {"isa": ["neon", "baseline"], "cuda": 12060, "no_gpu": "", "stderr": ""},
            "cuda_driver": {
                "cuda": "12.6",
                "devices": [{"name": "Orin", "capability": "8.7", "memory_mb": 7619, "integrated": True}],
                "stderr": "",
            },
            "onnx_session CPUExecutionProvider": session("CPU"),
            "openvino_session": NO_OPENVINO,
            "opencv_build": {**OPENCV, "gui": "GTK3", "gstreamer": True},
        },
        installed={"onnxruntime": "1.22.0"},
    )


def broken_driver() -> MadeUpMachine:
    """The desktop after an update of the driver, not restarted."""
    machine = desktop()
    machine.trials["cuda_driver"] = {
        "problem": "cuInit fails with CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803): system has unsupported display driver",
        "code": 803,
        "name": "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        "stderr": "",
    }
    return machine


def both_onnx_runtimes() -> MadeUpMachine:
    """The desktop with onnxruntime installed over onnxruntime-gpu."""
    machine = desktop()
    machine.installed["onnxruntime"] = "1.22.0"
    machine.trials["onnx_session CPUExecutionProvider"] = session("Azure", "CPU")
    return machine


def no_cuda_libraries() -> MadeUpMachine:
    """The desktop with an onnxruntime-gpu whose CUDA libraries are missing."""
    machine = desktop()
    machine.trials["onnx_session CPUExecutionProvider"] = session("Tensorrt", "CUDA", "CPU", cuda="12.8")
    machine.trials["onnx_session CUDAExecutionProvider"] = session(
        "Tensorrt", "CUDA", "CPU", cuda="12.8", works=False, problem="it does not start", stderr=NO_CUDA_LIBRARIES
    )
    return machine
