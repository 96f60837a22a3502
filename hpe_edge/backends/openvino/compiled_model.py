"""OpenVINO backend: any ONNX file with a spec, on the CPU, or on Intel's GPUs and NPUs by OpenVINO's device names.

The graph is compiled once, for all batch sizes if its batch is dynamic. Compiled for a single batch size it ran no
faster (ResNet-18 and the lightweight network, 1 and 8 faces, float32 and INT8), and each further size would cost
another copy of the weights and 0.15 to 0.7 s at its first use, instead of about 0.03 s.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.base import Rows
from hpe_edge.backends.onnx.check_graph import DYNAMIC_MAX_BATCH, GraphTensor, check_graph, read_spec
from hpe_edge.backends.onnx.sound_file import check_file
from hpe_edge.backends.openvino.first_run import check_in_child
from hpe_edge.backends.openvino.hard_swish import use_hard_swish
from hpe_edge.backends.openvino.load_openvino import load_openvino, shared_core, short_error
from hpe_edge.backends.options import Precision, check_threads
from hpe_edge.errors import BackendError, InputError, ModelError
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.request import Request
from hpe_edge.poses import Poses
from hpe_edge.spec import METADATA_KEY, Crop, ModelSpec

if TYPE_CHECKING:
    from hpe_edge.cuda.device import Device

_KINDS = ("CPU", "GPU", "NPU")  # device types; AUTO and others choose a device silently
_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


class OpenVinoBackend:
    """An ONNX file compiled by OpenVINO. Implements :class:`hpe_edge.backends.base.Backend`."""

    gpu: Device | None = None  # NVIDIA's; OpenVINO supports none

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        threads: int | None = None,
        precision: Precision = "fp32",
        in_child: bool = False,
    ) -> None:
        """Load a model.

        Args:
            path: the ONNX file, or the .xml of an IR model, with its spec in the metadata.
            device: one of OpenVINO's, in any case: ``"cpu"``, ``"gpu"``, ``"gpu.1"``, ``"npu"``.
            threads: threads of the CPU that one run may use; None leaves it to OpenVINO (all cores), and concurrent
                runs then take turns.
            precision: floating-point precision. OpenVINO itself would choose bfloat16 where the CPU has it and
                float16 on a GPU. INT8 layers of the graph stay INT8.
            in_child: this is the child of :func:`hpe_edge.backends.openvino.first_run.check_in_child`.

        Raises:
            InputError: the device or ``threads`` cannot be used.
            ModelError: not an ONNX file, truncated, without a spec, the spec does not fit the graph, or OpenVINO
                crashes with it.
            BackendError: OpenVINO, the device or the precision is not available.
        """
        check_threads(threads)
        self._ov = load_openvino()
        self._core = shared_core()
        self._name = find_device(self._core.available_devices, device)
        self.device = device.lower()
        self.runtime = f"OpenVINO in {precision}"
        self._settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": _HINTS[precision]}
        self._compile_per_context = threads is not None and self._name == "CPU"
        if self._name == "CPU":
            # With pinning, two engines of one thread each shared the first core and left the others idle.
            self._settings["ENABLE_CPU_PINNING"] = "NO"
            if threads is not None:
                self._settings["INFERENCE_NUM_THREADS"] = str(threads)
        self._path = path
        check_precision(self._core, self._name, precision)
        if not in_child:
            # OpenVINO's own form has its weights beside it, and no check but the child's.
            weights = [path.with_suffix(".bin")] if path.suffix.lower() == ".xml" else check_file(path)
            check_in_child((path, *weights), self.device, precision, str(self._ov.__version__))
        self._graph = _read(self._ov, path)
        inputs, outputs = ([_tensor(end) for end in ends] for ends in (self._graph.inputs, self._graph.outputs))
        self.spec: ModelSpec = read_spec(_spec_text(self._graph), path, inputs, outputs)
        fixed, self._columns = check_graph(inputs, outputs, self.spec, path)
        self.fixed_batch = fixed is not None
        self.channels_last = False
        self.max_batch = fixed or DYNAMIC_MAX_BATCH
        use_hard_swish(self._graph)
        self._lock = threading.Lock()
        self._compiled = self._compile()
        self._taken = False

    def context(self) -> OpenVinoContext:
        """Allocate a set of buffers for one caller at a time.

        Raises:
            BackendError: out of memory.
        """
        # A compiled model runs one request at a time. On all cores, a second one would be no faster.
        with self._lock:
            compiled = self._compile() if self._taken and self._compile_per_context else self._compiled
            self._taken = True
        return OpenVinoContext(self._ov, compiled, self.spec, self._columns, self.max_batch, self.fixed_batch)

    def close(self) -> None:
        """Free the model; its memory goes with the last context."""
        del self._compiled, self._graph

    def abandon(self) -> None:
        """See :class:`hpe_edge.backends.base.Backend`; nothing else holds the model."""

    def _compile(self) -> Any:
        try:
            return self._core.compile_model(self._graph, self._name, self._settings)
        except Exception as error:  # OpenVINO's errors share no base class
            raise BackendError(
                f"{self._path} does not start on OpenVINO's {self._name} ({short_error(error)}); `hpe-edge doctor` "
                "shows what is missing, and ONNX Runtime may run it: leave out backend='openvino'"
            ) from None


def check_precision(core: Any, name: str, precision: Precision) -> None:
    """Refuse a precision that the device lacks: OpenVINO would use another one.

    Args:
        core: OpenVINO's.
        name: its name of the device.
        precision: as requested.

    Raises:
        BackendError: the device lacks it.
    """
    can = [str(each) for each in core.get_property(name, "OPTIMIZATION_CAPABILITIES")]
    if precision.upper() not in can:
        floats = [each for each in get_args(Precision) if each.upper() in can]
        raise BackendError(
            f"OpenVINO's {name} does not compute in {precision} here, but in {', '.join(floats) or 'none'}: "
            f"pass precision={(floats or ['fp32'])[0]!r}, or use another device"
        )


def find_device(there: Sequence[str], device: str) -> str:
    """Resolve OpenVINO's name of a device.

    Args:
        there: available devices, such as ``["CPU", "GPU.0", "GPU.1"]``.
        device: one of these in any case; ``"gpu"`` stands for GPU.0 too, and ``"gpu.0"`` for a single GPU.

    Raises:
        InputError: not the name of a device.
        BackendError: it is not available.
    """
    name = device.upper() if isinstance(device, str) else ""
    for same in (name, f"{name}.0", name.removesuffix(".0")):
        if same in there:
            return same
    kind, dot, index = name.partition(".")
    if kind not in _KINDS or (dot and not (index.isascii() and index.isdecimal())):
        raise InputError(
            f"with backend='openvino' the device must be one of OpenVINO's, here {', '.join(there)} (in any case), got "
            f"{device!r}"
        )
    raise BackendError(
        f"OpenVINO finds no {name} here, only {', '.join(there)}: install the device's driver (GPU: Intel's OpenCL "
        "runtime), or use device='cpu'"
    )


def _read(ov: Any, path: Path) -> Any:
    """Read the graph with the one front end for it: others would try a damaged file and print to standard error."""
    kind, words = ("ir", "an OpenVINO IR model") if path.suffix.lower() == ".xml" else ("onnx", "an ONNX model")
    reader = ov.frontend.FrontEndManager().load_by_framework(kind)
    try:
        graph = reader.convert(reader.load(str(path)))
    except Exception as error:  # OpenVINO's errors share no base class
        raise ModelError(
            f"{path} cannot be loaded as {words} by OpenVINO; it may be truncated, of another kind, or hold "
            f"operators that OpenVINO lacks ({short_error(error)})"
        ) from None
    if not graph.outputs:  # an empty file is an empty graph
        raise ModelError(f"{path} cannot be loaded as {words}; it is empty, or truncated")
    return graph


def _spec_text(graph: Any) -> str | None:
    place = ["framework", METADATA_KEY]  # location of an ONNX file's metadata
    return str(graph.get_rt_info(place).value) if graph.has_rt_info(place) else None


def _tensor(end: Any) -> GraphTensor:
    dtype = np.dtype(end.element_type.to_dtype()).name
    shape = tuple(d.get_length() if d.is_static else "N" for d in end.partial_shape)
    return GraphTensor(end.any_name, dtype, shape)


class OpenVinoContext:
    """Buffers that OpenVINO reads and writes in place. Implements :class:`hpe_edge.backends.base.Context`."""

    def __init__(
        self,
        ov: Any,
        compiled: Any,
        spec: ModelSpec,
        columns: dict[str, tuple[int, ...]],
        max_batch: int,
        fixed: bool,
    ) -> None:
        """
        Args:
            ov: the package.
            compiled, spec: the model.
            columns: name -> output shape without the batch axis.
            max_batch: rows of the buffers.
            fixed: the graph takes exactly ``max_batch`` rows.
        """
        size = spec.input.size
        self._ov, self._spec = ov, spec
        self._fixed_batch = max_batch if fixed else None
        self._rows = Rows(
            np.zeros((max_batch, 3, size, size), spec.input.dtype),
            [np.zeros((max_batch, *columns[name]), np.float32) for name in spec.outputs],
        )
        self._request = compiled.create_infer_request()
        self._tensors: dict[int, dict[str, Any]] = {}
        self._bound = 0  # batch size bound to the request

    def input(self, count: int) -> NDArray[Any]:
        """See :class:`hpe_edge.backends.base.Context`."""
        return self._rows.first(count)[0]

    def run(self, count: int) -> list[NDArray[np.float32]]:
        """See :class:`hpe_edge.backends.base.Context`.

        Raises:
            BackendError: OpenVINO failed.
        """
        batch = self._fixed_batch or count
        self._rows.clear_unused(count)
        try:
            if batch != self._bound:
                self._bind(batch)
            self._request.infer(share_outputs=True)  # else it would copy the outputs
        except Exception as error:  # OpenVINO's errors share no base class
            raise BackendError(f"OpenVINO failed on a batch of {batch}: {short_error(error)}") from None
        return self._rows.first(count)[1]

    def estimate(self, crop: Crop, requests: Sequence[Request], found: Sequence[Poses], decode: DecodeHeads) -> None:
        """Never called: this backend has no GPU that crops; see :class:`hpe_edge.backends.base.Context`."""
        raise NotImplementedError

    def _bind(self, batch: int) -> None:
        tensors = self._tensors.get(batch)
        if tensors is None:
            rows, outputs = self._rows.first(batch)
            arrays = {self._spec.input.name: rows, **dict(zip(self._spec.outputs, outputs, strict=True))}
            tensors = {name: self._ov.Tensor(array, shared_memory=True) for name, array in arrays.items()}
            self._tensors[batch] = tensors
        self._bound = 0  # until all tensors are set
        for name, tensor in tensors.items():
            self._request.set_tensor(name, tensor)
        self._bound = batch
