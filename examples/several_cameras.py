"""Run several cameras or videos at one engine and print their poses.

Usage: python examples/several_cameras.py 0 rtsp://host/live
"""

import sys
from threading import Thread

import hpe_edge


def follow(batcher: hpe_edge.DynamicBatcher, source: str) -> None:
    detector = hpe_edge.open_detector("face-detector").for_video()
    frames = hpe_edge.open_source(source)
    stream = batcher.stream(on_full="block")  # "drop_oldest" for live cameras

    def submit() -> None:
        try:
            for frame in frames:
                stream.submit(frame.image, detector(frame.image), tag=frame.index)
        finally:
            stream.close()

    Thread(target=submit).start()
    for outcome in stream:
        print(source, outcome.tag, outcome.poses)


def main(*sources: str) -> None:
    with hpe_edge.PoseEngine(threads=1) as engine, hpe_edge.DynamicBatcher(engine, workers=2) as batcher:
        threads = [Thread(target=follow, args=(batcher, source)) for source in sources]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
