"""Placeholders for the objects that training scripts save beside the weights; none of them is kept or called.

Losses as NumPy scalars, command lines as ``argparse.Namespace``, paths and so on make torch's safe reader refuse a file
whose weights are plain tensors. Only the weights are needed, so each of these names maps to a class that discards its
arguments. NumPy's unpickling functions, whose handling of object arrays differs between versions, are never called.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from pickle import UnpicklingError
from typing import Any


class _Nothing:
    """An object that holds nothing."""

    def __new__(cls, *args: object) -> Any:
        return object.__new__(cls)

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _DType(_Nothing):
    """A NumPy dtype of numbers, text or times; others may hold Python objects and are refused."""

    def __new__(cls, code: object = None, *args: object) -> Any:
        if not isinstance(code, str) or not re.fullmatch("[biufcSUMm][0-9]+", code):
            raise UnpicklingError("class numpy.dtype of Python objects")
        return super().__new__(cls)


class _Mapping:
    """A mapping, which may hold the weights: kept as an OrderedDict."""

    def __new__(cls, *args: object) -> Any:
        return OrderedDict()


class _Sequence:
    """A sequence, kept as a list: torch's safe reader appends to lists only."""

    def __new__(cls, *args: object) -> Any:
        return []


_STAND_INS = {
    _Nothing: (
        # NumPy 1 and 2
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "numpy.ndarray",
        "argparse.Namespace",
        # Python 3.13 has its paths in pathlib._local.
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "pathlib._local.PosixPath",
        "pathlib._local.WindowsPath",
        # what a defaultdict makes its values with
        "builtins.dict",
        "builtins.float",
        "builtins.int",
        "builtins.list",
    ),
    _DType: ("numpy.dtype",),
    _Mapping: (
        "collections.defaultdict",
        # PyTorch Lightning's hyperparameters, by version
        "pytorch_lightning.utilities.parsing.AttributeDict",
        "lightning.pytorch.utilities.parsing.AttributeDict",
        "lightning_fabric.utilities.data.AttributeDict",
        "lightning.fabric.utilities.data.AttributeDict",
    ),
    _Sequence: ("collections.deque",),
}


def _named(stand_in: type, path: str) -> type:
    """A subclass of that name and module, by which torch's safe reader finds it."""
    module, _, name = path.rpartition(".")
    return type(name, (stand_in,), {"__module__": module})


PLACEHOLDERS = [_named(stand_in, path) for stand_in, paths in _STAND_INS.items() for path in paths]
