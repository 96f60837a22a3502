"""Suite ``frame-to-angles``: from a frame and boxes to angles on a GPU, beside torch's pipelines.

The same network is run by torch everywhere, so the difference is what lies around it: hpe_edge crops and decodes by its
kernels, in one CUDA graph with the network. All see the same windows in whole pixels, not turned upright and resized
with antialiasing, and all angles are compared first. Times are the host's, from the call until the angles are in host
memory.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.plain_pipelines import Boxes, in_whole_pixels, window
from benchmarks.gpu.gpu import Gpu, Lent
from benchmarks.gpu.gpu_cases import GpuCase, GpuOptions, run_cases
from benchmarks.gpu.gpu_chains import Libraries, find_libraries
from benchmarks.gpu.torch_network import TorchNetwork
from benchmarks.gpu.torch_pipelines import TorchPipelines
from benchmarks.harness.suite import Suite
from benchmarks.harness.timing import Alternative, Answer, Case, Effort, Result, measure
from benchmarks.inputs.scene import bundled_scene
from hpe_edge.backends.gpu_path import GpuPath
from hpe_edge.backends.onnx.check_graph import read_spec
from hpe_edge.errors import BackendError
from hpe_edge.models import DEFAULT
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.gpu_frames import find_on_gpu
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.spec import METADATA_KEY, ModelSpec

NAME = "frame to angles"
FACES = (1, 8, 32)
# The pipelines round the resized face to 8 bits, and TensorFloat-32 keeps ten bits of the factors: up to 0.03 degrees,
# while channels in the wrong order make more than one.
ANGLES = {"angles_deg": 0.2}
_WARM_UPS = 3  # after which cuDNN has chosen and allocated


class OneGraph:
    """hpe_edge's crop and decode round a network of torch's, in one CUDA graph for one number of faces."""

    def __init__(
        self,
        gpu: Gpu,
        libraries: Libraries,
        network: Callable[[Any], list[Any]],
        spec: ModelSpec,
        faces: int,
        cleanup: contextlib.ExitStack,
    ) -> None:
        """Capture the graph; ``cleanup`` frees its memory."""
        self._gpu, self._faces, self._crop = gpu, faces, CropNormalize(spec.crop, spec.input)
        self._path = GpuPath(gpu.device, spec, spec.crop, faces, gpu.handle, cleanup)
        shape = (faces, 3, spec.input.size, spec.input.size)
        address = gpu.device.memory(4 * math.prod(shape), cleanup)
        images = libraries.torch.as_tensor(Lent(address, shape, np.float32), device=libraries.device)
        for _ in range(_WARM_UPS):
            network(images)
        gpu.wait()
        kept: list[Any] = []  # the graph's results, which the decode reads

        def work() -> None:
            self._path.crop(faces, False, address)
            kept[:] = network(images)
            outputs = {
                name: (value.data_ptr(), math.prod(value.shape[1:]))
                for name, value in zip(spec.outputs, kept, strict=True)
            }
            self._path.decode(faces, outputs)

        self._replay = libraries.recorders["torch"](work, cleanup)

    def __call__(self, frame: Any, boxes: Boxes) -> Poses:
        """Return the poses of the faces of a frame, in host memory or the GPU's."""
        request = Request(self._crop, frame, boxes, "BGR", None, find_on_gpu(frame, self._gpu.device, "BGR"))
        self._path.load([request], self._faces)
        self._replay()
        self._gpu.wait()
        poses = Poses.empty(len(boxes))
        self._path.read([request], self._faces, [poses])
        return poses


def read_model() -> ModelSpec:
    """Return the embedded model's spec; its crop has antialiasing as PIL has."""
    import onnx

    metadata = {each.key: each.value for each in onnx.load(DEFAULT).metadata_props}
    return read_spec(metadata.get(METADATA_KEY), DEFAULT)


def _run(options: GpuOptions, effort: Effort) -> Iterator[Result]:
    with contextlib.ExitStack() as cleanup:
        gpu = Gpu(cleanup)
        libraries = find_libraries(gpu, cleanup)
        if "torch" in libraries.missing:
            raise BackendError(f"torch runs the network of this suite: {libraries.missing['torch']}")
        spec = read_model()
        network = TorchNetwork(libraries.torch, DEFAULT, spec.outputs, libraries.device)
        pipelines = TorchPipelines(libraries.torch, network, spec, libraries.device)
        machine = {**gpu.describe(), **libraries.versions(), "transforms": pipelines.transforms}
        yield Result("gpu", {**machine, "model": spec.architecture})
        cases = [
            GpuCase(
                "frame to angles",
                {"faces": faces},
                functools.partial(_measured, gpu, libraries, network, pipelines, faces),
            )
            for faces in FACES
        ]
        yield from run_cases(cases, effort, options.seconds)


def _measured(
    gpu: Gpu, libraries: Libraries, network: TorchNetwork, pipelines: TorchPipelines, faces: int, effort: Effort
) -> Iterator[Result]:
    spec = read_model()
    frame, crowd = bundled_scene().crowd
    boxes = in_whole_pixels(np.resize(crowd, (faces, 4)), spec.crop)
    frame = np.array(frame)  # as a camera gives it: writable
    with contextlib.ExitStack() as cleanup:
        ours = OneGraph(gpu, libraries, network, spec, faces, cleanup)
        there = libraries.torch.from_numpy(frame).to(libraries.device)

        windows = [window(box, spec.crop) for box in boxes]

        def alternative(name: str, what: str, call: Callable[..., Any], *arguments: Any) -> Alternative:
            return Alternative(name, what, lambda: call(*arguments), _angles, ANGLES)

        by = pipelines.transforms
        alternatives = [
            alternative("hpe_edge, frame on the GPU", "crop, network, decode in one graph", ours, there, boxes),
            alternative("hpe_edge, frame on the host", "the frame copied, then the same", ours, frame, boxes),
            alternative("torchvision, face by face", f"{by}, each face copied", pipelines.face_by_face, frame, windows),
            alternative("torchvision, batched", f"{by}, the faces copied", pipelines.batched, frame, windows),
            alternative("torchvision, frame on the GPU", f"{by}, batched there", pipelines.on_the_gpu, there, windows),
            alternative("torchvision, frame copied", f"the frame copied; {by}", pipelines.on_the_gpu, frame, windows),
        ]
        yield measure(Case(NAME, {"faces": faces, "model": spec.architecture}, alternatives), effort)


def _angles(found: Poses | NDArray[np.float32]) -> Answer:
    return {"angles_deg": found.angles if isinstance(found, Poses) else found}


_ABOUT = "from frame and boxes to angles on a GPU, beside torch's pipelines"
SUITE = Suite("frame-to-angles", _ABOUT, _run, GpuOptions, write_each=True)
