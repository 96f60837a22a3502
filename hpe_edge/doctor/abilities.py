"""Features of hpe_edge on a machine, with the missing requirements of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hpe_edge.doctor.machine import Finding

Findings = dict[str, Finding]

_SYSTEM_PACKAGES = "make the environment with `python3 -m venv --system-site-packages`, so that it sees the system's"
_EXTRAS = "pip install -c constraints.txt '.[export]' in a clone of hpe_edge"
_FROM_SOURCE = "pip install . in a clone of hpe_edge"
_JETPACK = "sudo apt install nvidia-jetpack"


@dataclass(frozen=True)
class Lack:
    """Missing requirement of a feature.

    Attributes:
        why: the problem.
        todo: steps to solve it, in order; empty if there are none.
    """

    why: str
    todo: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ability:
    """Feature of hpe_edge.

    Attributes:
        name: short description.
        use: call or command that uses it.
        lacks: missing requirements; empty if it works.
    """

    name: str
    use: str
    lacks: tuple[Lack, ...]

    @property
    def able(self) -> bool:
        """True if nothing is known to be missing."""
        return not self.lacks


def abilities(has: Findings) -> list[Ability]:
    """Return all features of hpe_edge, basic ones first."""
    run = [*_native(has), *_onnx_runtime(has)]
    gpu = _gpu(has)
    # Without a GPU, its further requirements are not listed.
    cuda = gpu or _cuda_provider(has)
    tensorrt_provider = gpu or _tensorrt_provider(has)
    engines = gpu or [*_native(has), *_tensorrt(has), *_cuda_python(has)]
    files = [*run, *_opencv(has)]
    table: list[tuple[str, str, list[Lack]]] = [
        ("run models on the CPU", 'PoseEngine("model.onnx")', run),
        ("run models with OpenVINO", 'PoseEngine("model.onnx", backend="openvino")', [*_native(has), *_openvino(has)]),
        ("run models on a GPU with CUDA", 'PoseEngine("model.onnx", device="cuda")', cuda),
        (
            "run models with TensorRT in ONNX Runtime",
            'PoseEngine("model.onnx", device="cuda", backend="onnxruntime-tensorrt")',
            tensorrt_provider,
        ),
        ("run TensorRT engines", 'PoseEngine("model.engine")', engines),
        ("crop faces on a GPU", 'PoseEngine("model.engine")(frame_on_the_gpu, boxes)', gpu or _kernels(has)),
        ("build TensorRT engines", "hpe-edge export trt model.onnx", engines or _export(has, ("onnx",))),
        ("convert checkpoints", "hpe-edge export onnx CHECKPOINT", [*_native(has), *_export(has)]),
        ("make FP16 and INT8 models", "hpe-edge export fp16, hpe-edge export int8", [*run, *_export(has, ("onnx",))]),
        ("process pictures and videos", "hpe-edge run clip.mp4 --model model.onnx -o out.mp4", files),
        ("show a window", "hpe-edge run 0 --model model.onnx --show", _opencv(has) or _window(has)),
        ("read GStreamer pipelines", "hpe-edge run 'PIPELINE ! appsink' ...", _opencv(has) or _gstreamer(has)),
        ("show a live page in a browser", "hpe-edge serve 0 --model model.onnx", [*files, *_web(has)]),
    ]
    return [Ability(name, use, tuple(lacks)) for name, use, lacks in table]


def _facts(has: Findings, name: str) -> dict[str, Any]:
    return has[name].facts


def _native(has: Findings) -> list[Lack]:
    return [] if has["native"].found else [Lack(has["native"].text)]


def _onnx_runtime(has: Findings) -> list[Lack]:
    finding = has["onnxruntime"]
    if finding.found:
        return []
    if finding.status == "missing":
        return [Lack("ONNX Runtime is not installed", ("pip install onnxruntime",))]
    return [Lack(finding.text, (*_uninstall(finding), "pip install onnxruntime"))]


def _openvino(has: Findings) -> list[Lack]:
    finding = has["openvino"]
    if finding.found:
        return []
    if finding.status == "missing":
        return [Lack("OpenVINO is not installed", ("pip install openvino",))]
    again = ("pip uninstall -y openvino", "pip install openvino") if finding.facts.get("packages") else ()
    return [Lack(finding.text, again)]


def _gpu(has: Findings) -> list[Lack]:
    gpu = has["gpu"]
    return [] if gpu.found else [Lack(gpu.text, tuple(gpu.facts.get("todo", ())))]


def _cuda_provider(has: Findings) -> list[Lack]:
    finding = has["onnxruntime"]
    if not finding.found:
        return [Lack(finding.text, (*_uninstall(finding), _onnx_runtime_for_cuda(has)))]
    tried = finding.facts["cuda"]
    if tried["works"]:
        return []
    install = (*_uninstall(finding), _onnx_runtime_for_cuda(has))
    if len(finding.facts["packages"]) > 1:
        return [Lack("several packages of ONNX Runtime overwrite each other's files", install)]
    if "CUDAExecutionProvider" not in finding.facts["providers"]:
        return [Lack("this ONNX Runtime was built without CUDA", install)]
    built, served = finding.facts["built_for_cuda"], _facts(has, "gpu").get("cuda", "")
    if built and served and _major(built) > _major(served):
        why = f"this ONNX Runtime is built for CUDA {built}, the driver supports up to {served}"
        return [Lack(why, (f"update the driver, or install an onnxruntime-gpu for CUDA {_major(served)}",))]
    todo = (_JETPACK, _onnx_runtime_for_cuda(has)) if has["jetson"].found else (_onnx_runtime_for_cuda(has),)
    return [Lack(f"ONNX Runtime's CUDA provider does not start: {tried['problem']}", todo)]


def _tensorrt_provider(has: Findings) -> list[Lack]:
    lacks = _cuda_provider(has)
    if lacks:
        return lacks
    tried = _facts(has, "onnxruntime")["tensorrt"]
    if tried["works"]:
        return []
    if "TensorrtExecutionProvider" not in _facts(has, "onnxruntime")["providers"]:
        return [Lack("this ONNX Runtime was built without TensorRT")]
    why = f"ONNX Runtime's TensorRT provider does not start: {tried['problem']}"
    if has["jetson"].found:
        return [Lack(why, (_JETPACK, "an onnxruntime-gpu wheel that was built for this JetPack"))]
    package = f"tensorrt-cu{_major(_facts(has, 'onnxruntime')['built_for_cuda'] or _facts(has, 'gpu')['cuda'])}"
    return [Lack(why, (f"pip install {package}, in the major version of the libnvinfer that it needs",))]


def _tensorrt(has: Findings) -> list[Lack]:
    finding = has["tensorrt"]
    if finding.found:
        return []
    system = (_JETPACK, _SYSTEM_PACKAGES)
    wheel = (f"pip install tensorrt-cu{_major(_facts(has, 'gpu')['cuda'])}",)
    if finding.status == "missing":
        return [Lack("TensorRT is not installed", system if has["jetson"].found else wheel)]
    if finding.facts.get("version"):
        again = (f"pip uninstall -y {' '.join(finding.facts['python'])}", *wheel)
        return [Lack(f"TensorRT {finding.text}", system if has["jetson"].found else again)]
    return [Lack(finding.text, (_SYSTEM_PACKAGES,))]


def _cuda_python(has: Findings) -> list[Lack]:
    if has["cuda_python"].found:
        return []
    return [
        Lack("cuda-python is not installed", (f"pip install 'cuda-bindings=={_major(_facts(has, 'gpu')['cuda'])}.*'",))
    ]


def _export(has: Findings, needed: tuple[str, ...] | None = None) -> list[Lack]:
    if not has["export"].facts:
        return [Lack(has["export"].text)]
    absent = [name for name in _facts(has, "export")["absent"] if needed is None or name in needed]
    return [Lack(f"{', '.join(absent)} missing", (_EXTRAS,))] if absent else []


def _opencv(has: Findings) -> list[Lack]:
    finding = has["opencv"]
    if finding.found:
        return []
    if finding.status == "missing":
        return [Lack("OpenCV is not installed", ("pip install 'opencv-python>=4.8'",))]
    remedy = "sudo apt install libgl1, or opencv-python-headless in place of opencv-python"
    return [Lack(f"OpenCV {finding.text}", (remedy,))]


def _window(has: Findings) -> list[Lack]:
    lacks = []
    if not _facts(has, "opencv")["gui"]:
        headless = [name for name in _facts(has, "opencv")["packages"] if name.endswith("-headless")]
        remove = tuple(f"pip uninstall -y {name}" for name in headless)
        lacks.append(Lack("OpenCV was built without windows", (*remove, "pip install 'opencv-python>=4.8'")))
    if not has["display"].found:
        lacks.append(Lack("there is no display", ("log in at the machine, or connect with ssh -X",)))
    return lacks


def _gstreamer(has: Findings) -> list[Lack]:
    if _facts(has, "opencv")["gstreamer"]:
        return []
    todo = (
        "pip uninstall -y opencv-python, whose wheels lack GStreamer, and sudo apt install python3-opencv",
        _SYSTEM_PACKAGES,
    )
    return [Lack("OpenCV was built without GStreamer", todo)]


def _web(has: Findings) -> list[Lack]:
    return [] if has["web"].found else [Lack("aiohttp is not installed", ("pip install 'aiohttp>=3.10'",))]


def _uninstall(onnx_runtime: Finding) -> tuple[str, ...]:
    packages = onnx_runtime.facts.get("packages", {})
    return (f"pip uninstall -y {' '.join(packages)}",) if packages else ()


def _kernels(has: Findings) -> list[Lack]:
    """Reasons why hpe_edge's own CUDA kernels do not run."""
    native = has["native"]
    if not native.found:
        return _native(has)
    if not native.facts["cuda_runtime"]:
        lack = Lack("hpe_edge was built without CUDA", (f"install the CUDA toolkit, then {_FROM_SOURCE}",))
        return [lack, *_cuda_python(has)]
    if native.facts["no_gpu"]:
        served = _facts(has, "gpu").get("cuda", "")
        toolkit = f"the CUDA toolkit {served} or older" if served else "a CUDA toolkit that the driver supports"
        return [
            Lack(f"hpe_edge's kernels do not start: {native.facts['no_gpu']}", (f"with {toolkit}, {_FROM_SOURCE}",))
        ]
    return _cuda_python(has)


def _onnx_runtime_for_cuda(has: Findings) -> str:
    if has["jetson"].found:
        jetpack = _major(_facts(has, "jetson")["jetpack"])
        return f"pip install NVIDIA's onnxruntime-gpu wheel for JetPack {jetpack or 'of this version'}"
    return "pip install 'onnxruntime-gpu[cuda,cudnn]'"


def _major(version: str) -> str:
    return version.partition(".")[0]
