"""Float64 oracles, written from the definitions and not from the kernels: dense, slow and plain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hpe_edge.spec import Crop, Input

Array = NDArray[np.float64]


def nv12_to_bgr(luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> Array:
    """BT.601 limited range, every chroma sample standing for its 2x2 block; unrounded."""
    y = 1.164 * np.maximum(luma.astype(np.float64) - 16, 0)
    blocks = chroma.reshape(chroma.shape[0], -1, 2).astype(np.float64) - 128
    u, v = (np.kron(blocks[..., i], np.ones((2, 2))) for i in (0, 1))
    return np.clip(np.stack([y + 2.018 * u, y - 0.391 * u - 0.813 * v, y + 1.596 * v], axis=-1), 0, 255)


# Shares of red and blue in Y, by ITU-R BT.601-7 and BT.709-6, and whether Y has the full range.
YUV_FORMATS = {
    "NV12_601_FULL": (0.299, 0.114, True),
    "NV12_709": (0.2126, 0.0722, False),
    "NV12_709_FULL": (0.2126, 0.0722, True),
}


def yuv_to_bgr(y: Array, u: Array, v: Array, color: str) -> Array:
    """Invert Y = r R + g G + b B, U = (B - Y) / (2 - 2 b), V = (R - Y) / (2 - 2 r); levels, not cut to 0 to 255."""
    red, blue, full = YUV_FORMATS[color]
    black, of_y, of_uv = (0, 1, 1) if full else (16, 255 / 219, 255 / 224)
    y, u, v = of_y * np.maximum(y - black, 0), of_uv * (u - 128), of_uv * (v - 128)
    b, r = y + (2 - 2 * blue) * u, y + (2 - 2 * red) * v
    return np.stack([b, (y - red * r - blue * b) / (1 - red - blue), r], axis=-1)


def frame_levels(frame: NDArray[np.uint8], color: str, crop: Crop, input: Input) -> tuple[Array, str, Array]:
    """Levels ``[H, W, 3]`` of a frame in a colour format, the order of their channels, and the crop's fill in it."""
    if color == "NV12":
        height = frame.shape[0] * 2 // 3
        levels = nv12_to_bgr(frame[:height], frame[height:])
    elif color in YUV_FORMATS:
        height = frame.shape[0] * 2 // 3
        u, v = (np.kron(frame[height:, i::2].astype(np.float64), np.ones((2, 2))) for i in (0, 1))
        levels = np.clip(yuv_to_bgr(frame[:height].astype(np.float64), u, v, color), 0, 255)
    elif color == "GRAY8":
        levels = np.repeat(frame[..., None], 3, axis=2).astype(np.float64)
    else:
        levels = frame[..., :3].astype(np.float64)
    order = "RGB" if color in ("RGB", "RGBA") else "BGR"
    fill = np.array(crop.fill, np.float64)
    return levels, order, fill[::-1] if order != input.color else fill


def window(box: Array, crop: Crop, width: int, height: int) -> tuple[Array, Array]:
    """The window that is resized to the output, and the cut that it is taken from, which the resize sees."""
    x1, y1, x2, y2 = (float(v) for v in box)
    w, h = x2 - x1, y2 - y1
    left, top, right, bottom = crop.margins
    x1, y1, x2, y2 = x1 - left * w, y1 - top * h, x2 + right * w, y2 + bottom * h
    cut = np.array([x1, y1, x2, y2])
    if crop.square != "none":
        side = max(x2 - x1, y2 - y1) if crop.square == "extend" else min(x2 - x1, y2 - y1)
        cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
        x1, y1, x2, y2 = cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2
    sampled = np.array([x1, y1, x2, y2])
    if crop.square == "extend":
        cut = sampled
    limits = [width, height, width, height]
    return (np.clip(sampled, 0, limits), np.clip(cut, 0, limits)) if crop.clip else (sampled, cut)


def axis_weights(start: float, stop: float, cut: Array, size: int, antialias: bool) -> tuple[int, Array]:
    """First pixel of the cut and the dense matrix [size, pixels of the cut]."""
    # A pixel that the window reaches into by less than a thousandth is not part of the cut.
    first = int(np.floor(cut[0] + 1e-3))
    last = max(int(np.ceil(cut[1] - 1e-3)) - 1, first)
    scale = (stop - start) / size
    half = max(scale, 1.0) if antialias else 1.0
    centers = start + (np.arange(size) + 0.5) * scale
    distance = np.abs(np.arange(first, last + 1) + 0.5 - centers[:, None])
    weights = np.maximum(1 - distance / half, 0)
    # A centre that rounding put outside the cut takes the nearest pixel.
    lost = weights.sum(1) == 0
    weights[lost, np.argmin(distance[lost], axis=1)] = 1
    return first, weights / weights.sum(1, keepdims=True)


