"""Face detectors that are fetched by name: addresses, hashes and licences."""

from __future__ import annotations

from pathlib import Path

from hpe_edge.fetch.download import RemoteFile, fetch_file, is_cached
from hpe_edge.util.cache_folder import cache_folder

_YUNET = "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/{}/onnx/yunet_n_640_640.onnx"

# The files whose boxes were measured (FITS in hpe_edge/boxes/box_fit.py), under commits, so that an address keeps its
# bytes.
DETECTOR_FILES = {
    # YuNet-n of its authors. OpenCV's face_detection_yunet_2023mar.onnx has the size of their smaller YuNet-s.
    "yunet": RemoteFile(
        name="yunet_n_640_640.onnx",
        urls=tuple(
            _YUNET.format(commit)
            for commit in (
                "dca340aa082c71081a68d17db8e58b33a58a914b",
                "47198234de8c4646961e46159e02af5b06021a78",
                "02246e79b1e976c83d1e135a85e0628120c93769",
            )
        ),
        sha256="25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31",
        size=317_466,
        licence="Apache-2.0 (ShiqiYu/libfacedetection.train)",
    ),
    # InsightFace publishes its weights in archives with recognition networks; this is the detector alone.
    "scrfd": RemoteFile(
        name="scrfd_500m_kps.onnx",
        urls=(
            "https://raw.githubusercontent.com/hpc203/scrfd-opencv/9e14b462707fe75105c99213fba911646366aebd/weights/"
            "scrfd_500m_kps.onnx",
        ),
        sha256="517cb1980c72422e676738fc45431700fb7cbee56d0f825b623ee427b3e5ce58",
        size=2_524_095,
        licence="InsightFace's weights are for research only",
        non_commercial=True,
    ),
}


def detector_file(name: str) -> Path:
    """Return the verified file of a detector in the cache; fetch it on first use.

    Args:
        name: a key of ``DETECTOR_FILES``.

    Raises:
        ModelNotFoundError, ModelError, OutputError: see :func:`hpe_edge.fetch.download.fetch_file`.
    """
    return fetch_file(DETECTOR_FILES[name], detectors_folder())


def cached_detectors() -> list[str]:
    """Return the names whose files are in the cache."""
    return [name for name, remote in DETECTOR_FILES.items() if is_cached(remote, detectors_folder())]


def detectors_folder() -> Path:
    """Return the cache folder of the detectors' files."""
    return cache_folder("detectors")
