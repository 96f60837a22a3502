"""Unpickling of PyTorch files: tensors only, or, with trust, by running the code in the file."""

from __future__ import annotations

import io
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from export.checkpoints.placeholders import PLACEHOLDERS
from export.checkpoints.state_dict import SAVE
from export.step import Reporter
from hpe_edge.errors import ModelError

_TRUST = "or, only if it comes from someone you trust, add --trust, which runs the code in it"
_ZIP = b"PK\x03\x04"
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_TORCH_PICKLE = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number with which torch.save began before 1.6
_SHOWN_ENTRIES = 3
_MOST_UNPACKED = 100  # times the archive's size


class _Refused(ModelError):
    """A file that can only be read by running its code."""


def unpickle(path: Path, data: bytes, trust: bool, report: Reporter) -> tuple[Any, list[str]]:
    """The file's content, and notes.

    With ``trust``, a file that the safe reader refuses is read by running its code, which is reported first.

    Raises:
        ModelError: truncated, damaged, of another type, or refused; or its code failed or tried to end the process.
    """
    try:
        plain = _safely(path, data)
    except _Refused:
        if not trust:
            raise
        report("trusted", [f"--trust: the code in {path} is now run"])
        return _trusting(path, data), ["--trust: the file was refused at first, and the code in it was run"]
    return plain, ["--trust was not needed: nothing in the file was run"] * trust


def _safely(path: Path, data: bytes) -> Any:
    if _is_bare_pickle(data):
        raise _Refused(
            f"{path} was refused, and nothing in it was run: it is a pickle, which can hold code, and not one that "
            f"PyTorch writes; {SAVE}; {_TRUST}"
        )
    try:
        fault = _archive_fault(data) if data.startswith(_ZIP) else None
        if fault is None:
            with warnings.catch_warnings(), torch.serialization.safe_globals(PLACEHOLDERS):
                warnings.simplefilter("ignore")  # about the file's format; the errors below are clearer
                return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except MemoryError:
        raise
    except Exception as error:  # torch.load's errors share no base class, and hostile files reach many of them
        raise _explained(path, data, error) from None
    raise ModelError(f"{path} {fault}")


def _trusting(path: Path, data: bytes) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _is_bare_pickle(data):
                return pickle.loads(data)
            return torch.load(io.BytesIO(data), weights_only=False, map_location="cpu")
    except MemoryError:
        raise
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"{path} needs code that is missing ({_first_line(error)}); name the folder of that code in PYTHONPATH, "
            f"or {SAVE}"
        ) from None
    except KeyboardInterrupt:  # Ctrl-C
        raise
    except BaseException as error:  # the file's own code can raise anything, SystemExit too
        raise ModelError(
            f"{path} cannot be read, not even by running the code in it ({type(error).__name__}: "
            f"{_first_line(error)}); fetch it again, or {SAVE}"
        ) from None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _is_bare_pickle(data: bytes) -> bool:
    return bool(_PICKLE.match(data)) and not data.startswith(_TORCH_PICKLE)


def _archive_fault(data: bytes) -> str | None:
    """A fault of a zip archive that torch.load reports badly or not at all."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > len(data) * _MOST_UNPACKED:  # torch.save compresses nothing
            return f"would unpack to {unpacked / 1e9:.1f} GB, {unpacked // len(data)} times its size; fetch it again"
        if not any(name.endswith("/data.pkl") for name in names):
            if "model.weights.h5" in names:
                return "is a .keras archive, whose layers have no order; save it anew with model.save('model.h5')"
            shown = ", ".join(names[:_SHOWN_ENTRIES]) + ", ..." * (len(names) > _SHOWN_ENTRIES)
            return f"is a zip archive of {shown or 'nothing'}; unpack it and name the weights in it"
        # torch.load looks at no checksum; torch.save writes zeros where torch.serialization.set_crc32_options(False)
        # was called.
        damaged = archive.testzip() if any(entry.CRC for entry in archive.infolist()) else None
        return None if damaged is None else f"is damaged: the checksum of {damaged} in it is wrong; fetch it again"


def _explained(path: Path, data: bytes, error: Exception) -> ModelError:
    """Explain torch.load's error, without its advice to load unchecked."""
    message = str(error)
    if "TorchScript" in message:
        return _Refused(f"{path} is a TorchScript archive, which holds code; {SAVE}; {_TRUST}")
    if not isinstance(error, pickle.UnpicklingError) or not data.startswith((_ZIP, _TORCH_PICKLE)):
        return ModelError(
            f"{path} cannot be read as a PyTorch checkpoint; it may be truncated or of another kind: fetch it again"
        )
    name = re.search(r"GLOBAL ([A-Za-z_][\w.]*)|class ([A-Za-z_][\w.]*)", message)
    if name is None:
        return _Refused(
            f"{path} was refused, and nothing in it was run: it holds more than tensors, or it is damaged; fetch it "
            f"again, or {SAVE}; {_TRUST}"
        )
    return _Refused(
        f"{path} was refused, and nothing in it was run: it holds more than tensors (it asks for "
        f"{name[1] or name[2]}); if it is a whole model or a training state, {SAVE}; {_TRUST}"
    )
