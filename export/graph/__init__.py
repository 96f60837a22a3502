"""ONNX graphs: tracing, simplifying, reading, matching outputs to heads."""
