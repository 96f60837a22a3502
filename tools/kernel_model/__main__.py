"""Command ``python -m tools.kernel_model``: compiles the kernels, counts their instructions, and predicts times."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness.schema import Document, Part, now, to_json
from benchmarks.harness.timing import Result
from hpe_edge.bench.environment import environment
from hpe_edge.bench.machine_state import Watch
from hpe_edge.errors import BackendError
from hpe_edge.util.atomic import Pending
from hpe_edge.util.shell import CommandParser, run_in_shell
from tools.kernel_model.gpus import GPUS
from tools.kernel_model.hot_path import hot_path, is_shared_load, is_word_load, loop_share
from tools.kernel_model.predict import Launch, direct_launch, predict, staged_launch, warp_launch
from tools.kernel_model.sass import Code, disassemble, doubles
from tools.ptxas import Kernel, compile_kernels, compiler
from tools.ptxas import parse as parse_ptxas

FACES = (1, 16, 64)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    about = "Compile the CUDA kernels, check that they hold no double precision, and predict their times. Needs no GPU."
    parser = CommandParser(prog="python -m tools.kernel_model", description=about)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    words = ["python", "-m", "tools.kernel_model", *(sys.argv[1:] if argv is None else argv)]
    return run_in_shell("tools.kernel_model", lambda: _run(parser.parse_args(argv).json, words))


def _run(path: Path | None, command: Sequence[str]) -> None:
    surroundings, watch = environment(), Watch()
    pending = None if path is None else Pending(path)
    try:
        with tempfile.TemporaryDirectory() as folder:
            kernels = parse_ptxas(compile_kernels(Path(folder)))
            codes = disassemble(Path(folder) / "libhpe_cuda.a")
            surroundings["software"]["nvcc"] = compiler(Path(folder)).rpartition(" ")[2]
        results = [*(_counts(code) for code in codes), *_predictions(codes, kernels)]
        _show(results)
        if pending is not None:
            document = Document(
                "kernel-model",
                now(),
                command,
                False,
                surroundings,
                watch.conditions(),
                [],
                [Part("kernel-model", results)],
            )
            pending.temp.write_text(to_json(document))
            pending.commit()
        if found := doubles(codes):
            named = "; ".join(f"{kernel} on {arch}: {', '.join(each[:4])}" for (kernel, arch), each in found.items())
            raise BackendError(f"kernels compute in double precision, 1/64 as fast on most GPUs: {named}")
    finally:
        if pending is not None:
            pending.discard()


def _counts(code: Code) -> Result:
    path = hot_path(code, is_word_load)
    return Result(
        "sass",
        {"kernel": code.kernel, "architecture": code.architecture},
        figures={
            "instructions": sum(1 for _ in code.instructions),
            "double_instructions": len(code.doubles()),
            "hot_path_instructions": sum(path.values()),
        },
    )


def _predictions(codes: Sequence[Code], kernels: Sequence[Kernel]) -> Iterator[Result]:
    resident = {(kernel.name, kernel.architecture): kernel.blocks() for kernel in kernels}
    for gpu in GPUS:
        for code in codes:
            if code.architecture != gpu.architecture or "uint8" in code.kernel:
                continue
            for faces in FACES:
                launch = _launch(code, faces)
                if launch is None:
                    continue
                predicted = predict(launch, gpu, resident[code.kernel, code.architecture])
                yield Result(
                    "predicted", {"kernel": code.kernel, "gpu": gpu.name, "faces": faces}, figures=predicted.figures()
                )


def _launch(code: Code, faces: int) -> Launch | None:
    operation, _, rest = code.kernel.partition(" ")
    output, _, variant = rest.partition(", ")
    if operation == "warp":
        return warp_launch(sum(hot_path(code, is_word_load).values()), output, faces)
    if variant == "direct":
        return direct_launch(sum(hot_path(code, is_word_load).values()), output, faces)
    if variant == "staged":
        per_word, per_tap = loop_share(code, is_word_load, 1), loop_share(code, is_shared_load, 3)
        return staged_launch(per_word, per_tap, output, faces)
    return None  # decode: a launch's own time exceeds it


def _show(results: Sequence[Result]) -> None:
    for result in results:
        named = ", ".join(f"{value}" for value in result.parameters.values())
        print(f"{named}: " + ", ".join(f"{name} {value}" for name, value in result.figures.items()))


if __name__ == "__main__":
    raise SystemExit(main())
