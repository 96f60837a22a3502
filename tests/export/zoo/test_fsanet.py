"""FSA-Net against the outputs of the originals' own code, the authors' ONNX files, and the labelled photos."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from export import zoo
from export.checkpoints.load import load_checkpoint
from export.graph import trace as graph
from export.zoo.ensemble import average
from hpe_edge.errors import ModelError
from hpe_edge.ops.crop import crop_normalize
from hpe_edge.spec import Crop

GOLDENS = [
    ("fsanet_omasaht_1x1", "fsanet-1x1"),
    ("fsanet_omasaht_var", "fsanet-var"),
    ("fsanet_vietlinhtspt_weight", "fsanet180-1x1"),
    ("fsanet_vietlinhtspt_var", "fsanet180-var"),
]
# family -> checkpoint, the ONNX file that its authors made of it, golden data, key in the stored reference
PUBLISHED = {
    "fsanet-1x1": ("fsa1x1-08082020.chkpt", "fsanet-1x1-iter-688590.onnx", "fsanet_omasaht_1x1", "a1x1"),
    "fsanet-var": ("fsavar-09082020.chkpt", "fsanet-var-iter-688590.onnx", "fsanet_omasaht_var", "var"),
}
# The originals themselves differ by 1e-6 and 3e-5 degrees between float32 and float64.
TOLERANCE = 1e-5
TOLERANCE_DEG = 1e-3
# What TensorRT 8.6 has at opset 17, less what shape arithmetic would need (Shape, Gather, Range, Expand, ...).
PLAIN_OPS = {
    *("Add", "AveragePool", "Concat", "Constant", "Conv", "Div", "Exp", "Gemm", "MatMul", "MaxPool", "Mul", "Neg"),
    *("Pow", "Reciprocal", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Sigmoid", "Softmax", "Split", "Sqrt", "Sub"),
    *("Tanh", "Unsqueeze"),
}
AS_CUT = Crop(margins=(0.0, 0.0, 0.0, 0.0), square="none")


def run(net: nn.Module, image: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return net(torch.from_numpy(image)).numpy()


def export(net: nn.Module) -> onnx.ModelProto:
    family = zoo.get("fsanet-1x1")
    return graph.simplify(graph.trace(net, family.input, family.outputs, None))


def session(model: onnx.ModelProto | Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    data = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(data, options)


@pytest.fixture(scope="module")
def nets(data: Path) -> dict[str, nn.Module]:
    """The published networks."""
    folder = data / "checkpoints/fsanet"
    return {name: zoo.get(name).load(load_checkpoint(folder / PUBLISHED[name][0]).state) for name in PUBLISHED}


@pytest.fixture(scope="module")
def models(nets: dict[str, nn.Module]) -> dict[str, onnx.ModelProto]:
    """The same, exported."""
    return {name: export(zoo.get(name).export_form(net)) for name, net in nets.items()}


@pytest.fixture(scope="module")
def reference(data: Path) -> dict:
    return json.loads((data / "reference_aflw2000.json").read_text())


@pytest.fixture(scope="module")
def photos(data: Path, reference: dict) -> list[np.ndarray]:
    return [cv2.imread(str(data / "aflw2000_dev" / entry["file"])) for entry in reference["images"]]


@pytest.fixture(scope="module")
def labels(reference: dict) -> np.ndarray:
    return np.array([entry["label"] for entry in reference["images"]])


@pytest.fixture(scope="module")
def faces(photos: list[np.ndarray], reference: dict) -> np.ndarray:
    """Input of the landmark boxes by the family's own crop."""
    boxes = [entry["box"] for entry in reference["images"]]
    return cut(photos, boxes, zoo.get("fsanet-1x1").crop)


def cut(photos: list[np.ndarray], boxes: list[list[float]], crop: Crop) -> np.ndarray:
    made = zoo.get("fsanet-1x1").input
    return np.concatenate([crop_normalize(photo, [box], crop, made) for photo, box in zip(photos, boxes, strict=True)])


