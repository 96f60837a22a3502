"""Missing requirements of the features on NVIDIA GPUs, by the versions that fit together."""

from __future__ import annotations

from hpe_edge.cuda.version_table import (
    CUDA_BINDINGS_FLOOR,
    JETPACKS,
    OLDEST_TENSORRT,
    cuda_bindings_for,
    dotted,
    numbers,
    onnx_runtime_for,
    onnx_runtime_needs,
    tensorrt_for,
)
from hpe_edge.doctor.lacks import SYSTEM_PACKAGES, Findings, Lack, facts_of, native_lacks, uninstall

_FROM_SOURCE = "pip install . in a clone of hpe_edge"
_JETPACK = "sudo apt install nvidia-jetpack"
_UPDATE = "update the driver: CUDA 12 is the oldest that packages are made for"


def gpu_lacks(has: Findings) -> list[Lack]:
    """Return why there is no GPU."""
    gpu = has["gpu"]
    return [] if gpu.found else [Lack(gpu.text, tuple(gpu.facts.get("todo", ())))]


def cuda_lacks(has: Findings) -> list[Lack]:
    """Return why ONNX Runtime's CUDA provider does not run."""
    finding = has["onnxruntime"]
    if not finding.found:
        return [Lack(finding.text, (*uninstall(finding), _onnx_runtime(has)))]
    tried = finding.facts["cuda"]
    if tried["works"]:
        return []
    install = (*uninstall(finding), _onnx_runtime(has))
    if len(finding.facts["packages"]) > 1:
        return [Lack("several packages of ONNX Runtime overwrite each other's files", install)]
    if "CUDAExecutionProvider" not in finding.facts["providers"]:
        return [Lack("this ONNX Runtime was built without CUDA", install)]
    built, served = finding.facts["built_for_cuda"], _cuda(has)
    if built and served and numbers(built)[0] > numbers(served)[0]:
        why = f"this ONNX Runtime is built for CUDA {built}, the driver supports up to {served}"
        return [Lack(why, (f"update the driver, or {_onnx_runtime(has)}",))]
    todo = (_JETPACK, _onnx_runtime(has)) if has["jetson"].found else (_onnx_runtime(has),)
    return [Lack(f"ONNX Runtime's CUDA provider does not start: {tried['problem']}", todo)]


def tensorrt_provider_lacks(has: Findings) -> list[Lack]:
    """Return why ONNX Runtime's TensorRT provider does not run."""
    lacks = cuda_lacks(has)
    if lacks:
        return lacks
    facts = facts_of(has, "onnxruntime")
    if facts["tensorrt"]["works"]:
        return []
    if "TensorrtExecutionProvider" not in facts["providers"]:
        return [Lack("this ONNX Runtime was built without TensorRT")]
    why = f"ONNX Runtime's TensorRT provider does not start: {facts['tensorrt']['problem']}"
    if has["jetson"].found:
        return [Lack(why, (_JETPACK, "an onnxruntime-gpu wheel that was built for this JetPack"))]
    needs = onnx_runtime_needs(facts["version"])
    if needs is None:
        return [Lack(why, (*uninstall(has["onnxruntime"]), _onnx_runtime(has)))]
    why += f"; ONNX Runtime {facts['version']} needs TensorRT {needs.tensorrt_range}"
    version = facts_of(has, "tensorrt").get("version", "")
    install = f"pip install '{needs.tensorrt_package}'"
    if not version or _fits(version, needs.tensorrt):
        return [Lack(why, (install,))]
    packages = " ".join(facts_of(has, "tensorrt")["python"])
    rebuild = f"build engines again that were built with TensorRT {version}"
    return [Lack(f"{why}, got {version}", (f"pip uninstall -y {packages}", install, rebuild))]


def engine_lacks(has: Findings) -> list[Lack]:
    """Return what TensorRT engines lack, hpe_edge's compiled module aside."""
    l4t = facts_of(has, "jetson").get("l4t", "")
    if l4t and numbers(l4t) < JETPACKS[0].l4t:
        return [Lack("this JetPack's TensorRT is not made for Python 3.10 or newer", ("install JetPack 6 or newer",))]
    return [*_tensorrt(has), *_cuda_bindings(has)]


def rtx_lacks(has: Findings) -> list[Lack]:
    """Return why there is no TensorRT-RTX, hpe_edge's compiled module aside."""
    finding, served = has["tensorrt_rtx"], _cuda(has)
    if facts_of(has, "processor").get("machine") not in ("x86_64", "AMD64"):
        return [Lack("TensorRT-RTX is for GeForce and RTX on x86-64")]
    install = f"pip install {_rtx_packages(served)}"
    if finding.found:
        return []
    if finding.status == "missing":
        return [Lack("TensorRT-RTX is not installed", (install,))]
    packages = " ".join(facts_of(has, "tensorrt_rtx").get("python", {}))
    return [Lack(f"TensorRT-RTX {finding.text}", (f"pip uninstall -y {packages}", install))]


