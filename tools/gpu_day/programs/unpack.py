"""Step: an archive of the carried folder, unpacked."""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path


def unpack(archive: Path, folder: Path) -> None:
    """Replace a folder by the content of a ``.tar.xz`` file.

    Raises:
        OSError, lzma.LZMAError, tarfile.TarError: there is no such file, it is damaged, or the disk is full.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(archive, "r:xz") as packed:
        packed.extractall(folder, filter="data")


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{sum(path.is_file() for path in Path(sys.argv[2]).rglob('*'))} files in {sys.argv[2]}")
