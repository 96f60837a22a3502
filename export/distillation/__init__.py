"""Distillation: the lesson of a student, its views and its training."""

__all__ = ["disturbances", "lesson", "train_student", "views"]
