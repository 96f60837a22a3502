"""Build settings of an engine, and the requirements of each version of TensorRT.

TensorRT renumbers its enumerations between versions, so members are always looked up by name. Some names remain after
they stop working, so versions are compared as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpe_edge.backends.tensorrt.plan_file import Hardware, Precision
from hpe_edge.errors import BackendError, InputError

OLDEST = (8, 5)  # tensors have names from here on
_PROFILES_SHARED = (8, 6)
_OPSETS_BEYOND_17 = (10, 0)
_TYPED = (10, 3)  # precision is set in the graph; 10.12 deprecates the flags, and 11 has none
_TYPED_ON_DLA = (10, 12)  # until then DLAs are known to work by flags


@dataclass(frozen=True)
class Settings:
    """Settings of a build.

    Attributes:
        profile: least, optimal and largest batch size; None for the graph's default. See
            :mod:`hpe_edge.backends.tensorrt.buckets`.
        level: effort in the search for faster kernels, 0 to 5; None is TensorRT's default.
        precision, workspace_mb, version_compatible, hardware, dla_core: see :func:`export.trt.build`.
    """

    precision: Precision = "fp32"
    profile: tuple[int, int, int] | None = None
    workspace_mb: int | None = None
    level: int | None = None
    version_compatible: bool = False
    hardware: Hardware = "same-gpu"
    dla_core: int | None = None


@dataclass(frozen=True)
class Version:
    """Version of the installed TensorRT, and its abilities."""

    text: str
    numbers: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Version:
        """Read ``tensorrt.__version__``.

        Raises:
            BackendError: it is too old.
        """
        numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:4])
        if numbers < OLDEST:
            raise BackendError(f"TensorRT {text} is too old, engines are built with 8.5 to 11: upgrade TensorRT")
        return cls(text, numbers)

    def typed(self, settings: Settings) -> bool:
        """Layers run in the graph's types, without flags for precision."""
        return self.numbers >= (_TYPED if settings.dla_core is None else _TYPED_ON_DLA)

    @property
    def newest_opset(self) -> int | None:
        """The newest ONNX opset that the parser reads; None where all of this project's are."""
        return None if self.numbers >= _OPSETS_BEYOND_17 else 17

    @property
    def shares_profiles(self) -> bool:
        """Several execution contexts may share an optimization profile."""
        return self.numbers >= _PROFILES_SHARED

    def profile(self, settings: Settings, fixed: int | None) -> tuple[int, int, int]:
        """The batch sizes to build for; ``fixed`` is the graph's fixed batch, if any.

        Raises:
            InputError: the graph or this version does not support the request.
        """
        if fixed is not None:
            if settings.profile not in (None, (fixed,) * 3):
                raise InputError(
                    f"the ONNX file has a fixed batch of {fixed}, --batch is {settings.profile}; leave --batch out, or "
                    "export the file with --batch dynamic"
                )
            return (fixed,) * 3
        if settings.dla_core is not None and (settings.profile is None or len(set(settings.profile)) > 1):
            raise InputError(
                "a DLA runs one batch size, with a range TensorRT would use the GPU alone; fix it: --batch 1, or "
                "another number of faces; smaller batches are padded, larger ones split"
            )
        least, best, most = settings.profile or (1, 4, 16)
        if least != most and not self.shares_profiles:
            raise InputError(
                f"TensorRT {self.text} cannot share a range of batch sizes between callers; fix it: --batch {most}"
            )
        return least, best, most
