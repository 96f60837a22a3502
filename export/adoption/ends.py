"""Conversion at the ends of a foreign graph: its picture's layout, and its outputs' form.

A model's spec knows pictures ``[N, 3, size, size]`` and outputs of logits or plain numbers in float32. Where a file
differs from that mechanically, nodes in the graph convert it; :meth:`Ends.original` does the same by NumPy around the
unchanged file, so that the accuracy gate checks the nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export.adoption.rotation import Columns
from export.gate.gate import Runner
from export.graph.onnx_file import ImageInput

Color = Literal["RGB", "BGR"]

_LUMA = {"RGB": (0.299, 0.587, 0.114), "BGR": (0.114, 0.587, 0.299)}  # BT.601, as OpenCV and PIL weigh
_LEAST = 1e-30  # keeps the logarithm of a bin with no probability finite


@dataclass(frozen=True)
class OutputForm:
    """Form of a foreign output.

    Attributes:
        name: in the file.
        cast: it is no float32.
        column: it is a single number per face, without an axis of columns.
        probabilities: the rows are probabilities, not logits.
        columns: the columns that are read, and a factor for each; None: all as they stand.
    """

    name: str
    cast: bool = False
    column: bool = False
    probabilities: bool = False
    columns: Columns | None = None

    @property
    def new_name(self) -> str:
        """Its name in the converted graph."""
        if self.columns is not None:
            return f"{self.name}/rotation"
        return f"{self.name}/logits" if self.probabilities else f"{self.name}/float" if self._changes else self.name

    @property
    def _changes(self) -> bool:
        return self.cast or self.column or self.probabilities

    def apply(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """The converted values ``[N, ...]``."""
        plain = array.astype(np.float32, copy=False)
        if self.column:
            plain = plain.reshape(-1, 1)
        if self.columns is not None:
            columns, factors = self.columns
            return plain.reshape(len(plain), -1)[:, columns] * np.array(factors, np.float32)
        return np.log(np.maximum(plain, np.float32(_LEAST))) if self.probabilities else plain

    def nodes(self) -> list[NodeProto]:
        """The same as nodes."""
        steps: list[tuple[str, list[str], dict[str, int]]] = []
        if self.cast:
            steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
        if self.column:
            steps.append(("Reshape", ["hpe_edge/one_column"], {}))
        if self.probabilities:
            steps += [("Max", ["hpe_edge/least"], {}), ("Log", [], {})]
        if self.columns is not None:
            steps += [("Flatten", [], {"axis": 1}), ("Gather", [f"{self.name}/columns"], {"axis": 1})]
            steps.append(("Mul", [f"{self.name}/factors"], {}))
        names = [self.name, *(f"{self.name}/step{i}" for i in range(1, len(steps))), self.new_name]
        return [
            helper.make_node(kind, [names[i], *more], [names[i + 1]], **attributes)
            for i, (kind, more, attributes) in enumerate(steps)
        ]

    def constants(self) -> list[TensorProto]:
        """The nodes' own constants."""
        if self.columns is None:
            return []
        columns, factors = self.columns
        return [
            numpy_helper.from_array(np.array(columns, np.int64), f"{self.name}/columns"),
            numpy_helper.from_array(np.array([factors], np.float32), f"{self.name}/factors"),
        ]

    def words(self) -> list[str]:
        """The conversion for the report."""
        said = [f"{self.name!r} is converted to float32"] * self.cast
        said += [f"{self.name!r} is rearranged to the rotation that is decoded"] * (self.columns is not None)
        return said + [f"{self.name!r} holds probabilities; their logarithms are read as logits"] * self.probabilities


