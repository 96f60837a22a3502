"""FP16 and INT8 variants of an ONNX graph, by TensorRT's rules."""

__all__ = ["calibrate", "equalize", "fp16_graph", "insert_qdq", "quantized_model", "to_int8"]
