"""Measure the peaks of this processor: operations of a large matrix product, and memory bandwidth.

``python -m tools.peaks --threads 1 4`` prints them as JSON, by number of threads.

The compute peak is the best of the available libraries on a product of two square matrices: NumPy's BLAS and ONNX
Runtime in float32, OpenVINO in each precision of the processor, ONNX Runtime and OpenVINO in INT8. It is measured, not
a data sheet's: a network is not expected to be faster than the fastest known code on the easiest of its operations.

The bandwidth is that of a = b + s c on arrays of four times the last cache, three numbers moved for each element, as
STREAM counts them (McCalpin, 1995). A network whose layers stay in the caches may move its bytes faster than that.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.timing import WrongAnswerError
from hpe_edge.backends.onnx.open_session import open_session
from hpe_edge.backends.openvino.load_openvino import load_openvino, shared_core
from hpe_edge.backends.options import Precision
from hpe_edge.errors import BackendError
from hpe_edge.util.shell import CommandParser, run_in_shell

Numbers = Literal["fp32", "bf16", "fp16", "int8"]
NUMBERS: tuple[Numbers, ...] = get_args(Numbers)

SIDE = 1024  # of the matrices: 2 GFLOP a product, while 12 MB move
_OV_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
# Relative error of a product: rounding of 8 bits of mantissa, or of 255 levels.
_TOLERANCES: dict[Numbers, float] = {"fp32": 1e-5, "bf16": 2e-2, "fp16": 2e-3, "int8": 1e-1}
_SECONDS, _QUICK_SECONDS = 1.0, 0.05
_LEAST_BYTES = 1 << 24

# In a process of its own, because NumPy's BLAS takes its number of threads when it is loaded.
_NUMPY = """
import sys, time
import numpy as np
side, seconds = int(sys.argv[1]), float(sys.argv[2])
a = np.random.default_rng(0).standard_normal((side, side), np.float32)
out = np.empty_like(a)
np.matmul(a, a, out=out)
best, end = float("inf"), time.perf_counter() + seconds
while time.perf_counter() < end or best == float("inf"):
    start = time.perf_counter()
    np.matmul(a, a, out=out)
    best = min(best, time.perf_counter() - start)
print(best)
"""


def measure(threads: int, *, quick: bool) -> dict[str, float]:
    """Measure all peaks on so many threads: ``triad_gbytes_per_s``, and ``LIBRARY_PRECISION_gflops``."""
    seconds = _QUICK_SECONDS if quick else _SECONDS
    figures = {"triad_gbytes_per_s": _triad_gbytes(threads, seconds)}
    for numbers in NUMBERS:
        by_library = _gemm_gflops(numbers, threads, seconds)
        figures |= {f"{library}_{numbers}_gflops": value for library, value in by_library.items()}
    return figures


def _gemm_gflops(numbers: Numbers, threads: int, seconds: float) -> dict[str, float]:
    operations = 2 * SIDE**3 / 1e9
    found = {}
    if numbers == "fp32":
        found["numpy"] = operations / _numpy_seconds(threads, seconds)
    if numbers in ("fp32", "int8"):
        found["onnxruntime"] = operations / _fastest(_onnxruntime(numbers, threads), seconds)
    product = _openvino(numbers, threads)
    if product is not None:
        found["openvino"] = operations / _fastest(product, seconds)
    return found


def _numpy_seconds(threads: int, seconds: float) -> float:
    variables = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-c", _NUMPY, str(SIDE), str(seconds)],
        env={**os.environ, **dict.fromkeys(variables, str(threads))},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BackendError(f"NumPy's matrix product failed: {done.stderr.strip()[-200:]}")
    return float(done.stdout)


def _onnxruntime(numbers: Numbers, threads: int) -> Callable[[], Any]:
    session = open_session(Path("matrix product"), threads, _product_graph(numbers))
    binding = session.io_binding()
    binding.bind_cpu_input("left", _left())
    binding.bind_output("product")
    session.run_with_iobinding(binding)
    _check("onnxruntime", numbers, binding.copy_outputs_to_cpu()[0])
    return lambda: session.run_with_iobinding(binding)


def _openvino(numbers: Numbers, threads: int) -> Callable[[], Any] | None:
    """Make a product by OpenVINO; None where it is missing, or the processor lacks the precision."""
    try:
        ov, core = load_openvino(), shared_core()
    except BackendError:
        return None
    if numbers.upper() not in [str(each) for each in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")]:
        return None
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": str(threads),
        "ENABLE_CPU_PINNING": "NO",
        "INFERENCE_PRECISION_HINT": "f32" if numbers == "int8" else _OV_HINTS[numbers],
    }
    with tempfile.TemporaryDirectory() as folder:  # it reads models from files
        path = Path(folder) / "product.onnx"
        path.write_bytes(_product_graph(numbers))
        compiled = core.compile_model(core.read_model(str(path)), "CPU", settings)
    request = compiled.create_infer_request()
    request.set_tensor("left", ov.Tensor(_left(), shared_memory=True))
    request.infer()
    _check("openvino", numbers, request.get_output_tensor().data)
    return lambda: request.infer(share_outputs=True)


@functools.cache
def _left() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)


@functools.cache
def _weight() -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((SIDE, SIDE), np.float32)


def _check(library: str, numbers: Numbers, product: NDArray[Any]) -> None:
    """Raise WrongAnswerError if the product is off by more than the precision's tolerance."""
    wanted = _left() @ _weight()
    off = float(np.linalg.norm(product - wanted) / np.linalg.norm(wanted))
    if not off <= _TOLERANCES[numbers]:
        raise WrongAnswerError(
            f"peaks: {library}'s product of two matrices in {numbers} is off by {off:.3g} of its size, accepted is "
            f"{_TOLERANCES[numbers]:g}; nothing was timed"
        )


