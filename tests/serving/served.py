"""Client of a Triton server, for tests."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

CAMERAS, IDLE_S = 2, 6.0  # of the tight models
FACE = np.array([[181, 88, 269, 178]], np.float32)  # of the astronaut
PAGE_CODE = re.findall(
    r"```python\n(.*?)^```$",
    (Path(__file__).resolve().parents[2] / "docs" / "triton.md").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)
_TYPES = {"uint8": "UINT8", "float32": "FP32", "float64": "FP64"}


def open_server(repositories: Sequence[Path], work: Path, python: Path, first_path: Path | None = None) -> Any:
    from benchmarks.serving.triton_server import TritonServer

    return TritonServer(repositories, work, python=python, first_path=first_path)


class Client:
    """One connection; ``grpc`` is tritonclient's."""

    def __init__(self, server: Any) -> None:
        import tritonclient.grpc

        self._library = tritonclient.grpc
        self._address = server.grpc
        self.grpc = tritonclient.grpc.InferenceServerClient(server.grpc)

    def __call__(self, model: str, arrays: dict[str, np.ndarray], **options: Any) -> dict[str, np.ndarray]:
        """Ask a model; raises tritonclient's InferenceServerException."""
        inputs = []
        for name, array in arrays.items():
            given = self._library.InferInput(name, array.shape, _TYPES[array.dtype.name])
            given.set_data_from_numpy(array)
            inputs.append(given)
        result = self.grpc.infer(model, inputs, **options)
        return {each.name: result.as_numpy(each.name) for each in result.get_response().outputs}

    def frame(self, image: np.ndarray, boxes: np.ndarray, model: str = "head_pose_frame", **options: Any) -> Any:
        return self(model, {"FRAME": image[None], "BOXES": boxes[None]}, **options)

    def stream(
        self,
        camera: int,
        image: np.ndarray,
        time_s: float,
        boxes: np.ndarray | None,
        model: str = "head_pose_stream",
        **options: Any,
    ) -> Any:
        arrays = {"FRAME": image[None], "TIME": np.array([[time_s]])}
        if boxes is not None:
            arrays["BOXES"] = boxes[None]
        return self(model, arrays, sequence_id=camera, **options)

    def counts(self, model: str) -> tuple[int, int]:
        """Inferences and executions of a model so far."""
        before = (-1, -1)
        while True:
            (statistics,) = self.grpc.get_inference_statistics(model).model_stats
            counts = statistics.inference_count, statistics.execution_count
            if counts == before:
                return counts
            before = counts
            time.sleep(0.1)  # the server counts a request after its answer

    def reload(self, model: str) -> None:
        """Load a model anew, as after its process has ended, by the code of the documentation."""
        (code,) = [code for code in PAGE_CODE if "load_model" in code]
        assert "localhost:8001" in code and "head_pose_frame" in code
        code = code.replace("localhost:8001", self._address).replace("head_pose_frame", model)
        exec(compile(code, "docs/triton.md", "exec"), {})

    def close(self) -> None:
        self.grpc.close()
