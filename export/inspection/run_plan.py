"""One run of a plan of fixed batch whose outputs may be any float tensors."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.tensorrt.load_tensorrt import Messages
from hpe_edge.cuda.device import Device
from hpe_edge.cuda.memory import Buffer
from hpe_edge.errors import BackendError


def run_plan(
    trt: Any, gpu: Device, plan: bytes, image: NDArray[Any], *, version_compatible: bool
) -> dict[str, NDArray[Any]]:
    """Run a plan on faces and return all of its outputs by name.

    Args:
        trt: the tensorrt package.
        gpu: the device.
        plan: with one input, of the shape of ``image``.
        image: the network's input ``[N, 3, size, size]``.
        version_compatible: the plan was built so.

    Raises:
        BackendError: TensorRT or CUDA failed.
    """
    messages = Messages(trt)
    with gpu, contextlib.ExitStack() as cleanup:
        runtime = trt.Runtime(messages.logger)
        if version_compatible:
            runtime.engine_host_code_allowed = True  # such a plan contains its own runtime
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BackendError(f"TensorRT cannot load the engine whose layers are outputs: {messages.take()}")
        stream = gpu.stream(cleanup)
        kinds = {trt.DataType.FLOAT: np.float32, trt.DataType.HALF: np.float16, trt.DataType.UINT8: np.uint8}
        buffers = {
            name: Buffer(gpu, tuple(engine.get_tensor_shape(name)), kinds[engine.get_tensor_dtype(name)], cleanup)
            for name in map(engine.get_tensor_name, range(engine.num_io_tensors))
        }
        given = next(name for name in buffers if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)
        buffers[given].array[...] = image
        _execute(engine, messages, gpu, stream, buffers, given)
        del engine, runtime  # in this order, while the GPU is entered
        return {name: buffer.array.copy() for name, buffer in buffers.items() if name != given}


def _execute(engine: Any, messages: Messages, gpu: Device, stream: Any, buffers: dict[str, Buffer], given: str) -> None:
    with gpu.capture_lock:  # TensorRT allocates, which may wait for the whole GPU
        execution = engine.create_execution_context()
    if execution is None:
        raise BackendError(f"TensorRT has no room for all layers' outputs on {gpu.name}: {messages.take()}")
    if not execution.set_input_shape(given, buffers[given].array.shape):
        raise BackendError(f"the engine whose layers are outputs refuses its batch: {messages.take()}")
    for name, buffer in buffers.items():
        if not execution.set_tensor_address(name, buffer.address):
            raise BackendError(f"TensorRT refuses a buffer for {name!r}: {messages.take()}")
    buffers[given].send(len(buffers[given].array), stream)
    if not execution.execute_async_v3(int(stream)):
        raise BackendError(f"TensorRT failed to run all layers: {messages.take()}")
    for name, buffer in buffers.items():
        if name != given:
            buffer.receive(len(buffer.array), stream)
    gpu.synchronize(stream)
