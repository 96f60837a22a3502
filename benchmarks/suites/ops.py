"""The suite ``ops``: crop_normalize and decode beside OpenCV, NumPy and PIL."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from benchmarks.baselines.chains import Chain, NumPy, NumPyAngles, NumPyDecode, OpenCv, OpenCvBest, Pillow
from benchmarks.harness.suite import BudgetLine, Suite
from benchmarks.harness.timing import Alternative, Answer, Case, Effort, Result, measure
from benchmarks.inputs.scene import HEIGHT, STD, Window, crowd, frame, imagenet_input, square
from hpe_edge.ops.crop import CropNormalize, isa_names
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.poses import Poses
from hpe_edge.spec import BinHead, BinsDecode, Crop, ModelSpec, Origin

SIZES = (112, 224)
SIDES = (60, 90, 130, 200, 400)
OURS = "hpe_edge"

# The chains round to 8 bits after resizing, we do not: one level, as the smallest deviation scales it. PIL rounds
# twice, after rows and after columns.
ONE_LEVEL = 1.01 / 255 / min(STD)
# Our instruction sets sum in different orders.
SAME_FORMULA = 2e-3 / 255 / min(STD)

BINS = (-99.0, 3.0, 66)  # Hopenet's grid: first value, step, number
# A float32 expectation over 198 degrees rounds at about 1e-5; half a bin's offset would be 1.5.
ANGLES = {"angles_deg": 1e-3}
POSES = {**ANGLES, "sigma_deg": 2e-3, "rotation": 2e-5}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """The suite has no options of its own."""


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    for case in _cases():
        yield measure(case, effort)


def _cases() -> Iterator[Case]:
    for size in SIZES:
        for side in SIDES:
            yield _crop_case(size, f"{side} px", [square(side)])
        yield _crop_case(size, "110 x 140 px at the frame's left edge", [(0, 470, 110, 610)])
        yield _crop_case(size, "100 px, half outside at the corner", [(-50, HEIGHT - 50, 50, HEIGHT + 50)])
        yield _crop_case(size, "400 px", [square(400)], "antialias")
        for count in (8, 64):
            yield _crop_case(size, "60 to 200 px", crowd(count))
    for count in (1, 8, 64):
        yield _decode_case(count)


def _crop_case(
    size: int, box: str, boxes: Sequence[Window], resampling: Literal["bilinear", "antialias"] = "bilinear"
) -> Case:
    count, picture, windows = len(boxes), frame(), [_squared(box) for box in boxes]
    array = np.array(boxes, np.float32)

    def ours(isa: str, preallocated: bool = True) -> Callable[[], Any]:
        op = CropNormalize(Crop(resampling=resampling), imagenet_input(size), isa)
        out = np.empty((count, 3, size, size), np.float32) if preallocated else None
        return lambda: op(picture, array, out)

    def chain(name: str, run: Chain, levels: int = 1) -> Alternative:
        tolerance = {"values": levels * ONE_LEVEL}
        return Alternative(name, _summary(run), lambda: run(picture, windows), _values, tolerance)

    best, *others = isa_names()
    alternatives = [
        Alternative(OURS, f"crop_normalize on {best}, into a buffer, as the engine does", ours(best), _values, {}),
        Alternative(
            f"{OURS}, new array", "the same, allocating its result", ours(best, False), _values, {"values": 0.0}
        ),
        *(
            Alternative(
                f"{OURS}, {isa}",
                f"crop_normalize on {isa}, into a buffer",
                ours(isa),
                _values,
                {"values": SAME_FORMULA},
            )
            for isa in others
        ),
    ]
    skipped = {}
    if resampling == "bilinear":
        alternatives += [
            chain("opencv", OpenCv(size)),
            chain("opencv best", OpenCvBest(size, count)),
            chain("numpy", NumPy(size)),
        ]
    elif importlib.util.find_spec("PIL"):
        alternatives.append(chain("pillow", Pillow(size), levels=2))
    else:
        skipped = {"pillow": "it is not installed: pip install pillow"}
    parameters: dict[str, str | int] = {"size": size, "faces": count, "box": box, "resampling": resampling}
    return Case("crop_normalize", parameters, alternatives, skipped)


def _decode_case(count: int) -> Case:
    logits = np.random.default_rng(2).normal(0, 3, (count, 3 * BINS[2])).astype(np.float32)
    logits[::2, BINS[2] // 3 :: BINS[2]] += 20  # every second face is sure of itself
    heads = [BinHead("logits", i * BINS[2], *BINS) for i in range(3)]
    spec = ModelSpec(
        "benchmark", imagenet_input(SIZES[0]), ("logits",), Crop(), BinsDecode(*heads), Origin("none", "0" * 64)
    )
    everything, angles = NumPyDecode(*BINS), NumPyAngles(*BINS)

    def ours(isa: str, preallocated: bool = True) -> Callable[[], Any]:
        op = DecodeHeads(spec, isa)
        out = Poses.empty(count) if preallocated else None
        return lambda: op([logits], out)

    best, *others = isa_names()
    alternatives = [
        Alternative(OURS, f"decode on {best}: angles, deviations, rotations", ours(best), read_poses, {}),
        Alternative(
            f"{OURS}, new array",
            "the same, allocating its result",
            ours(best, False),
            read_poses,
            dict.fromkeys(POSES, 0.0),
        ),
        *(Alternative(f"{OURS}, {isa}", f"decode on {isa}", ours(isa), read_poses, POSES) for isa in others),
        Alternative(
            "numpy",
            _summary(everything),
            lambda: everything(logits),
            lambda found: dict(zip(POSES, found, strict=True)),
            POSES,
        ),
        Alternative(
            "numpy, angles only",
            _summary(angles),
            lambda: angles(logits),
            lambda found: {"angles_deg": np.stack(found, axis=1)},
            ANGLES,
        ),
    ]
    return Case("decode", {"faces": count, "bins": f"3 x {BINS[2]}"}, alternatives)


def read_poses(poses: Poses) -> Answer:
    """Poses as named arrays."""
    return dict(zip(POSES, (poses.angles, poses.sigma, poses.rotation), strict=True))


def _values(found: Any) -> Answer:
    return {"values": found}


def _summary(what: object) -> str:
    return (type(what).__doc__ or "").partition("\n")[0]


def _squared(box: Window) -> Window:
    """The shorter side grown about the centre; the boxes here are such that whole pixels come out."""
    x1, y1, x2, y2 = box
    grow_x, grow_y = max((y2 - y1) - (x2 - x1), 0) // 2, max((x2 - x1) - (y2 - y1), 0) // 2
    return (x1 - grow_x, y1 - grow_y, x2 + grow_x, y2 + grow_y)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    return [
        *(_crop_line(results, 112, name, limit) for name, limit in (("opencv best", 2.5), ("numpy", 8.0))),
        *(_crop_line(results, 224, name, limit) for name, limit in (("opencv", 10.0), ("numpy", 15.0))),
        _decode_line(results),
    ]


def _crop_line(results: Sequence[Result], size: int, alternative: str, limit: float) -> BudgetLine:
    """The least favourable of the single boxes, whatever their side."""
    wanted = {"size": size, "faces": 1, "resampling": "bilinear"}
    ratios = {
        result.parameters["box"]: result.row(alternative).ratio.median
        for result in results
        if result.name == "crop_normalize" and wanted.items() <= result.parameters.items()
    }
    worst = min(ratios, key=lambda box: ratios[box])
    return BudgetLine(
        f"crop_normalize, {size} pixels, one face, beside {alternative}",
        f">= {limit:g} times as fast",
        f"{ratios[worst]:.2f} to {max(ratios.values()):.2f} times, least for a box of {worst}",
        ratios[worst] >= limit,
    )


def _decode_line(results: Sequence[Result]) -> BudgetLine:
    (result,) = (result for result in results if result.name == "decode" and result.parameters["faces"] == 64)
    ratio = result.row("numpy").ratio.median
    return BudgetLine(
        "decode, 64 faces x 3 x 66 bins, beside numpy", ">= 5 times as fast", f"{ratio:.2f} times", ratio >= 5
    )


SUITE = Suite(
    "ops", "crop_normalize and decode beside the best that OpenCV, NumPy and PIL can do", _add_arguments, _run, _budget
)
