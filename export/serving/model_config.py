"""Configurations of the models of a Triton repository, as messages of ``model_config.proto``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hpe_edge.spec import ModelSpec
from hpe_edge.triton import layout

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig

ServerBackend = Literal["onnxruntime", "tensorrt", "python"]

_TYPES = {"float32": "TYPE_FP32", "float16": "TYPE_FP16", "uint8": "TYPE_UINT8"}
_SPARE_SEQUENCES = 2  # times the cameras: those beyond the limit are refused in words, the server would let them wait


@dataclass(frozen=True)
class Serving:
    """Settings of a repository; see :func:`export.triton.export`."""

    name: str
    backend: ServerBackend
    on_gpu: bool
    max_batch: int
    max_delay_ms: float
    queue: int
    instances: int
    cameras: int
    idle_s: float

    @property
    def network(self) -> str:
        """Name of the network's model."""
        return f"{self.name}_network"


def network_config(serving: Serving, spec: ModelSpec, outputs: Sequence[tuple[str, Sequence[int]]]) -> ModelConfig:
    """Return the network's configuration: dynamic batching.

    Args:
        serving: the repository.
        spec: the model's.
        outputs: names and shapes of the graph's outputs, without the batch axis; empty for a TensorRT plan, of which
            the server reads inputs and outputs itself.
    """
    config = _config(serving, "network", serving.backend, on_gpu=serving.on_gpu)
    if outputs:
        size = spec.input.size
        _tensor(config.input.add(), spec.input.name, _TYPES[spec.input.dtype], (3, size, size))
        for name, shape in outputs:
            _tensor(config.output.add(), name, "TYPE_FP32", shape)
    if serving.backend != "python":
        config.default_model_filename = layout.PLAN_FILE if serving.backend == "tensorrt" else layout.ONNX_FILE
    _batch_dynamically(config, serving)
    return config


def frame_config(serving: Serving) -> ModelConfig:
    """Return the configuration of ``…_frame``: frames of any size share a batch."""
    config = _config(serving, "frame", "python", count=serving.instances)
    _call_network(config, serving)
    _ragged(config, layout.FRAME, "TYPE_UINT8", (-1, -1, 3))
    _ragged(config, layout.BOXES, "TYPE_FP32", (-1, 4))
    _ragged(config, layout.KEYPOINTS, "TYPE_FP32", (-1, 5, 2), optional=True)
    _poses(config)
    _batch_dynamically(config, serving)
    return config


def stream_config(serving: Serving) -> ModelConfig:
    """Return the configuration of ``…_stream``: a sequence per camera, frames of different cameras share a batch."""
    config = _config(serving, "stream", "python", count=serving.instances)
    _call_network(config, serving)
    config.parameters[layout.CAMERAS_KEY].string_value = str(serving.cameras)
    config.parameters[layout.IDLE_KEY].string_value = repr(serving.idle_s)
    _ragged(config, layout.FRAME, "TYPE_UINT8", (-1, -1, 3))
    _tensor(config.input.add(), layout.TIME, "TYPE_FP64", (1,))
    _ragged(config, layout.BOXES, "TYPE_FP32", (-1, 4), optional=True)
    _ragged(config, layout.SCORES, "TYPE_FP32", (-1,), optional=True)
    _ragged(config, layout.KEYPOINTS, "TYPE_FP32", (-1, 5, 2), optional=True)
    _poses(config)
    _tensor(config.output.add(), layout.IDS, "TYPE_INT64", (-1,))
    _tensor(config.output.add(), layout.BOXES, "TYPE_FP32", (-1, 4))
    batching = config.sequence_batching
    batching.max_sequence_idle_microseconds = round(1e6 * serving.idle_s)
    batching.oldest.max_candidate_sequences = _SPARE_SEQUENCES * serving.cameras
    batching.oldest.max_queue_delay_microseconds = round(1e3 * serving.max_delay_ms)
    return config


def _config(serving: Serving, part: str, backend: str, *, on_gpu: bool = False, count: int = 1) -> Any:
    from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

    config = ModelConfig(name=f"{serving.name}_{part}", backend=backend, max_batch_size=serving.max_batch)
    kind = ModelInstanceGroup.KIND_GPU if on_gpu else ModelInstanceGroup.KIND_CPU
    config.instance_group.add(kind=kind, count=count)
    config.parameters[layout.FORMAT_KEY].string_value = layout.FORMAT
    return config


def _call_network(config: Any, serving: Serving) -> None:
    config.parameters[layout.NETWORK_KEY].string_value = serving.network
    config.parameters[layout.NETWORK_BATCH_KEY].string_value = str(serving.max_batch)


def _tensor(tensor: Any, name: str, data_type: str, dims: Sequence[int]) -> None:
    from tritonclient.grpc import model_config_pb2

    tensor.name, tensor.data_type = name, model_config_pb2.DataType.Value(data_type)
    tensor.dims.extend(dims)


def _ragged(config: Any, name: str, data_type: str, dims: Sequence[int], *, optional: bool = False) -> None:
    """Add an input whose shape differs within a batch; the Python backend gets each request's own tensor."""
    added = config.input.add(allow_ragged_batch=True, optional=optional)
    _tensor(added, name, data_type, dims)


def _poses(config: Any) -> None:
    for name, data_type, dims in (
        (layout.ANGLES, "TYPE_FP32", (-1, 3)),
        (layout.SIGMA, "TYPE_FP32", (-1, 3)),
        (layout.ROTATION, "TYPE_FP32", (-1, 3, 3)),
        (layout.DOUBTFUL, "TYPE_BOOL", (-1,)),
    ):
        _tensor(config.output.add(), name, data_type, dims)


def _batch_dynamically(config: Any, serving: Serving) -> None:
    """Join waiting requests; refuse those that find a full queue, and those that waited longer than they allow."""
    batching = config.dynamic_batching
    batching.max_queue_delay_microseconds = round(1e3 * serving.max_delay_ms)
    batching.default_queue_policy.max_queue_size = serving.queue
    batching.default_queue_policy.allow_timeout_override = True