def crop_levels(frame: Array, box: Array, crop: Crop, size: int, fill: Array) -> Array:
    """Cut the window out of ``frame`` [H, W, 3], padded with ``fill`` [3], and resize the cut: [size, size, 3]."""
    height, width = frame.shape[:2]
    (x1, y1, x2, y2), cut = window(box, crop, width, height)
    if x2 <= x1 or y2 <= y1:
        return np.broadcast_to(fill, (size, size, 3)).astype(np.float64)
    antialias = crop.resampling == "antialias"
    left, wx = axis_weights(x1, x2, cut[[0, 2]], size, antialias)
    top, wy = axis_weights(y1, y2, cut[[1, 3]], size, antialias)
    columns, rows = left + np.arange(wx.shape[1]), top + np.arange(wy.shape[1])
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    pixels = frame[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
    pixels = np.where(inside[..., None], pixels, fill)
    return np.einsum("iy,jx,yxc->ijc", wy, wx, pixels, optimize=True)


def turned_levels(frame: Array, box: Array, turn_deg: float, crop: Crop, size: int, fill: Array) -> Array:
    """Sample a frame padded with fill on the grid of the turned window: [size, size, 3]."""
    x1, y1, x2, y2 = (float(v) for v in box)
    center, sides = np.array([x1 + x2, y1 + y2]) / 2, [x2 - x1, y2 - y1]
    if 45 < abs(turn_deg) % 180 < 135:
        sides.reverse()
    upright = np.array([-sides[0] / 2, -sides[1] / 2, sides[0] / 2, sides[1] / 2])
    around = window(upright, replace(crop, clip=False), 0, 0)[0]
    scale = (around[2:] - around[:2]) / size
    u, v = (around[i] + (np.arange(size) + 0.5) * scale[i] for i in (0, 1))
    grid = np.stack(np.meshgrid(u, v), axis=-1)
    points = center + grid @ rz(turn_deg)[:2, :2].T
    filters = [(1, 1)] * 2
    if crop.resampling == "antialias":
        wide = np.maximum(scale, 1) ** 2
        filters = [filter_like(square) for square in rz(turn_deg)[:2, :2] ** 2 @ wide]
    means, starts = frame, []
    for axis, (pixels, apart) in zip((1, 0), filters, strict=True):
        means, start = sliding_means(means, axis, pixels, apart, fill)
        starts.append(start)
    sides, aparts = np.array(filters).T
    positions = (points - sides / 2) / aparts - starts
    # Beyond the means every one is fill.
    near = np.clip(positions, 0, np.array(means.shape[1::-1]) - 1.001)
    left, top = np.floor(near[..., 0]).astype(int), np.floor(near[..., 1]).astype(int)
    total = np.zeros((size, size, 3))
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dx - (near[..., 0] - left)) * np.abs(1 - dy - (near[..., 1] - top))
            total += weight[..., None] * means[top + dy, left + dx]
    return total


def filter_like(square: float) -> tuple[int, int]:
    """Pixels of a mean, and from mean to mean, that blur most nearly as much as a triangle of this squared width."""
    # Six times the variances: k equal weights have (k^2 - 1) / 2, a triangle of half-width k has k^2.
    blurs = {(1, 1): 1.0, (2, 1): 1.5 + 1} | {(k, k): (k**2 - 1) / 2 + k**2 for k in range(2, 129)}
    return min(blurs, key=lambda each: abs(np.log(blurs[each] / square)))