@pytest.mark.parametrize(("arch", "name"), GOLDENS)
def test_capsules_stages_and_angles_are_the_originals(golden, arch, name):
    original = golden(arch)
    net = zoo.get(name).load(original.state)
    said: dict[str, np.ndarray] = {}
    net.caps_layer.register_forward_hook(lambda _, __, capsules: said.update(capsules=capsules.numpy()))
    for stage in ("esp_s1", "esp_s2", "esp_s3"):

        def keep(_, __, values, stage=stage):
            shift, scale, bins = (value.numpy() for value in values)
            said.update({f"{stage}_shift": shift, f"{stage}_scale": scale, f"{stage}_pred": bins.reshape(-1, 3, 3)})

        getattr(net, stage).register_forward_hook(keep)
    for suffix, image in original.inputs(64).items():
        angles = run(net, image)
        assert len(said) == 10
        for key, value in said.items():
            wanted = original.arrays[key + suffix]
            assert value.shape == wanted.shape
            assert np.abs(value - wanted).max() <= TOLERANCE, key
        assert np.abs(angles - original.angles(suffix)).max() <= TOLERANCE_DEG


@pytest.mark.parametrize(("arch", "name"), GOLDENS)
def test_exported_form_gives_the_originals_angles(golden, arch, name):
    original = golden(arch)
    family = zoo.get(name)
    form = family.export_form(family.load(original.state))
    for suffix, image in original.inputs(64).items():
        assert np.abs(run(form, image) - original.angles(suffix)).max() <= TOLERANCE_DEG


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_give_the_originals_angles(data: Path, golden, nets, models, name):
    file, authors_file, arch, _ = PUBLISHED[name]
    with np.load(data / "golden" / arch / "golden_published_ckpt.npz") as arrays:
        wanted = {suffix: arrays[f"{file}::angles_ypr_deg{suffix}"] for suffix in ("", "_blocky")}
    ours, authors = session(models[name]), session(data / "checkpoints/fsanet" / authors_file)
    for suffix, image in golden(arch).inputs(64).items():
        assert np.abs(run(nets[name], image) - wanted[suffix]).max() <= TOLERANCE_DEG
        (found,) = ours.run(None, {"image": image})
        assert np.abs(found - wanted[suffix]).max() <= TOLERANCE_DEG
        theirs = np.concatenate([authors.run(None, {"input": face[None]})[0] for face in image])
        assert np.abs(found - theirs).max() <= TOLERANCE_DEG


@pytest.mark.parametrize("name", PUBLISHED)
def test_graph_has_plain_operations_and_one_free_axis(models, name):
    model = models[name]
    assert {node.op_type for node in model.graph.node} <= PLAIN_OPS
    assert len(model.graph.node) <= 145
    for value in (*model.graph.input, *model.graph.output):
        free, *fixed = (bool(dim.dim_param) for dim in value.type.tensor_type.shape.dim)
        assert free
        assert not any(fixed)
    (angles,) = model.graph.output
    assert angles.name == "angles"


@pytest.mark.parametrize("name", PUBLISHED)
def test_graph_gives_the_torch_modules_angles_alone_and_in_a_batch(nets, models, faces, name):
    ours = session(models[name])
    wanted = run(nets[name], faces)
    together = np.concatenate([ours.run(None, {"image": faces[i : i + 8]})[0] for i in range(0, len(faces), 8)])
    alone = np.concatenate([ours.run(None, {"image": face[None]})[0] for face in faces])
    assert np.abs(together - wanted).max() <= TOLERANCE_DEG
    assert np.abs(alone - together).max() <= TOLERANCE_DEG


def test_two_networks_run_in_one_graph(nets, faces):
    families = [zoo.get(name) for name in nets]
    forms = [family.export_form(nets[family.name]) for family in families]
    (found,) = session(export(average(families, forms))).run(None, {"image": faces})
    wanted = np.mean([run(net, faces) for net in nets.values()], axis=0)
    assert np.abs(found - wanted).max() <= TOLERANCE_DEG


