"""Models to be timed only: an architecture with untrained weights, in float32 and in INT8.

How long a network takes does not depend on what its weights are. They are made in another process, so that neither
torch nor its threads are there when something is timed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hpe_edge.errors import BackendError, ModelError
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.spec import Origin
from hpe_edge.util.atomic import Pending

CHECKPOINT = "untrained weights"  # in the spec, where a checkpoint is named otherwise
_FACES = 16


def make_untrained(architecture: str, folder: Path) -> Path:
    """Write ``ARCHITECTURE.onnx`` with random weights, always the same ones.

    Raises:
        ModelError: there is no such architecture, or it cannot be exported; the message is the export's own.
        BackendError: torch or another package of the export is missing.
    """
    out = folder / f"{architecture}.onnx"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.inputs.untrained", architecture, str(out)], capture_output=True, text=True
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if "No module named" in said:
            raise BackendError(f"--arch makes a model with torch and onnx ({said}): pip install 'hpe-edge[export]'")
        raise ModelError(f"--arch {architecture}: {said}")
    return out


def make_int8(path: Path) -> Path:
    """Write the INT8 form beside a float32 file, its ranges found on the bundled faces.

    Raises:
        ModelError: it cannot be made; the message is the export's own.
    """
    out = path.with_name(f"{path.stem}-int8.onnx")
    command = [
        sys.executable,
        "-m",
        "export.int8",
        str(path),
        "--calibration-images",
        str(FOLDER),
        "--boxes",
        str(BOXES),
    ]
    done = subprocess.run([*command, "-o", str(out)], capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelError(f"{path.name} has no INT8 form: {said}")
    return out


def _write(architecture: str, out: Path) -> None:
    import torch

    from export import zoo
    from export.gate.crops import gate_faces
    from export.graph import trace as graph

    torch.manual_seed(0)
    family = zoo.get(architecture)
    spec = family.spec(Origin(CHECKPOINT, "0" * 64))
    net = family.builds[0]()
    # As it is born, a network hardly tells one face from another, and no comparison could fail. One pass over faces
    # sets the means and deviations of its BatchNorms.
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # what it sees, in place of a tenth of it
    with torch.inference_mode():
        net.train()(torch.from_numpy(gate_faces(spec.crop, spec.input).crops[:_FACES].astype("float32")))
    net.eval()
    pending = Pending(out)
    try:
        model = graph.simplify(graph.trace(family.export_form(net).eval(), spec.input, spec.outputs, None))
        graph.save(model, spec, pending)
        pending.commit()
    finally:
        pending.discard()


if __name__ == "__main__":
    try:
        _write(sys.argv[1], Path(sys.argv[2]))
    except ModelError as error:
        sys.exit(str(error))
