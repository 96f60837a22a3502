"""A test double of TensorRT-RTX: the double of TensorRT, with what differs in NVIDIA's bindings 1.7.

Networks are always typed. The builder needs no CUDA context, refuses FP32 matrix products for Turing, and lists the
layers in its log. Contexts are made from a runtime configuration; without eager specialisation a first run is one of
stand-in kernels, which a captured graph would keep. Compiled kernels are in a cache that belongs to a GPU.
"""

from __future__ import annotations

import enum
import sys
import types
from typing import Any

import fake_tensorrt
import pytest
from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRT

VERSION = "1.7.1.116"


class FakeTensorRTRTX(FakeTensorRT):
    """The package in version 1.7.

    Attributes:
        compiled: how many times kernels were compiled, none of them from a cache.
    """

    def __init__(self, cuda: FakeCuda) -> None:
        super().__init__(cuda, "11.4")  # the API of TensorRT 11, counted from 1
        self.compiled = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeTensorRTRTX:
        """Put the module where its import finds it, and no TensorRT beside it."""
        monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", self.module)
        monkeypatch.setitem(sys.modules, "tensorrt", None)
        return self

    def _module(self, version: str) -> Any:
        trt = super()._module(version)
        trt.__version__ = VERSION
        trt.BuilderFlag = enum.IntEnum(
            "BuilderFlag", ["DEBUG", "GPU_FALLBACK", "TF32", "VERSION_COMPATIBLE", "REQUIRE_USER_ALLOCATION"], start=0
        )
        trt.NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", ["STRONGLY_TYPED"], start=1)
        trt.ComputeCapability = enum.Enum("ComputeCapability", ["NONE", "CURRENT", "SM75", "SM80"])
        trt.DynamicShapesKernelSpecializationStrategy = enum.Enum(
            "DynamicShapesKernelSpecializationStrategy", ["LAZY", "EAGER", "NONE"]
        )
        for kind in (Builder, Runtime):
            setattr(trt, kind.__name__, types.MethodType(kind, self))
        return trt


class Config(fake_tensorrt.Config):
    num_compute_capabilities = 0

    def __init__(self, fake: FakeTensorRT) -> None:
        super().__init__(fake)
        self.targets: list[Any] = []

    def set_compute_capability(self, capability: Any, index: int) -> bool:
        assert index < self.num_compute_capabilities
        self.targets.append(capability)
        return True

    def create_timing_cache(self, serialized_timing_cache: bytes) -> Any:
        raise AssertionError("a timing cache makes TensorRT-RTX look for a GPU")


class Builder(fake_tensorrt.Builder):
    def create_builder_config(self) -> Config:
        config = Config(self._fake)
        self._fake.configs.append(config)
        return config

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        model = network.model
        products = [node.name for node in model.graph.node if node.op_type == "Gemm"]
        if self._fake.module.ComputeCapability.SM75 in config.targets and products:
            self._fake.error(self._logger, f"Cannot compile '{products[0]}': FP32 GEMM is not supported.")
            return None
        if config.profiling_verbosity == self._fake.module.ProfilingVerbosity.DETAILED:
            lines = [
                f"Name: {node.name}, LayerType: correlation, Inputs: [ {{ Name: a, Datatype: Float }}], Constants: [], "
                "Outputs: [ { Name: b, Datatype: Half }], TacticName: t, StreamId: 0, "
                f"Metadata: [ONNX Layer: {node.name}]"
                for node in model.graph.node
            ]
            self._logger.log(self._fake.module.ILogger.Severity.VERBOSE, "\n".join(["Layers:", *lines]))
        self._fake.cuda.stack.append("none needed")
        try:
            return super().build_serialized_network(network, config)
        finally:
            self._fake.cuda.stack.pop()


class Runtime(fake_tensorrt.Runtime):
    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
        made = super().deserialize_cuda_engine(serialized_engine)
        if made is not None:
            made.__class__ = Engine
        return made


class KernelCache:
    def __init__(self) -> None:
        self.content = b""

    def serialize(self) -> bytes:
        return self.content

    def deserialize(self, blob: bytes) -> bool:
        self.content = blob if blob.startswith(b"kernels") else b""
        return bool(self.content)


class RuntimeConfig:
    def __init__(self, fake: FakeTensorRT) -> None:
        self._trt = fake.module
        self.strategy: Any = None
        self.dynamic_shapes_kernel_specialization_strategy = fake.module.DynamicShapesKernelSpecializationStrategy.LAZY
        self.cache: KernelCache | None = None

    def create_runtime_cache(self) -> KernelCache:
        return KernelCache()

    def set_runtime_cache(self, cache: KernelCache) -> bool:
        self.cache = cache
        return True

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        self.strategy = strategy


class Engine(fake_tensorrt.Engine):
    _fake: FakeTensorRTRTX

    def create_runtime_config(self) -> RuntimeConfig:
        return RuntimeConfig(self._fake)

    def create_execution_context(self, strategy: Any = 0) -> Any:
        config, trt = strategy, self._fake.module
        assert config.strategy == trt.ExecutionContextAllocationStrategy.USER_MANAGED
        eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        assert config.dynamic_shapes_kernel_specialization_strategy == eager, "a graph would keep stand-in kernels"
        if config.cache is None or not config.cache.content:
            self._fake.compiled += 1
        if config.cache is not None:
            config.cache.content = b"kernels"
        return self._execution()