def test_the_originals_own_pixels_give_its_angles(photos, reference, nets):
    """The crop differs from the original's only in that cv2.resize rounds to whole levels, and nothing else."""
    levels = []
    for photo, entry in zip(photos, reference["images"], strict=True):
        x1, y1, x2, y2 = entry["fsanet"]["hopenet_exact"]["rect"]
        levels.append(cv2.resize(photo[y1 : y2 + 1, x1 : x2 + 1], (64, 64)).astype(np.float32))
    image = np.ascontiguousarray((np.stack(levels).transpose(0, 3, 1, 2) - 127.5) / 128)
    for name, net in nets.items():
        wanted = [entry["fsanet"]["hopenet_exact"][PUBLISHED[name][3]] for entry in reference["images"]]
        assert np.abs(run(net, image) - wanted).max() <= TOLERANCE_DEG


@pytest.mark.parametrize("policy", ["hopenet_exact", "ad0.6", "type1"])
def test_angles_are_as_accurate_as_the_originals(photos, labels, reference, nets, policy):
    stored = [entry["fsanet"][policy] for entry in reference["images"]]
    boxes = [[x1, y1, x2 + 1, y2 + 1] for x1, y1, x2, y2 in (entry["rect"] for entry in stored)]
    image = cut(photos, boxes, AS_CUT)
    said = {PUBLISHED[name][3]: run(net, image) for name, net in nets.items()}
    said["mean"] = (said["a1x1"] + said["var"]) / 2
    for key, angles in said.items():
        row = reference["mae_deg"][f"fsanet_{key.removeprefix('a')}/{policy}"]
        error = np.abs(angles - labels).mean(axis=0)
        assert np.abs(error - [row[angle] for angle in ("yaw", "pitch", "roll")]).max() <= 0.05
        assert abs(error.mean() - row["mean"]) <= 0.02
        # The rounding to whole levels, to which 64x64 pixels are more sensitive than 224x224.
        worst_angle = np.abs(angles - [entry[key] for entry in stored]).max(axis=1)
        assert worst_angle.mean() <= 0.12
        assert np.quantile(worst_angle, 0.99) <= 0.6
        assert worst_angle.max() <= 1.6


def test_default_crop_is_as_accurate_as_stated(labels, nets, faces):
    said = {name: run(net, faces) for name, net in nets.items()}
    said["mean"] = np.mean(list(said.values()), axis=0)
    found = {name: np.abs(angles - labels).mean() for name, angles in said.items()}
    assert found == pytest.approx({"fsanet-1x1": 4.11, "fsanet-var": 4.51, "mean": 4.11}, abs=0.01)


@pytest.mark.parametrize("box", [(40.0, 60.0, 120.0, 180.0), (40.0, 60.0, 160.0, 140.0)])
def test_180_crop_is_a_square_of_1_4_times_the_longer_side(box):
    crop = zoo.get("fsanet180-1x1").crop
    made = zoo.get("fsanet180-1x1").input
    frame = np.random.default_rng(0).integers(0, 256, (240, 240, 3), np.uint8)
    centre, side = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), 1.4 * max(box[2] - box[0], box[3] - box[1])
    window = [centre[0] - side / 2, centre[1] - side / 2, centre[0] + side / 2, centre[1] + side / 2]
    assert np.allclose(
        crop_normalize(frame, [box], crop, made), crop_normalize(frame, [window], AS_CUT, made), atol=1e-4
    )


@pytest.mark.parametrize(("arch", "name"), GOLDENS)
def test_normalisation_is_the_originals(data: Path, arch, name):
    stated = json.loads((data / "golden" / arch / "meta.json").read_text())["input_norm"]
    levels = np.array([0.0, 100.0, 255.0])[:, None]
    scaled = levels / 256 if stated["range"].startswith("x/256") else levels
    made = zoo.get(name).input
    assert made.color == stated["colour"][:3]
    assert np.allclose(
        (levels * made.scale - made.mean) / np.array(made.std), (scaled - stated["mean"]) / np.array(stated["std"])
    )


@pytest.mark.parametrize(("first", "second"), [("fsanet-1x1", "fsanet180-1x1"), ("fsanet-var", "fsanet180-var")])
def test_the_ports_are_told_apart_by_name_only(first, second):
    state = {key: torch.zeros(shape) for key, shape in zoo.get(first).layouts[0].items()}
    with pytest.raises(ModelError, match=rf"--arch {first}: [^;]*omasaht(.|\n)*--arch {second}: [^;]*vietlinhtspt"):
        zoo.recognise(state)
