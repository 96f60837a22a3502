"""Distillation: the lesson of a student, its views and its training."""

__all__ = ["disturbances", "heads", "lesson", "train_labelled", "train_student", "views"]
