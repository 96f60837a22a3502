"""Machine code of the kernels: no double precision on any architecture, in a build and in what nvdisasm prints."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hpe_edge import BackendError
from tools.kernel_model.sass import disassemble, doubles, find_program, parse

NAME = "_ZN3hpe8run_bodyINS_8CropBodyIfEEEEvT_"
PRINTED = f"""\
	.headerflags	@"EF_CUDA_SM87 EF_CUDA_PTX_SM(EF_CUDA_SM87)"

//--------------------- .text.{NAME} --------------------------
	.section	.text.{NAME},"ax",@progbits
.text.{NAME}:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/                   ISETP.GE.AND P0, PT, R0, c[0x0][0x1a8], PT ;
        /*0020*/              @P0  BRA `(.L_x_1) ;
.L_x_0:
        /*0030*/                   LDG.E.CONSTANT R5, [R10.64] ;
        /*0040*/                   VIADDMNMX R2, R2, UR5, R5, PT ;
        /*0050*/              @!P1 BRA `(.L_x_0) ;
.L_x_1:
        /*0060*/                   EXIT ;
"""
# As CUDA 13 prints them for sm_75 to sm_120.
DOUBLES = ["DADD", "DFMA.RM", "DMUL", "DSETP.GT.AND", "F2F.F64.F32", "F2F.F32.F64", "I2F.F64.S64", "F2I.F64.TRUNC",
           "FRND.F64.FLOOR", "MUFU.RCP64H", "DMNMX"]  # fmt: skip
OTHERS = ["FADD", "FFMA.RM", "I2F.S64", "IMAD.WIDE.U32", "LDG.E.64", "VIADDMNMX", "FSETP.GT.AND", "MUFU.RCP"]


def test_instructions_and_blocks() -> None:
    (code,) = parse(PRINTED, "sm_87")
    assert (code.kernel, code.architecture) == ("crop float32, direct", "sm_87")
    assert [len(block) for block in code.blocks] == [3, 3, 1]
    assert code.labels == {".L_x_0": 1, ".L_x_1": 2}
    assert [(each.guard, each.opcode) for each in code.blocks[1]] == [
        ("", "LDG.E.CONSTANT"), ("", "VIADDMNMX"), ("@!P1", "BRA")]  # fmt: skip
    assert not doubles([code])


@pytest.mark.parametrize("opcode", DOUBLES)
def test_a_double_is_found(opcode: str) -> None:
    text = PRINTED.replace("LDG.E.CONSTANT R5", f"{opcode} R4")
    assert doubles(parse(text, "sm_87")) == {("crop float32, direct", "sm_87"): [opcode]}


@pytest.mark.parametrize("opcode", OTHERS)
def test_nothing_else_is(opcode: str) -> None:
    assert not doubles(parse(PRINTED.replace("LDG.E.CONSTANT R5", f"{opcode} R4"), "sm_87"))


def test_what_is_not_understood_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="does not know the kernel _Z4glow: add it there"):
        parse(PRINTED.replace(NAME, "_Z4glow"), "sm_87")
    with pytest.raises(BackendError, match="shows no instructions"):
        parse(PRINTED.replace("/*00", "/00"), "sm_87")
    with pytest.raises(BackendError, match=r"pass its libhpe_cuda\.a"):
        disassemble(tmp_path / "none.a")


@pytest.fixture
def disassemblers() -> None:
    try:
        for name in ("cuobjdump", "nvdisasm"):
            find_program(name)
    except BackendError as error:
        pytest.skip(f"needs a disassembler: {error}")


def test_a_kernel_with_a_double_is_found(disassemblers: None, tmp_path: Path) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("needs nvcc")
    source = "namespace hpe { struct PlainBody { float* at; }; template <typename B> __global__ void run_body(B b) {\n"
    source += "*b.at = static_cast<float>(*b.at * 0.1); }\ntemplate __global__ void run_body<PlainBody>(PlainBody); }\n"
    (tmp_path / "kernel.cu").write_text(source)
    architectures = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in (75, 90)]
    command = ["nvcc", "-c", *architectures, "-o", str(tmp_path / "kernel.o"), str(tmp_path / "kernel.cu")]
    subprocess.run(command, check=True, capture_output=True)
    found = doubles(disassemble(tmp_path / "kernel.o"))
    assert set(found) == {("decode angles, rotations", f"sm_{number}") for number in (75, 90)}
    assert all("DMUL" in opcodes for opcodes in found.values())


def test_the_kernels_hold_no_double(disassemblers: None) -> None:
    library = os.environ.get("HPE_EDGE_CUDA_LIBRARY")
    if not library:
        pytest.skip("needs HPE_EDGE_CUDA_LIBRARY, the path of libhpe_cuda.a")
    codes = disassemble(Path(library))
    kernels: dict[str, set[str]] = {}
    for code in codes:
        kernels.setdefault(code.architecture, set()).add(code.kernel)
    assert {"sm_75", "sm_87", "sm_89", "sm_90"} <= set(kernels)  # those that docs/gpu.md shows
    assert all(each == kernels["sm_90"] for each in kernels.values())
    assert {name.partition(" ")[0] for name in kernels["sm_90"]} == {"crop", "warp", "decode", "stretch", "peaks"}
    assert not doubles(codes)
