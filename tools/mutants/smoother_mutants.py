"""Mutants of hpe_edge.faces.smoother."""

from __future__ import annotations

from tools.mutants.mutant import Mutant, Target

TARGET = Target(
    "hpe_edge.faces.smoother",
    ("tests/faces/test_smoother_edges.py", "tests/faces/test_smoother.py"),
    (
        Mutant("_SPEED_CUTOFF_HZ = 1.0", "_SPEED_CUTOFF_HZ = 1.1"),
        Mutant("_SPEED_CUTOFF_HZ = 1.0", "_SPEED_CUTOFF_HZ = 10.0"),
        Mutant("min_cutoff_hz: float = 1.0,", "min_cutoff_hz: float = 1.2,"),
        Mutant("beta: float = 0.8,", "beta: float = 0.4,"),
        Mutant("sigma_usual_deg: float = 6.5,", "sigma_usual_deg: float = 13.0,"),
        Mutant("forget_s: float = 1.0,", "forget_s: float = 2.0,"),
        Mutant("UNCALIBRATED_USUAL_DEG = 15.0", "UNCALIBRATED_USUAL_DEG = 6.5"),
        Mutant('("beta", beta, "0 or more")', '("beta", beta, "above 0")'),
        Mutant('("forget_s", forget_s, "0 or more")', '("forget_s", forget_s, "above 0")'),
        Mutant('("sigma_usual_deg", sigma_usual_deg, "above 0")', '("sigma_usual_deg", sigma_usual_deg, "0 or more")'),
        Mutant('("min_cutoff_hz", min_cutoff_hz, "above 0")', '("min_cutoff_hz", min_cutoff_hz, "0 or more")'),
        Mutant("if not (math.isfinite(value) and (value > 0", "if not ((value > 0"),
        Mutant("        if not math.isfinite(time_s):\n", "        if math.isnan(time_s):\n"),
        Mutant("if time_s < self._time_s:", "if time_s <= self._time_s:"),
        Mutant("self._faces = self._faces[:0]", "pass"),
        Mutant("        self._time_s = time_s\n", ""),
        Mutant('time_s - self._faces["time_s"] <= self._forget_s', 'time_s - self._faces["time_s"] < self._forget_s'),
        Mutant('self._faces = self._faces[time_s - self._faces["time_s"] <= self._forget_s]', "pass"),
        Mutant("result = poses.copy()", "result = poses"),
        Mutant("(identities >= 0) & np.isfinite", "(identities > 0) & np.isfinite"),
        Mutant("(identities >= 0) & np.isfinite(poses.rotation)", "np.isfinite(poses.rotation)"),
        Mutant("np.isfinite(poses.rotation).all(axis=(1, 2)) &", "True &"),
        Mutant("& np.isfinite(poses.angles).all(axis=1)\n", "& True\n"),
        Mutant("np.isfinite(poses.rotation).all(axis=(1, 2))", "np.isfinite(poses.rotation).any(axis=(1, 2))"),
        Mutant("np.isfinite(poses.angles).all(axis=1)", "np.isfinite(poses.angles).any(axis=1)"),
        Mutant("new = np.flatnonzero(usable & ~known)", "new = np.flatnonzero(~known)"),
        Mutant(
            'known = usable & np.isin(identities, self._faces["id"])', 'known = np.isin(identities, self._faces["id"])'
        ),
        Mutant("identities[old], sorter=rows)]", "identities[old])]"),
        Mutant("self._unsure(poses.sigma[old])", "self._unsure(poses.sigma[: len(old)])"),
        Mutant("self._faces[rows] = faces\n", "pass\n"),
        Mutant('result.rotation[old] = faces["filtered"]', "pass"),
        Mutant('result.angles[old] = euler_near(faces["filtered"], poses.angles[old])', "pass"),
        Mutant(
            'euler_near(faces["filtered"], poses.angles[old])', 'euler_near(faces["filtered"], np.zeros((len(old), 3)))'
        ),
        Mutant(
            "self._faces = np.concatenate([self._faces, fresh])",
            "self._faces = np.concatenate([fresh, self._faces])",
            "the faces are found by identity, in any order",
        ),
        Mutant('turned = _turn(faces["estimate"], estimates)', 'turned = _turn(faces["filtered"], estimates)'),
        Mutant(
            'out=faces["velocity"].copy(), where=seconds > 0)',
            "out=np.zeros_like(turned), where=seconds > 0)",
            "at an equal time the gain of the velocity is 0",
        ),
        Mutant(
            'faces["velocity"] += _gain(_SPEED_CUTOFF_HZ, seconds) * (velocity - faces["velocity"])',
            'faces["velocity"] = velocity',
        ),
        Mutant('np.linalg.norm(faces["velocity"], axis=1)', 'np.abs(faces["velocity"]).max(axis=1)'),
        Mutant('np.linalg.norm(faces["velocity"], axis=1)', "np.linalg.norm(velocity, axis=1)"),
        Mutant("left = 1 - usual", "left = usual"),
        Mutant('variance = usual + left * faces["doubt"]', "variance = usual"),
        Mutant("gain = variance / (variance + left * unsure)", "gain = variance / (variance + left)"),
        Mutant('faces["doubt"] = gain * unsure - usual', 'faces["doubt"] = 0.0'),
        Mutant('faces["doubt"] = gain * unsure - usual', 'faces["doubt"] = gain - usual'),
        Mutant(
            'gain[:, None] * _turn(faces["filtered"], estimates)', 'gain[:, None] * _turn(estimates, faces["filtered"])'
        ),
        Mutant(
            'faces["filtered"] @ rotation_from_rotvec(',
            'np.swapaxes(faces["filtered"], -1, -2) @ rotation_from_rotvec(',
        ),
        Mutant("np.swapaxes(start, -1, -2) @ end", "end @ np.swapaxes(start, -1, -2)"),
        Mutant("np.swapaxes(start, -1, -2) @ end", "start @ np.swapaxes(end, -1, -2)"),
        Mutant(
            "np.square(sigma_deg, dtype=np.float64).mean(axis=1)", "np.square(sigma_deg, dtype=np.float64).max(axis=1)"
        ),
        Mutant(
            "np.square(sigma_deg, dtype=np.float64).mean(axis=1)",
            "np.nanmean(np.square(sigma_deg, dtype=np.float64), axis=1)",
        ),
        Mutant("/ self._sigma_usual_deg**2", "/ self._sigma_usual_deg"),
        Mutant("np.fmax(variance, 1.0)", "np.maximum(variance, 1.0)"),
        Mutant("np.fmax(variance, 1.0)", "np.where(np.isnan(variance), 1.0, variance)"),
        Mutant("-np.expm1(-2 * np.pi", "-np.expm1(-np.pi"),
        Mutant('identities.dtype.kind not in "iu"', 'identities.dtype.kind not in "iuf"'),
        Mutant('identities.dtype.kind not in "iu"', 'identities.dtype.kind not in "i"'),
        Mutant("named = identities[identities >= 0]", "named = identities"),
        Mutant("named = identities[identities >= 0]", "named = identities[identities > 0]"),
        Mutant('faces["time_s"], faces["estimate"] = time_s, estimates', 'faces["time_s"] = time_s'),
        Mutant('faces["time_s"], faces["estimate"] = time_s, estimates', 'faces["estimate"] = estimates'),
    ),
)
