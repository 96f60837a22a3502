"""A machine on which the steps of the doctor can be taken, and whose libraries start as the real ones do.

PyPI's releases, the versions of Python that they have wheels for, and the libraries that they link were read from
PyPI's index and from the wheels, so that they can contradict the doctor's own table.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from made_up_machine import MadeUpMachine, desktop, session
from packaging.requirements import Requirement
from packaging.version import Version

# Releases of PyPI, with the oldest Python that has a wheel.
_TENSORRT = ("10.0.1", "10.4.0", "10.9.0.34", "10.13.3.9", "10.14.1.48.post1", "10.16.1.11", "11.0.0.114", "11.4.0.106")
RELEASES: dict[str, dict[str, str]] = {
    "onnxruntime-gpu": {
        **dict.fromkeys(("1.18.1", "1.19.2"), "3.8"),
        **dict.fromkeys(("1.20.2", "1.21.1", "1.22.0", "1.23.2"), "3.10"),
        **dict.fromkeys(("1.24.4", "1.25.1", "1.26.0", "1.27.0", "1.28.0", "1.31.1"), "3.11"),
    },
    "cuda-bindings": dict.fromkeys(("11.8.7", "12.8.0", "12.9.0", "12.9.1", "12.9.10", "13.0.3", "13.5.0"), "3.10"),
    "tensorrt-cu12": dict.fromkeys(_TENSORRT, "3.8"),
    "tensorrt-cu13": dict.fromkeys(_TENSORRT[3:], "3.8"),
}
# Of libonnxruntime_providers_tensorrt.so: the CUDA that it links, and the TensorRT that it was compiled with.
_LINKED = {
    "1.18.1": (11, "10.0.1"),
    "1.20.2": (12, "10.4.0"),
    "1.22.0": (12, "10.9.0"),
    "1.23.2": (12, "10.9.0"),
    "1.26.0": (12, "10.14.1"),
    "1.27.0": (13, "10.14.1"),
    "1.31.1": (13, "10.14.1"),
}


class PipMachine(MadeUpMachine):
    """A desktop with an NVIDIA GPU, on which pip installs packages."""

    def __init__(self, driver_cuda: str, python: str, *requirements: str) -> None:
        base = desktop()
        super().__init__(files=base.files, commands=base.commands, trials=base.trials, installed=base.installed)
        for name in [
            name for name in self.installed if name.startswith(("onnxruntime", "tensorrt", "cuda-", "nvidia"))
        ]:
            del self.installed[name]
        self.trials["cuda_driver"] = {**self.trials["cuda_driver"], "cuda": driver_cuda}
        self.python = python
        for requirement in requirements:
            self.pip_install(requirement)

    def pip_install(self, text: str) -> None:
        """Install the newest release that fits; TensorRT's wheel brings its libraries and bindings."""
        requirement = Requirement(text)
        fitting = [
            Version(version)
            for version, python in RELEASES[requirement.name].items()
            if requirement.specifier.contains(version) and Version(python) <= Version(self.python)
        ]
        assert fitting, f"pip finds no {text} for Python {self.python}"
        parts = ("", "-libs", "-bindings") if requirement.name.startswith("tensorrt") else ("",)
        self.installed.update({requirement.name + part: str(max(fitting)) for part in parts})

    def follow(self, steps: tuple[str, ...]) -> None:
        """Take the doctor's steps; those that are no commands of pip are left out."""
        for step in steps:
            for command in re.findall(r"pip (?:un)?install [^;]+", step):
                _, action, *arguments = shlex.split(command)
                for argument in arguments:
                    if action == "install":
                        self.pip_install(argument)
                    else:
                        self.installed.pop(argument, None)

    def system(self) -> dict[str, Any]:
        return {**super().system(), "python": self.python}

    def trial(self, name: str, *arguments: str) -> dict[str, Any]:
        if name == "tensorrt_import":
            return {"version": self.installed[f"{self._tensorrt()}-bindings"], "stderr": ""}
        if name != "onnx_session":
            return super().trial(name, *arguments)
        (provider,) = arguments
        version = self.installed["onnxruntime-gpu"]
        cuda, compiled = _LINKED[version]
        answer = {**session("Tensorrt", "CUDA", "CPU", cuda=f"{cuda}.0"), "version": version}
        if provider == "CPUExecutionProvider":
            return answer
        missing = "" if cuda <= self._driver_cuda() else f"libcublasLt.so.{cuda}"
        if provider == "TensorrtExecutionProvider" and not missing:
            there = Version(self.installed.get(f"{self._tensorrt()}-libs", "0"))
            if there.major != Version(compiled).major:
                missing = f"libnvinfer.so.{Version(compiled).major}"
            elif there < Version(compiled):
                return {**answer, "works": False, "problem": "ended by signal 11"}  # a function that it lacks
        if missing:
            lost = f"{missing}: cannot open shared object file: No such file or directory"
            return {**answer, "works": False, "problem": "it does not start", "stderr": lost}
        return answer

    def _driver_cuda(self) -> int:
        return int(self.trials["cuda_driver"]["cuda"].partition(".")[0])

    def _tensorrt(self) -> str:
        return next((name for name in ("tensorrt-cu12", "tensorrt-cu13") if name in self.installed), "")
