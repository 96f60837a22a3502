"""Weights by the golden data's rule, and models that are exported once for all tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the export tests need torch")
pytest.importorskip("onnxsim", reason="the export tests need onnxsim")

from rule_weights import State, rule_state  # noqa: E402

from export import int8, zoo  # noqa: E402
from export.gate import crops  # noqa: E402
from export.graph import write_onnx  # noqa: E402
from export.onnx import export  # noqa: E402
from export.sanity import check  # noqa: E402

GATE_CROPS = 4  # the tests themselves compare with the original's figures


@dataclass(frozen=True)
class Golden:
    """Outputs of one published network's original code, and how it is built."""

    state: State
    arrays: dict[str, NDArray[np.float32]]  # empty where the outputs are not at hand
    layers: dict[str, tuple[str, dict[str, object]]]  # module name -> kind and settings
    largest: dict[str, float]  # output -> largest magnitude, known of every network
    spread: dict[str, float]  # output -> largest difference between the two inputs' answers

    def inputs(self, size: int) -> dict[str, NDArray[np.float32]]:
        blocky = np.kron(np.random.default_rng(1).standard_normal((2, 3, 8, 8)), np.ones((1, 1, size // 8, size // 8)))
        plain = np.random.default_rng(0).standard_normal((2, 3, size, size))
        return {"": plain.astype(np.float32), "_blocky": blocky.astype(np.float32)}

    def head(self, suffix: str) -> NDArray[np.float32]:
        """The head's numbers as this zoo gives them: bins of yaw, pitch and roll, or what the one head says."""
        # fc_out: before the original spoils its logits with the batch's maximum, or orthonormalises.
        for kind in ("fc_out", "logits"):
            if f"yaw_{kind}" in self.arrays:
                return np.concatenate([self.arrays[f"{a}_{kind}{suffix}"] for a in ("yaw", "pitch", "roll")], axis=1)
        name = next(name for name in ("sixd", "fc_out", "output", "angles_ypr_deg") if name in self.arrays)
        return self.arrays[f"{name}{suffix}"]

    def angles(self, suffix: str) -> NDArray[np.float32]:
        return self.arrays[f"angles_ypr_deg{suffix}"]


@pytest.fixture(scope="session")
def golden(data: Path) -> Callable[[str], Golden]:
    """Golden data by name; the regenerated weights are those that the originals ran with."""

    def load(arch: str) -> Golden:
        folder = data / "golden" / arch
        meta = json.loads((folder / "meta.json").read_text())
        shapes = {key: shape for key, (shape, _) in json.loads((folder / "manifest.json").read_text()).items()}
        state = rule_state(shapes, meta["scale_rules"])
        digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values())).hexdigest()
        assert digest == meta["weights_sha256"]
        layers = {
            name: (kind, dict(settings)) for name, kind, settings in json.loads((folder / "modules.json").read_text())
        }
        arrays = {}
        if (folder / "golden.npz").exists():
            with np.load(folder / "golden.npz") as file:
                arrays = dict(file)
        return Golden(state, arrays, layers, meta["output_abs_max"], meta["between_inputs_max_abs"])

    return load


@pytest.fixture(scope="session")
def lightweight_state() -> State:
    """A lightweight network that was never trained; treat it as read-only."""
    return rule_state(zoo.get("lightweight").layouts[0])


@pytest.fixture
def checkpoint(lightweight_state: State, tmp_path: Path) -> Path:
    """The same as a file."""
    torch.save(lightweight_state, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Exports weights once per name, with the accuracy gate on few crops, and gives the ONNX file."""
    folder = tmp_path_factory.mktemp("exported")

    def write(name: str, state: State, arch: str | Sequence[str] = ()) -> Path:
        out = folder / f"{name}.onnx"
        if not out.exists():
            weights = folder / f"{name}.pth"
            torch.save(state, weights)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(crops, "MIN_CROPS", GATE_CROPS)
                # Weights that were never trained follow no head; all that could be wrong with them would be tried.
                patch.setattr(write_onnx, "check_sanity", lambda suspect, report: None)
                export(weights, output=out, arch=arch)
            weights.unlink()
        return out

    return write


@pytest.fixture(scope="session")
def published(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published lightweight checkpoint, exported."""
    out = tmp_path_factory.mktemp("published") / "lightweight.onnx"
    return export(data / "checkpoints/lightweight/model-b66.pkl", output=out).path


@pytest.fixture(scope="session")
def published_int8(published: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in INT8, calibrated on the faces of the data folder; takes most of a minute."""
    out = tmp_path_factory.mktemp("published_int8") / "int8.onnx"
    faces = data / "faces"
    return int8.quantize(published, output=out, calibration_images=faces, boxes=faces / "boxes.csv").path


@pytest.fixture
def no_other_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that were never trained follow no head in any reading, and a search for one is most of their export.

    tests/export/sanity has tests of the search.
    """
    monkeypatch.setattr(check, "better_reading", lambda *network, other_inputs: None)
