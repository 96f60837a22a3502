"""Detectors by name, fetched from a server on this machine, thresholds, and the forms of files that people have."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from file_server import serving
from grid_model import write_grid_model
from media import noise
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from reference_frames import compare, frames, pairs

import hpe_edge
from hpe_edge.backends.onnx.dynamic_size import free_size
from hpe_edge.errors import InputError, ModelError, ModelNotFoundError
from hpe_edge.faces.detector import DEFAULT_DETECTOR, Detector, VideoDetector
from hpe_edge.faces.grids.embedded import EmbeddedDetector
from hpe_edge.faces.grids.scrfd import ScrfdDetector
from hpe_edge.faces.grids.yunet import YunetDetector
from hpe_edge.faces.open_detector import NAMES, open_detector
from hpe_edge.fetch.detector_files import DETECTOR_FILES, cached_detectors
from hpe_edge.models import FACE_DETECTOR

SAMPLES = Path(hpe_edge.__file__).parent / "samples"
KINDS = {"yunet": YunetDetector, "scrfd": ScrfdDetector}
YUNET = "yunet_n_640_640.onnx"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no network: the addresses lead nowhere unless a test replaces them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HPE_EDGE_OFFLINE", "1")
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "hpe_edge" / "detectors"


@pytest.fixture
def photo() -> np.ndarray:
    return cv2.imread(str(SAMPLES / "astronaut.jpg"))


@pytest.mark.parametrize("name", ["yunet", "scrfd"])
def test_a_name_is_fetched_once_and_finds_faces(
    data: Path, cache: Path, photo: np.ndarray, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HPE_EDGE_OFFLINE")
    held = data / "detectors" / DETECTOR_FILES[name].name
    with serving(held.read_bytes(), "break 100000") as server:
        monkeypatch.setitem(DETECTOR_FILES, name, dataclasses.replace(DETECTOR_FILES[name], urls=(server.url,)))
        detector = open_detector(name)
        assert isinstance(detector, KINDS[name]) and len(server.asked) == 2
        assert cached_detectors() == [name] and (cache / held.name).is_file()
        np.testing.assert_array_equal(open_detector(Path(name))(photo).boxes, open_detector(held)(photo).boxes)
        assert len(server.asked) == 2
    assert len(detector(photo)) == 1


def test_only_non_commercial_weights_are_called_so(caplog: pytest.LogCaptureFixture) -> None:
    for name, forbidden in (("yunet", False), ("scrfd", True)):
        with pytest.raises(ModelNotFoundError, match=DETECTOR_FILES[name].urls[0]) as caught:
            open_detector(name)
        assert ("NOT for commercial use" in str(caught.value)) == forbidden


def test_the_default_is_the_embedded_one_and_needs_no_network(cache: Path) -> None:
    detector = open_detector(DEFAULT_DETECTOR)
    assert isinstance(detector, EmbeddedDetector) and isinstance(detector, VideoDetector)
    assert (NAMES[0], FACE_DETECTOR.stem) == (DEFAULT_DETECTOR, "face-detector") and not cache.exists()


def test_the_embedded_one_finds_the_face_of_the_photo(data: Path, photo: np.ndarray) -> None:
    """As YuNet does, key points and all."""
    found, theirs = (open_detector(each)(photo) for each in (DEFAULT_DETECTOR, data / "detectors" / YUNET))
    assert len(found) == len(theirs) == 1 and found.scores[0] >= 0.5
    assert pairs(found.boxes, theirs.boxes).min() >= 0.5
    assert found.keypoints is not None and theirs.keypoints is not None
    away = np.linalg.norm(found.keypoints - theirs.keypoints, axis=2)
    assert away.max() < 0.15 * (theirs.boxes[0, 3] - theirs.boxes[0, 1])


@pytest.mark.parametrize("name", ["haar", "yunett", "retinaface", "none.onnx", ""])
def test_an_unknown_name_lists_the_names(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"neither a name \(face-detector, yunet, scrfd\) nor"):
        open_detector(name)


@pytest.mark.parametrize("address", ["https://example.org/a.onnx", Path("https://example.org/a.onnx"), "file:///a"])
def test_an_address_is_refused(address: str | Path) -> None:
    with pytest.raises(InputError, match="download it and name the file"):
        open_detector(address)


def test_a_file_that_is_called_like_a_name_is_used_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_grid_model(tmp_path / "yunet", (1, 4), 2, size_hw=(64, 96))
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_detector("yunet"), ScrfdDetector)
    said = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1 and str(tmp_path / "yunet") in said[0].getMessage()


def test_an_lfs_pointer_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0")
    with pytest.raises(ModelError, match=r"Git LFS pointer.*git lfs pull"):
        open_detector(tmp_path / "a.onnx")


def test_a_web_page_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_text("\n<!DOCTYPE html><html></html>")
    with pytest.raises(ModelError, match="a web page, probably a failed download"):
        open_detector(tmp_path / "a.onnx")


@pytest.mark.parametrize("height", [-1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", [DEFAULT_DETECTOR, "file"])
def test_heights_beyond_their_range(tmp_path: Path, name: str, height: float) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4), 2, size_hw=(64, 96))
    with pytest.raises(InputError, match="min_face is a height in pixels"):
        open_detector(path if name == "file" else name, min_face=height)


@pytest.mark.parametrize("threads", [0, 1.5])
def test_the_embedded_one_checks_threads_like_the_others(threads: object) -> None:
    with pytest.raises(InputError, match="threads must be a whole number"):
        open_detector(DEFAULT_DETECTOR, threads=threads)


def test_the_score_decides(tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4, 10), 2, size_hw=(64, 96))
    low, high = (open_detector(path, min_score=score)(noise()) for score in (0.3, 0.8))
    assert len(low) > len(high) > 0
    assert low.scores.min() < 0.8 <= high.scores.min()


@pytest.mark.parametrize("columns", [(1, 4, 10), (1, 4), (1, 1, 4, 10)])
def test_the_height_of_the_ready_box_decides(tmp_path: Path, columns: tuple[int, ...]) -> None:
    if len(columns) == 4:
        path = write_grid_model(tmp_path / "a.onnx", columns, 1, size_hw=None, gain=1 / 128, offset=127.5)
    else:
        path = write_grid_model(tmp_path / "a.onnx", columns, 2, size_hw=None)
    frame = noise(640, 70)
    everything = open_detector(path)(frame)
    heights = everything.boxes[:, 3] - everything.boxes[:, 1]
    limit = float(np.median(heights))
    found = open_detector(path, min_face=limit)(frame)
    assert 0 < len(found) < len(everything)
    for name in ("boxes", "drawn", "scores", "keypoints"):
        whole, kept = getattr(everything, name), getattr(found, name)
        if whole is not None:
            np.testing.assert_array_equal(kept, whole[heights >= limit])


def compare_to_fp32(data: Path, detector: Detector, most_missed: int) -> np.ndarray:
    """Best IoU of each face that YuNet finds in the reference frames."""
    whole = open_detector(data / "detectors" / "yunet_n_640_640.onnx")
    ious, found = [], 0
    for frame in frames(data).values():
        theirs = detector(frame)
        ious.append(pairs(whole(frame).drawn, theirs.drawn).max(axis=1))
        found += len(theirs)
    joined = np.concatenate(ious)
    assert abs(found - len(joined)) <= most_missed
    return joined


def test_int8_by_dynamic_quantization(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "face_detection_yunet_2023mar_int8.onnx"
    quantize_dynamic(data / "detectors" / "yunet_n_640_640.onnx", path, weight_type=QuantType.QUInt8)
    assert any(node.op_type == "ConvInteger" for node in onnx.load(path).graph.node)
    detector = open_detector(path)
    assert isinstance(detector, YunetDetector)
    assert compare_to_fp32(data, detector, 0).min() > 0.88  # 0.91


def test_int8_by_blocks_of_weights(data: Path, tmp_path: Path) -> None:
    """As OpenCV's zoo makes its int8bq files: blocks of int8 weights, dequantised in the graph."""
    model = onnx.version_converter.convert_version(onnx.load(data / "detectors" / "yunet_n_640_640.onnx"), 21)
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Conv" and held[node.input[1]].dims[1] % 16 == 0:
            name = node.input[1]
            weights = numpy_helper.to_array(held[name])
            blocks = weights.reshape(len(weights), -1, 16, *weights.shape[2:])
            scales = (np.abs(blocks).max(axis=2) / 127).astype(np.float32)
            levels = np.round(weights / scales.repeat(16, axis=1)).astype(np.int8)
            model.graph.initializer.remove(held[name])
            model.graph.initializer.append(numpy_helper.from_array(levels, f"{name}_levels"))
            model.graph.initializer.append(numpy_helper.from_array(scales, f"{name}_scales"))
            nodes.append(
                helper.make_node(
                    "DequantizeLinear", [f"{name}_levels", f"{name}_scales"], [name], axis=1, block_size=16
                )
            )
        nodes.append(node)
    assert len(nodes) > len(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.ir_version = 10
    path = tmp_path / "face_detection_yunet_2023mar_int8bq.onnx"
    onnx.save(model, path)
    assert compare_to_fp32(data, open_detector(path), 0).min() > 0.9  # 0.93


def test_a_yunet_of_open_size(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "yunet_n_dynamic.onnx"
    path.write_bytes(free_size((data / "detectors" / "yunet_n_640_640.onnx").read_bytes(), "input"))
    model = onnx.load(path)
    for output in model.graph.output:  # as an export with dynamic axes states them
        columns = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}[output.name.partition("_")[0]]
        output.type.tensor_type.shape.dim[2].dim_value = columns
    onnx.save(model, path)
    assert compare_to_fp32(data, open_detector(path), 0).min() == 1


def test_a_yunet_whose_graph_fixes_the_size(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Rewritten for runtimes without dynamic shapes: every reshape holds the rows of 640 x 640."""
    model = onnx.load(data / "detectors" / "yunet_n_640_640.onnx")
    rows = {output.name: [dim.dim_value for dim in output.type.tensor_type.shape.dim] for output in model.graph.output}
    for node in model.graph.node:
        last = next((name for name in rows if name in follow(model, node.output[0])), None)
        if node.op_type == "Reshape" and last is not None:
            model.graph.initializer.append(numpy_helper.from_array(np.array(rows[last]), f"shape_{last}"))
            node.input[1] = f"shape_{last}"
    path = tmp_path / "fixed.onnx"
    onnx.save(model, path)
    frame = cv2.resize(frames(data)[0], (640, 360))
    detector, free = open_detector(path), open_detector(data / "detectors" / "yunet_n_640_640.onnx")
    assert isinstance(detector, YunetDetector) and len(free(frame)) >= 5
    assert pairs(free(frame).drawn, detector(frame).drawn).max(axis=1).min() > 0.9
    assert len(detector(frames(data)[0])) >= 5  # shrunk to fit
    assert capfd.readouterr().err == ""  # ONNX Runtime's words on the attempt at another size


def follow(model: onnx.ModelProto, name: str) -> list[str]:
    """The outputs of the graph that a value becomes by nodes of one input."""
    reached = [name]
    for node in model.graph.node:
        if node.input and node.input[0] in reached and len(node.input) == 1:
            reached += node.output
    return reached


def test_scrfd_as_insightface_names_it(data: Path, tmp_path: Path) -> None:
    """det_500m.onnx, det_10g.onnx: open size "?", numbered outputs, no batch axis, rows of the size at export."""
    model = onnx.load_from_string(free_size((data / "detectors" / "scrfd_500m_kps.onnx").read_bytes(), "images"))
    sides = model.graph.input[0].type.tensor_type.shape.dim
    sides[2].dim_param = sides[3].dim_param = "?"
    for number, output in enumerate(list(model.graph.output)):
        columns, rows = (1, 4, 10)[number // 3], (12800, 3200, 800)[number % 3]
        name = f"{443 + number}_"
        model.graph.initializer.append(numpy_helper.from_array(np.array([-1, columns]), f"flat_{name}"))
        model.graph.node.append(helper.make_node("Reshape", [output.name, f"flat_{name}"], [name]))
        output.CopyFrom(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [rows, columns]))
    path = tmp_path / "det_500m.onnx"
    onnx.save(model, path)
    detector = open_detector(path)
    assert isinstance(detector, ScrfdDetector)
    ious, points, _ = compare(data, detector, "scrfd_500m_kps_hpc203")
    assert np.mean(ious >= 0.9) >= 0.95 and len(points) == len(ious)
