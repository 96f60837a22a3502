"""Plain integer and float64 reference of the native executor: reads a .hpe file by docs/native.md, loops in NumPy."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import expit


@dataclass
class Record:
    """A layer as in the file, with its arrays."""

    flags: int
    input: int
    output: int
    shortcut: int
    kernel: tuple[int, int]
    stride: int
    pad: int
    shortcut_multiplier: int
    weights: NDArray[Any]
    bias: NDArray[Any]
    multipliers: NDArray[Any] | None
    shifts: NDArray[Any] | None


class ReferenceNetwork:
    """A file's network, slow and plain."""

    def __init__(self, data: bytes) -> None:
        (self.int8, tensors, layers, outputs, self.size, _, *rest) = struct.unpack_from("<6I4BIQQ", data, 24)
        self.pads, self.multiple, (spec_at, spec_bytes) = rest[:3], rest[4], rest[5:]
        self.spec_json = data[spec_at : spec_at + spec_bytes].decode()
        at = 128
        self.tensors = [struct.unpack_from("<Iifi", data, at + 16 * i) for i in range(tensors)]
        at += 16 * tensors
        self.layers = [self._layer(data, at + 80 * i) for i in range(layers)]
        at += 80 * layers
        self.outputs = [struct.unpack_from("<4I", data, at + 16 * i) for i in range(outputs)]

    def _layer(self, data: bytes, at: int) -> Record:
        flags, read, written, shortcut, kh, kw, stride, pad, _ = struct.unpack_from("<9I", data, at)
        (multiplier,) = struct.unpack_from("<i", data, at + 36)
        places = struct.unpack_from("<4Q", data, at + 40)
        inputs = 1 if flags & 4 else self.tensors[read][0]
        count = self.tensors[written][0]

        def array(place: int, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
            return np.frombuffer(data, kind, int(np.prod(shape)), place).reshape(shape)

        if flags & 8:
            none = np.zeros(0)
            return Record(flags, read, written, shortcut, (kh, kw), stride, pad, 0, none, none, None, None)
        weights = array(places[0], "<i1" if self.int8 else "<f4", (count, inputs, kh, kw))
        bias = array(places[1], "<i4" if self.int8 else "<f4", (count,))
        multipliers = shifts = None
        if self.int8:
            multipliers = array(places[2], "<f4" if flags & 2 else "<i2", (count,))
            shifts = None if flags & 2 else array(places[3], "<i4", (count,))
        return Record(
            flags, read, written, shortcut, (kh, kw), stride, pad, multiplier, weights, bias, multipliers, shifts
        )

    def run(self, pictures: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Run pictures ``[N, 3, height, width]``; returns each output as ``[N, rows, columns]``."""
        values: list[Any] = [pictures, *[None] * (len(self.tensors) - 1)]
        for layer in self.layers:
            run = self._largest if layer.flags & 8 else self._integers if self.int8 else self._floats
            values[layer.output] = run(layer, values)
        found = []
        for first, columns, tensor, sigmoid in self.outputs:
            numbers = np.asarray(values[tensor][:, first : first + columns], np.float32)
            rows = numbers.reshape(len(pictures), columns, -1).transpose(0, 2, 1)
            found.append(expit(rows) if sigmoid else rows)
        return found

    @staticmethod
    def _largest(layer: Record, values: list[Any]) -> NDArray[Any]:
        windows = sliding_window_view(values[layer.input], layer.kernel, axis=(2, 3))
        found: NDArray[Any] = windows[:, :, :: layer.stride, :: layer.stride].max(axis=(4, 5))
        return found

    def _shortcut(self, layer: Record, values: list[Any]) -> NDArray[Any]:
        other: NDArray[Any] = values[layer.shortcut]
        return np.kron(other, np.ones((2, 2), other.dtype)) if layer.flags & 16 else other

    def _sums(self, layer: Record, x: NDArray[Any], pads: list[int]) -> NDArray[Any]:
        """Exact: all products and sums of the integers are far below 2**53."""
        kh, kw = layer.kernel
        n, channels, height, width = x.shape
        padded = np.empty((n, channels, height + 2 * layer.pad, width + 2 * layer.pad))
        padded[:] = np.array(pads)[:, None, None]
        padded[:, :, layer.pad : layer.pad + height, layer.pad : layer.pad + width] = x
        rows = (padded.shape[2] - kh) // layer.stride + 1
        columns = (padded.shape[3] - kw) // layer.stride + 1
        total = np.zeros((n, len(layer.bias), rows, columns)) + layer.bias.astype(float)[:, None, None]
        w = layer.weights.astype(float)
        for i in range(kh):
            for j in range(kw):
                part = padded[:, :, i :: layer.stride, j :: layer.stride][:, :, :rows, :columns]
                if layer.flags & 4:
                    total += part * w[:, 0, i, j][:, None, None]
                else:
                    total += np.einsum("oi,nihw->nohw", w[:, :, i, j], part, optimize=True)
        return total

    def _integers(self, layer: Record, values: list[Any]) -> NDArray[Any]:
        pads = self.pads if layer.input == 0 else [self.tensors[layer.input][1]] * self.tensors[layer.input][0]
        sums = self._sums(layer, values[layer.input], list(pads)).astype(np.int64)
        assert np.abs(sums).max(initial=0) < 1 << 31
        assert layer.multipliers is not None
        multipliers = layer.multipliers[:, None, None]
        if layer.shifts is None:
            return sums.astype(np.float32) * multipliers
        t = np.clip(sums >> layer.shifts.astype(np.int64)[:, None, None], -32768, 32767)
        u = (t * multipliers.astype(np.int64) + 16384) >> 15
        if layer.shortcut != 0xFFFFFFFF:
            other = self._shortcut(layer, values).astype(np.int64) - self.tensors[layer.shortcut][1]
            u = np.clip(u + (((other << 7) * layer.shortcut_multiplier + 16384) >> 15), -32768, 32767)
        _, zero, _, wide = self.tensors[layer.output]
        if wide:
            return (np.maximum(u, 0) if layer.flags & 1 else u).astype(np.int16)
        return np.clip(np.clip(u + 16 * zero + 8, -32768, 32767) >> 4, 0, 255).astype(np.uint8)

    def _floats(self, layer: Record, values: list[Any]) -> NDArray[Any]:
        sums = self._sums(layer, values[layer.input], [0] * values[layer.input].shape[1])
        if layer.shortcut != 0xFFFFFFFF:
            sums += self._shortcut(layer, values)
        return np.maximum(sums, 0) if layer.flags & 1 else sums
