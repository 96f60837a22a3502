"""The GPUs that the model knows, by their makers' figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuFigures:
    """One GPU.

    Attributes:
        architecture: such as ``"sm_87"``.
        multiprocessors: each issues an instruction for 32 threads in each of its four partitions per clock.
        mhz: highest clock.
        gb_per_s: of its memory.
        doubles_per_clock: double-precision results per multiprocessor.
    """

    name: str
    architecture: str
    multiprocessors: int
    mhz: int
    gb_per_s: float
    doubles_per_clock: int


# Data sheets; doubles from the CUDA programming guide's table of arithmetic throughput.
GPUS = (
    GpuFigures("H200", "sm_90", 132, 1980, 4800, 64),
    GpuFigures("L4", "sm_89", 58, 2040, 300, 2),
    GpuFigures("T4", "sm_75", 40, 1590, 320, 2),
    GpuFigures("Jetson AGX Orin 64GB", "sm_87", 16, 1300, 204.8, 2),
    GpuFigures("Jetson Orin Nano 8GB", "sm_87", 8, 625, 68, 2),
)
