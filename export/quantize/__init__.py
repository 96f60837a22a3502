"""FP16 and INT8 forms of an ONNX graph, by TensorRT's rules."""

__all__ = ["fp16_graph", "quantized_model", "to_int8"]
