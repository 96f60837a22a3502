"""Suite ``edge``: files of ``hpe-edge export edge`` beside their ONNX files: degrees, size, and time on this CPU.

Each file is run by its own library in a process of its own, one face at a time on one thread, in turns with ONNX
Runtime in this process. The fastest of all runs is kept, which other programs on the machine delay least. RKNN's
simulator is not timed: a board's speed does not follow from it.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.suite import BudgetLine, Suite, option, path_option
from benchmarks.harness.timing import Effort, Result
from benchmarks.inputs.generated_models import CHECKPOINT, make_untrained
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import ModelError
from hpe_edge.models import DEFAULT

ROUNDS, RUNS, QUICK_RUNS = 3, 100, 3
TARGETS = (
    ("ncnn", False),
    ("ncnn", True),
    ("mnn", False),
    ("mnn", True),
    ("openvino-ir", False),
    ("openvino-ir", True),
    ("tflite", False),
    ("rknn", False),
)
ANY_DEG = 180.0  # the gate shall report, not refuse


@dataclass(frozen=True)
class Options:
    models: Sequence[Path] = path_option("made by export.onnx; default: the embedded one", (DEFAULT,), nargs="+")
    untrained: Sequence[str] = option("families to make a model of, with untrained weights", (), nargs="+")
    python: Path | None = path_option("Python with pnnx, ncnn, MNN and openvino; default: this one", None)
    tflite: Path | None = path_option("Python with onnx2tf; default: left out", None, "PYTHON")
    rknn: Path | None = path_option("Python with rknn-toolkit2; default: left out", None, "PYTHON")
    images: Path | None = path_option("pictures of faces for the degrees; default: the bundled photos", None, "PATH")
    boxes: Path | None = path_option("their boxes", None, "CSV")


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        models = [*options.models, *(make_untrained(name, folder) for name in options.untrained)]
        for model in models:
            engine = stack.enter_context(PoseEngine(model, threads=1))
            for to, fp16 in TARGETS:
                python = {"tflite": options.tflite, "rknn": options.rknn}.get(to, options.python)
                if python is not None or to not in ("tflite", "rknn"):
                    yield _converted(model, engine, to, fp16, python, options, effort)


def _converted(
    model: Path, engine: PoseEngine, to: str, fp16: bool, python: Path | None, options: Options, effort: Effort
) -> Result:
    from export.edge import export
    from export.edge.targets import find_target
    from export.gate.comparison import Limits

    spec = engine.spec
    weights = "untrained" if spec.origin.checkpoint == CHECKPOINT else "trained"
    parameters: dict[str, str | int] = {"model": spec.architecture, "weights": weights, "to": to}
    parameters["fp16"] = "weights" if fp16 else "no"
    limits = Limits(ANY_DEG, ANY_DEG, ANY_DEG, ANY_DEG)
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / f"model{find_target(to).suffixes[0]}"
        try:
            written = export(
                model,
                to=to,  # type: ignore[arg-type]
                output=out,
                fp16=fp16,
                python=python,
                images=options.images,
                boxes=options.boxes,
                limits=limits,
            )
        except ModelError as error:
            return Result("converted", parameters | {"refused": str(error)})
        about = json.loads(out.with_name(f"{out.name}.json").read_text(encoding="utf-8"))
        judged = written.gate.judged
        figures: dict[str, float | None] = {
            "faces": judged.crops,
            "mean_deg": judged.mean_deg,
            "p999_deg": judged.p999_deg,
            "worst_deg": judged.worst_deg,
            "passes": float(_passes(about["precision"], judged.mean_deg, judged.worst_deg)),
            "bytes": sum(file["size_bytes"] for file in about["files"]),
            "onnx_bytes": model.stat().st_size,
        }
        if to != "rknn":
            figures |= _times(engine, out, about, python, QUICK_RUNS if effort.quick else RUNS)
    tools = ", ".join(f"{name} {version}" for name, version in about["tools"].items())
    return Result("converted", parameters | {"precision": about["precision"], "tools": tools}, figures=figures)


def _passes(precision: str, mean_deg: float, worst_deg: float) -> bool:
    """Judge by the defaults of the gate."""
    from export.gate.comparison import FP16_LIMITS, ONNX_LIMITS

    limits = FP16_LIMITS if precision == "fp16" else ONNX_LIMITS
    found = {"mean_deg": mean_deg, "worst_deg": worst_deg}
    return all(found[name] <= limit for name, limit in limits.as_dict().items())


def _times(engine: PoseEngine, out: Path, about: dict[str, Any], python: Path | None, runs: int) -> dict[str, float]:
    """Time a file in turns with the ONNX file; the fastest run of each."""
    context = engine._backend.context()
    context.input(1)[...] = np.random.default_rng(0).standard_normal(context.input(1).shape)
    here = partial(context.run, 1)
    onnx_ms = own_ms = math.inf
    for _ in range(1 if runs == QUICK_RUNS else ROUNDS):
        onnx_ms = min(onnx_ms, _fastest_ms(here, runs))
        own_ms = min(own_ms, _worker_ms(out, about, python, runs))
    return {"onnxruntime_ms": onnx_ms, "fastest_ms": own_ms, "ratio": own_ms / onnx_ms}


def _fastest_ms(call: Callable[[], object], runs: int) -> float:
    times = []
    for index in range(-3, runs):
        start = time.perf_counter()
        call()
        if index >= 0:
            times.append(1e3 * (time.perf_counter() - start))
    return min(times)


def _worker_ms(out: Path, about: dict[str, Any], python: Path | None, runs: int) -> float:
    from export.edge.targets import find_target
    from export.edge.worker_process import Job, WorkerProcess

    target = find_target(about["target"])
    spec = about["spec"]
    job = Job(
        worker=target.worker,
        model="",
        files=tuple(str(out.parent / file["name"]) for file in about["files"]),
        input=spec["input"]["name"],
        size=spec["input"]["size"],
        outputs=tuple(spec["outputs"]),
        # ncnn's names are the numbers in the graph's order
        graph_outputs=tuple(each["output"] for each in sorted(about["outputs"], key=lambda each: str(each["name"]))),
        convert=False,
        fp16=False,
        platform="",
        settings=about["settings"],
        fixed_batch=about["input"]["shape"][0] is not None,
        batch=1,
        timed_runs=runs,
    )
    with tempfile.TemporaryDirectory() as folder:
        report = WorkerProcess(target, python, Path(folder), frozenset()).run(job, f"timing {out.name}")
    times: list[float] = report["run_s"]
    return 1e3 * min(times)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    return [
        BudgetLine(
            f"{r.parameters['model']} for {r.parameters['to']} in {r.parameters.get('precision', 'any')}",
            "the gate's defaults",
            f"worst {r.figures['worst_deg']:.4f} degrees" if r.figures else "refused",
            bool(r.figures.get("passes")),
        )
        for r in results
        if r.parameters["weights"] == "trained"
    ]


SUITE = Suite(
    "edge", "models converted for other libraries beside ONNX Runtime", _run, Options, _budget, write_each=True
)