def sliding_means(levels: Array, axis: int, pixels: int, apart: int, fill: Array) -> tuple[Array, int]:
    """Means along an axis of a frame in a sea of fill, and the first one's number; mean i begins at pixel i * apart."""
    moved = np.moveaxis(levels, axis, 0)
    before = 2 * pixels  # the first and the last are all fill
    first = -(-before // apart)
    sea = np.tile(fill.astype(np.float64), (first * apart, *moved.shape[1:-1], 1))
    sums = np.cumsum(np.concatenate([sea[:1] * 0, sea, moved, sea, sea]), axis=0)
    starts = np.arange(0, len(sums) - 1 - pixels, apart)
    return np.moveaxis((sums[starts + pixels] - sums[starts]) / pixels, 0, axis), -first


def warp_levels(frame: Array, homography: Array, size: int, antialias: bool, fill: Array) -> Array:
    """Sample a frame padded with fill at H (u v 1): [size, size, 3]."""
    steps = 1
    if antialias:
        c = size / 2
        ends = _project(homography, np.array([[c - 0.5, c], [c + 0.5, c], [c, c - 0.5], [c, c + 0.5]]))
        if np.isfinite(ends).all():
            extent = max(np.hypot(*(ends[1] - ends[0])), np.hypot(*(ends[3] - ends[2])))
            steps = int(np.clip(np.ceil(extent - 1e-9), 1, 16))
    grid = np.arange(size) + 0.5
    total = np.zeros((size, size, 3))
    for b in range(1 - steps, steps):
        for a in range(1 - steps, steps):
            weight = (steps - abs(a)) * (steps - abs(b)) / steps**4
            u, v = np.meshgrid(grid + a / steps, grid + b / steps)
            points = _project(homography, np.stack([u, v], axis=-1).reshape(-1, 2))
            total += weight * _bilinear(frame, points, fill).reshape(size, size, 3)
    return total


def _project(homography: Array, points: Array) -> Array:
    with np.errstate(over="ignore"):
        mapped = np.column_stack([points, np.ones(len(points))]) @ homography.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mapped[:, 2:] > 0, mapped[:, :2] / mapped[:, 2:], np.nan)


def _bilinear(frame: Array, points: Array, fill: Array) -> Array:
    height, width = frame.shape[:2]
    out = np.tile(fill.astype(np.float64), (len(points), 1))
    ok = np.isfinite(points).all(1)
    ok &= (np.abs(points - [width / 2, height / 2]) < [width / 2 + 1, height / 2 + 1]).all(1)
    x, y = points[ok, 0] - 0.5, points[ok, 1] - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    result = np.zeros((ok.sum(), 3))
    for dy in (0, 1):
        for dx in (0, 1):
            cx, cy = left + dx, top + dy
            inside = (cx >= 0) & (cy >= 0) & (cx < width) & (cy < height)
            value = np.where(inside[:, None], frame[np.clip(cy, 0, height - 1), np.clip(cx, 0, width - 1)], fill)
            weight = np.abs(1 - dx - (x - left)) * np.abs(1 - dy - (y - top))
            result += weight[:, None] * value
    out[ok] = result
    return out


def normalize(levels: Array, frame_color: str, input: Input) -> Array:
    """[size, size, 3] levels in the frame's order to [3, size, size] in the network's."""
    if frame_color != input.color:
        levels = levels[..., ::-1]
    return ((levels * input.scale - np.array(input.mean)) / np.array(input.std)).transpose(2, 0, 1)


def softmax(logits: Array) -> Array:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def decode_bins(logits: Array, first_deg: float, step_deg: float, circular: bool) -> tuple[Array, Array]:
    """Angle and standard deviation in degrees of logits [N, K]."""
    p = softmax(np.asarray(logits, np.float64))
    values = first_deg + step_deg * np.arange(p.shape[1])
    if circular:
        z = (p * np.exp(1j * np.deg2rad(values))).sum(1)
        return np.rad2deg(np.angle(z)), np.rad2deg(np.sqrt(-2 * np.log(np.minimum(np.abs(z), 1))))
    mean = p @ values
    return mean, np.sqrt((p * (values - mean[:, None]) ** 2).sum(1))


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Array:
    """R = Rx(-pitch) Ry(yaw) Rz(roll), multiplied out from its factors."""
    return rx(-pitch_deg) @ ry(yaw_deg) @ rz(roll_deg)


def rx(deg: float) -> Array:
    c, s = np.cos(np.deg2rad(deg)), np.sin(np.deg2rad(deg))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def ry(deg: float) -> Array:
    c, s = np.cos(np.deg2rad(deg)), np.sin(np.deg2rad(deg))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rz(deg: float) -> Array:
    c, s = np.cos(np.deg2rad(deg)), np.sin(np.deg2rad(deg))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def label_matrix(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Array:
    """The matrix by which a network says the label triple, multiplied out from its factors."""
    return rz(roll_deg) @ ry(yaw_deg) @ rx(pitch_deg)


def label_quaternion(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Array:
    """The same rotation as w x y z, multiplied out from one quaternion per factor."""
    product = np.array([1.0, 0, 0, 0])
    for axis, degrees in (("Z", roll_deg), ("Y", yaw_deg), ("X", pitch_deg)):
        half = np.deg2rad(degrees) / 2
        factor = np.zeros(4)
        factor[0], factor["WXYZ".index(axis)] = np.cos(half), np.sin(half)
        product = _hamilton(product, factor)
    return product


def _hamilton(a: Array, b: Array) -> Array:
    vector = a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])
    return np.concatenate([[a[0] * b[0] - a[1:] @ b[1:]], vector])
