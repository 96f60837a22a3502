"""ONNX graphs: tracing, simplifying, reading, matching outputs to heads."""

__all__ = [
    "free_batch",
    "linear_pairs",
    "match_heads",
    "multiplications",
    "onnx_file",
    "trace",
    "weighted_layers",
    "write_onnx",
]
