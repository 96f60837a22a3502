"""Models of a Triton server's Python backend; imported by the repositories that ``hpe-edge export triton`` writes."""

__all__ = ["layout"]
