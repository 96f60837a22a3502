"""Distillation: augmentation, teachers, targets, training."""

__all__ = ["train_student"]
