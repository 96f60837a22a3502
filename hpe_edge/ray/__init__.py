"""Poses of large archives with Ray Data: callables for ``flat_map`` and ``map_batches``, and folders of their results.

Nothing here imports Ray: it imports these classes into its workers. ``pip install 'hpe-edge[ray]'``.
"""

from hpe_edge.ray.image_worker import PosesOfImages
from hpe_edge.ray.parquet_schema import parquet_schema
from hpe_edge.ray.pose_folder import PoseFolder, Progress
from hpe_edge.ray.video_worker import PosesOfVideos

__all__ = ["PoseFolder", "PosesOfImages", "PosesOfVideos", "Progress", "parquet_schema"]
