"""The benchmark suites, one file each."""

__all__ = [
    "accuracy",
    "cameras",
    "card",
    "cuda",
    "endurance",
    "engine",
    "everything",
    "model",
    "ops",
    "pipeline",
    "precision",
    "rectification",
    "smoothing",
    "video",
]
