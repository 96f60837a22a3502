"""Parsing of ptxas's output: that of nvcc 13.0, and for BinsBody in the form of older versions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import tools.ptxas
from hpe_edge import BackendError
from tools.ptxas import LIMITS, THREADS, Kernel, main, parse, screen_table

ROOT = Path(__file__).resolve().parents[2]

SAID = """\
[ 25%] Building CUDA object CMakeFiles/hpe_cuda.dir/csrc/crop/crop_normalize.cu.o
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN3hpe8run_bodyINS_8WarpBodyINS_4HalfEEEEEvT_' for 'sm_86'
ptxas info    : Function properties for _ZN3hpe8run_bodyINS_8WarpBodyINS_4HalfEEEEEvT_
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 63 registers, used 1 barriers, 4 bytes smem, 464 bytes cmem[0], 8 bytes cmem[2]
ptxas info    : Compile time = 59.047 ms
ptxas info    : Compiling entry function '_ZN3hpe8run_bodyINS_8CropBodyIhEEEEvT_' for 'sm_86'
ptxas info    : Function properties for _ZN3hpe8run_bodyINS_8CropBodyIhEEEEvT_
    8 bytes stack frame, 12 bytes spill stores, 36 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 8 bytes cumulative stack size, 4320 bytes smem, 472 bytes cmem[0]
ptxas info    : 24 bytes gmem, 8 bytes cmem[4]
ptxas info    : Compiling entry function '_ZN3hpe8run_bodyINS_9PlainBodyEEEvT_' for 'sm_120'
ptxas info    : Function properties for _ZN3hpe8run_bodyINS_9PlainBodyEEEvT_
    32 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 34 registers, used 1 barriers, 32 bytes cumulative stack size
ptxas info    : Compile time = 68.413 ms
ptxas info    : Compiling entry function '_ZN3hpe8run_bodyINS_8BinsBodyEEEvT_' for 'sm_75'
ptxas info    : Function properties for _ZN3hpe8run_bodyINS_8BinsBodyEEEvT_
    32 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Function properties for __internal_trig_reduction_slowpathf
    40 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 70 registers, 2328 bytes smem, 480 bytes cmem[0]
