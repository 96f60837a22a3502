"""Names of the 68 landmarks of 300W, in its order.

Left and right are the person's: in the picture of a face that looks into the camera the right eye is on the left.

Source: Sagonas et al., 300 Faces In-The-Wild Challenge, 2016, doi:10.1016/j.imavis.2016.01.002, figure of the mark-up.
"""

from __future__ import annotations

_PARTS = (
    ("contour", 17),  # from the right ear over the chin to the left one
    ("right_brow", 5),
    ("left_brow", 5),
    ("nose_bridge", 4),
    ("nose_base", 5),
    ("right_eye", 6),
    ("left_eye", 6),
    ("outer_lips", 12),
    ("inner_lips", 8),
)

POINTS_68 = tuple(f"{part}_{number}" for part, count in _PARTS for number in range(1, count + 1))