def rtx_engine_lacks(has: Findings) -> list[Lack]:
    """Return what engines of TensorRT-RTX lack to run on a GPU, hpe_edge's compiled module aside."""
    served, python = _cuda(has), facts_of(has, "tensorrt_rtx").get("python", {})
    built = max((found[0] for name in python if (found := numbers(name))), default=0)  # tensorrt-rtx-cu13-libs: 13
    lacks = rtx_lacks(has)
    if not lacks and built > numbers(served)[0]:
        again = (f"pip uninstall -y {' '.join(python)}", f"pip install {_rtx_packages(served)}")
        lacks = [Lack(f"this TensorRT-RTX is built for CUDA {built}, the driver supports up to {served}", again)]
    return [*lacks, *_cuda_bindings(has)]


def _rtx_packages(served: str) -> str:
    """Return the packages for a driver's CUDA version, empty without a driver."""
    major = 12 if served and numbers(served)[0] == 12 else 13
    return " ".join(f"tensorrt-rtx-cu{major}-{part}" for part in ("bindings", "libs"))


def kernel_lacks(has: Findings) -> list[Lack]:
    """Return why hpe_edge's own CUDA kernels do not run."""
    native = has["native"]
    if not native.found:
        return native_lacks(has)
    if not native.facts["cuda_runtime"]:
        lack = Lack("hpe_edge was built without CUDA", (f"install the CUDA toolkit, then {_FROM_SOURCE}",))
        return [lack, *_cuda_bindings(has)]
    if native.facts["no_gpu"]:
        served = _cuda(has)
        toolkit = f"the CUDA toolkit {served} or older" if served else "a CUDA toolkit that the driver supports"
        return [
            Lack(f"hpe_edge's kernels do not start: {native.facts['no_gpu']}", (f"with {toolkit}, {_FROM_SOURCE}",))
        ]
    return _cuda_bindings(has)


def _tensorrt(has: Findings) -> list[Lack]:
    finding, served = has["tensorrt"], _cuda(has)
    system = (_JETPACK, _environment(has))
    package = tensorrt_for(served)
    wheel = _UPDATE if package is None else f"pip install '{package}'"
    python = finding.facts.get("python", {})
    again = system if has["jetson"].found else (f"pip uninstall -y {' '.join(python)}", wheel)
    version = finding.facts.get("version", "")
    if finding.found:
        if version and numbers(version) < OLDEST_TENSORRT:
            return [Lack(f"TensorRT {version} is too old, engines need {dotted(OLDEST_TENSORRT)} or newer", again)]
        built = max((numbers(name)[0] for name in python if numbers(name)), default=0)  # tensorrt-cu13-libs: 13
        if built > numbers(served)[0]:
            return [Lack(f"this TensorRT is built for CUDA {built}, the driver supports up to {served}", again)]
        return []
    if finding.status == "missing":
        return [Lack("TensorRT is not installed", system if has["jetson"].found else (wheel,))]
    if version:
        return [Lack(f"TensorRT {finding.text}", again)]
    return [Lack(finding.text, (_environment(has),))]


def _cuda_bindings(has: Findings) -> list[Lack]:
    finding, served = has["cuda_python"], _cuda(has)
    package = cuda_bindings_for(served)
    todo = (_UPDATE if package is None else f"pip install '{package}'",)
    if not finding.found:
        return [Lack("cuda-bindings is not installed", todo)]
    version = finding.facts["version"]
    if numbers(version)[0] > numbers(served)[0]:
        return [Lack(f"cuda-bindings {version} is newer than CUDA {served}, the newest that the driver supports", todo)]
    if numbers(version) < CUDA_BINDINGS_FLOOR:
        oldest = dotted(CUDA_BINDINGS_FLOOR)
        why = (
            f"cuda-bindings {version} is older than {oldest}; such hold the GIL in calls to CUDA, or race at the first"
        )
        return [Lack(why, todo)]
    return []


def _environment(has: Findings) -> str:
    """Return how to make an environment that sees the system's packages."""
    wanted, here = facts_of(has, "jetson").get("python", ""), facts_of(has, "python").get("version", "")
    if wanted and here and numbers(here)[:2] != numbers(wanted):
        return (
            f"make the environment with JetPack's Python {wanted}, not {here}: `python{wanted} -m venv "
            "--system-site-packages`"
        )
    return SYSTEM_PACKAGES


def _onnx_runtime(has: Findings) -> str:
    """Return how to get an ONNX Runtime with CUDA."""
    python = facts_of(has, "python").get("version", "")
    if has["jetson"].found:
        release = facts_of(has, "jetson")["jetpack"].partition(".")[0]
        return f"pip install NVIDIA's onnxruntime-gpu wheel for JetPack {release or 'of this version'}"
    if facts_of(has, "processor").get("machine") == "aarch64":
        return "build onnxruntime-gpu from source: PyPI has no wheel of it for aarch64"
    package = onnx_runtime_for(_cuda(has) or "0", python or "0")
    return _UPDATE if package is None else f"pip install '{package}'"


def _cuda(has: Findings) -> str:
    """Return the newest version of CUDA that the driver supports."""
    return str(facts_of(has, "gpu").get("cuda", ""))


def _fits(version: str, oldest: tuple[int, ...]) -> bool:
    return numbers(version)[:1] == oldest[:1] and numbers(version) >= oldest
