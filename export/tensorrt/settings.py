"""Build settings of an engine, and the requirements of each version of TensorRT.

TensorRT renumbers its enumerations between versions, so members are always looked up by name. Some names remain after
they stop working, so versions are compared as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpe_edge.backends.tensorrt.buckets import DEFAULT_PROFILE
from hpe_edge.backends.tensorrt.plan_file import LIBRARY_NAMES, Hardware, InputFormat, Library, Precision
from hpe_edge.cuda.version_table import OLDEST_TENSORRT, dotted, numbers
from hpe_edge.errors import BackendError, InputError

OLDEST_RTX = (1, 2)  # networks can be captured in CUDA graphs from here on
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
        precision, workspace_mb, version_compatible, hardware, dla_core, input_format: see :func:`export.trt.build`.
    """

    precision: Precision = "fp32"
    profile: tuple[int, int, int] | None = None
    workspace_mb: int | None = None
    level: int | None = None
    version_compatible: bool = False
    hardware: Hardware = "same-gpu"
    dla_core: int | None = None
    input_format: InputFormat = "linear"


@dataclass(frozen=True)
class Version:
    """Version of the installed TensorRT, and its abilities."""

    text: str
    numbers: tuple[int, ...]
    library: Library = "tensorrt"

    @classmethod
    def of(cls, text: str, library: Library = "tensorrt") -> Version:
        """Read the package's ``__version__``.

        Raises:
            BackendError: it is too old.
        """
        found = numbers(text)[:4]
        if library == "tensorrt-rtx":
            if found < OLDEST_RTX:
                raise BackendError(f"TensorRT-RTX {text} is too old, engines are built with 1.2 or newer: upgrade it")
        elif found < OLDEST_TENSORRT:
            raise BackendError(
                f"TensorRT {text} is too old, engines are built with {dotted(OLDEST_TENSORRT)} to 11: upgrade TensorRT"
            )
        return cls(text, found, library)

    @property
    def rtx(self) -> bool:
        """TensorRT-RTX, whose versions count from 1 again."""
        return self.library == "tensorrt-rtx"

    @property
    def named(self) -> str:
        """The library and its version, for people."""
        return f"{LIBRARY_NAMES[self.library]} {self.text}"

    def typed(self, settings: Settings) -> bool:
        """Layers run in the graph's types, without flags for precision."""
        return self.rtx or self.numbers >= (_TYPED if settings.dla_core is None else _TYPED_ON_DLA)

    @property
    def newest_opset(self) -> int | None:
        """The newest ONNX opset that the parser reads; None where all of this project's are."""
        return None if self.rtx or self.numbers >= _OPSETS_BEYOND_17 else 17

    def profile(self, settings: Settings, fixed: int | None) -> tuple[int, int, int]:
        """The batch sizes to build for; ``fixed`` is the graph's fixed batch, if any.

        Raises:
            InputError: the graph or the DLA does not support the request.
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
        return settings.profile or DEFAULT_PROFILE
