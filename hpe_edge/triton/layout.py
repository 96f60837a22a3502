"""Names that a model repository and the code in the server share."""

from __future__ import annotations

FORMAT = "1"  # of a repository; raised when its models and this code would no longer fit together

# Tensors of the frame and stream models.
FRAME, BOXES, TIME, SCORES, KEYPOINTS = "FRAME", "BOXES", "TIME", "SCORES", "KEYPOINTS"
ANGLES, SIGMA, ROTATION, DOUBTFUL, IDS = "ANGLES", "SIGMA", "ROTATION", "DOUBTFUL", "IDS"

# Parameters in config.pbtxt.
FORMAT_KEY, NETWORK_KEY, NETWORK_BATCH_KEY = "hpe_edge.format", "hpe_edge.network", "hpe_edge.network_max_batch"
CAMERAS_KEY, IDLE_KEY = "hpe_edge.max_cameras", "hpe_edge.idle_s"

SPEC_FILE, ONNX_FILE, PLAN_FILE = "spec.json", "model.onnx", "model.plan"
