"""The benchmark suites."""

__all__ = [
    "accuracy",
    "box_fits",
    "cameras",
    "card",
    "model",
    "ops",
    "pipeline",
    "precision",
    "rectification",
    "smoothing",
    "video",
]
