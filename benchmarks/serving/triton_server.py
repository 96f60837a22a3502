"""The Triton server that the package nvidia-pytriton carries, with this checkout's hpe_edge in its Python.

The server runs in a virtual environment of its own, because its Python backend was compiled for NumPy 1::

    python -m venv triton
    triton/bin/pip install nvidia-pytriton 'numpy<2' onnxruntime 'opencv-python<4.12' tqdm
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.harness.child_process import end_with_parent, free_ports
from hpe_edge import version
from hpe_edge.errors import BackendError
from hpe_edge.ops.native import native

PYTHON_VARIABLE = "HPE_EDGE_TRITON_PYTHON"  # the environment's Python
_READY_S, _STOP_S, _EXIT_S, _POLL_S = 300.0, 20.0, 3, 0.1


class TritonServer:
    """A running server; a context manager, which stops it.

    Attributes:
        grpc: address for ``tritonclient.grpc``.
        log: file with the server's output.
    """

    def __init__(
        self, repositories: Sequence[Path], work: Path, *, python: Path, first_path: Path | None = None
    ) -> None:
        """Start the server.

        Args:
            repositories: its models.
            work: folder for its files, which may exist.
            python: of the environment with nvidia-pytriton; its version must be this process's.
            first_path: folder whose packages are found before the environment's.

        Raises:
            BackendError: there is no server in the environment.
        """
        site = python.parent.parent / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        package = site / "pytriton" / "tritonserver"
        if not (package / "bin" / "tritonserver").is_file():
            raise BackendError(f"{site} has no Triton server; install it there: pip install nvidia-pytriton")
        work = work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        paths = [*([first_path] if first_path else []), _linked_package(work), site]
        environment = _environment(python, work, paths)
        backends = _linked_backends(work, package)
        ports = free_ports(3)
        self.grpc, self._http = (f"127.0.0.1:{port}" for port in ports[:2])
        self.log = work / "server.log"
        arguments = [f"--model-repository={repository.resolve()}" for repository in repositories]
        # A sequence without an end counts as a request that the server waits for.
        arguments += [f"--backend-directory={backends}", f"--exit-timeout-secs={_EXIT_S}"]
        arguments += [f"--backend-config=python,stub-timeout-seconds={_READY_S:g}"]  # 30 is short for a busy machine
        arguments += ["--model-control-mode=explicit", "--load-model=*"]  # so that a client may load one again
        for name, port in zip(("grpc", "http", "metrics"), ports, strict=True):
            arguments += [f"--{name}-port={port}", f"--{name}-address=127.0.0.1"]
        # Otherwise each of its processes would spin on every core.
        variables = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        variables["PATH"] = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        variables["LD_LIBRARY_PATH"] = str(site / "nvidia_pytriton.libs")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(package / "bin" / "tritonserver"), *arguments],
                env={**os.environ, **variables},
                cwd=work,  # its Python looks into the current folder first, which may be a checkout
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C comes to this process alone, which then stops the server
                preexec_fn=end_with_parent,
            )

    def wait_until_ready(self) -> None:
        """Wait until all models are loaded.

        Raises:
            BackendError: the server has ended, or is not ready in time.
        """
        end_s = time.monotonic() + _READY_S
        while time.monotonic() < end_s and self._process.poll() is None:
            # By HTTP: a gRPC channel that was refused a few times waits for up to two minutes.
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{self._http}/v2/health/ready") as answer:
                if answer.status == 200:
                    return
            time.sleep(_POLL_S)
        self.close()
        raise BackendError(f"the Triton server did not become ready; its log ends: {self.text()[-2000:]}")

    def wait_for_end(self) -> int:
        """Wait until the server has ended by itself, as after a model that cannot be loaded; return its status."""
        return self._process.wait(_READY_S)

    def text(self) -> str:
        """Return the log so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def processes(self, model: str) -> list[int]:
        """Return the ids of the processes that run a model in Python."""
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                is_stub = command[0].endswith("triton_python_backend_stub")
                if is_stub and parent == self._process.pid and any(f"/{model}/" in part for part in command):
                    found.append(int(folder.name))
        return sorted(found)

    def close(self) -> None:
        """Stop the server."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> TritonServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _linked_package(work: Path) -> Path:
    """Make a folder that holds this hpe_edge and its compiled module, which an editable install keeps elsewhere."""
    site = work / "site"
    package = site / "hpe_edge"
    package.mkdir(parents=True, exist_ok=True)
    for each in (*Path(version.__file__).parent.iterdir(), Path(str(native.__file__))):
        with contextlib.suppress(FileExistsError):
            (package / each.name).symlink_to(each)
    return site


def _environment(python: Path, work: Path, paths: Sequence[Path]) -> Path:
    """Make an environment of these folders: the server's Python reads no PYTHONPATH."""
    environment = work / "environment"
    if not environment.is_dir():
        subprocess.run([str(python), "-m", "venv", "--without-pip", str(environment)], check=True)
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "folders.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return environment


def _linked_backends(work: Path, package: Path) -> Path:
    """Make a folder of backends: the Python one with the process of this Python's version."""
    folder = work / "backends" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    stub = package / "python_backend_stubs" / version / "triton_python_backend_stub"
    for each in (*(package / "backends" / "python").glob("*.*"), stub):
        with contextlib.suppress(FileExistsError):
            (folder / each.name).symlink_to(each)
    return folder.parent
