"""Mutants of hpe_edge.faces.tracker."""

from __future__ import annotations

from tools.mutants.mutant import Mutant, Target

TARGET = Target(
    "hpe_edge.faces.tracker",
    ("tests/faces/test_tracker.py", "tests/faces/test_tracker_edges.py"),
    (
        Mutant("_NOISE = 0.02 ", "_NOISE = 0.2 "),
        Mutant("_SPEED = 0.6 ", "_SPEED = 0.06 "),
        Mutant("_FADE_S = 0.8 ", "_FADE_S = 8.0 "),
        Mutant(
            "_REACH, _REACH_PER_SIGMA, _FARTHEST = 0.5, 2.0, 1.0",
            "_REACH, _REACH_PER_SIGMA, _FARTHEST = 0.25, 2.0, 1.0",
        ),
        Mutant(
            "_REACH, _REACH_PER_SIGMA, _FARTHEST = 0.5, 2.0, 1.0", "_REACH, _REACH_PER_SIGMA, _FARTHEST = 0.5, 0.0, 1.0"
        ),
        Mutant(
            "_REACH, _REACH_PER_SIGMA, _FARTHEST = 0.5, 2.0, 1.0", "_REACH, _REACH_PER_SIGMA, _FARTHEST = 0.5, 2.0, 4.0"
        ),
        Mutant("_ROUNDING_S = 1e-6", "_ROUNDING_S = 0.0"),
        Mutant("_ROUNDING_S = 1e-6", "_ROUNDING_S = 1e-2"),
        Mutant("survive_s: float = 1.0,", "survive_s: float = 2.0,"),
        Mutant("confirm_s: float = 0.1,", "confirm_s: float = 0.2,"),
        Mutant("high_score: float = 0.6)", "high_score: float = 0.5)"),
        Mutant("if not (math.isfinite(value) and value >= 0):", "if not (math.isfinite(value) and value > 0):"),
        Mutant("if not (math.isfinite(value) and value >= 0):", "if not value >= 0:"),
        Mutant("if math.isnan(high_score):", "if False:"),
        Mutant("rows, columns = assign(np.where(doubtful, 0, similarity))", "rows, columns = assign(similarity)"),
        Mutant('waiting = (faces["seen_s"] == last_s) & (faces["id"] >= 0)', 'waiting = faces["id"] >= 0'),
        Mutant('waiting = (faces["seen_s"] == last_s) & (faces["id"] >= 0)', 'waiting = faces["seen_s"] == last_s'),
        Mutant("waiting[rows] = False", "pass"),
        Mutant(
            "assign(np.where(doubtful & waiting[:, None], similarity, 0))",
            "assign(np.where(waiting[:, None], similarity, 0))",
        ),
        Mutant("found, new = face_of >= 0, (face_of < 0) & ~doubtful", "found, new = face_of >= 0, face_of < 0"),
        Mutant('        faces["seen_s"][face_of[found]] = now\n', ""),
        Mutant("_correct(faces, face_of[found], detected[found])", "pass"),
        Mutant("known=last_s is None or now < last_s", "known=last_s is None"),
        Mutant("known=last_s is None or now < last_s", "known=last_s is None or now <= last_s"),
        Mutant("known=last_s is None or now < last_s", "known=False"),
        Mutant('now - faces["seen_s"] > self._confirm_s', 'now - faces["seen_s"] >= self._confirm_s'),
        Mutant('now - faces["seen_s"] > self._confirm_s', 'now - faces["seen_s"] > 10 * self._confirm_s'),
        Mutant('(faces["id"] == NO_ID) & (now - faces["seen_s"] > self', '(now - faces["seen_s"] > self'),
        Mutant(
            'rolls[named] = faces["id"][of], _boxes(faces["place"][of])', 'rolls[named] = faces["id"][of], given[named]'
        ),
        Mutant("np.cumsum(~false_alarm) - 1)", "np.arange(len(faces)))"),
        Mutant('seen = faces["seen_s"] == self._time_s', 'seen = faces["seen_s"] <= self._time_s'),
        Mutant("self._rows = np.flatnonzero(self._alive(now))[seen]", "self._rows = np.flatnonzero(seen)"),
        Mutant(
            'return Tracks(faces["id"].copy(), _boxes',
            'return Tracks(faces["id"], _boxes',
            "faces is a selection, which is a copy already",
        ),
        Mutant("known = (self._rows >= 0) & ~np.isnan(rolls_deg)", "known = self._rows >= 0"),
        Mutant("known = (self._rows >= 0) & ~np.isnan(rolls_deg)", "known = ~np.isnan(rolls_deg)"),
        Mutant("if rolls_deg.shape != self._rows.shape:", "if False:"),
        Mutant("_move(faces, now - self._time_s)", "pass"),
        Mutant("if self._time_s is None or now < self._time_s:", "if self._time_s is None:"),
        Mutant("if self._time_s is None or now < self._time_s:", "if self._time_s is None or now <= self._time_s:"),
        Mutant("<= self._survive_s + _ROUNDING_S", "< self._survive_s"),
        Mutant("<= self._survive_s + _ROUNDING_S", "<= 1.5 * self._survive_s"),
        Mutant('now - faces["first_s"] >= self._confirm_s', 'now - faces["first_s"] > self._confirm_s'),
        Mutant('(faces["seen_s"] == now) & (now - faces["first_s"]', '(now - faces["first_s"]'),
        Mutant("self._next_id += count", "self._next_id += 1"),
        Mutant(
            "doubtful: NDArray[np.bool_] = numbers < self._high_score",
            "doubtful: NDArray[np.bool_] = numbers <= self._high_score",
        ),
        Mutant(
            "doubtful: NDArray[np.bool_] = numbers < self._high_score",
            "doubtful: NDArray[np.bool_] = ~(numbers >= self._high_score)",
        ),
        Mutant("if numbers.shape != (count,):", "if numbers.ndim != 1:"),
        Mutant('faces["spread"] = _NOISE**2, 0.0, _SPEED**2', 'faces["spread"] = _NOISE**2, 0.0, 0.0'),
        Mutant('np.maximum(faces["place"][:, 2:], 1.0)', 'faces["place"][:, 2:]'),
        Mutant('        faces["speed"] *= left\n'.lstrip(" "), "pass\n"),
        Mutant("way = _FADE_S * (1 - left)", "way = seconds"),
        Mutant("moved = [place + 2 * way * both + way**2 * speed,", "moved = [place + way * both + way**2 * speed,"),
        Mutant("left**2 * speed]", "left * speed]"),
        Mutant("_FADE_S * (3 - 4 * left + left**2)", "_FADE_S * (3 - 4 * left)"),
        Mutant("place / (place + _NOISE**2), both", "place / (place + _NOISE), both"),
        Mutant("(1 - place_gain) * both, speed - speed_gain * both]", "both, speed - speed_gain * both]"),
        Mutant("(1 - place_gain) * both, speed - speed_gain * both]", "(1 - place_gain) * both, speed]"),
        Mutant("size = (_size(expected)[:, None] + _size(detected)) / 2", "size = _size(expected)[:, None]"),
        Mutant(
            "expected[:, None] - detected, axis=-1) / size", "(expected[:, None] - detected)[..., :2], axis=-1) / size"
        ),
        Mutant("np.sqrt(places[:, 2] * places[:, 3])", "places[:, 2]"),
        Mutant("if not math.isfinite(time_s):", "if math.isnan(time_s):"),
    ),
)