ptxas info    : Compiling entry function '_ZN3hpe8run_bodyINS_14StagedCropBodyIfEEEEvT_' for 'sm_90'
ptxas info    : Function properties for _ZN3hpe8run_bodyINS_14StagedCropBodyIfEEEEvT_
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 62 registers, used 1 barriers, 20728 bytes smem
"""


def test_every_number_is_found() -> None:
    assert parse(SAID) == [
        Kernel("WarpBody", "float16", "", "sm_86", 63, 0, 0, 0, 4),
        Kernel("CropBody", "uint8", "direct", "sm_86", 64, 8, 12, 36, 4320),
        Kernel("PlainBody", "", "", "sm_120", 34, 32, 0, 0, 0),
        Kernel("BinsBody", "", "", "sm_75", 70, 32, 0, 0, 2328),
        Kernel("StagedCropBody", "float32", "staged", "sm_90", 62, 0, 0, 0, 20728),
    ]


def test_names_are_for_people() -> None:
    assert [kernel.name for kernel in parse(SAID)] == [
        "warp float16",
        "crop uint8, direct",
        "decode angles, rotations",
        "decode bins",
        "crop float32, staged",
    ]


@pytest.mark.parametrize(
    ("kernel", "blocks", "percent"),
    [
        # 64 registers to each of 256 threads: 4 blocks.
        (Kernel("CropBody", "float32", "direct", "sm_80", 64, 0, 0, 0, 4344), 4, 50.0),
        (Kernel("CropBody", "float32", "direct", "sm_86", 64, 0, 0, 0, 4344), 4, 66.7),
        (Kernel("CropBody", "float32", "direct", "sm_75", 64, 0, 0, 0, 4344), 4, 100.0),
        # 65 are dealt out as 72: a quarter of the registers is enough for 7 warps, so 28 in all.
        (Kernel("CropBody", "float32", "direct", "sm_86", 65, 0, 0, 0, 4344), 3, 50.0),
        # 100 KB of shared memory hold 4 blocks of 20,728 bytes and 1 KB of the system's.
        (Kernel("StagedCropBody", "float32", "staged", "sm_86", 32, 0, 0, 0, 20728), 4, 66.7),
        (Kernel("StagedCropBody", "float32", "staged", "sm_75", 32, 0, 0, 0, 20728), 3, 75.0),
        (Kernel("BinsBody", "", "", "sm_75", 70, 0, 0, 0, 2328), 9, 84.4),
        # As many blocks as there may be.
        (Kernel("PlainBody", "", "", "sm_86", 16, 0, 0, 0, 0), 12, 100.0),
        (Kernel("BinsBody", "", "", "sm_75", 16, 0, 0, 0, 0), 10, 93.8),
    ],
)
def test_occupancy(kernel: Kernel, blocks: int, percent: float) -> None:
    assert (kernel.blocks(), kernel.occupancy_percent()) == (blocks, percent)


def test_the_threads_are_those_of_the_kernels() -> None:
    found = {}
    for file in (ROOT / "csrc").rglob("*_kernel.h"):
        text = file.read_text().replace("3 * kLanesPerHead", "96")
        assert "kLanesPerHead = 32" in text or file.name != "decode_kernel.h"
        for body, threads in re.findall(r"struct (\w+Body) \{.*?kThreads = (\d+);", text, re.DOTALL):
            found[body] = int(threads)
    assert found == THREADS


def test_every_architecture_of_the_build_has_limits() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    lists = re.findall(r"set\(CMAKE_CUDA_ARCHITECTURES ([\d\s real-]+)\)", text)
    assert len(lists) == 4
    assert {f"sm_{number}" for each in lists for number in re.findall(r"\d+", each)} == set(LIMITS)


def test_unknown_words_are_said() -> None:
    with pytest.raises(BackendError, match=r"does not know _ZN3hpe8run_bodyINS_8GlowBodyEEEEvT_ on sm_86: add it"):
        parse(SAID.replace("8WarpBodyINS_4HalfEE", "8GlowBodyE"))
    with pytest.raises(BackendError, match="sm_99"):
        parse(SAID.replace("sm_86", "sm_99"))
    with pytest.raises(BackendError, match="its format has changed"):
        parse(SAID.replace("spill stores", "stores"))
    assert parse("nothing") == []


def test_the_table_shows_spills_and_gaps() -> None:
    table = screen_table(parse(SAID))
    assert "64+48 67%" in table
    assert re.search(r"warp float16\s+63 67%\s+-\s+-\s+-", table)
    assert re.search(r"crop float32, staged\s+20728", table)


def test_the_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tools.ptxas, "compile_kernels", lambda folder: SAID)
    monkeypatch.setattr(tools.ptxas, "compiler", lambda folder: "nvcc 13.0.88")
    path = tmp_path / "ptxas.json"
    assert main(["--json", str(path)]) == 0
    assert "nvcc 13.0.88" in capsys.readouterr().out
    document = json.loads(path.read_text())
    assert document["suite"] == "ptxas"
    assert document["environment"]["software"]["nvcc"] == "13.0.88"
    crop = document["results"][1]
    assert crop["parameters"] == {
        "kernel": "crop uint8, direct",
        "architecture": "sm_86",
        "threads_per_block": 256,
    }
    assert crop["figures"]["spill_load_bytes"] == 36
    assert crop["figures"]["occupancy_percent"] == 66.7


@pytest.mark.parametrize(
    ("programs", "fragment"),
    [({}, "pip install cmake"), ({"cmake": "#!/bin/sh\necho no nvcc; exit 3\n"}, "status 3: no nvcc")],
)
def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    programs: dict[str, str],
    fragment: str,
) -> None:
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(tools.ptxas, "environment", lambda: {"software": {}})
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if programs else str(tmp_path))
    path = tmp_path / "ptxas.json"
    assert main(["--json", str(path)]) == 1
    assert fragment in capsys.readouterr().err
    assert not path.exists()
    assert main(["--fast"]) == 2
    monkeypatch.setattr(tools.ptxas, "_ROOT", tmp_path)
    assert main([]) == 1
    assert "run it in a checkout" in capsys.readouterr().err
