"""Quantization-aware training: an exported graph runs in torch with its Q/DQ pairs, and learns to keep its angles."""

__all__ = ["train_int8"]
