"""Show registers, spills, stack, shared memory and occupancy of the CUDA kernels on every architecture.

``python -m tools.ptxas`` configures and compiles them as a build does, for the architectures that
CMakeLists.txt lists for this nvcc; nothing runs, and no GPU is needed. Occupancy is the theoretical one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.schema import Document, Part, now, to_json
from benchmarks.harness.timing import Result
from hpe_edge.bench.environment import environment
from hpe_edge.bench.machine_state import Watch
from hpe_edge.errors import BackendError
from hpe_edge.util.atomic import Pending
from hpe_edge.util.shell import CommandParser, run_in_shell

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Limits:
    """Limits of a multiprocessor; all have 65,536 registers.

    Attributes:
        reserved_bytes: shared memory reserved by the system per block.
    """

    threads: int
    blocks: int
    shared_kb: int
    reserved_bytes: int = 1024


# From the table of compute capabilities in the CUDA programming guide.
LIMITS: Mapping[str, Limits] = {
    "sm_61": Limits(2048, 32, 96, 0),
    "sm_70": Limits(2048, 32, 96, 0),
    "sm_72": Limits(2048, 32, 96, 0),
    "sm_75": Limits(1024, 16, 64, 0),
    "sm_80": Limits(2048, 32, 164),
    "sm_86": Limits(1536, 16, 100),
    "sm_87": Limits(1536, 16, 164),
    "sm_89": Limits(1536, 24, 100),
    "sm_90": Limits(2048, 32, 228),
    "sm_100": Limits(2048, 32, 228),
    "sm_101": Limits(1536, 24, 228),
    "sm_110": Limits(1536, 24, 228),
    "sm_120": Limits(1536, 24, 100),
}

# kThreads of the bodies in csrc.
THREADS = {
    "CropBody": 256,
    "StagedCropBody": 256,
    "WarpBody": 256,
    "StretchBody": 256,
    "BinsBody": 96,
    "PlainBody": 128,
    "PeakBody": 256,
}

_OPERATIONS = {
    "CropBody": "crop",
    "StagedCropBody": "crop",
    "WarpBody": "warp",
    "StretchBody": "stretch",
    "BinsBody": "decode bins",
    "PlainBody": "decode angles, rotations",
    "PeakBody": "peaks of heatmaps",
}
_TYPES = {"f": "float32", "NS_4HalfE": "float16", "h": "uint8", "NS_9HalfPixelE": "float16 HWC8"}
_VARIANTS = {"CropBody": "direct", "StagedCropBody": "staged"}
_BODY = re.compile(rf"run_bodyINS_\d+([A-Z][A-Za-z]+?Body)(?:I({'|'.join(_TYPES)})E)?E")


@dataclass(frozen=True)
class Kernel:
    """One kernel on one architecture.

    Attributes:
        body: in csrc, such as ``"CropBody"``.
        output: dtype and layout, such as ``"float16"``; empty for decode.
        variant: of the crop, ``"direct"`` or ``"staged"``.
        architecture: such as ``"sm_87"``.
    """

    body: str
    output: str
    variant: str
    architecture: str
    registers: int
    stack_bytes: int
    spill_store_bytes: int
    spill_load_bytes: int
    shared_bytes: int

    @property
    def name(self) -> str:
        """Readable name, such as ``"crop float16, staged"``."""
        return kernel_name(self.body, self.output, self.variant)

    def blocks(self) -> int:
        """Return the number of resident blocks per multiprocessor."""
        limits, warps = LIMITS[self.architecture], THREADS[self.body] // 32
        # Registers are allocated in units of 256 per warp, in four partitions of a quarter each.
        per_warp = -(-self.registers * 32 // 256) * 256
        shared = -(-self.shared_bytes // 256) * 256 + limits.reserved_bytes
        return min(
            limits.blocks,
            limits.threads // THREADS[self.body],
            65536 // 4 // per_warp * 4 // warps,
            limits.shared_kb * 1024 // shared if shared else limits.blocks,
        )

    def occupancy_percent(self) -> float:
        """Return the share of a multiprocessor's threads that can be resident."""
        return round(100 * self.blocks() * THREADS[self.body] / LIMITS[self.architecture].threads, 1)

    def result(self) -> Result:
        """Result for the JSON."""
        parameters: dict[str, str | int] = {"kernel": self.name, "architecture": self.architecture}
        return Result(
            "ptxas",
            {**parameters, "threads_per_block": THREADS[self.body]},
            figures={
                "registers": self.registers,
                "stack_bytes": self.stack_bytes,
                "spill_store_bytes": self.spill_store_bytes,
                "spill_load_bytes": self.spill_load_bytes,
                "shared_bytes": self.shared_bytes,
                "blocks_per_multiprocessor": self.blocks(),
                "occupancy_percent": self.occupancy_percent(),
            },
        )


def kernel_name(body: str, output: str, variant: str) -> str:
    """Return a readable name, such as ``"crop float16, staged"``; see :class:`Kernel`."""
    return " ".join(filter(None, (_OPERATIONS[body], output))) + (f", {variant}" if variant else "")


def demangle(mangled: str) -> tuple[str, str, str] | None:
    """Return body, output and variant of a mangled kernel name, see :class:`Kernel`; None for another function."""
    body = _BODY.search(mangled)
    if body is None or body[1] not in THREADS:
        return None
    return body[1], _TYPES.get(body[2] or "", ""), _VARIANTS.get(body[1], "")


