"""The parser library of the folder, compiled against headers with DeepStream's documented declarations.

HPE_EDGE_C_BUILD names a CMake build with HPE_EDGE_C_LIBRARY, as for tests/capi.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from reference import rotation
from tiny_model import tiny_spec

from hpe_edge.ops.decode import DecodeHeads

HERE = Path(__file__).parent
BUILD = os.environ.get("HPE_EDGE_C_BUILD", "")

pytestmark = pytest.mark.skipif(not BUILD, reason="HPE_EDGE_C_BUILD names no build of the C interface")


@pytest.fixture(scope="module")
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library, its spec and the driver."""
    work = tmp_path_factory.mktemp("parser")
    prefix = work / "prefix"
    subprocess.run(["cmake", "--install", BUILD, "--prefix", str(prefix)], check=True, capture_output=True)
    configure = ["cmake", "-S", folder / "parser", "-B", work / "build", f"-DCMAKE_PREFIX_PATH={prefix}"]
    configure += [f"-DDEEPSTREAM_INCLUDES={HERE / 'stubs'}", "-DCMAKE_CXX_FLAGS=-Werror"]
    for command in (configure, ["cmake", "--build", work / "build"]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    (work / "run").mkdir()
    shutil.copy(work / "build" / "libhpe_deepstream.so", work / "run")
    compiler = ["c++", "-std=c++17", f"-I{HERE / 'stubs'}", str(HERE / "native" / "parser_driver.cpp"), "-ldl"]
    subprocess.run([*compiler, "-o", str(work / "run" / "driver")], check=True)
    return work / "run"


def call(built: Path, spec: str | None, **outputs: np.ndarray) -> subprocess.CompletedProcess[str]:
    """Run the driver on the outputs of one face."""
    path = built / "head_pose.spec.json"
    path.unlink(missing_ok=True)
    if spec is not None:
        path.write_text(spec)
    rows = [f"{name}={','.join(repr(float(each)) for each in row)}" for name, row in outputs.items()]
    return subprocess.run([built / "driver", built / "libhpe_deepstream.so", *rows], capture_output=True, text=True)


def numbers(done: subprocess.CompletedProcess[str]) -> np.ndarray:
    """Angles, sigma and rotation of the driver's last line."""
    assert done.returncode == 0, done.stderr
    other, mine, *values = done.stdout.splitlines()[-1].split()
    assert (other, mine) == ("0", "1")
    return np.array(values, np.float64)


def test_the_exported_models_poses_are_read(built: Path, folder: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (1, 3, 112, 112)).astype(np.float32)
    session = onnxruntime.InferenceSession(folder / "head_pose.onnx", providers=["CPUExecutionProvider"])
    row = session.run(None, {"crop_levels": levels})[0][0]
    done = call(built, (folder / "head_pose.spec.json").read_text(), pose_deg=row)
    found = numbers(done)
    np.testing.assert_allclose(found[:6], row, rtol=1e-6)
    np.testing.assert_allclose(found[6:].reshape(3, 3), rotation(*row[:3].astype(np.float64)), atol=2e-6)
    description, *labels = done.stdout.splitlines()[:-1]
    wanted = [f"{name}={angle:.4f}" for name, angle in zip(("yaw", "pitch", "roll"), row[:3], strict=True)]
    assert description.split() == wanted
    assert labels == [f"{i} {round(float(row[i])) + 180} 1 {wanted[i]}" for i in range(3)]


def test_raw_outputs_are_decoded_by_the_spec(built: Path) -> None:
    """An engine of the plain model, whose heads hpe_decode reads; its outputs in another order, with one more."""
    spec = replace(tiny_spec(), outputs=("logits", "mask"))
    logits = np.random.default_rng(1).normal(0, 3, (1, 198)).astype(np.float32)
    mask = np.zeros(5, np.float32)
    poses = DecodeHeads(spec)([logits, mask[None]])
    found = numbers(call(built, spec.to_json(), mask=mask, logits=logits[0], extra=mask))
    np.testing.assert_allclose(found[:3], poses.angles[0], rtol=1e-6)
    np.testing.assert_allclose(found[3:6], poses.sigma[0], rtol=1e-6)
    np.testing.assert_allclose(found[6:], poses.rotation[0].ravel(), atol=1e-6)


def test_a_failed_face_has_no_label(built: Path, folder: Path) -> None:
    row = np.array([1, np.nan, 3, 4, 5, 6], np.float32)
    done = call(built, (folder / "head_pose.spec.json").read_text(), pose_deg=row)
    assert np.isnan(numbers(done)[:3]).all() and done.stdout.splitlines()[0] == ""


@pytest.mark.parametrize(
    ("spec", "outputs", "fragment"),
    [
        (None, {"pose_deg": np.zeros(6)}, "cannot read"),
        ('{"format": 99}', {"pose_deg": np.zeros(6)}, "format 99"),
        ("own", {"other": np.zeros(6)}, "no output pose_deg"),
        ("own", {"pose_deg": np.zeros(2)}, "too few columns"),
    ],
)
def test_faults_are_reported(
    built: Path, folder: Path, spec: str | None, outputs: dict[str, np.ndarray], fragment: str
) -> None:
    text = (folder / "head_pose.spec.json").read_text() if spec == "own" else spec
    done = call(built, text, **outputs)
    assert done.returncode == 1 and fragment in done.stderr


def test_it_exports_its_two_functions_alone(built: Path) -> None:
    done = subprocess.run(
        ["nm", "-D", "--defined-only", built / "libhpe_deepstream.so"], capture_output=True, text=True
    )
    names = {line.split()[-1] for line in done.stdout.splitlines()}
    assert {each for each in names if not each.startswith("_Z")} == {"NvDsInferParseHeadPose", "hpe_deepstream_pose"}
