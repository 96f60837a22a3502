"""Features of hpe_edge on a machine, with the missing requirements of the others."""

from __future__ import annotations

from dataclasses import dataclass

from hpe_edge.doctor.gpu_lacks import (
    cuda_lacks,
    engine_lacks,
    gpu_lacks,
    kernel_lacks,
    rtx_engine_lacks,
    rtx_lacks,
    tensorrt_provider_lacks,
)
from hpe_edge.doctor.lacks import SYSTEM_PACKAGES, Findings, Lack, facts_of, native_lacks, uninstall

_EXTRAS = "pip install 'hpe-edge[export]'"
_OPENCV = "pip install opencv-python-headless, the extra 'video'"
_WINDOWS = "pip install opencv-python, the extra 'gui'"
_JETPACK_OPENCV = "sudo apt install nvidia-opencv, which is JetPack's OpenCV"


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
    run = [*native_lacks(has), *_onnx_runtime(has)]
    gpu = gpu_lacks(has)
    # Without a GPU, its further requirements are not listed.
    cuda = gpu or cuda_lacks(has)
    tensorrt_provider = gpu or tensorrt_provider_lacks(has)
    engines = gpu or [*native_lacks(has), *engine_lacks(has)]
    files = [*native_lacks(has), *_opencv(has)]
    table: list[tuple[str, str, list[Lack]]] = [
        ("pose faces with the embedded models", "PoseEngine()", native_lacks(has)),
        ("run ONNX models on the CPU", 'PoseEngine("model.onnx")', run),
        (
            "run models with OpenVINO",
            'PoseEngine("model.onnx", backend="openvino")',
            [*native_lacks(has), *_openvino(has)],
        ),
        ("run models on a GPU with CUDA", 'PoseEngine("model.onnx", device="cuda")', cuda),
        (
            "run models with TensorRT in ONNX Runtime",
            'PoseEngine("model.onnx", device="cuda", backend="onnxruntime-tensorrt")',
            tensorrt_provider,
        ),
        ("run TensorRT engines", 'PoseEngine("model.engine")', engines),
        (
            "run TensorRT-RTX engines",
            'PoseEngine("model.rtx")',
            gpu or [*native_lacks(has), *rtx_engine_lacks(has)],
        ),
        ("crop faces on a GPU", 'PoseEngine("model.engine")(frame_on_the_gpu, boxes)', gpu or kernel_lacks(has)),
        (
            "build TensorRT engines",
            'hpe-edge export trt model.onnx, PoseEngine("model.onnx", backend="tensorrt")',
            engines or _export(has, ("onnx",)),
        ),
        (
            "build TensorRT-RTX engines, without a GPU too",
            "hpe-edge export trt --rtx model.onnx",
            [*run, *rtx_lacks(has), *_export(has, ("onnx",))],
        ),
        ("convert checkpoints", "hpe-edge export onnx CHECKPOINT", [*native_lacks(has), *_export(has)]),
        ("make FP16 and INT8 models", "hpe-edge export fp16, hpe-edge export int8", [*run, *_export(has, ("onnx",))]),
        ("process pictures and videos", "hpe-edge run clip.mp4 -o out.mp4", files),
        ("show a window", "hpe-edge run 0 --show", _opencv(has) or _window(has)),
        ("read GStreamer pipelines", "hpe-edge run 'PIPELINE ! appsink' ...", _opencv(has) or _gstreamer(has)),
        ("show a live page in a browser", "hpe-edge serve 0", [*files, *_web(has)]),
    ]
    return [Ability(name, use, tuple(lacks)) for name, use, lacks in table]


def _onnx_runtime(has: Findings) -> list[Lack]:
    finding = has["onnxruntime"]
    if finding.found:
        return []
    if finding.status == "missing":
        return [Lack("ONNX Runtime is not installed", ("pip install onnxruntime",))]
    return [Lack(finding.text, (*uninstall(finding), "pip install onnxruntime"))]


def _openvino(has: Findings) -> list[Lack]:
    finding = has["openvino"]
    if finding.found:
        return []
    if finding.status == "missing":
        return [Lack("OpenVINO is not installed", ("pip install openvino",))]
    again = ("pip uninstall -y openvino", "pip install openvino") if finding.facts.get("packages") else ()
    return [Lack(finding.text, again)]


def _export(has: Findings, needed: tuple[str, ...] | None = None) -> list[Lack]:
    if not has["export"].facts:
        return [Lack(has["export"].text)]
    absent = [name for name in facts_of(has, "export")["absent"] if needed is None or name in needed]
    # On a Jetson by name: the whole extra would bring a PyTorch that is not made for it.
    todo = f"pip install {' '.join(absent)}" if has["jetson"].found else _EXTRAS
    return [Lack(f"{', '.join(absent)} missing", (todo,))] if absent else []


def _opencv(has: Findings) -> list[Lack]:
    finding = has["opencv"]
    if finding.found:
        return []
    if finding.status == "missing":
        todo = (_JETPACK_OPENCV, SYSTEM_PACKAGES) if has["jetson"].found else (_OPENCV,)
        return [Lack("OpenCV is not installed", todo)]
    remedy = "sudo apt install libgl1, or opencv-python-headless in place of opencv-python"
    return [Lack(f"OpenCV {finding.text}", (remedy,))]


def _window(has: Findings) -> list[Lack]:
    lacks = []
    if not facts_of(has, "opencv")["gui"]:
        headless = [name for name in facts_of(has, "opencv")["packages"] if name.endswith("-headless")]
        remove = tuple(f"pip uninstall -y {name}" for name in headless)
        todo = _of_jetpack(has) if has["jetson"].found else (*remove, _WINDOWS)
        lacks.append(Lack("OpenCV was built without windows", todo))
    if not has["display"].found:
        lacks.append(Lack("there is no display", ("log in at the machine, or connect with ssh -X",)))
    return lacks


def _gstreamer(has: Findings) -> list[Lack]:
    if facts_of(has, "opencv")["gstreamer"]:
        return []
    if has["jetson"].found:
        return [Lack("OpenCV was built without GStreamer", _of_jetpack(has))]
    wheels = " ".join(facts_of(has, "opencv")["packages"]) or "opencv-python-headless"
    todo = (
        f"pip uninstall -y {wheels}, whose wheels lack GStreamer, and sudo apt install python3-opencv",
        SYSTEM_PACKAGES,
    )
    return [Lack("OpenCV was built without GStreamer", todo)]


def _of_jetpack(has: Findings) -> tuple[str, ...]:
    """Steps to JetPack's OpenCV, which pip's packages hide."""
    packages = facts_of(has, "opencv")["packages"]
    remove = (f"pip uninstall -y {' '.join(packages)}, which hides JetPack's OpenCV",) if packages else ()
    return (*remove, _JETPACK_OPENCV, SYSTEM_PACKAGES)


def _web(has: Findings) -> list[Lack]:
    return [] if has["web"].found else [Lack("aiohttp is not installed", ("pip install 'aiohttp>=3.10'",))]