def parse(output: str) -> list[Kernel]:
    """Parse the output of ``ptxas -v``.

    Raises:
        BackendError: an unknown kernel, or a missing number.
    """
    parts = re.split(r"Compiling entry function '(\w+)' for '(sm_\d+)\w*'", output)
    return [_kernel(*parts[i : i + 3]) for i in range(1, len(parts), 3)]


def _kernel(mangled: str, architecture: str, output: str) -> Kernel:
    names = demangle(mangled)
    if names is None or architecture not in LIMITS:
        raise BackendError(f"tools/ptxas.py does not know {mangled} on {architecture}: add it there")
    # Properties of called functions follow the kernel's own.
    own = output[output.index(f"Function properties for {mangled}") :]
    stack, stores, loads, registers = (
        _number(rf"(\d+) {what}", own, mangled)
        for what in ("bytes stack frame", "bytes spill stores", "bytes spill loads", "registers")
    )
    shared = re.search(r"(\d+) bytes smem", own)
    return Kernel(
        *names,
        architecture,
        registers,
        stack,
        stores,
        loads,
        int(shared[1]) if shared else 0,
    )


def _number(pattern: str, output: str, mangled: str) -> int:
    found = re.search(pattern, output)
    if found is None:
        raise BackendError(f"the output of ptxas has no {pattern!r} for {mangled}; its format has changed")
    return int(found[1])


def compile_kernels(folder: Path) -> str:
    """Compile the CUDA files in an empty folder; return the compiler's output.

    Raises:
        BackendError: this is no checkout, CMake or nvcc is missing, or they fail.
    """
    if not (_ROOT / "CMakeLists.txt").is_file():
        raise BackendError(f"the kernels' sources are not in {_ROOT}; run it in a checkout")
    if shutil.which("cmake") is None:
        raise BackendError("the kernels are compiled by CMake, which is not installed: pip install cmake")
    options = ["-DHPE_EDGE_PYTHON=OFF", "-DHPE_EDGE_CUDA=ON", "-DCMAKE_CUDA_FLAGS=-Xptxas=-v"]
    _call(["cmake", "-S", str(_ROOT), "-B", str(folder), *options])
    return _call(["cmake", "--build", str(folder), "--target", "hpe_cuda"])


def _call(command: Sequence[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        end = " ".join(done.stdout.split()[-60:])
        raise BackendError(f"{' '.join(command[:2])} failed with status {done.returncode}: {end}")
    return done.stdout


def screen_table(kernels: Sequence[Kernel]) -> str:
    """A line per kernel: on each architecture its registers, its spilled bytes where it spills, its occupancy."""
    architectures = list(dict.fromkeys(kernel.architecture for kernel in kernels))
    width = max(len(kernel.name) for kernel in kernels)
    lines = ["registers (+ bytes spilled), occupancy", " " * width + "".join(f"{a:>13}" for a in architectures)]
    for name in dict.fromkeys(kernel.name for kernel in kernels):
        cells = {kernel.architecture: _cell(kernel) for kernel in kernels if kernel.name == name}
        lines.append(f"{name:{width}}" + "".join(f"{cells.get(a, '-'):>13}" for a in architectures))
    shared = {kernel.name: kernel.shared_bytes for kernel in kernels}
    lines += ["", "shared memory of a block, bytes", *(f"{name:{width}} {size:>12}" for name, size in shared.items())]
    return "\n".join(lines)


def _cell(kernel: Kernel) -> str:
    spilled = kernel.spill_store_bytes + kernel.spill_load_bytes
    return f"{kernel.registers}{f'+{spilled}' if spilled else ''} {kernel.occupancy_percent():.0f}%"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    about = "Compile the CUDA kernels and show their use of registers and memory. Needs nvcc and CMake, no GPU."
    parser = CommandParser(prog="python -m tools.ptxas", description=about)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    words = ["python", "-m", "tools.ptxas", *(sys.argv[1:] if argv is None else argv)]
    return run_in_shell("tools.ptxas", lambda: _run(parser.parse_args(argv).json, words))


def _run(path: Path | None, command: Sequence[str]) -> None:
    surroundings, watch = environment(), Watch()
    pending = None if path is None else Pending(path)
    try:
        with tempfile.TemporaryDirectory() as folder:
            output = compile_kernels(Path(folder))
            nvcc = compiler(Path(folder))
        kernels = parse(output)
        if not kernels:
            raise BackendError("the output of nvcc has no kernel; its format has changed")
        print(f"{nvcc}\n{screen_table(kernels)}")
        if pending is not None:
            surroundings["software"]["nvcc"] = nvcc.rpartition(" ")[2]
            part = Part("ptxas", [kernel.result() for kernel in kernels])
            # Nothing is timed, so there are no warnings.
            document = Document("ptxas", now(), command, False, surroundings, watch.conditions(), [], [part])
            pending.temp.write_text(to_json(document))
            pending.commit()
    finally:
        if pending is not None:
            pending.discard()


def compiler(folder: Path) -> str:
    """The compiler that CMake found, such as ``"nvcc 13.0.88"``."""
    for file in folder.glob("CMakeFiles/*/CMakeCUDACompiler.cmake"):
        found = re.search(r'CMAKE_CUDA_COMPILER_VERSION "([\d.]+)"', file.read_text())
        if found:
            return f"nvcc {found[1]}"
    raise BackendError("CMake's files do not name the nvcc that it found")


if __name__ == "__main__":
    raise SystemExit(main())
