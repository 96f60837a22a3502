"""Command info: a model's spec as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpe_edge.backends.native.self_check import verify
from hpe_edge.backends.tensorrt.buckets import buckets
from hpe_edge.backends.tensorrt.plan_file import LIBRARY_NAMES, SUFFIXES, EngineInfo, read_info
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.models import DEFAULT_NAME, find_model
from hpe_edge.spec import (
    AngleHead,
    AnglesDecode,
    BinHead,
    BinsDecode,
    Crop,
    GateResult,
    Input,
    ModelSpec,
    Quantization,
    SigmaCalibration,
    Square,
    Upright,
)
from hpe_edge.util.console import print_message, show
from hpe_edge.util.shell import CommandParser

_SQUARE_TEXT: dict[Square, str] = {
    "extend": "extended to a square",
    "shrink": "cut to a square about its centre",
    "none": "not squared",
}
_UPRIGHT_TEXT: dict[Upright, str] = {
    "keypoints": "crops are turned by the faces' key points",
    "second-pass": "crops are turned by the faces' key points; faces that still are rolled are estimated again",
}


_DIFFERS = 3  # exit status, as of a failed gate


@dataclass(frozen=True)
class InfoOptions:
    """Arguments of ``hpe-edge info``.

    Attributes:
        model: an ONNX model or TensorRT engine; None for the embedded model.
        json: print JSON instead of text.
        verify: compare the answers of each path of this machine with those in a .hpe file.
    """

    model: Path | None
    json: bool
    verify: bool = False


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge info``; returns the exit status."""
    parser = CommandParser(
        prog="hpe-edge info", description="Describe a model: its input, crop, outputs, origin and gate."
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL",
        help="made by hpe-edge export, or the embedded one's name; default: the embedded model",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print the spec as JSON")
    shown.add_argument(
        "--verify",
        action="store_true",
        help="of a .hpe file: compare the answers of every instruction set of this machine with those that the file "
        "holds, in INT8 to the bit",
    )
    options = InfoOptions(**vars(parser.parse_args(argv)))
    info(options)
    return 0 if not options.verify or verify_answers(options.model) else _DIFFERS


def info(options: InfoOptions) -> None:
    """Print a model's description. An engine is described from its JSON file, even where it cannot run."""
    if options.model is None:
        print_message(f"hpe-edge: model: {DEFAULT_NAME}")
    elif options.model.suffix.lower() in SUFFIXES and options.model.is_file():
        engine_info = read_info(options.model)
        show(engine_info.to_json().rstrip() if options.json else describe_engine(engine_info))
        return
    with PoseEngine(options.model) as engine:
        show(engine.spec.to_json(indent=2) if options.json else describe(engine.spec))


def verify_answers(model: Path | None) -> bool:
    """Print what each path of this machine answers, and return whether all answers are those of the file.

    Raises:
        InputError: the model is no .hpe file.
    """
    path = find_model(model, native=True)
    if path.suffix.lower() != ".hpe":
        raise InputError(
            f"--verify is for .hpe files, which hold answers to compare with; {path} is none: hpe-edge export native "
            "makes one"
        )
    checks = list(verify(path))
    width = max(len(check.stage) for check in checks)
    for check in checks:
        said = "as in the file" if check.passed else "DIFFERS"
        show(
            f"{check.stage:{width}}  {check.isa:10}  {said}: logits within {check.logits:.2g}, angles within "
            f"{check.angles_deg:.2g} degrees"
        )
    return all(check.passed for check in checks)


def describe(spec: ModelSpec) -> str:
    """Return the spec as aligned lines; programs read ``spec.to_json()``."""
    facts = [
        ("architecture", spec.architecture),
        ("input", _input(spec.input)),
        ("normalisation", _normalisation(spec.input)),
        ("crop", _crop(spec.crop)),
        *([("upright", _UPRIGHT_TEXT[spec.upright])] if spec.upright is not None else []),
        ("outputs", ", ".join(spec.outputs)),
        *_decode(spec),
        *_marks(spec),
        *([("sigma", _sigma(spec.sigma))] if isinstance(spec.decode, BinsDecode) else []),
        ("made from", f"{spec.origin.checkpoint}, sha256 {spec.origin.sha256}"),
        ("made with", ", ".join(f"{name} {version}" for name, version in spec.origin.tools.items()) or "not recorded"),
        *(("quantized", _quantization(step)) for step in spec.quantizations),
        ("gate", _gate(spec.gate)),
    ]
    return _aligned(facts)


def describe_engine(info: EngineInfo) -> str:
    """Return an engine and its model as aligned lines."""
    where = {
        "same-gpu": "GPUs of that name",
        "same-capability": f"all GPUs of compute capability {info.compute_capability}",
        "ampere-plus": "all GPUs from Ampere (8.0) on",
        "turing": "GPUs of compute capability 7.5 (Turing)",
    }[info.hardware]
    facts = [
        ("engine", f"{info.precision}, {info.plan_bytes / 1e6:.1f} MB, sha256 {info.plan_sha256}"),
        ("batch size", _batches(info)),
        (LIBRARY_NAMES[info.library], f"{info.tensorrt}{info.and_newer}"),
        ("built on", f"{info.built_on}; runs on {where}"),
        *([("DLA", f"core {info.dla_core}, the GPU where it cannot")] if info.dla_core is not None else []),
        *([("input format", "hwc8: FP16 pixels of 8 channels")] if info.channels_last else []),
        ("built with", ", ".join(f"{name} {version}" for name, version in info.tools.items()) or "not recorded"),
        ("built by", info.rebuild),
        ("its gate", _engine_gate(info)),
    ]
    return f"{_aligned(facts)}\n\n{describe(info.spec)}"


def _engine_gate(info: EngineInfo) -> str:
    if info.library == "tensorrt":
        return _gate(info.gate)
    if info.gate is None:
        return "unverified: it runs on the first GPU that loads the engine"
    return f"on {info.gate_gpu}: {_gate(info.gate)}"


def _batches(info: EngineInfo) -> str:
    sizes = ", ".join(map(str, buckets(info.profile)))
    if info.library == "tensorrt-rtx" or info.profile[0] == info.profile[2]:
        return sizes
    return f"{sizes}; kernels of their own up to {info.profile[1]}"


def _aligned(facts: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in facts)
    return "\n".join(f"{name:{width}}  {value}" for name, value in facts)


def _input(given: Input) -> str:
    return f"{given.name!r}, N x 3 x {given.size} x {given.size}, {given.color}, {given.dtype}"


def _normalisation(given: Input) -> str:
    if given.dtype == "uint8":
        return "none, levels 0..255 as they are"
    level = "level" if given.scale == 1 else f"level / {1 / given.scale:g}"
    return f"({level} - mean) / std; mean {_numbers(given.mean)}, std {_numbers(given.std)}"


def _crop(crop: Crop) -> str:
    left, top, right, bottom = (f"{100 * margin:+.4g}%" for margin in crop.margins)
    return (
        f"box grown by {left} left, {top} top, {right} right, {bottom} bottom; "
        f"{_SQUARE_TEXT[crop.square]}, {'clipped to the frame' if crop.clip else 'not clipped'}, "
        f"fill {_numbers(crop.fill)}, {crop.resampling}"
    )


def _decode(spec: ModelSpec) -> list[tuple[str, str]]:
    decode = spec.decode
    if isinstance(decode, (BinsDecode, AnglesDecode)):
        heads = (("yaw", decode.yaw), ("pitch", decode.pitch), ("roll", decode.roll))
        return [(name, _head(head)) for name, head in heads]
    flipped = [name for name, sign in zip(("yaw", "pitch", "roll"), decode.signs, strict=True) if sign < 0]
    text = f"{decode.kind} from {decode.output}, column {decode.column} on"
    return [("rotation", f"{text}; the signs of {' and '.join(flipped)} are flipped" if flipped else text)]


def _marks(spec: ModelSpec) -> list[tuple[str, str]]:
    points, seen = spec.landmarks, spec.visibility
    if points is None:
        return []
    facts = [("landmarks", f"{points.count} as {points.kind} from {points.output}")]
    return facts if seen is None else [*facts, ("visibility", f"of each landmark from {seen.output}")]


def _head(head: BinHead | AngleHead) -> str:
    if isinstance(head, AngleHead):
        return f"{head.output}[{head.column}] * {head.factor:g}"
    last = head.first_deg + (head.count - 1) * head.step_deg
    round_ = ", full circle" if head.circular else ""
    return (
        f"{head.count} bins from {head.first_deg:g} to {last:g} degrees{round_}, "
        f"{head.output}[{head.column}:{head.column + head.count}]"
    )


def _sigma(sigma: SigmaCalibration | None) -> str:
    if sigma is None:
        return "not calibrated: as the bins give it; hpe-edge export sigma calibrates it"
    factors = ", ".join(f"{name} {f:.3g}" for name, f in zip(("yaw", "pitch", "roll"), sigma.factors, strict=True))
    reference = "labels" if sigma.labelled else "poses"
    limit = "no limit" if sigma.limit_deg is None else f"doubtful above {sigma.limit_deg:g} degrees"
    return f"factors {factors}, from {reference} of {sigma.faces} faces: {sigma.source}; {limit}"


def _gate(gate: GateResult | None) -> str:
    if gate is None:
        return "not run"
    limits = ", ".join(f"{name.removesuffix('_deg')} {value:g}" for name, value in gate.limits.items())
    return (
        f"{gate.compared} on {gate.faces} faces of {gate.source}: mean {gate.mean_deg:.4g}, p99 {gate.p99_deg:.4g}, "
        f"worst {gate.worst_deg:.4g} degrees{_gate_of_marks(gate)}" + (f" (limits: {limits})" if limits else "")
    )


def _gate_of_marks(gate: GateResult) -> str:
    if gate.landmarks_mean is None or gate.landmarks_worst is None:
        return ""
    return f"; landmarks mean {100 * gate.landmarks_mean:.3g}, worst {100 * gate.landmarks_worst:.3g} % of the box"


def _quantization(step: Quantization) -> str:
    text = f"to {step.precision} from {step.source}, sha256 {step.sha256}"
    if step.ranges:
        text += f"; {step.ranges}"
    return f"{text}; kept in float32: {', '.join(step.kept)}" if step.kept else text


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
