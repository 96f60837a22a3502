"""OpenVINO's first run of a file, in a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge import PoseEngine
from hpe_edge.backends.openvino import first_run
from hpe_edge.errors import BackendError, ModelError
from hpe_edge.models import DEFAULT
from hpe_edge.spec import METADATA_KEY
from hpe_edge.util.child_process import ChildError, run_in_child

pytest.importorskip("openvino")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hpe_edge" / "openvino-first-runs"


def count_children(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    seen = []

    def counted(module: str, arguments: list[str], limit_s: float) -> bytes:
        seen.append(arguments)
        return run_in_child(module, arguments, limit_s)

    monkeypatch.setattr(first_run, "run_in_child", counted)
    return seen


def write_crashing_model(path: Path) -> Path:
    """A Conv without weights, at which OpenVINO 2026.4 reads a null pointer."""
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image"], ["logits"])],
        "crash",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 12])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: tiny_spec(8, 4).to_json()})
    onnx.save(model, str(path))
    return path


def test_a_file_at_which_openvino_crashes_is_refused_and_this_process_lives(tmp_path: Path, empty_cache: Path) -> None:
    path = write_crashing_model(tmp_path / "crash.onnx")
    for _ in range(2):  # it leaves no mark
        with pytest.raises(ModelError, match=r"OpenVINO (crashed with SIG|failed)|cannot be loaded"):
            PoseEngine(path, backend="openvino")
    assert not empty_cache.exists()


def test_a_file_is_tried_once_by_its_content(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_children(monkeypatch)
    path = write_tiny_model(tmp_path / "tiny.onnx")
    for _ in range(2):
        PoseEngine(path, backend="openvino").close()
    shutil.copy(path, tmp_path / "copy.onnx")
    PoseEngine(tmp_path / "copy.onnx", backend="openvino").close()
    assert len(seen) == 1 and len(list(empty_cache.iterdir())) == 1
    write_tiny_model(path, size=32)  # another file of that name
    PoseEngine(path, backend="openvino").close()
    assert len(seen) == 2


def test_weights_beside_the_model_count_as_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = count_children(monkeypatch)
    path = write_tiny_model(tmp_path / "tiny.onnx")
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    PoseEngine(path, backend="openvino").close()
    data = bytearray((tmp_path / "w.bin").read_bytes())
    data[1] ^= 1
    (tmp_path / "w.bin").write_bytes(data)
    PoseEngine(path, backend="openvino").close()
    assert len(seen) == 2


def test_the_models_of_the_package_need_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = count_children(monkeypatch)
    PoseEngine(DEFAULT, backend="openvino").close()
    assert seen == []


def test_an_unwritable_cache_costs_a_trial_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("no folder")
    seen = count_children(monkeypatch)
    path = write_tiny_model(tmp_path / "tiny.onnx")
    engines = [PoseEngine(path, backend="openvino") for _ in range(2)]
    frame = np.zeros((64, 64, 3), np.uint8)
    assert len(seen) == 2
    assert np.array_equal(engines[0](frame, [[8, 8, 40, 40]]).angles, engines[1](frame, [[8, 8, 40, 40]]).angles)


def test_a_child_that_cannot_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_starts(module: str, arguments: list[str], limit_s: float) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(first_run, "run_in_child", none_starts)
    with pytest.raises(BackendError, match="child process"):
        PoseEngine(write_tiny_model(tmp_path / "tiny.onnx"), backend="openvino")
    monkeypatch.setattr(first_run, "run_in_child", lambda *_: (_ for _ in ()).throw(ChildError("did not end")))
    with pytest.raises(ModelError, match="did not end"):
        PoseEngine(write_tiny_model(tmp_path / "tiny.onnx"), backend="openvino")
