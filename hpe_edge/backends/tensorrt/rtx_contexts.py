"""Execution contexts of TensorRT-RTX, which compiles a plan's kernels on the GPU that runs it.

Kernels are compiled for each batch size before its first run, not in the background: a CUDA graph would keep the
slower ones that stand in meanwhile. Compiled kernels are kept in the user's cache folder.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hpe_edge.errors import OutputError
from hpe_edge.util.atomic import Pending
from hpe_edge.util.cache_folder import cache_folder

_log = logging.getLogger(__name__)


class RtxContexts:
    """Creates the execution contexts of one engine; they share compiled kernels."""

    def __init__(self, trt: Any, engine: Any, plan_sha256: str, gpu: str) -> None:
        """
        Args:
            trt: the tensorrt_rtx package.
            engine: TensorRT-RTX's ICudaEngine.
            plan_sha256, gpu: name the file of the kernels, which belong to both.
        """
        self._trt, self._engine = trt, engine
        name = "-".join([plan_sha256[:16], *"".join(c if c.isalnum() else " " for c in gpu).split()])
        self._path = cache_folder("tensorrt-rtx") / f"{name}.kernels"
        self._kernels = engine.create_runtime_config().create_runtime_cache()
        self._read = self._read_kernels()

    def create(self) -> Any:
        """Return an execution context without memory for activations, None where TensorRT-RTX cannot make one."""
        trt, config = self._trt, self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        config.set_runtime_cache(self._kernels)
        return self._engine.create_execution_context(config)

    def keep_kernels(self) -> None:
        """Write the kernels for the next process, if there are new ones. A failure is logged: it costs time alone."""
        content = bytes(self._kernels.serialize() or b"")
        if content in (self._read, b""):
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            pending = Pending(self._path)
            try:
                pending.temp.write_bytes(content)
                pending.commit()
                self._read = content
            finally:
                pending.discard()
        except (OSError, OutputError) as error:
            _log.warning(
                "the kernels that TensorRT-RTX compiled are not kept, the next start compiles again: %s", error
            )

    def _read_kernels(self) -> bytes:
        try:
            content = Path(self._path).read_bytes()
        except OSError:
            return b""
        if self._kernels.deserialize(content):
            return content
        _log.info("%s is of another driver or version and is replaced", self._path)
        return b""
