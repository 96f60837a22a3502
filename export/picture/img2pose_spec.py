"""img2pose's spec: the constants of its repository, and the arrays that lie beside its weights."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.picture.picture_spec import FaceRule, PictureInput, PictureSpec, ProposalRule, Six
from hpe_edge.sinks.head_position import FACE_HEIGHT_M
from hpe_edge.spec import Origin, Triple

SHORTER, LONGER = 400, 1400  # pixels, of its AFLW2000 test
PROPOSALS = 1000


def img2pose_spec(
    origin: Origin,
    *,
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    points: NDArray[np.float64],
    shorter: int = SHORTER,
    longer: int = LONGER,
    proposals: int = PROPOSALS,
) -> PictureSpec:
    """Make the spec.

    Args:
        origin: of the weights.
        mean, deviation: ``[6]``, of the six numbers of a pose.
        points: ``[68, 3]``, the head's landmarks.
        shorter, longer: sides that a picture is scaled to.
        proposals: most regions that the second network sees.
    """
    return PictureSpec(
        architecture="img2pose",
        input=picture_input(shorter, longer),
        proposals=proposal_rule(proposals),
        faces=FaceRule(
            min_score=0.05,
            overlap=0.5,
            mean=cast(Six, tuple(map(float, mean))),
            deviation=cast(Six, tuple(map(float, deviation))),
            points=tuple(cast(Triple, tuple(map(float, point))) for point in points),
            grown_x=1.1,
            grown_y=1.1,
            forehead=0.3,
            # The landmarks reach from chin to eyebrows. Their files do not name a unit.
            unit_m=FACE_HEIGHT_M / float(np.ptp(points[:, 1])),
        ),
        origin=origin,
    )


def picture_input(shorter: int, longer: int) -> PictureInput:
    """The input: RGB with ImageNet's mean and deviation."""
    return PictureInput(shorter, longer, "RGB", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def proposal_rule(count: int) -> ProposalRule:
    """The choice of regions: its anchors' sides and ratios, 6000 of a level, an overlap of 0.4."""
    return ProposalRule((16, 32, 64, 128, 256), (0.5, 1.0, 2.0), 6000, 0.4, count)


def read_numbers(path: Path, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    """Read an array of a ``.npy`` file, without running code in it.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is no array of that shape, or has a number that is not finite.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ModelNotFoundError(f"there is no {what} {path}; it lies beside the weights in their repository") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as the .npy file of {what}: {error}") from None
    if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise ModelError(f"{path} must hold {what}, {list(shape)} finite numbers, got {array.dtype} {array.shape}")
    numbers: NDArray[np.float64] = array.astype(np.float64)
    return numbers
