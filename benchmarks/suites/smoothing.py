"""Suite ``smoothing``: the filter's effect on jitter, and its lag.

A video shows the jitter of its estimates before and after the filter. Lag needs ground truth: a synthetic head that
turns between poses and rests, and one that rests, with the noise and the sigma of each face of the video, which are the
differences of its estimates from a parabola fitted around every frame. Jitter is the root mean square of the second
difference of the rotation. Lag is the delay of the known motion to which the filtered rotations are nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.suite import BudgetLine, Suite, path_option
from benchmarks.harness.timing import Effort, Result
from hpe_edge import Poses, SourceError
from hpe_edge.drawing.angle_plot import Curve, draw_curves, save_png
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.geometry import (
    euler_from_rotation,
    geodesic_deg,
    rotation_from_euler,
    rotation_from_rotvec,
    rotvec_from_rotation,
)
from hpe_edge.sinks.read_records import Series, read_series

Float64Array = NDArray[np.float64]

SETTINGS: Mapping[str, Callable[[], PoseSmoother]] = {
    "as it is": PoseSmoother,
    "half of beta": lambda: PoseSmoother(beta=0.4),
    "twice beta": lambda: PoseSmoother(beta=1.6),
    "sigma ignored": lambda: PoseSmoother(sigma_usual_deg=1e6),
}
AROUND = 5  # frames before and after the middle of a parabola
LEAST_FRAMES = 50  # of a face that is taken
SECONDS, QUICK_SECONDS = 60.0, 4.0  # of known motion for each face
LARGEST_DEG = (50.0, 25.0, 15.0)  # yaw, pitch and roll of the known poses
REST_S, TURN_S = (0.3, 1.5), (0.4, 1.0)  # shortest and longest
WANTED_CUT, WANTED_LAG_FRAMES = 60.0, 2.0
_LAGS = np.arange(0.0, 8.01, 0.1)  # frames


@dataclass(frozen=True)
class Options:
    records: Path = path_option("written by hpe-edge run --csv or --jsonl of a video, unsmoothed")
    plot: Path | None = path_option("draw the video's angles before and after the filter", None, "PNG")


@dataclass(frozen=True)
class Noise:
    """Errors of one face's estimates, rotation vectors ``[T, 3]``, and the model's sigma ``[T, 3]`` in degrees."""

    turns: Float64Array
    sigma: NDArray[np.float32]


@dataclass(frozen=True)
class Motion:
    """A head that rests in poses ``[K + 1, 3]``, and ``[K]`` times when it begins to turn and how long that takes."""

    poses_deg: Float64Array
    starts_s: Float64Array
    turns_s: Float64Array

    @classmethod
    def random(cls, rng: np.random.Generator, seconds: float, largest_deg: Sequence[float]) -> Motion:
        """Make enough turns for so many seconds."""
        count = int(seconds / (REST_S[0] + TURN_S[0])) + 1
        rests_s, turns_s = rng.uniform(*REST_S, count), rng.uniform(*TURN_S, count)
        starts_s = np.cumsum(rests_s) + np.cumsum(turns_s) - turns_s
        return cls(rng.uniform(-1, 1, (count + 1, 3)) * largest_deg, starts_s, turns_s)

    def at(self, time_s: Float64Array) -> Float64Array:
        """Return rotations ``[T, 3, 3]``; the angles follow the path of least jerk (Flash and Hogan, 1985)."""
        done = np.clip((time_s[:, None] - self.starts_s) / self.turns_s, 0, 1)
        done = done**3 * (10 - 15 * done + 6 * done**2)
        angles = self.poses_deg[0] + done @ np.diff(self.poses_deg, axis=0)
        return rotation_from_euler(angles).astype(np.float64)


def noise_of(series: Series) -> Noise:
    """Return the differences of a face's estimates from the parabolas around them."""
    angles = np.rad2deg(np.unwrap(np.deg2rad(series.poses.angles.astype(np.float64)), axis=0))
    steps = np.arange(-AROUND, AROUND + 1)
    weights = np.linalg.pinv(np.stack([steps**0, steps, steps**2], axis=1).astype(np.float64))[0]
    fitted = np.stack([np.convolve(column, weights[::-1], "valid") for column in angles.T], axis=1)
    inner = slice(AROUND, -AROUND)
    estimates = series.poses.rotation[inner].astype(np.float64)
    turns = rotvec_from_rotation(np.swapaxes(rotation_from_euler(fitted), -1, -2) @ estimates)
    return Noise(turns.astype(np.float64), series.poses.sigma[inner])


def jitter_deg(rotations: Float64Array) -> float:
    """Return the root mean square of the second difference of rotations ``[T, 3, 3]``."""
    turns = rotvec_from_rotation(np.swapaxes(rotations[:-1], -1, -2) @ rotations[1:])
    return float(np.rad2deg(np.sqrt((np.diff(turns, axis=0) ** 2).sum(axis=1).mean())))


def smoothed(smoother: PoseSmoother, time_s: Float64Array, poses: Poses) -> Poses:
    """Filter one face's poses."""
    result = Poses.empty(len(poses))
    for at, now in enumerate(time_s.tolist()):
        one = slice(at, at + 1)
        out = smoother(now, [0], Poses(poses.angles[one], poses.sigma[one], poses.rotation[one]))
        result.angles[one], result.sigma[one], result.rotation[one] = out.angles, out.sigma, out.rotation
    return result


