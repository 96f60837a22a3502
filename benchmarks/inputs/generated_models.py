"""Generated models for timing: a tiny one, and architectures with untrained weights in float32 and INT8.

A network's time does not depend on its weights. Untrained models are made in another process, to keep torch and its
threads out of the timed one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.inputs.scene import BINS, bins_spec
from export.int8 import quantize
from hpe_edge.errors import BackendError, ModelError
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.spec import METADATA_KEY, Origin
from hpe_edge.util.atomic import Pending

CHECKPOINT = "untrained weights"  # in the spec, in place of a checkpoint's name
_FACES = 16


def write_tiny_model(path: Path, size: int) -> Path:
    """Write the mean of each channel, then one linear layer to three heads of 66 bins; needs the onnx package."""
    try:
        import onnx
    except ImportError:
        raise BackendError(
            "the engine suite writes a small network with the onnx package, which is not installed: "
            "pip install onnx, or name a model of your own with --model"
        ) from None
    from onnx import TensorProto, helper, numpy_helper

    columns = 3 * BINS[2]
    rng = np.random.default_rng(3)
    weight = rng.normal(0, 2, (3, columns)).astype(np.float32)
    bias = rng.normal(0, 1, columns).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, size, size])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", columns])
    weights = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
    graph = helper.make_graph(nodes, "tiny", [image], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: bins_spec("tiny", size).to_json()})
    onnx.save(model, str(path))
    return path


def make_untrained(architecture: str, folder: Path) -> Path:
    """Write ``ARCHITECTURE.onnx`` with random weights of a fixed seed; raises BackendError without torch."""
    out = folder / f"{architecture}.onnx"
    command = [sys.executable, "-m", "benchmarks.inputs.generated_models", architecture, str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    error = (done.stderr.strip().splitlines() or ["no message"])[-1] if done.returncode else ""
    if "No module named" in error:
        raise BackendError(f"--arch makes a model with torch and onnx ({error}): pip install 'hpe-edge[export]'")
    if error:
        raise ModelError(f"--arch {architecture}: {error}")
    return out


def make_int8(path: Path) -> Path:
    """Quantize a float32 file with the bundled faces as calibration images."""
    out = path.with_name(f"{path.stem}-int8.onnx")
    quantize(path, output=out, calibration_images=FOLDER, boxes=BOXES)
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
    # With initial weights the outputs hardly vary, and no comparison could fail. One pass over faces sets the means and
    # deviations of the BatchNorms.
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # a plain mean in place of a moving one
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
