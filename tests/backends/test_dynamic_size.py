"""Freeing a graph's size against the onnx package's own reading and writing."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
from grid_model import write_grid_model

from hpe_edge.backends.onnx.dynamic_size import free_size


def freed_by_onnx(path: Path) -> onnx.ModelProto:
    model = onnx.load(path)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[2].dim_param, dims[3].dim_param = "height", "width"
    for output in model.graph.output:
        for dim in output.type.tensor_type.shape.dim:
            dim.Clear()
    model.graph.ClearField("value_info")
    return model


def check(path: Path) -> None:
    name = onnx.load(path).graph.input[0].name
    freed = onnx.load_from_string(free_size(path.read_bytes(), name))
    onnx.checker.check_model(freed)
    assert freed == freed_by_onnx(path)


def test_only_the_shapes_change(tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4), 2, size_hw=(64, 96))
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(path)), path)
    assert onnx.load(path).graph.value_info
    check(path)


@pytest.mark.parametrize("name", ["yunet_n_320_320.onnx", "yunet_n_640_640.onnx", "scrfd_500m_kps.onnx"])
def test_published_files(data: Path, name: str) -> None:
    check(data / "detectors" / name)


def test_other_inputs_stay(tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4), 2, size_hw=(64, 96))
    assert onnx.load_from_string(free_size(path.read_bytes(), "another")).graph.input == onnx.load(path).graph.input


def test_a_freed_graph_runs_at_any_size(tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4), 2, size_hw=(64, 96))
    session = onnxruntime.InferenceSession(free_size(path.read_bytes(), "in"), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 3, "height", "width"]
