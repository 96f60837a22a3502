"""All probes, in the order in which they are said."""

from __future__ import annotations

from hpe_edge.doctor.finding import Finding, guarded
from hpe_edge.doctor.gpu import probe_gpu
from hpe_edge.doctor.host import probe_display, probe_native, probe_processor
from hpe_edge.doctor.jetson import probe_jetson
from hpe_edge.doctor.machine import Machine
from hpe_edge.doctor.nvidia import probe_cuda, probe_cuda_python, probe_cudnn, probe_tensorrt
from hpe_edge.doctor.onnx_runtime import probe_onnx_runtime
from hpe_edge.doctor.openvino import probe_openvino
from hpe_edge.doctor.python_packages import probe_export, probe_opencv, probe_web

Findings = dict[str, Finding]


def look(machine: Machine) -> Findings:
    """Everything that is known about a machine, by name."""
    gpu = guarded(probe_gpu, machine)
    return {
        "processor": guarded(probe_processor, machine),
        "native": guarded(probe_native, machine),
        "jetson": guarded(probe_jetson, machine),
        "gpu": gpu,
        "cuda": guarded(probe_cuda, machine),
        "cudnn": guarded(probe_cudnn, machine),
        "tensorrt": guarded(probe_tensorrt, machine),
        "cuda_python": guarded(probe_cuda_python, machine),
        "onnxruntime": guarded(probe_onnx_runtime, machine, gpu),
        "openvino": guarded(probe_openvino, machine),
        "opencv": guarded(probe_opencv, machine),
        "display": guarded(probe_display, machine),
        "export": guarded(probe_export, machine),
        "web": guarded(probe_web, machine),
    }
