"""Reader of checkpoints: the weights only. Code in the file is executed only with ``trust``."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from export.checkpoints.keras import is_hdf5, read_keras
from export.checkpoints.state_dict import Fits, find_state
from export.checkpoints.tflite import is_tflite, read_tflite
from export.checkpoints.unpickle import unpickle
from export.step import Reporter, need, quiet
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.files.other_file import refuse_other_file

Layout = Literal["torch", "keras", "tflite"]

_STARTS = (b"PK\x03\x04", b"\x80", b"\x89HDF\r\n\x1a\n")  # zip and pickle, as PyTorch writes them; HDF5
_SHORTEST = 16
_LARGEST_REPEATED = 1 << 20  # bytes of a tensor that repeats stored values
_LARGEST_HEADER = 100_000_000  # of a .safetensors file: the format's own limit


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a file.

    Attributes:
        path: the file.
        sha256: of its bytes, in hexadecimal.
        state: key -> tensor; all are float32 but BatchNorm's step counters.
        notes: remarks for the report.
        layout: ``"torch"``: a state dict, identified by its keys. ``"keras"``: weights by position, in the file's
            order, with keys ``layer name/weight name`` and Keras' axis order. ``"tflite"``: likewise, with keys
            ``number of the operator/kind/number of the input``.
    """

    path: Path
    sha256: str
    state: dict[str, Tensor]
    notes: tuple[str, ...]
    layout: Layout = "torch"


def load_checkpoint(
    path: Path, *, trust: bool = False, report: Reporter = quiet, fits: Fits | None = None
) -> Checkpoint:
    """Read PyTorch, safetensors, Keras or TensorFlow Lite weights, recognised by content, whatever the file's name.

    Args:
        path: ``.pth``, ``.pt``, ``.pkl``, ``.ckpt``, ``.chkpt``, ``.tar``, ``.safetensors``, ``.h5``, ``.hdf5`` or
            ``.tflite``.
        trust: run the code in a file that cannot be read without. The safe reader is tried first; the notes tell which
            was used.
        report: takes a line before code is run.
        fits: see :func:`export.checkpoints.state_dict.find_state`.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: not a regular file, empty, truncated, damaged, of another type, too large, with code or whole
            objects in place of tensors, or with weights that are not finite.
        BackendError: the package for this type of file is missing.
    """
    try:
        return _load(path, trust, report, fits)
    except MemoryError:
        raise ModelError(f"{path} does not fit into memory; close other programs or use a larger machine") from None


def _load(path: Path, trust: bool, report: Reporter, fits: Fits | None) -> Checkpoint:
    data = _read(path)
    refuse_other_file(path, "checkpoint")
    layout: Layout = "torch"
    notes: list[str] = []
    if _is_safetensors(data):
        state = _read_safetensors(path, data)
    elif is_hdf5(data):
        state, notes = read_keras(path, data)
        layout = "keras"
    elif is_tflite(data):
        state, notes = read_tflite(path, data)
        layout = "tflite"
    else:
        plain, notes = unpickle(path, data, trust, report)
        state, places = find_state(path, plain, fits)
        notes += places
    return Checkpoint(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        state=_check_tensors(path, state, notes),
        notes=tuple(notes),
        layout=layout,
    )


def _read(path: Path) -> bytes:
    try:
        kind = path.stat().st_mode
        data = path.read_bytes() if stat.S_ISREG(kind) else b""  # a device or pipe may never end
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFoundError(f"there is no checkpoint {path}; check the name, or download the file first") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; check its name and permissions") from None
    if stat.S_ISDIR(kind):
        refuse_other_file(path, "checkpoint")
        raise ModelError(f"{path} is a folder; name the checkpoint file in it")
    if not stat.S_ISREG(kind):
        raise ModelError(f"{path} is no regular file but a device or pipe; name the checkpoint file")
    if not data:
        raise ModelError(f"{path} is empty; the download or the copy did not finish: fetch it again")
    if len(data) < _SHORTEST and any(start.startswith(data[: len(start)]) for start in _STARTS):
        raise ModelError(f"{path} is truncated: it has only {len(data)} bytes; fetch it again")
    return data


def _is_safetensors(data: bytes) -> bool:
    """True for data that starts with 8 bytes of header length and a JSON object."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= _LARGEST_HEADER


def _read_safetensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """The tensors of the file, without the free text in its header.

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


def _check_tensors(path: Path, state: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    checked = {}
    converted = set()
    for key, tensor in state.items():
        if not _is_plain(tensor):
            raise ModelError(f"{path}: {key} is not a plain dense tensor; save the float32 weights")
        if key.endswith("num_batches_tracked"):  # a counter that inference does not read
            checked[key] = tensor
            continue
        if not tensor.is_floating_point():
            raise ModelError(f"{path}: {key} is {_name(tensor)}, not floating point; save the float32 weights")
        if tensor.dtype != torch.float32:
            converted.add(_name(tensor))
            try:
                tensor = tensor.to(torch.float32)
            except (RuntimeError, NotImplementedError):  # such as two numbers of 4 bits in a byte
                raise ModelError(
                    f"{path}: {key} is {_name(tensor)}, which PyTorch cannot convert; save the float32 weights"
                ) from None
        if not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise ModelError(
                f"{path}: {bad} of {tensor.numel()} values of {key} are NaN or infinite; the training diverged or the "
                "file is damaged: use another checkpoint"
            )
        checked[key] = tensor
    if converted:
        notes.append(f"weights stored as {', '.join(sorted(converted))} are converted to float32")
    return checked


def _is_plain(tensor: Tensor) -> bool:
    """Return True for a dense tensor each of whose values is stored.

    One of stride 0 claims any size for a single stored value.
    """
    if tensor.is_nested or tensor.layout != torch.strided or tensor.is_meta:
        return False
    if tensor.is_quantized or tensor.is_complex():
        return False
    return bool(tensor.numel() * tensor.element_size() <= max(tensor.untyped_storage().nbytes(), _LARGEST_REPEATED))


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