def _product_graph(numbers: Numbers) -> bytes:
    """product = left x weight; in INT8 with Q/DQ pairs round it, as :mod:`export.int8` writes them."""
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise BackendError(
            "the peaks are measured on graphs that the onnx package writes, which is not installed: pip install onnx"
        ) from None
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIDE, SIDE]) for name in ("left", "product")]
    constants: dict[str, Any] = {"weight": _weight()}
    nodes = [helper.make_node("MatMul", ["left", "weight"], ["product"])]
    if numbers == "int8":
        levels = np.clip(np.rint(_weight() * 32), -127, 127).astype(np.int8)
        constants = {
            "weight": levels,
            "scale": np.float32(1 / 32),
            "wide": np.float32(SIDE**0.5 / 8),
            "zero": np.int8(0),
        }
        nodes = [
            *_pair(helper, "left", "l", "scale"),
            helper.make_node("DequantizeLinear", ["weight", "scale", "zero"], ["w"]),
            helper.make_node("MatMul", ["l", "w"], ["y"]),
            *_pair(helper, "y", "product", "wide"),
        ]
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "product", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def _pair(helper: Any, before: str, after: str, scale: str) -> list[Any]:
    return [
        helper.make_node("QuantizeLinear", [before, scale, "zero"], [f"{before}_levels"]),
        helper.make_node("DequantizeLinear", [f"{before}_levels", scale, "zero"], [after]),
    ]


def _fastest(call: Callable[[], Any], seconds: float) -> float:
    """Seconds of the fastest call within a time."""
    call()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def _triad_gbytes(threads: int, seconds: float) -> float:
    count = max(4 * _last_cache_bytes(), _LEAST_BYTES) // 4
    b, c = np.ones(count, np.float32), np.ones(count, np.float32)
    a = np.zeros_like(b)
    edges = np.linspace(0, count, threads + 1).astype(int)
    parts = [slice(start, stop) for start, stop in itertools.pairwise(edges)]

    def triad(part: slice) -> None:
        cv2.scaleAdd(c[part], 2.0, b[part], a[part])  # in one pass, without the GIL

    def all_parts() -> None:
        workers = [threading.Thread(target=triad, args=(part,)) for part in parts[1:]]
        for worker in workers:
            worker.start()
        triad(parts[0])
        for worker in workers:
            worker.join()

    taken = _fastest(all_parts, seconds)
    assert a[0] == a[-1] == 3.0
    return 3 * a.nbytes / taken / 1e9


def _last_cache_bytes() -> int:
    """Return the size of the largest known cache; 32 MB where none is known."""
    units = {"K": 1 << 10, "M": 1 << 20}
    found = []
    for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = file.read_text().strip()
        if text[:-1].isdecimal() and text[-1] in units:
            found.append(int(text[:-1]) * units[text[-1]])
    return max(found, default=32 << 20)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = CommandParser(prog="python -m tools.peaks", description="Measure the peaks of this processor.")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N", help="each of these; default: 1")
    parser.add_argument("--quick", action="store_true", help="a check that it works; the figures are not reliable")

    def command() -> None:
        args = parser.parse_args(argv)
        cv2.setNumThreads(1)
        print(json.dumps({threads: measure(threads, quick=args.quick) for threads in args.threads}, indent=2))

    return run_in_shell("tools.peaks", command)


if __name__ == "__main__":
    raise SystemExit(main())
