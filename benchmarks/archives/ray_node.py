"""A Ray cluster of one node on this machine, for the suite and the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.child_process import end_with_parent, free_ports
from benchmarks.harness.process_session import ProcessSession
from hpe_edge.errors import BackendError

_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "RAY_AUTH_MODE": "disabled",  # else a token is written into the home folder
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # the default of 15 starves workers on a busy machine
    # Limits of 30 to 60 s otherwise.
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_gcs_server_port_wait_time_s": "300",
    "RAY_gcs_server_request_timeout_seconds": "300",
    "RAY_worker_register_timeout_seconds": "300",
}
# A node ends if its agents take more than 15 s to report their ports; it does not wait for ports that are given, which
# ray.init cannot: https://github.com/ray-project/ray/issues/65983
_AGENT_PORTS = ("dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent", "metrics-export")
_STORE_BYTES = 80 * 2**20
_STARTED = "Ray runtime started"
_READY_S, _POLL_S = 300.0, 0.1
_TRIES = 3  # at a load of 15 on two cores, 30 s that Ray has fixed can be over before the node answers


@dataclass(frozen=True)
class RayNode:
    """A running node.

    Attributes:
        address: for ``RAY_ADDRESS`` of other processes.
        processes: of the node and its workers.
    """

    address: str
    processes: ProcessSession


@contextmanager
def ray_node(cpus: int) -> Iterator[RayNode]:
    """Start a node, connect this process to it, and end both afterwards.

    Args:
        cpus: that Ray may hand out, whatever the machine has.

    Raises:
        BackendError: the node did not start, three times.
    """
    os.environ.update(_SETTINGS)
    import ray

    with ExitStack() as started:
        for left in reversed(range(_TRIES)):
            try:
                node = started.enter_context(_process(cpus))
                break
            except BackendError:
                if not left:
                    raise
        started.callback(ray.shutdown)
        ray.init(address=node.address, log_to_driver=False)
        yield node


@contextmanager
def _process(cpus: int) -> Iterator[RayNode]:
    work = Path(tempfile.mkdtemp(prefix="ray-"))  # short: the names of its sockets are limited to 107 bytes
    port, *agents = free_ports(1 + len(_AGENT_PORTS))
    options = ["--head", "--block", "--include-dashboard=false", f"--port={port}", f"--temp-dir={work}"]
    options += [f"--num-cpus={cpus}", f"--object-store-memory={_STORE_BYTES}"]
    options += [f"--{name}-port={agent}" for name, agent in zip(_AGENT_PORTS, agents, strict=True)]
    log = work / "start.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    processes = ProcessSession(process.pid)
    try:
        _wait(process, log)
        with processes:
            yield RayNode(f"127.0.0.1:{port}", processes)
    finally:
        processes.kill()  # SIGTERM would wait half a minute for jobs
        process.wait()
        shutil.rmtree(work, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + _READY_S
    while time.monotonic() < end_s and process.poll() is None:
        if _STARTED in log.read_text(errors="replace"):
            return
        time.sleep(_POLL_S)
    raise BackendError(f"the Ray node did not start; its log ends: {log.read_text(errors='replace')[-2000:]}")
