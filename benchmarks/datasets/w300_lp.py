"""300W-LP: photos of 300W turned to larger yaws, and their mirror images (Zhu et al., 2016, arXiv:1511.07212).

Networks are trained on it, so an error on it is one on faces that were learned. All that was made of one face is one
group. The box is that of pt2d, the 68 landmarks in each photo's ``.mat``; the set's folder ``landmarks`` is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.datasets.face import Dataset, Face, tight_box
from benchmarks.datasets.mat_file import photos_of, read_mat

FOLDERS = ("AFW", "HELEN", "IBUG", "LFPW")

_EXPECTED = "300W-LP's archive holds 300W_LP/AFW/AFW_134212_1_0.jpg with its .mat beside it, HELEN, IBUG, LFPW and for "
_EXPECTED += "each one with _Flip, such as AFW_Flip; name the folder that holds these eight"


def _read(folder: Path) -> Iterator[Face]:
    for name in [f"{name}{suffix}" for name in FOLDERS for suffix in ("", "_Flip")]:
        for photo in photos_of(folder / name, "*.jpg", _EXPECTED):
            angles_deg, points = read_mat(photo.with_suffix(".mat"), "pt2d")
            # The last number counts the turned views; mirror images are named as what they mirror.
            yield Face(photo, photo.stem.rpartition("_")[0], angles_deg, tight_box(points))


W300_LP = Dataset("300W-LP", "--300w-lp", "FOLDER", _EXPECTED, "original face", _read)
