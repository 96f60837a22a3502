"""Poses of many videos on Ray, continued if it was interrupted: python examples/ray_videos.py poses/ videos/*.mp4"""

import sys

import ray

from hpe_edge.ray import PoseFolder, PosesOfVideos, parquet_schema

if len(sys.argv) < 3:
    sys.exit(__doc__)
target, videos = sys.argv[1], sys.argv[2:]
folder = PoseFolder(target)
left = folder.resume(videos)
if left:
    # A block per video: what is lost with a worker is its current video.
    blocks = ray.data.from_items([{"uri": video} for video in left], override_num_blocks=len(left))
    blocks.flat_map(PosesOfVideos, num_cpus=1).write_parquet(target, schema=parquet_schema())
print(folder.progress(videos))
