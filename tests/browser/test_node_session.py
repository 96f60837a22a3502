"""ONNX Runtime Web in Node against ONNX Runtime: the embedded model, and what can go wrong."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from grid_model import write_grid_model
from tiny_model import write_tiny_model

from export.browser import runtime as ort_web
from export.browser.node import NodeSession
from export.browser.runtime import find_node, find_runtime
from hpe_edge import BackendError, InputError, ModelError
from hpe_edge.models import DEFAULT

pytestmark = pytest.mark.usefixtures("runtime")


def native(path: Path, pixels: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(None, {session.get_inputs()[0].name: pixels}))


@pytest.mark.parametrize("count", [1, 3])
def test_logits_are_those_of_onnx_runtime(rng: np.random.Generator, count: int) -> None:
    pixels = rng.normal(0, 1.5, (count, 3, 112, 112)).astype(np.float32)
    with NodeSession(DEFAULT) as session:
        for _ in range(2):
            (logits,) = session.run(pixels)
            np.testing.assert_allclose(logits, native(DEFAULT, pixels)[0], atol=2e-4)


def test_outputs_by_name_and_of_several(rng: np.random.Generator, tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4, 10), 1, size_hw=None)
    pixels = rng.normal(0, 1, (1, 3, 64, 96)).astype(np.float32)
    wanted = native(path, pixels)
    with NodeSession(path) as session:
        for found, other in zip(session.run(pixels), wanted, strict=True):
            np.testing.assert_allclose(found, other, atol=1e-4)
        (last,) = session.run(pixels, session.outputs[-1:])
        np.testing.assert_allclose(last, wanted[-1], atol=1e-4)
        with pytest.raises(InputError, match="has no output 'x', it has"):
            session.run(pixels, ["x"])


def test_pixels_of_uint8(rng: np.random.Generator, tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "a.onnx", dtype=2)
    pixels = rng.integers(0, 256, (2, 3, 64, 64), np.uint8)
    with NodeSession(path) as session:
        np.testing.assert_allclose(session.run(pixels)[0], native(path, pixels)[0], rtol=1e-4, atol=1e-3)
        with pytest.raises(InputError, match="must be float32 or uint8, got float64"):
            session.run(pixels.astype(np.float64))


def test_a_wrong_shape_is_an_error_and_the_session_goes_on(rng: np.random.Generator) -> None:
    pixels = rng.normal(0, 1, (1, 3, 112, 112)).astype(np.float32)
    with NodeSession(DEFAULT) as session:
        with pytest.raises(BackendError, match="invalid dimensions"):
            session.run(pixels[..., :64])
        assert np.isfinite(session.run(pixels)[0]).all()


def test_a_killed_node_is_an_error(rng: np.random.Generator) -> None:
    pixels = rng.normal(0, 1, (1, 3, 112, 112)).astype(np.float32)
    with NodeSession(DEFAULT) as session:
        session.run(pixels)
        os.kill(session._process.pid, signal.SIGKILL)
        session._process.wait()
        with pytest.raises(BackendError, match="Node has ended"):
            session.run(pixels)
    with pytest.raises(BackendError, match="Node has ended"):
        session.run(pixels)


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_files_that_are_no_models(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot load"):
        NodeSession(path)


def test_a_missing_runtime_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ort_web.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(BackendError, match=r"names .*, which lacks it; install it with `npm install"):
        find_runtime()
    (tmp_path / "package.json").write_text('{"version": "1.2.3"}')
    with pytest.raises(BackendError, match=r"is version 1\.2\.3, tested is"):
        find_runtime()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match=r"needs Node\.js"):
        find_node()


def test_the_runtime_is_found_above_the_current_folder(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ort_web.FOLDER_VARIABLE, raising=False)
    package = tmp_path / "node_modules" / ort_web.PACKAGE
    package.parent.mkdir()
    package.symlink_to(runtime.parent)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert find_runtime() == package / "dist"
