"""FP16 and INT8 forms of an ONNX graph, by TensorRT's rules."""
