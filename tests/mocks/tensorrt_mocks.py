"""Mocks of the tensorrt package that have the members of one real version and no others.

Whoever uses a name that the version lacks gets an AttributeError. Every call is kept by its class, for a comparison of
the arguments with the real signatures.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

Names = Mapping[str, Sequence[str] | None]  # class -> its members; a function or constant -> None

# Classes whose objects the code gets or makes. The other names that it uses are enumerations.
_CLASSES = (
    "Builder", "EngineInspector", "IBuilderConfig", "ICudaEngine", "IExecutionContext", "ILayer",
    "INetworkDefinition", "IOptimizationProfile", "ITensor", "ITimingCache", "OnnxParser", "ParserError", "Runtime",
)  # fmt: skip
_BASES = ("ILogger", "IProgressMonitor")  # classes that the code derives from


def names_of(data: Path, version: str) -> Names:
    """The real names of a version."""
    names: Names = json.loads((data / "tensorrt_api_names.json").read_text())[version]
    return names


class MockTensorRT:
    """The package, and one object of each class.

    Attributes:
        module: stands for ``tensorrt``.
        objects: by class.
    """

    def __init__(self, names: Names, version: str) -> None:
        self.names = names
        self.objects = {kind: Mock(spec_set=list(names[kind] or ()), name=kind) for kind in _CLASSES}
        self.module = Mock(spec_set=[*names, "__version__"], name="tensorrt")
        self.module.__version__ = version
        for kind, members in names.items():
            if kind in _BASES:
                setattr(self.module, kind, _base(kind, members or ()))
            elif members and kind not in _CLASSES:
                setattr(self.module, kind, enum.IntEnum(kind, list(members)))
        for kind in ("Builder", "OnnxParser", "Runtime"):
            getattr(self.module, kind).return_value = self.objects[kind]
        self._answer()

    def calls(self) -> list[tuple[str, str, int, list[str]]]:
        """Class, method, how many arguments by place, and the names of the others, of each call that was made."""
        found = []
        for kind, mock in self.objects.items():
            for name, args, kwargs in mock.method_calls:
                found.append((kind, name, len(args), sorted(kwargs)))
        for kind in ("Builder", "OnnxParser", "Runtime"):
            for call in getattr(self.module, kind).call_args_list:
                found.append((kind, "__init__", len(call.args), sorted(call.kwargs)))
        return sorted({(kind, name, count, tuple(words)) for kind, name, count, words in found})  # type: ignore[misc]

    def _answer(self) -> None:
        """Answers as if all went well, for an engine with the input ``image`` and the output ``logits``."""
        mock, trt = self.objects, self.module
        mock["Builder"].create_network.return_value = mock["INetworkDefinition"]
        network, layer = mock["INetworkDefinition"], mock["ILayer"]
        network.num_layers, network.get_layer.return_value = 1, layer
        network.num_outputs, network.get_output.return_value = 1, mock["ITensor"]
        network.get_input.return_value = mock["ITensor"]
        layer.type, layer.num_inputs, layer.num_outputs = trt.LayerType.MATRIX_MULTIPLY, 1, 1
        layer.get_input.return_value, layer.get_output.return_value = None, mock["ITensor"]
        mock["ITensor"].name, mock["ITensor"].dtype = "logits", trt.DataType.FLOAT
        mock["Builder"].create_builder_config.return_value = mock["IBuilderConfig"]
        mock["Builder"].create_optimization_profile.return_value = mock["IOptimizationProfile"]
        mock["Builder"].build_serialized_network.return_value = b"plan"  # IHostMemory is read through its buffer
        mock["Builder"].num_DLA_cores = 2
        mock["OnnxParser"].parse.return_value = True
        mock["OnnxParser"].num_errors = 1
        mock["OnnxParser"].get_error.return_value = mock["ParserError"]
        mock["ParserError"].node.return_value = 0
        mock["ParserError"].desc.return_value = "why not"
        mock["ParserError"].func.return_value = "importCast"
        mock["ParserError"].code.return_value = trt.ErrorCode.UNSUPPORTED_NODE
        if "node_name" in (self.names["ParserError"] or ()):
            mock["ParserError"].node_name.return_value = "levels"
            mock["ParserError"].node_operator.return_value = "Cast"
        mock["IBuilderConfig"].add_optimization_profile.return_value = 0
        mock["IBuilderConfig"].create_timing_cache.return_value = mock["ITimingCache"]
        mock["IBuilderConfig"].set_timing_cache.return_value = True
        mock["IBuilderConfig"].get_timing_cache.return_value = mock["ITimingCache"]
        mock["ITimingCache"].serialize.return_value = b"times"
        mock["Runtime"].deserialize_cuda_engine.return_value = mock["ICudaEngine"]
        engine = mock["ICudaEngine"]
        engine.num_io_tensors = 2
        engine.num_optimization_profiles = 1
        engine.get_tensor_name.side_effect = lambda index: ("image", "logits")[index]
        engine.get_tensor_mode.side_effect = lambda name: (
            trt.TensorIOMode.INPUT if name == "image" else trt.TensorIOMode.OUTPUT
        )
        engine.get_tensor_dtype.return_value = trt.DataType.FLOAT
        engine.get_tensor_format.return_value = trt.TensorFormat.LINEAR
        engine.get_tensor_shape.side_effect = lambda name: (-1, 3, 64, 64) if name == "image" else (-1, 198)
        engine.get_tensor_profile_shape.return_value = [(count, 3, 64, 64) for count in (1, 4, 16)]
        for name in ("device_memory_size", "device_memory_size_v2"):
            if name in (self.names["ICudaEngine"] or ()):
                setattr(engine, name, 4096)
        for name in ("create_execution_context", "create_execution_context_without_device_memory"):
            if name in (self.names["ICudaEngine"] or ()):
                getattr(engine, name).return_value = mock["IExecutionContext"]
        engine.create_engine_inspector.return_value = mock["EngineInspector"]
        mock["EngineInspector"].get_engine_information.return_value = '{"Layers": ["conv"], "Bindings": []}'


def _base(kind: str, members: Sequence[str]) -> type:
    named: dict[str, Any] = dict.fromkeys(members)
    if kind == "ILogger":
        levels = [name for name in ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE") if name in members]
        named["Severity"] = enum.IntEnum("Severity", levels, start=0)
    return type(kind, (), named)
