"""Files that ``hpe-edge export deepstream`` copies beside the model. They need Python 3.8 and nothing of hpe_edge."""

__all__ = ["head_pose_app", "head_pose_probe"]
