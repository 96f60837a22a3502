"""Runs one node on each of OpenVINO's devices and prints as JSON how that went. Run in a process of its own.

A device that is listed has a driver that answers; whether that driver works is known when something has run on it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[3])  # where hpe_edge lies, in place of this folder

from hpe_edge.backends.openvino.load_openvino import load_openvino, short_error  # noqa: E402
from hpe_edge.backends.options import Precision  # noqa: E402
from hpe_edge.doctor.trials.relu import RELU  # noqa: E402
from hpe_edge.errors import BackendError  # noqa: E402


def attempt(ov: Any) -> dict[str, Any]:
    """Start and run on all devices.

    Returns:
        ``version``; ``devices``: by OpenVINO's name of each ``name``, ``precisions`` that the backend can be asked for,
        and ``problem``, empty where it works.
    """
    core = ov.Core()
    devices = {name: _device(ov, core, name) for name in core.available_devices}
    return {"version": ov.__version__.partition("-")[0], "devices": devices}


def _device(ov: Any, core: Any, name: str) -> dict[str, Any]:
    import io
    from typing import get_args

    import numpy as np

    answer: dict[str, Any] = {"name": "", "precisions": [], "problem": ""}
    try:
        answer["name"] = str(core.get_property(name, "FULL_DEVICE_NAME"))
        can = [str(each).lower() for each in core.get_property(name, "OPTIMIZATION_CAPABILITIES")]
        answer["precisions"] = [each for each in get_args(Precision) if each in can]
        values = np.array([[-1, 0, 1, 2]], np.float32)
        found = core.compile_model(core.read_model(io.BytesIO(RELU)), name)(values)
        right = bool((found[0] == values.clip(0)).all())
    except Exception as error:  # OpenVINO's errors share no base class
        return {**answer, "problem": short_error(error) or type(error).__name__}
    return answer if right else {**answer, "problem": "it computes wrong results"}


def main() -> None:
    """Print the answer."""
    try:
        answer = attempt(load_openvino())
    except BackendError as error:
        absent = isinstance(error.__context__, ModuleNotFoundError) and error.__context__.name == "openvino"
        answer = {"absent" if absent else "problem": str(error.__context__ or error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
