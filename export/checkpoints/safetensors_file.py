"""Reading a ``.safetensors`` file: a JSON header of its own length, then nothing but numbers."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from export.step import need
from hpe_edge.errors import ModelError

_LARGEST_HEADER = 100_000_000  # the format's own limit


def is_safetensors(data: bytes) -> bool:
    """True for data that begin with a header's length, in 8 bytes, and a JSON object."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= _LARGEST_HEADER


def read_safetensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """The tensors of the file; the free text in its header is not looked at.

    Raises:
        ModelError: truncated or damaged, or a dtype that PyTorch does not have.
        BackendError: the package is missing.
    """
    reader = need("safetensors.torch", "reading a .safetensors file")
    try:
        state: dict[str, Tensor] = reader.load(data)
    except MemoryError:
        raise
    except Exception as error:  # the package's own, and KeyError where torch lacks a dtype
        raise ModelError(
            f"{path} cannot be read as a safetensors file ({error}); it may be truncated or damaged: fetch it again"
        ) from None
    if not state:
        raise ModelError(f"{path} holds no weights; name the file that has them")
    return state
