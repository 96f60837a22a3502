"""Reader of Keras weights (``.h5``, ``.hdf5``): arrays by position, without Keras and without running code.

Both of Keras' HDF5 layouts hold a list ``layer_names`` and, for each layer, a list ``weight_names``: at the root of the
file for weights alone, in the group ``model_weights`` for a whole model. Names differ between training runs
(``conv2d_7``), so the order identifies a weight. A whole model's description can hold code; it is not read.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.step import need
from hpe_edge.errors import ModelError

_MARK = b"\x89HDF"
_LAYERS = "layer_names"
_WEIGHTS = "weight_names"
_WHOLE = "model_weights"
_LOOSE = "top_level_model_weights"  # a group of weights that belong to no layer, which is in no list
_KERAS_3 = ("layers", "_layer_checkpoint_dependencies")
_SHOWN = 5
_HEAP = b"GCOL\x01\0\0\0"
_HEAP_HEADER = 16  # of a heap and of each object: mark or index, and the size in the last 8 bytes


class _Damaged(Exception):
    """A damaged HDF5 file, or one not written by Keras."""


def is_hdf5(data: bytes) -> bool:
    """True for an HDF5 file, also a truncated one."""
    return data.startswith(_MARK)


def read_keras(path: Path, data: bytes) -> tuple[dict[str, Tensor], list[str]]:
    """The weights as ``layer name/weight name`` -> tensor, in the file's order and Keras' axis order, and notes.

    Raises:
        ModelError: truncated, damaged, without Keras' lists, or weights that are no floating point numbers.
        BackendError: h5py is missing.
    """
    h5py = _h5py()
    try:
        if not _heaps_are_sound(data):
            raise _Damaged("the table of names is broken")
        with h5py.File(io.BytesIO(data), "r") as file:
            group = _weights_group(path, file)
            return _read_group(path, group), [_note(group)]
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # h5py's errors share no base class, and damage reaches many of them
        why = f" ({error})" if isinstance(error, _Damaged) else ""
        raise ModelError(f"{path} cannot be read as a Keras file{why}; it may be truncated: fetch it again") from None


def _h5py() -> Any:
    return need("h5py", "reading a Keras file")


def _weights_group(path: Path, file: Any) -> Any:
    for group in (file, _child(file, _WHOLE) if _WHOLE in file else file):
        if _LAYERS in group.attrs or f"{_LAYERS}0" in group.attrs:
            return group
    if any(name in file for name in _KERAS_3):
        raise ModelError(
            f"{path} is in the layout of Keras 3's .weights.h5, whose layers have no order; save it anew with "
            "model.save('model.h5')"
        )
    names = list(file)
    shown = ", ".join(names[:_SHOWN]) + ", ..." * (len(names) > _SHOWN) or "nothing"
    raise ModelError(f"{path} is an HDF5 file without Keras' list of layers (it holds {shown}); name Keras weights")


def _note(group: Any) -> str:
    version, backend = (
        _texts(group, name)[0] if name in group.attrs else "unknown" for name in ("keras_version", "backend")
    )
    return f"Keras weights by position, in the file's order of layers (keras_version {version}, backend {backend})"


def _read_group(path: Path, group: Any) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    left = _file_size(group)
    for layer in [*_names(group, _LAYERS), *[_LOOSE] * (_LOOSE in group)]:
        holder = _child(group, layer)
        for weight in _names(holder, _WEIGHTS):
            key = f"{layer}/{weight}"
            if key in state:
                raise _Damaged(f"{key} is listed twice")
            dataset = _child(holder, weight)
            # The size in a header is free to choose, and a dataset can have many names.
            left -= dataset.id.get_storage_size()
            if left < 0:
                raise _Damaged(f"with {key} its weights would be larger than the file")
            state[key] = _tensor(path, key, dataset)
    if not state:
        raise ModelError(f"{path} holds no weights; name the file that has them")
    return state


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names; Keras splits one longer than an HDF5 attribute into numbered attributes."""
    if attribute in group.attrs:
        return _texts(group, attribute)
    names: list[str] = []
    part = 0
    while f"{attribute}{part}" in group.attrs:
        names += _texts(group, f"{attribute}{part}")
        part += 1
    if part == 0:
        raise _Damaged(f"{group.name} has no {attribute}")
    return names


def _texts(group: Any, attribute: str) -> list[str]:
    stored = group.attrs.get_id(attribute)
    if 0 in stored.shape:  # Keras stores no names as no numbers
        return []
    if _h5py().check_string_dtype(stored.dtype) is None:  # the library crashes on some damaged types
        raise _Damaged(f"{attribute} of {group.name} is no text")
    if math.prod(stored.shape) * stored.get_type().get_size() > _file_size(group):
        raise _Damaged(f"{attribute} of {group.name} is longer than the file")
    values = np.ravel(group.attrs[attribute])
    texts = [value.decode() if isinstance(value, bytes) else value for value in values]
    for text in texts:
        text.encode()  # h5py keeps bytes that are no UTF-8 as halves of characters, which no later step can write
    return texts


def _file_size(group: Any) -> int:
    return int(group.file.id.get_filesize())


def _child(group: Any, place: str) -> Any:
    """Follow a path; a soft or external link, which Keras never writes, could lead into other files."""
    for part in place.split("/"):
        if not isinstance(group.get(part, getlink=True), _h5py().HardLink):
            raise _Damaged(f"{place} is missing, or a link")
        group = group[part]
    return group


def _tensor(path: Path, key: str, dataset: Any) -> Tensor:
    if dataset.dtype.kind != "f" or dataset.dtype.itemsize > 8:
        raise ModelError(f"{path}: {key} is {dataset.dtype}, not floating point; save the float32 weights")
    if dataset.external or dataset.is_virtual:
        raise _Damaged(f"{key} stands in another file")
    # Missing data reads as zeros, and a few bytes can claim any size.
    if dataset.nbytes > dataset.id.get_storage_size():
        raise _Damaged(f"{key} is incomplete, or compressed, which Keras never does")
    return torch.from_numpy(dataset[...].astype(dataset.dtype.newbyteorder("=")))


def _heaps_are_sound(data: bytes) -> bool:
    """Check that the objects of each global heap lead to its end.

    Texts of free length, as Keras 3 writes names, stand in global heaps: runs of objects, each with its size before it.
    At an object of size 0 the HDF5 library (2.0.0) loops for ever, and neither Ctrl-C nor SIGTERM gets through to it.
    """
    start = data.find(_HEAP)
    while start >= 0:
        end = start + _size_at(data, start)
        if end > len(data):
            return False
        at = start + _HEAP_HEADER
        while end - at >= _HEAP_HEADER:
            size = _size_at(data, at)
            is_free = data[at : at + 2] == b"\0\0"  # what is left of the heap; its size counts the header
            step = size if is_free else _HEAP_HEADER + -(-size // 8) * 8
            if step < _HEAP_HEADER:
                return False
            at += step
        if at > end:
            return False
        start = data.find(_HEAP, start + 1)
    return True


def _size_at(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + 8 : at + _HEAP_HEADER], "little")
