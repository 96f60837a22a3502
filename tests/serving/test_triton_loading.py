"""A real Triton server reads every configuration, and what cannot be served is refused in words while it loads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from engine_files import write_engine
from served import open_server

from export.triton import export
from hpe_edge import BackendError

NUMPY2_VARIABLE = "HPE_EDGE_TRITON_NUMPY2"  # folder with NumPy 2, pip install --no-deps --target


def test_models_that_cannot_be_served(server_python: Path, tmp_path: Path) -> None:
    """The server of nvidia-pytriton has one backend, Python: configurations for others are read, then refused for it.

    Triton checks a configuration before it looks for the backend.
    """
    repositories = [tmp_path / name for name in ("onnxruntime", "tensorrt", "wrong", "old", "bare")]
    export(output=repositories[0], name="ort")
    export(write_engine(tmp_path / "model.engine"), output=repositories[1], name="trt")
    for folder in repositories[:2]:
        for part in ("frame", "stream"):
            (model,) = folder.glob(f"*_{part}")
            shutil.rmtree(model)
    shutil.copytree(repositories[0] / "ort_network", tmp_path / "wrong" / "wrong_network")
    _replace(tmp_path / "wrong" / "wrong_network" / "config.pbtxt", "ort_network", "wrong_network")
    _replace(tmp_path / "wrong" / "wrong_network" / "config.pbtxt", "max_batch_size: 32", "max_batch_size: -3")
    for name in ("old", "bare"):
        export(output=tmp_path / name, name=name, backend="python")
        shutil.rmtree(tmp_path / name / f"{name}_network")
        shutil.rmtree(tmp_path / name / f"{name}_stream")
    _replace(tmp_path / "old" / "old_frame" / "config.pbtxt", 'string_value: "1"', 'string_value: "0"')
    _replace(tmp_path / "bare" / "bare_frame" / "1" / "model.py", "hpe_edge.triton.frame", "hpe_edge.not_there.frame")
    with open_server(repositories, tmp_path / "work", server_python) as server:
        assert server.wait_for_end() != 0
    log = server.text()
    assert "unable to find backend library for backend 'onnxruntime'" in log
    assert "unable to find backend library for backend 'tensorrt'" in log
    (line,) = [line for line in log.splitlines() if "wrong_network" in line and "max_batch_size" in line]
    assert "backend library" not in line
    assert "format 0" in log and "write the repository again" in log
    assert "this model needs hpe_edge with hpe_edge.triton in the server's Python" in log


def test_numpy_that_hands_over_wrong_values_is_refused(server_python: Path, tmp_path: Path) -> None:
    """This server was compiled for NumPy 1; with NumPy 2 every input reads as one value, and no error is raised."""
    if NUMPY2_VARIABLE not in os.environ:
        pytest.skip(f"needs a folder with NumPy 2, named by {NUMPY2_VARIABLE}")
    export(output=tmp_path / "repository", backend="python")
    folder = Path(os.environ[NUMPY2_VARIABLE])
    with open_server([tmp_path / "repository"], tmp_path / "work", server_python, first_path=folder) as server:
        with pytest.raises(BackendError, match="did not become ready"):
            server.wait_until_ready()
        log = server.text()
    for part in ("network", "frame", "stream"):
        assert f"failed to load 'head_pose_{part}'" in log
    assert "hands over wrong values with NumPy 2" in log and "pip install 'numpy<2'" in log


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
