"""WHENet: EfficientNet-B0, bins of 3 degrees, the full circle for yaw. Published as a Keras file, read by position.

There is no common PyTorch version, so the state-dict keys are this project's own: ``backbone.*`` as in
:mod:`export.zoo.efficientnet`, then ``fc_yaw``, ``fc_pitch`` and ``fc_roll``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from export.zoo.bins import OUTPUT, BinNet, fuse_heads
from export.zoo.efficientnet import EfficientNetB0
from export.zoo.family import Family
from hpe_edge.errors import ModelError
from hpe_edge.spec import BinHead, BinsDecode, Crop, Input

_YAW_BINS = 120
_BINS = 66  # pitch and roll
_KERAS_HEADS = ("yaw_new", "pitch_new", "roll_new")  # the only layers whose names do not depend on the session
_KERAS_BATCHNORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


class WheNet(BinNet):
    """EfficientNet-B0 and the heads; yaw's has more bins."""

    def __init__(self) -> None:
        super().__init__(EfficientNetB0.width, _BINS)
        self.fc_yaw = nn.Linear(EfficientNetB0.width, _YAW_BINS)
        self.backbone = EfficientNetB0()

    def embed(self, image: Tensor) -> Tensor:
        features: Tensor = self.backbone(image)
        return features


def state_from_keras(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert Keras arrays to the state dict.

    Keras numbers layers through a session, so arrays are matched by position; only the heads have fixed names.

    Args:
        weights: ``layer/.../array`` -> array, in the file's order and on Keras' axes.

    Raises:
        ModelError: an array is missing, left over, of another kind or of another shape; the message names the first.
    """
    wanted = {
        key: shape
        for key, shape in sorted(WHENET.layouts[0].items(), key=lambda item: item[0].startswith("fc_"))
        if not key.endswith("num_batches_tracked")
    }
    names = sorted(weights, key=_head)
    state = {}
    for (key, shape), name in zip(wanted.items(), names, strict=False):
        kind = _keras_kind(key, shape)
        tensor = _from_keras_axes(weights[name], kind)
        if name.rpartition("/")[2].partition(":")[0] != kind or tuple(tensor.shape) != shape:
            raise ModelError(
                f"the arrays are not WHENet's: {name} {list(weights[name].shape)} stands where {kind} of {key} "
                f"{list(shape)} is due; export the file that WHENet's authors published, or one trained with their code"
            )
        state[key] = tensor.contiguous()
    if len(names) != len(wanted):
        more = len(names) > len(wanted)
        raise ModelError(
            f"the file has {len(names)} arrays and WHENet {len(wanted)}: "
            + (f"{names[len(wanted)]} is left over" if more else f"{list(wanted)[len(names)]} is missing")
            + "; save the network's weights, whole and alone"
        )
    return state


def _head(name: str) -> int:
    layer = name.partition("/")[0]
    return 1 + _KERAS_HEADS.index(layer) if layer in _KERAS_HEADS else 0


def _keras_kind(key: str, shape: tuple[int, ...]) -> str:
    """Name of the array in Keras."""
    layer, _, last = key.rpartition(".")
    if layer.endswith(".bn"):
        return _KERAS_BATCHNORM[last]
    if last == "bias":
        return "bias"
    return "depthwise_kernel" if len(shape) == 4 and shape[1] == 1 else "kernel"


def _from_keras_axes(array: Tensor, kind: str) -> Tensor:
    """Height, width, in, out to out, in, height, width; of a depthwise kernel, in is the channel and out is 1."""
    if array.ndim == 4:
        return array.permute(2, 3, 0, 1) if kind == "depthwise_kernel" else array.permute(3, 2, 0, 1)
    return array.T if array.ndim == 2 else array


def _decode(circular: bool) -> BinsDecode:
    """Lower edges of the bins."""
    return BinsDecode(
        yaw=BinHead(OUTPUT, 0, first_deg=-180.0, step_deg=3.0, count=_YAW_BINS, circular=circular),
        pitch=BinHead(OUTPUT, _YAW_BINS, first_deg=-99.0, step_deg=3.0, count=_BINS),
        roll=BinHead(OUTPUT, _YAW_BINS + _BINS, first_deg=-99.0, step_deg=3.0, count=_BINS),
    )


# Its authors publish no crop by landmarks and no training code, only a demonstration. It grows a head detector's box by
# 0.2 of its width on the left and 0.24 on the right, and by 0.1 of its height at the top and 0.11 at the bottom, cuts
# that at the picture's edges and stretches it to the input. A head is guessed here to reach 0.1 of the face's width
# beyond it on either side, and 0.5 of its height above it: left 0.1 + 0.2 * 1.2, top 0.5 + 0.1 * 1.5, right 0.1 + 0.24
# * 1.2, bottom 0.11 * 1.5. Training saw faces much smaller in the crop too: their CMU Panoptic crops span a sphere
# about the head three times as wide as the face.
_CROP = Crop(margins=(0.34, 0.65, 0.388, 0.165), square="none", clip=True, resampling="bilinear")

# A head seen from behind: its bins on both sides of 180 degrees are likely at once, and their plain mean, which the
# original takes, is an angle near 0, a face that looks into the camera. The circular mean is near 180, and for heads
# whose likely bins lie together it is the plain mean, to a fraction of a degree.
WHENET = Family(
    name="whenet",
    title="WHENet, EfficientNet-B0, yaw all round, 120 and 66 bins, 224x224 RGB",
    source="Ascend-Research/HeadPoseEstimation-WHENet (BSD-3-Clause); Zhou and Gregson, 2020, arXiv:2005.10353",
    published="AFLW2000 MAE yaw 5.11, pitch 6.24, roll 4.92, mean 5.42; WHENet-V, trained for narrow yaw, 4.44, 5.75, "
    "4.31, mean 4.83; as 6DRepNet's README tabulates them",
    crop_note="its demonstration's margins about a head, where a tight face box suggests that the head is; the second "
    "part is a guess, and its authors state no crop for testing: measure it for your boxes",
    builds=(WheNet,),
    export_form=fuse_heads,
    input=Input(size=224, color="RGB", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    crop=_CROP,
    decode=_decode(circular=True),
    outputs=(OUTPUT,),
    from_arrays={"keras": state_from_keras},
)

WHENET_LINEAR = replace(
    WHENET,
    name="whenet-linear",
    title="WHENet with its authors' plain mean of the yaw bins, which takes a head seen from behind for a frontal one",
    decode=_decode(circular=False),
    on_request=True,
)
