"""Figures that others have published on the sets that are read here. None was measured by this project.

Each stands with where it was read and what is known of how it was found. Protocols differ so much that a lower figure
is not a better network: HeadPose+ (kuhnkeF/headposeplus, README) found HopeNet at 3.82 degrees on the frames of BIWI
where FSA-Net was judged, against 4.89 in its own paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.datasets.aflw2000 import AFLW2000
from benchmarks.datasets.biwi import BIWI
from benchmarks.harness.timing import Result


@dataclass(frozen=True)
class Published:
    """One method on one set.

    Attributes:
        mae_deg: of yaw, pitch, roll, and their mean.
        year: of the paper.
        protocol: the boxes, the photos, the errors, as far as they are known and differ from here.
        source: where the figures were read; docs/accuracy.md says where that is.
        trained_on: the sets.
    """

    method: str
    data: str
    mae_deg: tuple[float, float, float, float]
    year: int
    protocol: str
    source: str
    trained_on: str = "300W-LP"


_TABLE = "6DRepNet's README"
_PORT = "omasaht's README; mean calculated here"
_6DOF = "6DoF-HPE's README"
_HOPENET = "1969 photos, angles within 99 degrees; its loader's crop, of pt2d with hidden points at -1"
_FSANET = "box of pt2d without its hidden points, and 0.6 of it on each side"
_DOCKERFACE = "boxes of Dockerface; labels by another order of rotations than here"
_MTCNN = "boxes of MTCNN; 13219 of 15678 frames"
_OPAL = "crop by its option --target-dist 1.6; photos not stated"
_FULL = "300W-LP and CMU Panoptic"
_UNSTATED = "crop and photos not stated there"
_FOLDED = "its test code takes an error of 180 degrees for none"
_OWN_LABELS = "finds faces itself; judged against poses that its authors fit to the landmarks, not Pose_Para"

PUBLISHED: tuple[Published, ...] = (
    Published("HopeNet, alpha 2", AFLW2000.name, (6.47, 6.56, 5.44, 6.16), 2018, _HOPENET, _TABLE),
    Published("HopeNet, alpha 1", AFLW2000.name, (6.92, 6.64, 5.67, 6.41), 2018, _HOPENET, _TABLE),
    Published("FSA-Net", AFLW2000.name, (4.50, 6.08, 4.64, 5.07), 2019, _FSANET, _TABLE),
    Published("FSA-Net, omasaht's port, 1x1", AFLW2000.name, (4.85, 6.27, 4.96, 5.36), 2020, _FSANET, _PORT),
    Published("FSA-Net, omasaht's port, var", AFLW2000.name, (5.06, 6.46, 5.00, 5.51), 2020, _FSANET, _PORT),
    Published("FSA-Net, omasaht's port, both", AFLW2000.name, (4.64, 6.10, 4.79, 5.18), 2020, _FSANET, _PORT),
    Published("QuatNet", AFLW2000.name, (3.97, 5.62, 3.92, 4.50), 2019, _UNSTATED, _TABLE),
    Published("WHENet-V", AFLW2000.name, (4.44, 5.75, 4.31, 4.83), 2020, _UNSTATED, _TABLE),
    Published("WHENet", AFLW2000.name, (5.11, 6.24, 4.92, 5.42), 2020, _UNSTATED, _TABLE, _FULL),
    Published("TriNet", AFLW2000.name, (4.04, 5.77, 4.20, 4.67), 2021, _UNSTATED, _TABLE),
    Published("img2pose", AFLW2000.name, (3.43, 5.03, 3.28, 3.91), 2021, _OWN_LABELS, _6DOF),
    Published("6DRepNet", AFLW2000.name, (3.63, 4.91, 3.37, 3.97), 2022, _FOLDED, _TABLE),
    Published("Opal", AFLW2000.name, (2.77, 4.26, 2.77, 3.27), 2024, _OPAL, "opal23_headpose, issue 1"),
    Published("HopeNet, alpha 2", BIWI.name, (5.17, 6.98, 3.39, 5.18), 2018, _DOCKERFACE, _TABLE),
    Published("HopeNet, alpha 1", BIWI.name, (4.81, 6.61, 3.27, 4.90), 2018, _DOCKERFACE, _TABLE),
    Published("FSA-Net", BIWI.name, (4.27, 4.96, 2.76, 4.00), 2019, _MTCNN, _TABLE),
    Published("QuatNet", BIWI.name, (2.94, 5.49, 4.01, 4.15), 2019, _UNSTATED, _TABLE),
    Published("WHENet-V", BIWI.name, (3.60, 4.10, 2.73, 3.48), 2020, _UNSTATED, _TABLE),
    Published("WHENet", BIWI.name, (3.99, 4.39, 3.06, 3.81), 2020, _UNSTATED, _TABLE, _FULL),
    Published("TriNet", BIWI.name, (4.11, 4.76, 3.05, 3.97), 2021, _UNSTATED, _TABLE),
    Published("img2pose", BIWI.name, (4.57, 3.55, 3.24, 3.79), 2021, "finds faces itself", _6DOF),
    Published("6DRepNet", BIWI.name, (3.24, 4.48, 2.68, 3.47), 2022, f"{_FOLDED}; boxes of MTCNN", _TABLE),
    Published(
        "Opal",
        BIWI.name,
        (4.47, 10.67, 4.20, 6.45),
        2024,
        "15677 frames; labels of the depth camera, not aligned to the training set's",
        "opal23_headpose, issue 2",
    ),
)


def published_results(data: Sequence[str]) -> Iterator[Result]:
    """What was published on these sets, one result for each figure of a table."""
    for row in PUBLISHED:
        if row.data in data:
            parameters: dict[str, str | int] = {
                "data": row.data,
                "method": row.method,
                "year": row.year,
                "trained_on": row.trained_on,
                "protocol": row.protocol,
                "source": row.source,
            }
            names = (f"{angle}_mae_deg" for angle in ("yaw", "pitch", "roll", "mean"))
            yield Result("published", parameters, figures=dict(zip(names, row.mae_deg, strict=True)))
