"""Distillation: faces, teachers, their consensus, faces turned in depth, training."""

__all__ = ["train_student"]
