"""A model of the time that a launch takes: its instructions, its bytes, its blocks. Nothing is measured.

The time is the largest of three: the busiest multiprocessor's issue slots; the bytes that must move, at 85 % of the
memory's bandwidth; the rounds of resident blocks, each of which takes at least as long as its chain of loads. Launching
itself, caches and the scheduler are not in it, so it is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tools.kernel_model.gpus import GpuFigures

SIDE, SIZE = 200, 112  # of a face's window and of its crop
TILE_ROWS = 4  # of the staged crop, at 16 faces
BANDWIDTH_USED = 0.85
LOAD_CLOCKS, LOADS_IN_A_CHAIN = 600, 4  # from the memory; record, place, pixels, and what the store waits for
OUTPUT_BYTES = {"float32": 12, "float16": 6, "float16 HWC8": 16, "uint8": 3}


@dataclass(frozen=True)
class Launch:
    """The work of one launch.

    Attributes:
        blocks: of the launch.
        warp_instructions: per block, for 32 threads each.
        warp_doubles: of those in double precision.
        bytes: read and written.
    """

    blocks: int
    warp_instructions: float
    warp_doubles: float
    bytes: int


@dataclass(frozen=True)
class Prediction:
    """Microseconds; ``us`` is the largest of the others."""

    issue_us: float
    double_us: float
    memory_us: float
    latency_us: float

    @property
    def us(self) -> float:
        return max(self.issue_us, self.double_us, self.memory_us, self.latency_us)

    def figures(self) -> Mapping[str, float]:
        """Figures for the JSON."""
        named = {"predicted_us": self.us, "issue_us": self.issue_us, "memory_us": self.memory_us}
        return {name: round(value, 2) for name, value in named.items()} | {"double_us": round(self.double_us, 2)}


def face_bytes(output: str) -> int:
    """Bytes that a face's crop moves: its window of the frame, read once, and its outputs."""
    return 3 * SIDE * SIDE + SIZE * SIZE * OUTPUT_BYTES[output]


def direct_launch(instructions: float, output: str, faces: int) -> Launch:
    """Launch of the direct crop, whose threads own four outputs each; ``instructions`` is their hot path."""
    blocks = math.ceil(SIZE * SIZE / 4 / 256)
    return Launch(faces * blocks, 8 * instructions, 0, faces * face_bytes(output))


def warp_launch(instructions: float, output: str, faces: int) -> Launch:
    """Launch of the warp without antialiasing, whose threads own an output each."""
    blocks = math.ceil(SIZE * SIZE / 256)
    return Launch(faces * blocks, 8 * instructions, 0, faces * face_bytes(output))


def staged_launch(per_word: float, per_tap: float, output: str, faces: int) -> Launch:
    """Launch of the antialiased crop.

    Args:
        per_word: instructions of a row's tap, for four bytes.
        per_tap: instructions of an output's tap along x.
    """
    taps = 2 * SIDE / SIZE
    words = TILE_ROWS * math.ceil(3 * SIDE / 4) / 32
    outputs = TILE_ROWS * SIZE / 32
    own = 60  # what a word or an output costs beside its taps
    instructions = words * (taps * per_word + own) + outputs * (taps * per_tap + own)
    return Launch(faces * math.ceil(SIZE / TILE_ROWS), instructions, 0, faces * face_bytes(output))


def predict(launch: Launch, gpu: GpuFigures, resident_blocks: int) -> Prediction:
    """Predict the time of a launch on a GPU that holds so many of its blocks per multiprocessor."""
    busiest = math.ceil(launch.blocks / gpu.multiprocessors)
    rounds = math.ceil(busiest / resident_blocks)
    clocks_per_double = 32 / gpu.doubles_per_clock
    return Prediction(
        busiest * launch.warp_instructions / 4 / gpu.mhz,
        busiest * launch.warp_doubles * clocks_per_double / gpu.mhz,
        launch.bytes / (gpu.gb_per_s * BANDWIDTH_USED) / 1e3,
        rounds * LOADS_IN_A_CHAIN * LOAD_CLOCKS / gpu.mhz,
    )
