"""Message to the browsers: data and annotated picture of one frame together.

uint32, little-endian: number of bytes of JSON
JSON: see ``_facts``
JPEG
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.drawing.draw_poses import Style, draw_poses, identity_color
from hpe_edge.drawing.strokes import WHITE
from hpe_edge.errors import OutputError
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import NO_ID

_LONGEST = 1280  # pixels; a page shows hardly more, and a 4K picture would take a small device's core to encode
_QUALITY = 80


@dataclass(frozen=True)
class Stamp:
    """Identity of a result.

    Attributes:
        run: random per start of the program; identities of different runs are unrelated.
        number: position among the published results, from 1.
        published_s: time of publication, by ``time.monotonic``.
    """

    run: str
    number: int
    published_s: float


def encode(result: Result, stamp: Stamp, style: Style) -> bytes:
    """Encode the message of one result; the result is not changed."""
    image = result.frame.image
    scale = min(1.0, _LONGEST / max(image.shape[:2]))
    # Drawn after shrinking, so that lines and letters keep their width.
    picture = np.array(image, np.uint8) if scale == 1.0 else _shrunk(image, scale)
    boxes = result.boxes * np.float32(scale)
    camera = None if result.camera is None else result.camera.scaled(scale)
    draw_poses(picture, result.poses, boxes=boxes, style=style, camera=camera)
    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise OutputError(f"OpenCV cannot encode a picture of {image.shape} as JPEG")
    facts = json.dumps(_facts(result, boxes, stamp), allow_nan=False).encode()
    return struct.pack("<I", len(facts)) + facts + jpeg.tobytes()


def _shrunk(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    width, height = (max(1, round(side * scale)) for side in (image.shape[1], image.shape[0]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _facts(result: Result, boxes: NDArray[np.float32], stamp: Stamp) -> dict[str, Any]:
    """Collect the JSON: boxes in pixels of the message's picture, null for unknown numbers.

    A face without an identity gets the colour of its position in the list.
    """
    poses = result.poses
    return {
        **asdict(stamp),
        "name": result.frame.name,
        "faces": [
            {
                "id": int(result.ids[i]),
                "color": _css_color(i if result.ids[i] == NO_ID else int(result.ids[i])),
                "box": _numbers(boxes[i]),
                "score": _numbers(result.scores[i : i + 1])[0],
                "angles_deg": _numbers(poses.angles[i]),
                "sigma_deg": _numbers(poses.sigma[i]),
                "rotation": _numbers(poses.rotation[i].ravel()),
            }
            for i in range(len(poses))
        ],
    }


def _css_color(identity: int) -> str:
    blue, green, red = identity_color(identity) or WHITE
    return f"#{red:02x}{green:02x}{blue:02x}"


def _numbers(values: NDArray[np.float32]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
