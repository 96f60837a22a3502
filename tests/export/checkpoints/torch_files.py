"""Files as torch.save writes them, and one that would run code."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import torch

SMALL = {"conv.weight": torch.ones(2, 3), "bn.num_batches_tracked": torch.tensor(7)}


def saved(value: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


class Payload:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f'{sys.executable} -c \'open("{self.path}", "w")\'',)
