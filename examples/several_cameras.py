"""Run several cameras or videos at one engine and print their poses.

python examples/several_cameras.py 0 rtsp://host/live
"""

import sys
from threading import Thread

import hpe_edge
from hpe_edge.batching.camera_stream import CameraStream


def submit(stream: CameraStream, source: str) -> None:
    detector = hpe_edge.HaarDetector()
    for frame in hpe_edge.open_source(source):
        stream.submit(frame.image, detector(frame.image).boxes, tag=frame.index)
    stream.close()


def fetch(stream: CameraStream, source: str) -> None:
    for outcome in stream:
        print(source, outcome.tag, outcome.poses)


def main(*sources: str) -> None:
    with hpe_edge.PoseEngine(threads=1) as engine, hpe_edge.DynamicBatcher(engine, workers=2) as batcher:
        threads = []
        for source in sources:
            stream = batcher.stream(on_full="block")  # "drop_oldest" for live cameras
            threads += [Thread(target=work, args=(stream, source)) for work in (submit, fetch)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
