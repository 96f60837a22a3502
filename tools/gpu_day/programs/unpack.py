"""Step: an archive of the carried folder, unpacked."""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path

_CARRIED = Path(__file__).resolve().parents[3] / ".gpu_day"


def unpack(name: str, folder: Path) -> None:
    """Replace a folder by the content of ``.gpu_day/NAME``, a ``.tar.xz`` file.

    Raises:
        OSError, tarfile.TarError: there is no such file, it is damaged, or the disk is full.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(_CARRIED / name, "r:xz") as packed:
        packed.extractall(folder, filter="data")


if __name__ == "__main__":
    unpack(sys.argv[1], Path(sys.argv[2]))
    print(f"{sum(path.is_file() for path in Path(sys.argv[2]).rglob('*'))} files in {sys.argv[2]}")
