"""A model in ONNX Runtime Web's WebAssembly, run in Node: the same build of it that browsers run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.browser.runtime import find_node, find_runtime
from hpe_edge.errors import BackendError, InputError, ModelError

_SCRIPT = Path(__file__).parent / "node_scripts" / "run_model.mjs"
_TYPES = ("float32", "uint8")


class NodeSession:
    """An ONNX file, loaded in a process of Node, on one thread. Not for several threads."""

    def __init__(self, model: Path) -> None:
        """Start Node and load the model.

        Args:
            model: an ONNX file with one input and float outputs.

        Raises:
            BackendError: Node or ONNX Runtime Web is not installed.
            ModelError: ONNX Runtime Web cannot load the model.
        """
        command = [find_node(), str(_SCRIPT), str(find_runtime()), str(model)]
        self._model = model
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            answer = self._answer()
            if "error" in answer:
                raise ModelError(f"ONNX Runtime Web cannot load {model}: {answer['error']}")
        except BaseException:
            self.close()
            raise
        self.outputs: list[str] = answer["outputs"]

    def run(self, pixels: NDArray[Any], outputs: Sequence[str] | None = None) -> list[NDArray[np.float32]]:
        """Run the network.

        Args:
            pixels: float32 or uint8 ``[N, 3, H, W]``.
            outputs: names of those wanted; None: all, in the graph's order.

        Returns:
            The outputs, float32.

        Raises:
            InputError: another type, or an unknown output.
            BackendError: ONNX Runtime Web failed, or Node has ended.
        """
        if pixels.dtype.name not in _TYPES:
            raise InputError(f"pixels must be {' or '.join(_TYPES)}, got {pixels.dtype}")
        names = self.outputs if outputs is None else list(outputs)
        unknown = sorted(set(names) - set(self.outputs))
        if unknown:
            raise InputError(f"{self._model} has no output {unknown[0]!r}, it has {', '.join(self.outputs)}")
        header = json.dumps({"type": pixels.dtype.name, "shape": pixels.shape})
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(header.encode() + b"\n" + np.ascontiguousarray(pixels).tobytes())
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._ended() from None
        answer = self._answer()
        if "error" in answer:
            raise BackendError(f"ONNX Runtime Web failed on {self._model}: {answer['error']}")
        found = {each["name"]: self._numbers(each["shape"]) for each in answer["outputs"]}
        return [found[name] for name in names]

    def close(self) -> None:
        """End Node; closing twice is harmless."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> NodeSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = b"" if self._process.stdout.closed else self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _numbers(self, shape: Sequence[int]) -> NDArray[np.float32]:
        assert self._process.stdout is not None
        size = 4 * int(np.prod(shape))
        data = self._process.stdout.read(size)
        if len(data) < size:
            raise self._ended()
        numbers: NDArray[np.float32] = np.frombuffer(data, np.float32).reshape(shape).copy()
        return numbers

    def _ended(self) -> BackendError:
        return BackendError(f"Node has ended while it ran {self._model}; its own message is above; make a new session")
