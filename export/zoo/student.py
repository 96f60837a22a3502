"""Student networks for distillation: 112x112, bins of 3 degrees per angle, for edge devices.

Each takes at most 0.3 ms a face on one core of a server in ONNX Runtime and at most 1.0 MB in float32. They consist of
convolutions, ReLU and additions only, which every INT8 toolchain supports. A learned filter over the whole last map
replaces average pooling, because a feature's position shows how the head is turned. Widths are multiples of 16, the
number of channels that a processor computes at once: 24 channels take as long as 32.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from export.zoo.bins import OUTPUT, BinNet, bins_decode, fuse_heads
from export.zoo.family import Family
from export.zoo.layers import conv_bn
from hpe_edge.spec import BinHead, BinsDecode, Crop, Input, Upright

SIZE = 112
_LAST_MAP = SIZE // 16  # sides of the last map; four convolutions have stride 2


class _Block(nn.Module):
    """Convolutions, the last of which has no activation, and a shortcut where the shapes allow it."""

    def __init__(self, *steps: nn.Module, shortcut: bool) -> None:
        super().__init__()
        self.steps = nn.Sequential(*steps)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return x + self.steps(x) if self.shortcut else self.steps(x)


def _dense(wide_in: int, wide: int, wide_out: int, stride: int) -> _Block:
    """A full 3x3 convolution and a projection: more sums than ``_separable``, far less memory traffic."""
    return _Block(
        conv_bn(wide_in, wide, 3, stride, 1, nn.ReLU()),
        conv_bn(wide, wide_out, 1, 1, 1),
        shortcut=stride == 1 and wide_in == wide_out,
    )


def _separable(wide_in: int, wide: int, wide_out: int, stride: int) -> _Block:
    """Expand, filter each channel, project: Sandler et al., 2018, arXiv:1801.04381, with ReLU."""
    return _Block(
        conv_bn(wide_in, wide, 1, 1, 1, nn.ReLU()),
        conv_bn(wide, wide, 3, stride, wide, nn.ReLU()),
        conv_bn(wide, wide_out, 1, 1, 1),
        shortcut=stride == 1 and wide_in == wide_out,
    )


class StudentNet(BinNet):
    """A backbone that ends in maps of 7x7, one filter over each of them, and the heads."""

    def __init__(self, *backbone: nn.Module, wide: int, bins: int | tuple[int, int, int] = 66) -> None:
        super().__init__(width=wide, bins=bins)
        self.backbone = nn.Sequential(*backbone)
        self.gather = nn.Conv2d(wide, wide, _LAST_MAP, groups=wide)

    def embed(self, image: Tensor) -> Tensor:
        return self.gather(self.backbone(image)).flatten(1)


def _dense_net(bins: int | tuple[int, int, int] = 66) -> StudentNet:
    return StudentNet(
        conv_bn(3, 16, 3, 2, 1, nn.ReLU()),
        conv_bn(16, 32, 3, 2, 1, nn.ReLU()),
        _dense(32, 16, 32, 1),
        conv_bn(32, 64, 3, 2, 1, nn.ReLU()),
        _dense(64, 48, 64, 1),
        conv_bn(64, 96, 3, 2, 1, nn.ReLU()),
        _dense(96, 48, 96, 1),
        _dense(96, 48, 96, 1),
        wide=96,
        bins=bins,
    )


def _mixed_net() -> StudentNet:
    return StudentNet(
        conv_bn(3, 16, 3, 2, 1, nn.ReLU()),
        conv_bn(16, 32, 3, 2, 1, nn.ReLU()),
        _dense(32, 16, 32, 1),
        _dense(32, 48, 64, 2),
        _separable(64, 128, 64, 1),
        _separable(64, 192, 96, 2),
        _separable(96, 192, 96, 1),
        _separable(96, 192, 96, 1),
        wide=96,
    )


def _separable_net() -> StudentNet:
    return StudentNet(
        conv_bn(3, 16, 3, 2, 1, nn.ReLU()),
        _separable(16, 48, 24, 2),
        _separable(24, 64, 24, 1),
        _separable(24, 72, 40, 2),
        _separable(40, 120, 40, 1),
        _separable(40, 120, 40, 1),
        _separable(40, 160, 64, 2),
        _separable(64, 192, 64, 1),
        _separable(64, 192, 64, 1),
        conv_bn(64, 160, 1, 1, 1, nn.ReLU()),
        wide=160,
    )


def _full_range_decode() -> BinsDecode:
    """Heads of the turns roll, pitch, yaw, whose angles stay unique in profile; yaw and roll over the full circle."""
    count = {"yaw": 120, "pitch": 66, "roll": 120}
    yaw, pitch, roll = (
        BinHead(OUTPUT, column, first_deg=-(number - 1) * 1.5, step_deg=3.0, count=number, circular=number == 120)
        for number, column in zip(count.values(), (0, 120, 186), strict=True)
    )
    return BinsDecode(yaw=yaw, pitch=pitch, roll=roll, order="zxy")


def _family(
    name: str,
    title: str,
    build: Callable[[], StudentNet],
    published: str = "none",
    decode: BinsDecode | None = None,
    upright: Upright | None = None,
) -> Family:
    return Family(
        name=name,
        title=f"{title}, {SIZE}x{SIZE} RGB, for export.distill",
        source="hpe_edge",
        published=published,
        crop_note="the crop of export distill",
        builds=(build,),
        export_form=fuse_heads,
        input=Input(size=SIZE, color="RGB", scale=1 / 255, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        crop=Crop(margins=(0.125, 0.125, 0.125, 0.125), square="extend", clip=False, resampling="antialias"),
        decode=decode or bins_decode(first_deg=-97.5, step_deg=3.0, count=66),
        upright=upright,
    )


V2 = _family(
    "student-v2",
    "Small network of dense convolutions, 120 bins of yaw and roll and 66 of pitch",
    lambda: _dense_net((120, 66, 120)),
    decode=_full_range_decode(),
    upright="second-pass",  # it learns from upright faces, and from a share at any roll
)
DENSE = _family(
    "student-dense",
    "Small network of dense convolutions, 66 bins",
    _dense_net,
    "of the embedded one, see hpe_edge/models/README.md",
    upright="second-pass",  # measured to help, see docs/upright.md
)
MIXED = _family("student-mixed", "Small network of dense, then separable convolutions, 66 bins", _mixed_net)
SEPARABLE = _family("student-separable", "Small network of separable convolutions, 66 bins", _separable_net)
