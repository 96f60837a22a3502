"""The benchmark suites."""

__all__ = [
    "accuracy",
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
