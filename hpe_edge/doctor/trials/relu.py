"""The smallest model: what a trial runs to see whether a library starts."""

import base64

# An ONNX model of one Relu from x to y, float32 [1, 4], opset 13, IR 7, as onnx.helper.make_model serialises it.
RELU = base64.b64decode("CAc6OwoMCgF4EgF5IgRSZWx1EgF0WhMKAXgSDgoMCAESCAoCCAEKAggEYhMKAXkSDgoMCAESCAoCCAEKAggEQgQKABAN")
