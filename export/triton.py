"""Write a model repository for NVIDIA's Triton server: ``python -m export.triton MODEL -o repository``.

Three models: ``…_network`` takes crops and batches them dynamically, ``…_frame`` takes a frame and boxes and gives
poses, ``…_stream`` follows the faces of a camera from frame to frame. The latter two run in the server's Python backend
and call the network by BLS. In Python: :func:`export`.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from export.cli import positive, print_report, step_parser
from export.step import Notes, PathLike, Reporter, byte_size, need, quiet, shell_path
from hpe_edge.backends.tensorrt.plan_file import library_of
from hpe_edge.errors import InputError
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell

if TYPE_CHECKING:
    from hpe_edge.spec import ModelSpec

ServerBackend = Literal["onnxruntime", "tensorrt", "python"]

MAX_BATCH = 32
QUEUE, CAMERAS, IDLE_S = 64, 64, 30.0


@dataclass(frozen=True)
class TritonReport:
    """A repository that was written.

    Attributes:
        path: its folder, for ``tritonserver --model-repository``.
        models: names of the network, the frame and the stream model.
        backend: of the server's that runs the network.
        spec: the model's.
        size_bytes: of all files.
        notes: everything reported, ``"stage: line"``.
    """

    path: Path
    models: tuple[str, str, str]
    backend: ServerBackend
    spec: ModelSpec
    size_bytes: int
    notes: tuple[str, ...] = ()


def export(
    model: PathLike | None = None,
    *,
    output: PathLike,
    name: str = "head_pose",
    backend: ServerBackend | None = None,
    device: Literal["cpu", "cuda"] | None = None,
    max_batch: int | None = None,
    max_delay_ms: float = 0.0,
    queue: int = QUEUE,
    instances: int = 1,
    cameras: int = CAMERAS,
    idle_s: float = IDLE_S,
    report: Reporter = quiet,
) -> TritonReport:
    """Write a model repository for Triton. The network's file is copied unchanged.

    Args:
        model: an ONNX file of ``export.onnx``, ``export.fp16`` or ``export.int8``, or a TensorRT engine of
            ``export.trt``; None takes the embedded model.
        output: the folder to write, new or empty.
        name: the models are called NAME_network, NAME_frame and NAME_stream.
        backend: the server's backend that runs the network: ``"onnxruntime"``, ``"tensorrt"``, or, for servers that
            have neither, ``"python"``, with the ONNX Runtime of the server's Python. None: by the file.
        device: of the network. None: the GPU for TensorRT, else the CPU.
        max_batch: most faces of one run of the network, and most frames of one call of the other two. None:
            32, or what the engine was built for.
        max_delay_ms: longest time that a request waits for others to share its batch. At 0 only those share one that
            came while the model was busy.
        queue: most waiting requests of the network and of the frame model; the server refuses more, with the code
            UNAVAILABLE.
        instances: processes of the frame and of the stream model, each of which crops on one core.
        cameras: most cameras that a process of the stream model follows; more are refused with the code UNAVAILABLE.
        idle_s: time without a frame after which a camera is forgotten.
        report: takes each stage's name and lines.

    Returns:
        The folder and its models.

    Raises:
        HpeEdgeError: the model, an argument or the output cannot be used; nothing was written.
    """
    need("tritonclient.grpc", "writing a Triton repository", extra="triton")
    from export.serving.model_config import Serving
    from export.serving.repository import read_model, write_repository
    from hpe_edge.models import DEFAULT, DEFAULT_NAME
    from hpe_edge.util.atomic import Pending

    notes = Notes(report)
    if model is None:
        notes("model", [f"none given: {DEFAULT_NAME}"])
    path = DEFAULT if model is None else Path(model)
    chosen = _backend(path, backend, device)
    _check_counts(max_batch=max_batch, queue=queue, instances=instances, cameras=cameras)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise InputError(f"--name must be letters, digits and _ . -, got {name!r}")
    if not 0 <= max_delay_ms < 1e6:
        raise InputError(f"--max-delay-ms must be 0 or more milliseconds, got {max_delay_ms!r}")
    if not 0.1 <= idle_s < 1e6:
        raise InputError(f"--idle-s must be 0.1 or more seconds, got {idle_s!r}")
    spec, outputs, largest = read_model(path, chosen)
    if max_batch is not None and largest is not None and max_batch > largest:
        raise InputError(f"--max-batch is {max_batch}, but {path} was built for batches up to {largest}; build it anew")
    serving = Serving(
        name,
        chosen,
        on_gpu=chosen == "tensorrt" or device == "cuda",
        max_batch=max_batch or largest or MAX_BATCH,
        max_delay_ms=max_delay_ms,
        queue=queue,
        instances=instances,
        cameras=cameras,
        idle_s=idle_s,
    )
    folder = Pending(Path(output), folder=True)
    try:
        models = write_repository(folder, path, spec, outputs, serving)
        folder.commit()
    finally:
        folder.discard()
    notes("network", [f"{models[0]}, {_described(serving.backend)}, {'GPU' if serving.on_gpu else 'CPU'}"])
    notes("frame", [f"{models[1]}: a frame and boxes in, poses out"])
    notes("stream", [f"{models[2]}: frames of a camera in, identities and smoothed poses out"])
    size = sum(each.stat().st_size for each in folder.path.rglob("*") if each.is_file())
    return TritonReport(folder.path, (models[0], models[1], models[2]), chosen, spec, size, notes.lines)


def _backend(path: Path, backend: ServerBackend | None, device: str | None) -> ServerBackend:
    library = library_of(path)
    if backend not in (None, *get_args(ServerBackend)):
        raise InputError(f"--backend must be one of {', '.join(get_args(ServerBackend))}, got {backend!r}")
    if device not in (None, "cpu", "cuda"):
        raise InputError(f"--device must be cpu or cuda, got {device!r}")
    if library == "tensorrt-rtx":
        raise InputError(
            f"{path} is an engine of TensorRT-RTX, which Triton has no backend for; serve the ONNX file, or build an "
            "engine with hpe-edge export trt without --rtx"
        )
    if backend is not None and (library == "tensorrt") != (backend == "tensorrt"):
        raise InputError(f"--backend {backend} does not run {path}; leave it out")
    if library == "tensorrt" and device == "cpu":
        raise InputError("TensorRT runs on a GPU: leave --device cpu out")
    return backend or library or "onnxruntime"


def _check_counts(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise InputError(f"--{name.replace('_', '-')} must be 1 or more, got {count}")


def _described(backend: ServerBackend) -> str:
    if backend == "onnxruntime":
        return "by Triton's ONNX Runtime backend (for a server without it: --backend python)"
    return "by Triton's TensorRT backend" if backend == "tensorrt" else "by ONNX Runtime in Triton's Python backend"


def main(argv: list[str] | None = None, program: str = "python -m export.triton") -> int:
    """Run the command; returns the exit status, see :mod:`hpe_edge.util.shell`."""

    def command() -> None:
        written = export(**vars(_parse(argv, program)), report=print_report)
        with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):  # the repository is complete
            print_report("written", [f"{written.path}, {byte_size(written.size_bytes)}"])
            print_report("next", [f"tritonserver --model-repository={shell_path(written.path)}"])

    return run_in_shell(program, command)


def _parse(argv: list[str] | None, program: str) -> argparse.Namespace:
    parser = step_parser(
        program,
        "Write a model repository for NVIDIA's Triton server: the network with dynamic batching, a model from frame "
        "and boxes to poses, and one that follows the faces of cameras.",
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL",
        help="an ONNX file of hpe-edge export onnx, fp16 or int8, or an engine of hpe-edge export trt (default: the "
        "embedded model)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", required=True, help="the folder to write, new or empty"
    )
    parser.add_argument(
        "--name", default="head_pose", help="of the models: NAME_network, NAME_frame, NAME_stream (default: head_pose)"
    )
    parser.add_argument(
        "--backend",
        choices=get_args(ServerBackend),
        help="the server's backend that runs the network (default: onnxruntime or tensorrt, by the file); python: for "
        "servers that have neither",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="of the network (default: the GPU for TensorRT, else the CPU)"
    )
    counts = (
        ("--max-batch", None, f"most faces of a run of the network (default: {MAX_BATCH}, or the engine's)"),
        ("--queue", QUEUE, f"most waiting requests of a model; more are refused (default: {QUEUE})"),
        ("--instances", 1, "processes of the frame and of the stream model, a core each (default: 1)"),
        ("--cameras", CAMERAS, f"most cameras per process of the stream model (default: {CAMERAS})"),
    )
    for option, default, about in counts:
        parser.add_argument(option, type=int, metavar="N", default=default, help=about)
    parser.add_argument(
        "--max-delay-ms",
        type=float,
        metavar="MS",
        default=0.0,
        help="longest wait of a request for others to share its batch (default: 0: with those alone that came while "
        "the model was busy)",
    )
    parser.add_argument(
        "--idle-s",
        type=positive,
        metavar="S",
        default=IDLE_S,
        help=f"time without a frame after which a camera is forgotten (default: {IDLE_S:g})",
    )
    return parser.parse_args(argv)  # type: ignore[no-any-return]


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main())
