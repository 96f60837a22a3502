"""The model's sums against ones by hand."""

from __future__ import annotations

import pytest

from tools.kernel_model.gpus import GPUS, GpuFigures
from tools.kernel_model.predict import Launch, direct_launch, face_bytes, predict, staged_launch, warp_launch
from tools.ptxas import LIMITS

GPU = GpuFigures("made up", "sm_87", 10, 1000, 100, 2)


def test_the_slowest_of_the_parts_counts() -> None:
    # 40 blocks on 10 multiprocessors: 4 each; 4 * 1000 / 4 slots at 1 GHz are 1 us.
    found = predict(Launch(40, 1000, 0, 1700), GPU, resident_blocks=4)
    assert (found.issue_us, found.memory_us, found.latency_us) == pytest.approx((1, 0.02, 2.4))
    assert found.us == pytest.approx(2.4)
    assert predict(Launch(41, 1000, 0, 1700), GPU, 4).latency_us == pytest.approx(4.8)
    # One of 1000 doubles takes 16 clocks.
    assert predict(Launch(40, 1000, 1000, 0), GPU, 4).us == pytest.approx(64)
    assert predict(Launch(1, 0, 0, 8_500_000), GPU, 4).us == pytest.approx(100)


def test_launches() -> None:
    # 12544 outputs: 3136 runs in 13 blocks, or 49 blocks of one output per thread.
    assert face_bytes("float16") == 120_000 + 6 * 12_544
    assert direct_launch(400, "float32", 2) == Launch(26, 3200, 0, 2 * face_bytes("float32"))
    assert warp_launch(300, "float32", 2) == Launch(98, 2400, 0, 2 * face_bytes("float32"))
    wide, narrow = (staged_launch(per_word, 10, "float32", 3) for per_word in (20, 10))
    assert wide.blocks == 84
    # 4 rows of 150 words, each of 200 / 112 * 2 taps.
    assert wide.warp_instructions - narrow.warp_instructions == pytest.approx(10 * 600 / 32 * 400 / 112)


def test_every_gpu_has_limits() -> None:
    assert {gpu.architecture for gpu in GPUS} <= set(LIMITS)
