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

import numpy as np
from numpy.typing import NDArray

from hpe_edge.attention.attention import Attention
from hpe_edge.attention.zone import Zone
from hpe_edge.drawing.draw_poses import draw_poses, identity_color
from hpe_edge.drawing.strokes import WHITE
from hpe_edge.drawing.style import Style
from hpe_edge.errors import OutputError
from hpe_edge.live.event_log import Events
from hpe_edge.opencv.lazy import cv2
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import NO_ID, plain_numbers

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


@dataclass(frozen=True)
class Scene:
    """Unchanging facts of the attention.

    Attributes:
        zones: of relative yaw and pitch.
        learn_s: time for which a neutral pose is learned; None if it is given.
    """

    zones: tuple[Zone, ...] = ()
    learn_s: float | None = None


def encode(result: Result, stamp: Stamp, style: Style, scene: Scene, events: Events) -> bytes:
    """Encode the message of one result; the result is not changed.

    Args:
        result: of the frame.
        stamp: its identity.
        style: of the poses in the picture.
        scene: of the source.
        events: up to this frame.

    Raises:
        OutputError: the picture cannot be encoded.
    """
    image = result.frame.image
    scale = min(1.0, _LONGEST / max(image.shape[:2]))
    # Drawn after shrinking, so that lines and letters keep their width.
    picture = np.array(image, np.uint8) if scale == 1.0 else _shrunk(image, scale)
    boxes, landmarks = result.boxes * np.float32(scale), result.poses.landmarks * np.float32(scale)
    camera = None if result.camera is None else result.camera.scaled(scale)
    draw_poses(picture, result.poses, boxes=boxes, landmarks=landmarks, style=style, camera=camera)
    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise OutputError(f"OpenCV cannot encode a picture of {image.shape} as JPEG")
    facts = json.dumps(_facts(result, boxes, landmarks, stamp, scene, events), allow_nan=False).encode()
    return struct.pack("<I", len(facts)) + facts + jpeg.tobytes()


def _shrunk(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    width, height = (max(1, round(side * scale)) for side in (image.shape[1], image.shape[0]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _facts(
    result: Result,
    boxes: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    stamp: Stamp,
    scene: Scene,
    events: Events,
) -> dict[str, Any]:
    """Collect the JSON: boxes and landmarks in pixels of the message's picture, null for unknown numbers.

    A face without an identity gets the colour of its position in the list. Without attention, zones are null.
    """
    poses, attention = result.poses, result.attention
    ids, scores, doubtful, visibility = poses.ids, poses.scores, poses.doubtful, poses.visibility
    return {
        **asdict(stamp),
        "name": result.frame.name,
        "time_s": _number(result.time_s),
        "faces": [
            {
                "id": int(ids[i]),
                "color": _css_color(i if ids[i] == NO_ID else int(ids[i])),
                "box": _numbers(boxes[i]),
                "score": _number(scores[i]),
                "angles_deg": _numbers(poses.angles[i]),
                "sigma_deg": _numbers(poses.sigma[i]),
                "rotation": _numbers(poses.rotation[i].ravel()),
                "doubtful": bool(doubtful[i]),
                "landmarks": plain_numbers(landmarks[i]),
                "visibility": plain_numbers(visibility[i]),
                **_attention_of(attention, i, result.time_s, events.outside_since_s.get(int(ids[i]))),
            }
            for i in range(len(poses))
        ],
        "zones": None if attention is None else [asdict(zone) for zone in scene.zones],
        "learn_s": scene.learn_s,
        "events": [{**asdict(event), "color": _css_color(event.id)} for event in events.newest],
    }


def _attention_of(attention: Attention | None, i: int, time_s: float, outside_since_s: float | None) -> dict[str, Any]:
    """Collect a face's part of the JSON: relative pose, zone, share that is learned, and seconds outside.

    Null are the relative pose until the neutral pose is known, the share from then on, and the seconds up to the
    allowed time.
    """
    if attention is None:
        return dict.fromkeys(("relative_deg", "relative_rotation", "zone", "learning", "outside_s"))
    known = bool(np.isfinite(attention.angles[i]).all())
    return {
        "relative_deg": _numbers(attention.angles[i]) if known else None,
        "relative_rotation": _numbers(attention.rotation[i].ravel()) if known else None,
        "zone": attention.zones[i],
        "learning": float(attention.progress[i]) if attention.progress[i] < 1 else None,
        "outside_s": None if outside_since_s is None else time_s - outside_since_s,
    }


def _css_color(identity: int) -> str:
    blue, green, red = identity_color(identity) or WHITE
    return f"#{red:02x}{green:02x}{blue:02x}"


def _numbers(values: NDArray[np.float32]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float | np.float32) -> float | None:
    return float(value) if np.isfinite(value) else None
