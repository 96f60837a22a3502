"""Inputs of the cases: scenes, crops, models and the backends that run them."""

__all__ = [
    "answers",
    "backend_config",
    "crops",
    "folders",
    "generated_models",
    "model_variant",
    "precision_variants",
    "scene",
]
