"""Suite ``cuda``: hpe_edge's kernels on a GPU, beside its memory bandwidth, torch and CuPy.

All results are compared with the operations on the CPU first. Times "in a graph" are CUDA events over graphs of 50
calls; "one by one" is a launch and a synchronisation, by the host's clock. Boxes are on the GPU already.

The floor is the time of the GPU's fastest copy for the bytes that a crop must move: its output, and each byte of the
frame that any output needs, once. Calls cycle through several copies of the frame and several outputs, so that with
many faces the caches do not hold them.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.gpu.gpu import COPIES, COPY_BYTES, Gpu, Lent
from benchmarks.gpu.gpu_cases import GpuCase, GpuOptions, run_cases
from benchmarks.gpu.gpu_chains import CupyMap, Libraries, TorchDecode, TorchFaces, TorchGrid, find_libraries
from benchmarks.gpu.gpu_crops import FRAMES, CropWork, Picture, Slot, frame_bytes_read, launching, picture, ring
from benchmarks.gpu.graph_clock import graph_clock
from benchmarks.harness.suite import BudgetLine, Suite
from benchmarks.harness.timing import Alternative, Answer, Case, Effort, Result, compare, measure
from benchmarks.inputs.answers import ANGLES, POSES, SAME_FORMULA, read_poses
from benchmarks.inputs.scene import BINS, STD, bins_spec
from hpe_edge.ops.decode import DecodeHeads, decode_arguments
from hpe_edge.ops.native import native

SIZES = (112, 224)
FACES = (1, 16, 64, 256)
DECODED_FACES = (1, 64, 256)
SENT = "page-locked frame of the host's"
SENT_FACES, SENT_SIZE = (1, 16, 64), 112
OURS = "hpe_edge"
CLOCKS = ("in a graph", "one by one")

FLOOR_FACES, FLOOR_LIMIT = 256, 2.0
LAUNCH_FACES, LAUNCH_LIMIT_US = 16, 10.0
TORCH_LIMIT = 5.0

# A float16 has 11 bits, and the values reach 2.7: both sides may round.
ROUNDING = {"float32": 0.0, "float16": 2.7 * 2**-10}
# Samplers with float32 coordinates, grid_sample's from -1 to 1, are off by up to 1e-4 pixels in a 4K frame.
FLOAT_PLACES = 0.2 / 255 / min(STD)


def _run(options: GpuOptions, effort: Effort) -> Iterator[Result]:
    with contextlib.ExitStack() as cleanup:
        gpu = Gpu(cleanup)
        libraries = find_libraries(gpu, cleanup)
        bandwidth = gpu.copy_bandwidth()
        machine = {**gpu.describe(), **libraries.versions(), "copied_bytes": COPY_BYTES, "copies_in_a_row": COPIES}
        yield Result("gpu", machine, figures={"copy_gb_per_s": bandwidth / 1e9})
        crops = [
            GpuCase("crop", work.parameters(), functools.partial(_crop, gpu, libraries, bandwidth, work), len(CLOCKS))
            for work in _works()
        ]
        decodes = [
            GpuCase("decode", _decoded(faces), functools.partial(_decode, gpu, libraries, faces), len(CLOCKS))
            for faces in DECODED_FACES
        ]
        sent = [
            GpuCase(SENT, work.parameters(), functools.partial(_sent, gpu, work))
            for work in (CropWork(*which, SENT_SIZE) for which in itertools.product(FRAMES, SENT_FACES))
        ]
        yield from run_cases([*decodes, *crops, *sent], effort, options.seconds)


def _works() -> Iterator[CropWork]:
    """Yield all crops, those that judge the kernels first."""
    variants: Sequence[tuple[Any, Any]] = [
        ("bilinear", "float32"),
        ("antialias", "float32"),
        ("bilinear", "float16"),
        ("antialias", "float16"),
    ]
    for (resampling, dtype), size, frame, faces in itertools.product(variants, SIZES, FRAMES, FACES):
        yield CropWork(frame, faces, size, resampling, dtype)


def _crop(gpu: Gpu, libraries: Libraries, bandwidth: float, work: CropWork, effort: Effort) -> Iterator[Result]:
    seen, on_cpu = picture(work.frame, work.faces), work.on_cpu()
    read = frame_bytes_read(seen, work)
    moved = read + work.written_bytes
    with contextlib.ExitStack() as cleanup:
        slots = ring(gpu, work, seen, cleanup)
        ours = Alternative(
            OURS,
            "one launch for all faces",
            launching(gpu, work, slots),
            lambda slot: _values(gpu.get(slot.out, work.shape, work.dtype)),
            {"values": SAME_FORMULA + ROUNDING[work.dtype]},
        )
        reference = Alternative("the CPU", "CropNormalize", lambda: on_cpu(seen.pixels, seen.boxes), _values, {})
        off = compare(Case("crop", work.parameters(), [reference, ours]))[1]["values"].largest
        others = _torch_crops(libraries, work, seen, slots) + _cupy_crops(libraries, work, seen, slots)
        case = Case("crop", work.parameters(), [ours, *others], _skipped(libraries))
        figures = {"off_the_cpu": off, "moved_bytes": moved, "of_them_read_bytes": read}
        in_graph, one_by_one = _both_clocks(gpu, libraries, case, effort, cleanup)
        time_us, floor_us = in_graph.row(OURS).time_us.median, 1e6 * moved / bandwidth
        ratios = {"floor_us": floor_us, "times_the_floor": time_us / floor_us, "gb_per_s": moved / time_us / 1e3}
        yield replace(in_graph, figures={**figures, **ratios})
        yield replace(one_by_one, figures=figures)


def _both_clocks(
    gpu: Gpu, libraries: Libraries, case: Case, effort: Effort, cleanup: contextlib.ExitStack
) -> list[Result]:
    recorders = {each.call: libraries.recorders.get(each.name.split()[0], gpu.record) for each in case.alternatives}
    found = []
    for name, clock in zip(CLOCKS, (graph_clock(gpu, recorders, cleanup), gpu.one_by_one), strict=True):
        timed = replace(case, parameters={**case.parameters, "timed": name})
        found.append(measure(timed, effort, clock))
    return found


def _torch_crops(libraries: Libraries, work: CropWork, seen: Picture, slots: Iterator[Slot]) -> list[Alternative]:
    if "torch" in libraries.missing:
        return []
    torch, device, windows = libraries.torch, libraries.device, seen.windows
    array = functools.partial(torch.as_tensor, device=device)
    faces = TorchFaces(torch, device, work.dtype, windows, work.size, work.antialias)
    found = [_other("torch interpolate", work, faces, array, slots, SAME_FORMULA)]
    if not work.antialias:
        height, width = seen.pixels.shape[:2]
        grid = TorchGrid(torch, device, work.dtype, windows, work.size, (width, height))
        found.append(_other("torch grid_sample", work, grid, array, slots, FLOAT_PLACES))
    return found


def _cupy_crops(libraries: Libraries, work: CropWork, seen: Picture, slots: Iterator[Slot]) -> list[Alternative]:
    if "cupy" in libraries.missing or work.antialias:
        return []
    cupy = libraries.cupy
    chain = CupyMap(cupy, libraries.ndimage, work.dtype, seen.windows, work.size)
    return [_other("cupy map_coordinates", work, chain, cupy.asarray, slots, FLOAT_PLACES)]


def _other(
    name: str,
    work: CropWork,
    chain: Callable[[Any], Any],
    array: Callable[[Any], Any],
    slots: Iterator[Slot],
    tolerance: float,
) -> Alternative:
    """A chain over the same memory; ``array`` wraps it for the library, once."""
    arrays = functools.cache(lambda slot: array(slot.lent))
    return Alternative(
        name,
        type(chain).__doc__ or "",
        lambda: chain(arrays(next(slots))),
        lambda found: _values(_on_host(found)),
        {"values": tolerance + ROUNDING[work.dtype]},
    )


def _on_host(found: Any) -> Any:
    return found.cpu().numpy() if hasattr(found, "cpu") else found.get()


def _skipped(libraries: Libraries) -> Mapping[str, str]:
    return {name: libraries.missing[name] for name in ("torch", "cupy") if name in libraries.missing}


def _values(found: Any) -> Answer:
    return {"values": found}


def _decode(gpu: Gpu, libraries: Libraries, faces: int, effort: Effort) -> Iterator[Result]:
    bins = BINS[2]
    logits = np.random.default_rng(2).normal(0, 3, (faces, 3 * bins)).astype(np.float32)
    spec = bins_spec("benchmark", 112)
    launch, on_cpu = native.DecodeLaunch(**decode_arguments(spec), emulated=False), DecodeHeads(spec)
    shapes = ((faces, 3), (faces, 3), (faces, 3, 3))
    with contextlib.ExitStack() as cleanup:
        address = gpu.put(logits, cleanup)
        heads = [(address + 4 * bins * head, 3 * bins) for head in range(3)]
        angles, sigma, rotation = poses = [gpu.device.memory(4 * math.prod(shape), cleanup) for shape in shapes]
        ours = Alternative(
            OURS,
            "one launch: angles, deviations, rotations",
            lambda: launch.run(heads, faces, angles, sigma, rotation, gpu.stream),
            lambda _: {n: gpu.get(p, s, np.float32) for n, p, s in zip(POSES, poses, shapes, strict=True)},
            POSES,
        )
        reference = Alternative("the CPU", "DecodeHeads", lambda: on_cpu([logits]), read_poses, {})
        parameters = _decoded(faces)
        compare(Case("decode", parameters, [reference, ours]))
        others, skipped = [], {}
        if "torch" in libraries.missing:
            skipped["torch"] = libraries.missing["torch"]
        else:
            chain = TorchDecode(libraries.torch, libraries.device, *BINS)
            held = libraries.torch.as_tensor(Lent(address, logits.shape, np.float32), device=libraries.device)
            what = TorchDecode.__doc__ or ""
            others.append(
                Alternative("torch", what, lambda: chain(held), lambda found: {"angles_deg": _on_host(found)}, ANGLES)
            )
        yield from _both_clocks(gpu, libraries, Case("decode", parameters, [ours, *others], skipped), effort, cleanup)


def _decoded(faces: int) -> dict[str, str | int]:
    return {"faces": faces, "bins": f"3 x {BINS[2]}"}


def _sent(gpu: Gpu, work: CropWork, effort: Effort) -> Iterator[Result]:
    """A frame in host memory: cropped on the CPU and the crops copied, or copied and cropped on the GPU."""
    seen, on_cpu = picture(work.frame, work.faces), work.on_cpu()
    with contextlib.ExitStack() as cleanup:
        frame = gpu.device.pinned(seen.pixels.shape, np.uint8, cleanup)
        frame[:] = seen.pixels
        crops = gpu.device.pinned(work.shape, np.float32, cleanup)
        slot = next(ring(gpu, work, seen, cleanup))
        launch = launching(gpu, work, itertools.repeat(slot))
        sent = gpu.device.memory(crops.nbytes, cleanup)

        def crops_sent() -> int:
            on_cpu(frame, seen.boxes, crops)
            gpu.send(sent, crops)
            return sent

        def frame_sent() -> int:
            gpu.send(slot.pixels, frame)
            return launch().out

        def arrived(address: int) -> Answer:
            return _values(gpu.get(address, work.shape, np.float32))

        same = {"values": SAME_FORMULA}
        alternatives = [
            Alternative("crops sent", "cropped on one thread of the CPU; the crops sent", crops_sent, arrived, {}),
            Alternative("frame sent", "the frame sent, cropped on the GPU", frame_sent, arrived, same),
            Alternative("crops' copy", "its part of it", lambda: gpu.send(sent, crops), lambda _: {}, {}),
            Alternative("frame's copy", "its part of it", lambda: gpu.send(slot.pixels, frame), lambda _: {}, {}),
        ]
        case = Case(SENT, {**work.parameters(), "timed": "one by one"}, alternatives)
        figures = {"crops_bytes": crops.nbytes, "frame_bytes": frame.nbytes}
        yield replace(measure(case, effort, gpu.one_by_one), figures=figures)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    crops = [result for result in results if result.name == "crop" and result.parameters.get("timed") == CLOCKS[0]]
    floors, launches, beside_torch = {}, {}, {}
    for crop in crops:
        faces, bilinear = crop.parameters["faces"], crop.parameters["resampling"] == "bilinear"
        which = " ".join(str(value) for name, value in crop.parameters.items() if name != "timed")
        ratios = [row.ratio.median for row in crop.rows if row.name.startswith("torch")]
        if faces == FLOOR_FACES:
            floors[which] = crop.figures["times_the_floor"] or math.inf
        if faces == LAUNCH_FACES and bilinear:
            launches[which] = crop.row(OURS).time_us.median
        if ratios:
            beside_torch[which] = min(ratios)
    return [
        _at_most(f"crop of {FLOOR_FACES} faces", floors, FLOOR_LIMIT, "times the floor"),
        _at_most(f"crop of {LAUNCH_FACES} faces, bilinear, in a graph", launches, LAUNCH_LIMIT_US, "us"),
        _at_least("crop beside the faster of torch's chains", beside_torch, TORCH_LIMIT, "times as fast"),
    ]


def _at_most(what: str, found: Mapping[str, float], limit: float, unit: str) -> BudgetLine:
    worst = max(found, key=lambda which: found[which], default="")
    return _line(what, found, f"<= {limit:g} {unit}", worst, bool(found) and found[worst] <= limit)


def _at_least(what: str, found: Mapping[str, float], limit: float, unit: str) -> BudgetLine:
    worst = min(found, key=lambda which: found[which], default="")
    return _line(what, found, f">= {limit:g} {unit}", worst, bool(found) and found[worst] >= limit)


def _line(what: str, found: Mapping[str, float], limit: str, worst: str, met: bool) -> BudgetLine:
    if not found:
        return BudgetLine(what, limit, "not measured", None)
    spread = f"{min(found.values()):.2f} to {max(found.values()):.2f}, worst: {worst}"
    return BudgetLine(what, limit, spread, met)


SUITE = Suite(
    "cuda", "the launches on a GPU beside its bandwidth, torch and CuPy", _run, GpuOptions, _budget, write_each=True
)
