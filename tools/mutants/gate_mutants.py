"""Mutants of the accuracy gate: export.gate.comparison, its figures and limits, and export.gate.gate, its rules."""

from __future__ import annotations

from tools.mutants.mutant import Mutant, Target

_TESTS = ("tests/export/gate/test_gate.py", "tests/export/gate/test_gate_limits.py")

_COMPARISON = Target(
    "export.gate.comparison",
    _TESTS,
    (
        Mutant("ONNX_LIMITS = Limits(worst_deg=0.01,", "ONNX_LIMITS = Limits(worst_deg=0.1,"),
        Mutant("ONNX_LIMITS = Limits(worst_deg=0.01,", "ONNX_LIMITS = Limits(worst_deg=0.001,"),
        Mutant("FP16_LIMITS = Limits(mean_deg=0.05,", "FP16_LIMITS = Limits(mean_deg=0.5,"),
        Mutant("FP16_LIMITS = Limits(mean_deg=0.05,", "FP16_LIMITS = Limits(mean_deg=0.055,"),
        Mutant("mean_deg=0.05, worst_deg=0.3,", "mean_deg=0.05, worst_deg=3.0,"),
        Mutant("mean_deg=0.05, worst_deg=0.3,", "mean_deg=0.05,"),
        Mutant("INT8_LIMITS = Limits(mean_deg=1.0,", "INT8_LIMITS = Limits(mean_deg=10.0,"),
        Mutant("p99_deg=3.0, p999_deg=2.5", "p99_deg=30.0, p999_deg=2.5"),
        Mutant("p999_deg=2.5, worst_deg=5.0,", "p999_deg=25.0, worst_deg=5.0,"),
        Mutant("p999_deg=2.5, worst_deg=5.0,", "p999_deg=2.5, worst_deg=50.0,"),
        Mutant("mean_deg=float(np.mean(difference_deg)),", "mean_deg=float(np.median(difference_deg)),"),
        Mutant("np.percentile(difference_deg, 99))", "np.percentile(difference_deg, 95))"),
        Mutant("np.percentile(difference_deg, 99.9))", "np.percentile(difference_deg, 99))"),
        Mutant("worst_deg=float(np.max(difference_deg)),", "worst_deg=float(np.percentile(difference_deg, 99.9)),"),
        Mutant("return not self.failures", "return True"),
        Mutant("return replace(defaults, **self._set())", "return defaults"),
        Mutant("return self.rows.get(CONFIDENT, self.rows[ALL])", "return self.rows[ALL]"),
        Mutant("exit_status = 3", "exit_status = 1"),
        Mutant("if limit is not None}", "if limit}"),
    ),
)

_GATE = Target(
    "export.gate.gate",
    _TESTS,
    (
        Mutant("_MOST_DOUBTFUL = 0.5 ", "_MOST_DOUBTFUL = 0.95 "),
        Mutant("_MOST_DOUBTFUL = 0.5 ", "_MOST_DOUBTFUL = 0.4 "),
        Mutant("_SAME_DEG = 0.01 ", "_SAME_DEG = 1.0 "),
        Mutant("_SAME_DEG = 0.01 ", "_SAME_DEG = 0.0 "),
        Mutant("_WORST = 12 ", "_WORST = 2 "),
        Mutant("if getattr(whole, name) > limit", "if getattr(whole, name) > 10 * limit"),
        Mutant("if getattr(whole, name) > limit", "if getattr(whole, name) >= limit"),
        Mutant("whole = rows.get(CONFIDENT, rows[ALL])", "whole = rows[ALL]"),
        Mutant(
            "doubtful = reference.doubtful & candidate.doubtful &",
            "doubtful = (reference.doubtful | candidate.doubtful) &",
        ),
        Mutant("doubtful = reference.doubtful & candidate.doubtful &", "doubtful = candidate.doubtful &"),
        Mutant("& ~_nan_rows(reference) & ~_nan_rows(candidate)", ""),
        Mutant("if doubtful.mean() > _MOST_DOUBTFUL:", "if doubtful.mean() >= _MOST_DOUBTFUL:"),
        Mutant(
            "geodesic_deg(reference.rotation, candidate.rotation)",
            "np.abs(reference.angles - candidate.angles).max(axis=1)",
        ),
        Mutant(
            "np.abs(wrap_deg(candidate.angles.astype(np.float64) - reference.angles.astype(np.float64)))",
            "np.abs(candidate.angles.astype(np.float64) - reference.angles.astype(np.float64))",
        ),
        Mutant("turned = np.abs(reference.yaw)", "turned = np.abs(candidate.yaw)"),
        Mutant("(turned >= 30).astype(int) + (turned > 60)", "(turned >= 30).astype(int) + (turned > 70)"),
        Mutant("(turned >= 30).astype(int) + (turned > 60)", "(turned > 35).astype(int) + (turned > 60)"),
        Mutant("        if bad.any()\n", "        if bad.all()\n"),
        Mutant(
            '(("reference", _nan_rows(reference)), ("candidate", _nan_rows(candidate)))',
            '(("candidate", _nan_rows(candidate)),)',
        ),
        Mutant("ranked = np.where(doubtful, -1.0,", "ranked = np.where(False, -1.0,"),
        Mutant("np.nan_to_num(distance, nan=np.inf)", "np.nan_to_num(distance)"),
        Mutant('np.argsort(-ranked, kind="stable")', 'np.argsort(ranked, kind="stable")'),
        Mutant("if _nan_rows(poses).any():", "if False:"),
        Mutant("if (poses.angles.std(axis=0) < _SAME_DEG).all():", "if (poses.angles.std(axis=0) < _SAME_DEG).any():"),
        Mutant("if 0 < len(crops) < batch:", "if False:"),
        Mutant("math.inf if limit is None else limit)", "math.inf)"),
        Mutant("np.concatenate([poses.angles, poses.rotation.reshape(len(poses), 9)], axis=1)", "poses.angles"),
        Mutant(
            "return np.asarray(np.isnan(rows).any(axis=1), np.bool_)",
            "return np.asarray(np.isnan(rows).all(axis=1), np.bool_)",
        ),
        Mutant("np.median(ratio, axis=0) - 1", "np.max(ratio, axis=0) - 1"),
        Mutant(
            "if np.isnan(reference.sigma).all() or np.isnan(candidate.sigma).all():",
            "if np.isnan(reference.sigma).all():",
            "the median of NaN is NaN as well, with a warning",
        ),
    ),
)

TARGETS = (_COMPARISON, _GATE)
