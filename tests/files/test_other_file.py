"""Naming of files by their content, in every place where a file is given."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny_model

from hpe_edge import PoseEngine, open_detector
from hpe_edge.errors import ModelError
from hpe_edge.files.graph_kind import graph_kind
from hpe_edge.files.other_file import refuse_other_file

IR = b'<?xml version="1.0"?>\n<net name="head-pose" version="10"><layers/></net>\n'
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 345478\n"
GRAPH_DEF = b"\x0a\x20\x0a\x04data\x12\x0bPlaceholder" + bytes(40)
ROLES = ("checkpoint", "model", "adopt", "detector")


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, weight=np.zeros(3), bias=np.zeros(1))
    return file.getvalue()


FILES = {
    "lfs": ("x.onnx", LFS, r"a Git LFS pointer.*git lfs pull"),
    "page": ("x.onnx", b"\n<!DOCTYPE html><html></html>", "a web page.*download the file again"),
    "gzip": ("x.onnx", gzip.compress(bytes(200)), "a gzip archive; unpack it"),
    "jpeg": ("x.onnx", b"\xff\xd8\xff\xe0" + bytes(200), "a JPEG picture"),
    "text": ("x.onnx", b"epoch 3, loss 0.1, and more words", "a text file"),
    "mxnet params": ("x.params", b"\x12\x01\0\0\0\0\0\0" + bytes(40), "MXNet weights.*mx.onnx.export_model"),
    "mxnet graph": ("x.json", b'{"nodes": [], "arg_nodes": [0, 1], "heads": [[1]]}', "an MXNet network"),
    "ncnn": ("x.param", b"7767517\n3 3\nInput data 0 1 data\n", r"an ncnn network.*export the network"),
    "mnn": ("x.mnn", b"\x18\0\0\0\xff\xfe" + bytes(range(64)), r"an MNN model.*export the network"),
    "core ml": ("x.mlmodel", b"\x08\x05\x12\xff" + bytes(range(64)), "a Core ML model"),
    "tensorflow": ("x.pb", GRAPH_DEF, r"a frozen TensorFlow graph.*tf2onnx.convert --graphdef"),
    "saved model": ("saved_model.pb", b"\x08\x01\x12\xd0\x0f\x0a\x05" + bytes(64), "TensorFlow SavedModel.*its folder"),
    "rknn": ("x.rknn", b"RKNN" + bytes(64), "an RKNN model"),
    "executorch": ("x.pte", bytes(4) + b"ET12" + bytes(64), "an ExecuTorch program"),
    "ort": ("x.ort", bytes(4) + b"ORTM" + bytes(64), "an ONNX Runtime model.*the .onnx file"),
    "deepstream": ("x.txt", b"# nvinfer\n[property]\nonnx-file=x.onnx\n", "a DeepStream configuration"),
    "npz": ("x.npz", npz(), r"an archive of NumPy arrays.*torch\.from_numpy"),
    "npy": ("x.npy", b"\x93NUMPY\x01\0" + bytes(64), r"a NumPy array.*torch\.from_numpy"),
    "pt2": ("x.pt2", zipped("x/models/model.json", "x/version"), r"an exported PyTorch program.*torch\.onnx\.export"),
    "caffe": ("x.prototxt", b'name: "net"\nlayer {\n  name: "data"\n}\n', "a Caffe network"),
    "paddle": ("x.pdmodel", b"\xff\xfe\0\x01" + bytes(64), "a PaddlePaddle model.*paddle2onnx"),
    "engine": ("x.onnx", b"ftrt" + bytes(range(250)), "a TensorRT engine"),
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", FILES)
def test_other_files_are_named_with_a_way_that_is_none_of_ours_in_a_circle(
    tmp_path: Path, kind: str, role: str
) -> None:
    name, content, message = FILES[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=message) as error:
        refuse_other_file(tmp_path / name, role)
    assert "--trust" not in str(error.value)


@pytest.mark.parametrize("role", ["checkpoint", "model", "adopt", "detector"])
def test_the_index_of_an_unpacked_checkpoint(tmp_path: Path, role: str) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"conv.weight": torch.zeros(2, 2)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        archive.extractall(tmp_path)
    (index,) = tmp_path.rglob("data.pkl")
    for path in (index, index.parent):
        with pytest.raises(ModelError, match=r"unpacked checkpoint.*zip -0 -r"):
            refuse_other_file(path, role)
    refuse_other_file(tmp_path / "w.pth", "checkpoint")


def test_weights_of_an_ir_are_told_by_what_lies_beside_them(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"\x80" + np.random.default_rng(0).bytes(255))
    refuse_other_file(tmp_path / "x.bin", "checkpoint")  # its reader calls it damaged, and not a pickle
    (tmp_path / "x.xml").write_bytes(IR)
    with pytest.raises(ModelError, match=r"the weights of an OpenVINO IR model; name .*x\.xml"):
        refuse_other_file(tmp_path / "x.bin", "checkpoint")


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("model", "a PyTorch checkpoint; convert it: hpe-edge export onnx"),
        ("adopt", "a PyTorch checkpoint; name it as CHECKPOINT, without --adopt"),
        ("detector", "a PyTorch checkpoint; export the detector to ONNX"),
    ],
)
def test_weights_in_the_wrong_place(tmp_path: Path, role: str, message: str) -> None:
    (tmp_path / "w.pth").write_bytes(zipped("w/data.pkl", "w/data/0"))
    with pytest.raises(ModelError, match=message):
        refuse_other_file(tmp_path / "w.pth", role)


@pytest.mark.parametrize(
    ("role", "content"),
    [
        ("checkpoint", pickle.dumps({"weight": 1, "and": "more"})),
        ("checkpoint", zipped("w/data.pkl", "w/data/0")),
        ("checkpoint", b"\x80" + bytes(range(128, 250))),
        ("checkpoint", struct.pack("<Q", 100) + b'{"a": {}}' + bytes(100)),
        ("adopt", b"\x08\x08\x12\x07pytorch:" + bytes(64)),
        ("adopt", b"\x01\xfe" * 512),
    ],
)
def test_what_its_reader_judges_itself_is_let_through(tmp_path: Path, role: str, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    refuse_other_file(tmp_path / "x", role)


def test_an_engine_is_opened_by_what_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(LFS)
    with pytest.raises(ModelError, match="Git LFS pointer"):
        PoseEngine(tmp_path / "x.onnx")
    model = write_tiny_model(tmp_path / "tiny.onnx")
    model.rename(tmp_path / "tiny.model")
    with pytest.raises(ModelError, match="rename it"):
        PoseEngine(tmp_path / "tiny.model")


@pytest.mark.parametrize(
    ("outputs", "name"),
    [
        ([("scores", (1, 4420, 2)), ("boxes", (1, 4420, 4))], "UltraFace"),
        ([("loc", (1, 16800, 4)), ("conf", (1, 16800, 2)), ("landms", (1, 16800, 10))], "RetinaFace"),
        ([("output", (1, 25200, 16))], "YOLO-face"),
        ([("output0", (1, 20, 8400))], "YOLO-face"),
        ([("regressors", (1, 896, 16)), ("classificators", (1, 896, 1))], "BlazeFace"),
        ([(f"s{i}", (n, c)) for i, n in enumerate((12800, 3200, 800)) for c in (1, 4, 10)], "SCRFD"),
        ([("output", (1, 3))], None),
        ([("yaw", (1, 66)), ("pitch", (1, 66)), ("roll", (1, 66))], None),
        ([("pose", (1, 3, 3))], None),
    ],
)
def test_detectors_are_known_by_their_outputs(outputs: list[tuple[str, tuple[int, ...]]], name: str | None) -> None:
    assert graph_kind([(1, 3, 640, 640)], outputs) == name


def test_a_detector_in_the_place_of_a_model_and_a_foreign_one(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, tensor = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["p"]),
        helper.make_node("Reshape", ["p", "shape"], ["rows"]),
        helper.make_node("MatMul", ["rows", "two"], ["scores"]),
        helper.make_node("MatMul", ["rows", "four"], ["boxes"]),
    ]
    weights = [
        onnx.numpy_helper.from_array(np.array([1, 1, 3]), "shape"),
        onnx.numpy_helper.from_array(np.zeros((3, 2), np.float32), "two"),
        onnx.numpy_helper.from_array(np.zeros((3, 4), np.float32), "four"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", tensor, [1, 3, 240, 320])],
        [helper.make_tensor_value_info(name, tensor, [1, 1, n]) for name, n in (("scores", 2), ("boxes", 4))],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "u.onnx")
    with pytest.raises(ModelError, match=r"UltraFace, a face detector.*--detector"):
        PoseEngine(tmp_path / "u.onnx")
    with pytest.raises(ModelError, match="is UltraFace, which does not run here"):
        open_detector(tmp_path / "u.onnx")
