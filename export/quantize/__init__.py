"""FP16 and INT8 forms of an ONNX graph, by TensorRT's rules."""

__all__ = ["calibrate", "calibration_file", "fp16_emulation", "fp16_graph", "insert_qdq", "qdq_rules", "sensitivity"]
