"""Machine code of the compiled CUDA kernels, read with ``cuobjdump`` and ``nvdisasm``.

Both come with the CUDA toolkit, and without it as PyPI's nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hpe_edge.errors import BackendError
from tools.ptxas import demangle, kernel_name

# Arithmetic, comparisons and conversions of 64-bit floats, and reciprocals of their upper halves.
_DOUBLE = re.compile(r"^(DADD|DFMA|DMUL|DSETP?|DMNMX|DMMA)\b|\.F64\b|64H\b")

_FUNCTION = re.compile(r"^//-+ \.text\.(\S+)", re.MULTILINE)
_LABEL = re.compile(r"^\s*(\.L_\w+):")
_INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:(@!?U?P\w+)\s+)?([A-Z][A-Z0-9_.]*)(.*?);")
_ENDS = {"BRA", "BRX", "EXIT", "RET", "JMP"}


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        guard: predicate such as ``"@!P0"``; empty if there is none.
        opcode: with modifiers, such as ``"LDG.E.CONSTANT"``.
        operands: as printed.
    """

    guard: str
    opcode: str
    operands: str

    @property
    def is_double(self) -> bool:
        """True for double-precision arithmetic."""
        return bool(_DOUBLE.search(self.opcode))


@dataclass(frozen=True)
class Code:
    """One kernel on one architecture.

    Attributes:
        kernel: readable name, such as ``"crop float16, staged"``.
        architecture: such as ``"sm_87"``.
        blocks: basic blocks in their order.
        labels: label -> index of its block.
    """

    kernel: str
    architecture: str
    blocks: tuple[tuple[Instruction, ...], ...]
    labels: dict[str, int]

    @property
    def instructions(self) -> Iterator[Instruction]:
        """All instructions."""
        return (each for block in self.blocks for each in block)

    def doubles(self) -> list[Instruction]:
        """Return the double-precision instructions."""
        return [each for each in self.instructions if each.is_double]


def parse(text: str, architecture: str) -> list[Code]:
    """Parse the output of ``nvdisasm -c``: the kernels of one architecture.

    Raises:
        BackendError: a function that is no kernel of hpe_edge, or no instructions in it.
    """
    parts = _FUNCTION.split(text)
    return [_code(*pair, architecture) for pair in zip(parts[1::2], parts[2::2], strict=True)]


def _code(mangled: str, text: str, architecture: str) -> Code:
    names = demangle(mangled)
    if names is None:
        raise BackendError(f"tools/ptxas.py does not know the kernel {mangled}: add it there")
    blocks: list[tuple[Instruction, ...]] = []
    labels: dict[str, int] = {}
    block: list[Instruction] = []

    def end_block() -> None:
        if block:
            blocks.append(tuple(block))
            block.clear()

    for line in text.splitlines():
        if label := _LABEL.match(line):
            end_block()
            labels[label[1]] = len(blocks)
        elif found := _INSTRUCTION.search(line):
            block.append(Instruction(found[1] or "", found[2], found[3].strip()))
            if found[2].partition(".")[0] in _ENDS:
                end_block()
    end_block()
    if not blocks:
        raise BackendError(f"nvdisasm shows no instructions of {mangled}; its format has changed")
    return Code(kernel_name(*names), architecture, tuple(blocks), labels)


def disassemble(library: Path) -> list[Code]:
    """Disassemble all kernels of a library or object file, for each of its architectures.

    Raises:
        BackendError: the tools are missing or fail, or the file holds no kernels.
    """
    if not library.is_file():
        raise BackendError(f"there is no library {library}; build the target hpe_cuda and pass its libhpe_cuda.a")
    extract, show = find_program("cuobjdump"), find_program("nvdisasm")
    with tempfile.TemporaryDirectory() as folder:
        _call([extract, "-xelf", "all", str(library.resolve())], folder)
        files = sorted(Path(folder).glob("*.cubin"))
        with ThreadPoolExecutor() as pool:
            texts = list(pool.map(lambda file: _call([show, "-c", str(file)], folder), files))
    codes = [code for file, text in zip(files, texts, strict=True) for code in parse(text, file.suffixes[-2][1:])]
    if not codes:
        raise BackendError(f"{library} holds no kernels; build it with nvcc")
    return codes


def find_program(name: str) -> str:
    """Return the path of a tool of the CUDA toolkit.

    Raises:
        BackendError: neither the toolkit nor PyPI's package of it is installed.
    """
    found = shutil.which(name)
    nvidia = find_spec("nvidia")
    if found is None and nvidia is not None:
        folders = [Path(folder) for folder in nvidia.submodule_search_locations or ()]
        found = next((str(path) for folder in folders for path in sorted(folder.glob(f"cu*/bin/{name}"))), None)
    if found is None:
        raise BackendError(f"{name} is not installed: pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm")
    return found


def doubles(codes: Iterable[Code]) -> dict[tuple[str, str], list[str]]:
    """Return the double-precision opcodes of the kernels that hold any, by kernel and architecture."""
    found = ((code, [each.opcode for each in code.doubles()]) for code in codes)
    return {(code.kernel, code.architecture): opcodes for code, opcodes in found if opcodes}


def _call(command: list[str], folder: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        end = done.stderr.strip()[-300:]
        raise BackendError(f"{' '.join(command[:2])} failed with status {done.returncode}: {end}")
    return done.stdout