@dataclass(frozen=True)
class Ends:
    """Input and outputs of a foreign graph.

    Attributes:
        image: the file's input.
        color: the order of the model's input, from which grey is made.
        outputs: the outputs that are read.
    """

    image: ImageInput
    color: Color
    outputs: tuple[OutputForm, ...]

    def original(self, session: onnxruntime.InferenceSession) -> Runner:
        """A runner of the unchanged file, from crops ``[N, 3, size, size]``."""
        batch = self.image.batch or 1
        names = [form.name for form in self.outputs]

        def run(crops: NDArray[Any]) -> list[NDArray[np.float32]]:
            parts = []
            for at in range(0, len(crops), batch):
                rows = crops[at : at + batch]
                padded = np.concatenate([rows, np.zeros_like(rows[:1]).repeat(batch - len(rows), axis=0)])
                found = session.run(names, {self.image.name: self.picture(padded)})
                parts.append([form.apply(out)[: len(rows)] for form, out in zip(self.outputs, found, strict=True)])
            return [np.concatenate(column) for column in zip(*parts, strict=True)]

        return run

    def picture(self, crops: NDArray[Any]) -> NDArray[Any]:
        """Crops ``[N, 3, size, size]`` in the file's layout."""
        if self.image.channels == 1:
            grey = np.tensordot(crops.astype(np.float32), np.array(_LUMA[self.color], np.float32), axes=(1, 0))[:, None]
            crops = (np.rint(grey) if crops.dtype == np.uint8 else grey).astype(crops.dtype)
        return crops.transpose(0, 2, 3, 1) if self.image.channels_last else crops

    def convert(self, model: ModelProto) -> ImageInput:
        """Add the nodes to the graph; returns the new input, which has the old one's name."""
        if not self.image.is_plain:
            self._convert_input(model)
        added = [node for form in self.outputs for node in form.nodes()]
        model.graph.node.extend(added)
        model.graph.initializer.extend(constant for form in self.outputs for constant in form.constants())
        used = {name for node in added for name in node.input}
        if "hpe_edge/one_column" in used:
            model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "hpe_edge/one_column"))
        if "hpe_edge/least" in used:
            model.graph.initializer.append(numpy_helper.from_array(np.float32(_LEAST), "hpe_edge/least"))
        return replace(self.image, channels=3, channels_last=False)

    def _convert_input(self, model: ModelProto) -> None:
        graph, name = model.graph, self.image.name
        inner = f"{name}/file"
        for node in graph.node:
            _rename_inputs(node, name, inner)
        steps: list[tuple[str, list[str], dict[str, Any]]] = []
        if self.image.channels == 1:
            kind = {"float32": np.float32, "float16": np.float16, "uint8": np.float32}[self.image.dtype]
            luma = np.array(_LUMA[self.color], kind).reshape(1, 3, 1, 1)
            graph.initializer.append(numpy_helper.from_array(luma, "hpe_edge/luma"))
            levels = self.image.dtype == "uint8"
            steps += [("Cast", [], {"to": TensorProto.FLOAT})] * levels
            steps.append(("Conv", ["hpe_edge/luma"], {}))
            steps += [("Round", [], {}), ("Cast", [], {"to": TensorProto.UINT8})] * levels
        if self.image.channels_last:
            steps.append(("Transpose", [], {"perm": [0, 2, 3, 1]}))
        names = [name, *(f"{name}/step{i}" for i in range(1, len(steps))), inner]
        nodes = [
            helper.make_node(kind, [names[i], *more], [names[i + 1]], **attributes)
            for i, (kind, more, attributes) in enumerate(steps)
        ]
        for at, node in enumerate(nodes):
            graph.node.insert(at, node)
        given = next(each for each in graph.input if each.name == name)
        first = given.type.tensor_type.shape.dim[0]
        batch = first.dim_value or first.dim_param
        plain = replace(self.image, channels=3, channels_last=False).shape(1)[1:]
        given.CopyFrom(helper.make_tensor_value_info(name, given.type.tensor_type.elem_type, [batch, *plain]))

    def words(self) -> list[str]:
        """The conversions for the report."""
        said = ["the picture's channels come last; they are moved"] * self.image.channels_last
        said += ["the picture is grey, made from the colours by their luma"] * (self.image.channels == 1)
        said += ["the picture is levels 0..255; the graph normalises them itself"] * (self.image.dtype == "uint8")
        return said + [line for form in self.outputs for line in form.words()]


def forms(outputs: dict[str, NDArray[Any]]) -> dict[str, OutputForm]:
    """The forms of numeric outputs with one row per face, by name; probabilities are not yet told."""
    return {
        name: OutputForm(name, cast=array.dtype != np.float32, column=array.ndim == 1)
        for name, array in outputs.items()
        if array.dtype in (np.float32, np.float16, np.float64)
    }


def _rename_inputs(node: NodeProto, old: str, new: str) -> None:
    """Replace a name that a node reads, in its subgraphs too."""
    for at, read in enumerate(node.input):
        if read == old:
            node.input[at] = new
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                _rename_inputs(inner, old, new)


def with_probabilities(chosen: Sequence[OutputForm], names: set[str]) -> tuple[OutputForm, ...]:
    """The forms, those of the given names marked as probabilities."""
    return tuple(replace(form, probabilities=form.name in names) for form in chosen)
