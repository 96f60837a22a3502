"""hpe_edge's launches on the double of CUDA: emulated when their stream gets there, on memory of the GPU only."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from fake_cuda import FakeCuda

from hpe_edge.ops.native import native

# Of a pixel.
_BYTES = {
    native.OutputType.FLOAT32: 12,
    native.OutputType.FLOAT16: 6,
    native.OutputType.UINT8: 3,
    native.OutputType.FLOAT16_HWC8: 16,
}


class FakeLaunches:
    """Takes the place of ``native.CropLaunch``, ``native.DecodeLaunch``, ``native.HeatmapPeaks`` and what CUDA finds.

    Attributes:
        made: the launches that were enqueued, by name.
        refusing: what CUDA answers to a launch; empty if it takes it.
    """

    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda = cuda
        self.made: list[str] = []
        self.refusing = ""

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeLaunches:
        """Put them where the engine finds them."""
        crop, decode, peaks, fake = native.CropLaunch, native.DecodeLaunch, native.HeatmapPeaks, self

        class CropLaunch(crop):  # type: ignore[misc, valid-type]
            def __init__(self, *, emulated: bool, **arguments: Any) -> None:
                assert not emulated
                super().__init__(emulated=True, **arguments)
                self._face_bytes = arguments["size"] ** 2 * _BYTES[arguments["output"]]

            def boxes(self, faces: int, count: int, out: int, stream: int) -> None:
                self._launch("boxes", super().boxes, native.BOX_FACE.itemsize, faces, count, out, stream)

            def warp(self, faces: int, count: int, out: int, stream: int) -> None:
                self._launch("warp", super().warp, native.WARP_FACE.itemsize, faces, count, out, stream)

            def stretch(self, crops: int, count: int, stretched: int, stream: int) -> None:
                run = super().stretch
                fake.take("stretch", stream, lambda: run(crops, count, stretched, stream))
                fake._cuda.check_range(crops, count * self._face_bytes, True)
                fake._cuda.check_range(stretched, 4 * count, True)

            def _launch(
                self, name: str, run: Any, record_bytes: int, faces: int, count: int, out: int, stream: int
            ) -> None:
                def work() -> None:
                    fake.check_frames(faces, count, record_bytes)
                    run(faces, count, out, stream)

                fake.take(name, stream, work)
                fake._cuda.check_range(faces, count * record_bytes, True)
                fake._cuda.check_range(out, count * self._face_bytes, True)

        class DecodeLaunch:
            def __init__(self, *, emulated: bool, **arguments: Any) -> None:
                assert not emulated
                self._real = decode(emulated=True, **arguments)

            def run(
                self, heads: list[tuple[int, int]], count: int, angles: int, sigma: int, rotation: int, stream: int
            ) -> None:
                for address, row_floats in heads:
                    fake._cuda.check_range(address, 4 * ((count - 1) * row_floats + 1), True)
                for address, floats in ((angles, 3), (sigma, 3), (rotation, 9)):
                    fake._cuda.check_range(address, 4 * floats * count, True)
                fake.take("decode", stream, lambda: self._real.run(heads, count, angles, sigma, rotation, stream))

        class HeatmapPeaks(peaks):  # type: ignore[misc, valid-type]
            def __init__(self, *, count: int, side: int, logarithm: bool, isa: str) -> None:
                super().__init__(count=count, side=side, logarithm=logarithm, isa=isa)
                self._emulated = peaks(count=count, side=side, logarithm=logarithm, isa=native.EMULATED)
                self._sizes = count * side * side, 2 * count

            def launch(self, maps: int, row_stride: int, faces: int, out: int, stream: int) -> None:
                wide, found = self._sizes
                fake._cuda.check_range(maps, 4 * ((faces - 1) * row_stride + wide), True)
                fake._cuda.check_range(out, 4 * faces * found, True)

                def work() -> None:
                    floats = [
                        (ctypes.c_float * n).from_address(at) for at, n in ((maps, faces * wide), (out, faces * found))
                    ]
                    rows, points = (np.frombuffer(each, np.float32) for each in floats)
                    self._emulated.run(rows.reshape(faces, wide), points.reshape(faces, -1, 2))

                assert row_stride == wide
                fake.take("peaks", stream, work)

        class Probe:
            devices = ("Fake GPU",)
            reason = ""

        monkeypatch.setattr(native, "CropLaunch", CropLaunch)
        monkeypatch.setattr(native, "DecodeLaunch", DecodeLaunch)
        monkeypatch.setattr(native, "HeatmapPeaks", HeatmapPeaks)
        monkeypatch.setattr(native, "probe_cuda", Probe)
        return self

    def check_frames(self, faces: int, count: int, record_bytes: int) -> None:
        """Fail where a face's frame is not in memory that is still the GPU's."""
        kind = native.BOX_FACE if record_bytes == native.BOX_FACE.itemsize else native.WARP_FACE
        content = (ctypes.c_ubyte * (count * record_bytes)).from_address(faces)
        for frame in np.frombuffer(content, kind)["frame"]:
            row = int(frame["width"]) * {native.PixelFormat.COLOR.value: 3, native.PixelFormat.COLOR4.value: 4}.get(
                int(frame["format"]), 1
            )
            assert row, "a face without a frame"
            reach = (int(frame["height"]) - 1) * int(frame["row_stride_bytes"])
            self._cuda.check_range(int(frame["data"]) + min(0, reach), abs(reach) + row, True)

    def take(self, name: str, stream: int, run: Any) -> None:
        """Put a launch on a stream."""
        if self.refusing:
            raise RuntimeError(self.refusing)
        self.made.append(name)
        self._cuda.enqueue(stream, run)