def lag_frames(rotations: Float64Array, motion: Motion, time_s: Float64Array) -> float:
    """Return the delay in frames that brings the motion nearest to the rotations."""
    frame_s = time_s[1] - time_s[0]
    misses = [(geodesic_deg(rotations, motion.at(time_s - lag * frame_s)) ** 2).mean() for lag in _LAGS]
    return float(_LAGS[int(np.argmin(misses))])


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    found = read_series(options.records)
    faces = [each for each in found if len(each.time_s) >= LEAST_FRAMES and np.isfinite(each.poses.rotation).all()]
    if not faces:
        raise SourceError(f"{options.records} holds no face with {LEAST_FRAMES} frames")
    fps = 1 / float(np.median(np.concatenate([np.diff(one.time_s) for one in faces])))
    parameters: dict[str, str | int] = {"faces": len(faces), "fps": round(fps)}
    if options.plot is not None:
        save_png(options.plot, _plot(faces))
    for what, make in SETTINGS.items():
        yield Result("smoothing", {"what": "the video", **parameters, "setting": what}, figures=_on_video(faces, make))
    seconds = QUICK_SECONDS if effort.quick else SECONDS
    noises = [noise_of(one) for one in faces]
    for what, largest_deg in (("known turns", LARGEST_DEG), ("known rest", (0.0, 0.0, 0.0))):
        for setting, make in SETTINGS.items():
            figures = _on_known(noises, largest_deg, seconds, fps, make)
            yield Result("smoothing", {"what": what, **parameters, "setting": setting}, figures=figures)


def _on_video(faces: Sequence[Series], make: Callable[[], PoseSmoother]) -> dict[str, float | None]:
    pairs = [(each.poses, smoothed(make(), each.time_s, each.poses)) for each in faces]
    return _jitter_figures(np.array([[jitter_deg(_rotations(poses)) for poses in pair] for pair in pairs]))


def _on_known(
    noises: Sequence[Noise], largest_deg: Sequence[float], seconds: float, fps: float, make: Callable[[], PoseSmoother]
) -> dict[str, float | None]:
    jitters, lags, misses = [], [], []
    time_s = np.arange(0, seconds, 1 / fps)
    for face, noise in enumerate(noises):
        motion = Motion.random(np.random.default_rng(face), seconds, largest_deg)
        truth = motion.at(time_s)
        # Forwards and backwards, so that no seam jumps.
        order = np.resize(np.r_[0 : len(noise.turns), len(noise.turns) - 1 : -1 : -1], len(time_s))
        estimates = truth @ rotation_from_rotvec(noise.turns[order])
        angles = euler_from_rotation(estimates).astype(np.float32)
        poses = Poses(angles, noise.sigma[order], estimates.astype(np.float32))
        filtered = _rotations(smoothed(make(), time_s, poses))
        jitters.append((jitter_deg(estimates), jitter_deg(filtered)))
        misses.append([(geodesic_deg(one, truth) ** 2).mean() for one in (estimates, filtered)])
        if any(largest_deg):
            lags.append(lag_frames(filtered, motion, time_s))
    figures = _jitter_figures(np.array(jitters))
    before, after = np.sqrt(np.mean(misses, axis=0)).tolist()
    figures |= {"rms_error_before_deg": round(before, 3), "rms_error_after_deg": round(after, 3)}
    if lags:
        figures |= {"mean_lag_frames": round(float(np.mean(lags)), 2), "largest_lag_frames": round(max(lags), 2)}
    return figures


def _jitter_figures(jitters: Float64Array) -> dict[str, float | None]:
    """Return the figures of jitters ``[faces, 2]``, before and after."""
    before, after = np.sqrt((jitters**2).mean(axis=0)).tolist()
    cuts = 100 * (1 - jitters[:, 1] / jitters[:, 0])
    figures = {"jitter_before_deg": round(before, 3), "jitter_after_deg": round(after, 3)}
    return {**figures, "cut_percent": round(100 * (1 - after / before), 1), "least_cut_percent": round(cuts.min(), 1)}


def _rotations(poses: Poses) -> Float64Array:
    return poses.rotation.astype(np.float64)


def _plot(faces: Sequence[Series]) -> NDArray[np.uint8]:
    curves = []
    for face in faces:
        filtered = smoothed(PoseSmoother(), face.time_s, face.poses)
        curves.append(Curve(f"face {face.id}", face.time_s, face.poses.angles, face.id, faint=True))
        curves.append(Curve(f"{face.id}, filtered", face.time_s, filtered.angles, face.id))
    return draw_curves(curves, "Head poses as estimated (pale) and filtered")


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    turns = (result for result in results if result.parameters["what"] == "known turns")
    figures = next(result.figures for result in turns if result.parameters["setting"] == "as it is")
    cut, lag = figures["cut_percent"] or 0.0, figures["mean_lag_frames"] or 0.0
    met = cut >= WANTED_CUT and lag <= WANTED_LAG_FRAMES
    limit = f"{WANTED_CUT:g} % less at a lag of at most {WANTED_LAG_FRAMES:g} frames"
    return [BudgetLine("jitter of a turning head", limit, f"{cut:g} % less, {lag:g} frames", met)]


SUITE = Suite("smoothing", "the filter of poses: less jitter, at which lag", _run, Options, _budget)
