"""Mutants of hpe_edge.geometry."""

from __future__ import annotations

from tools.mutants.mutant import Mutant, Target

TARGET = Target(
    "hpe_edge.geometry",
    ("tests/test_geometry_edges.py", "tests/test_geometry.py"),
    (
        Mutant("GIMBAL_RAD = 1e-3", "GIMBAL_RAD = 2e-3"),
        Mutant("GIMBAL_RAD = 1e-3", "GIMBAL_RAD = 5e-4"),
        Mutant("[cy * cr, -cy * sr, sy],", "[cy * cr, -cy * sr, -sy],"),
        Mutant(
            "[cp * sr - sp * sy * cr, cp * cr + sp * sy * sr, sp * cy],",
            "[cp * sr + sp * sy * cr, cp * cr + sp * sy * sr, sp * cy],",
        ),
        Mutant("-sp * cr + cp * sy * sr, cp * cy],", "-sp * cr - cp * sy * sr, cp * cy],"),
        Mutant("yaw = np.arctan2(r[..., 0, 2], cy)", "yaw = np.arcsin(np.clip(r[..., 0, 2], -1, 1))"),
        Mutant("locked = cy < 1e-6", "locked = cy < 1e-2"),
        Mutant("locked = cy < 1e-6", "locked = cy < 1e-12"),
        Mutant(
            "np.arctan2(-r[..., 2, 1], r[..., 1, 1]), np.arctan2(r",
            "np.arctan2(r[..., 2, 1], r[..., 1, 1]), np.arctan2(r",
        ),
        Mutant(
            "roll = np.arctan2(cp * r[..., 1, 0] - sp * r[..., 2, 0], cp * r[..., 1, 1] - sp * r[..., 2, 1])",
            "roll = np.arctan2(-r[..., 0, 1], r[..., 0, 0])",
        ),
        Mutant("np.where(locked, 0.0, roll)", "roll"),
        Mutant("np.where(lost[..., None], np.nan, angles)", "angles"),
        Mutant("np.isnan(r).any(axis=(-2, -1))", "np.isnan(r).all(axis=(-2, -1))"),
        Mutant(
            "angles).astype(r.dtype)\n\n\ndef euler_near",
            "angles)\n\n\ndef euler_near",
            "NumPy 2 keeps float32 by itself",
        ),
        Mutant("(far_second < far_first)", "(far_second > far_first)"),
        Mutant("(far_second < far_first)", "(far_second <= far_first)"),
        Mutant(
            "np.abs(difference_deg(one, angles_deg)).sum(axis=-1)",
            "np.abs(difference_deg(one, angles_deg)).max(axis=-1)",
        ),
        Mutant(
            "np.abs(difference_deg(one, angles_deg)).sum(axis=-1)", "np.abs(one - np.asarray(angles_deg)).sum(axis=-1)"
        ),
        Mutant("np.abs(first[..., 1:2]) > 90", "np.abs(first[..., 1:2]) > 80"),
        Mutant("np.abs(first[..., 1:2]) > 90", "np.abs(first[..., 1:2]) >= 90"),
        Mutant("np.abs(first[..., 1:2]) > 90", "first[..., 1:2] > 90"),
        Mutant("angles * np.asarray([-1, 1, 1], angles.dtype))", "angles * np.asarray([1, 1, 1], angles.dtype))"),
        Mutant("return nodded @ turned", "return turned @ nodded"),
        Mutant("yaw = np.arctan2(-r[..., 2, 0], r[..., 2, 2])", "yaw = np.arctan2(r[..., 2, 0], r[..., 2, 2])"),
        Mutant("np.hypot(r[..., 2, 0], r[..., 2, 2]))", "r[..., 2, 2])"),
        Mutant("roll = np.arctan2(-r[..., 0, 1], r[..., 1, 1])", "roll = np.arctan2(r[..., 0, 1], r[..., 1, 1])"),
        Mutant("np.mod(yaw, 180.0) - 90.0) <=", "yaw - 90.0) <="),
        Mutant("<= np.rad2deg(GIMBAL_RAD)", "<= GIMBAL_RAD"),
        Mutant(
            'return np.swapaxes(matrix, -1, -2) if order == "ZYX" else matrix',
            'return matrix if order == "ZYX" else np.swapaxes(matrix, -1, -2)',
        ),
        Mutant(
            'signs * euler_from_rotation(np.swapaxes(m, -1, -2) if order == "ZYX" else m)',
            "signs * euler_from_rotation(m)",
        ),
        Mutant("best = np.argmax(squares, axis=-1)", "best = np.zeros(squares.shape[:-1], np.intp)"),
        Mutant("best = np.argmax(squares, axis=-1)", "best = np.argmin(squares, axis=-1)"),
        Mutant("np.stack([b, d, sy, f], axis=-1)", "np.stack([b, d, sy, e], axis=-1)"),
        Mutant("np.where(unit[..., :1] < 0, -unit, unit)", "unit"),
        Mutant("np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)", "np.moveaxis(q, -1, 0)"),
        Mutant("2 * (y * z - w * x)],", "2 * (y * z + w * x)],"),
        Mutant("np.sinc(half / np.pi) / 2", "np.sinc(half / np.pi)"),
        Mutant("/ 2], axis=-1).astype(v.dtype)", "/ 2], axis=-1)", "NumPy 2 keeps float32 by itself"),
        Mutant("return np.where(q[..., :1] < 0, -q, q)\n", "return q\n"),
        Mutant(
            "q = np.where(q[..., :1] < 0, -q, q) / np.linalg.norm(q, axis=-1, keepdims=True)",
            "q = q / np.linalg.norm(q, axis=-1, keepdims=True)",
        ),
        Mutant("angle = 2 * np.arctan2(sine, q[..., :1])", "angle = 2 * np.arccos(np.clip(q[..., :1], -1, 1))"),
        Mutant("np.where(sine == 0, 1, sine)", "np.maximum(sine, 1e-3)"),
        Mutant(
            "np.asarray(a, np.float64) - np.asarray(b, np.float64)",
            "np.asarray(a, np.float32) - np.asarray(b, np.float32)",
        ),
        Mutant("np.sqrt(8.0), 0.0, 1.0)", "np.sqrt(8.0), 0.0, 0.999)"),
        Mutant("np.rad2deg(2.0 * np.arcsin(", "np.rad2deg(np.arcsin("),
        Mutant(
            "np.mod(np.mod(_floating(angle_deg) + 180.0, 360.0), 360.0) - 180.0",
            "np.mod(_floating(angle_deg) + 180.0, 360.0) - 180.0",
        ),
        Mutant(
            "return wrap_deg(np.subtract(_floating(a_deg), _floating(b_deg)))",
            "return np.subtract(_floating(a_deg), _floating(b_deg))",
        ),
        Mutant('{"ZYX": (-1, 1, -1), "XYZ": (1, -1, 1)}', '{"ZYX": (-1, 1, -1), "XYZ": (-1, -1, -1)}'),
        Mutant(
            "return array if array.dtype == np.float32 else array.astype(np.float64)", "return array.astype(np.float64)"
        ),
        Mutant(
            "return array if array.dtype == np.float32 else array.astype(np.float64)", "return array.astype(np.float32)"
        ),
    ),
)
