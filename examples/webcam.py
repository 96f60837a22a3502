"""Track, smooth and draw the faces of a camera or a video file.

Usage: python examples/webcam.py 0, in a window that q ends; or clip.mp4 annotated.mp4.
"""

import sys

import cv2

import hpe_edge


def main(source: str, output: str | None = None) -> None:
    detector, engine = hpe_edge.HaarDetector(), hpe_edge.PoseEngine()
    tracker, smoother = hpe_edge.Tracker(), hpe_edge.PoseSmoother()
    video = cv2.VideoWriter()
    for frame in hpe_edge.open_source(source):
        faces = detector(frame.image)
        tracks = tracker.update(frame.time_s, faces.boxes, faces.scores)
        poses = smoother(frame.time_s, tracks.ids, engine(frame.image, tracks.boxes))
        hpe_edge.draw_poses(frame.image, tracks.boxes, poses, ids=tracks.ids)
        if output is None:
            cv2.imshow("poses", frame.image)
            if cv2.waitKey(1) == ord("q"):
                break
        elif video.isOpened() or video.open(output, cv2.VideoWriter.fourcc(*"mp4v"), 25, frame.image.shape[1::-1]):
            video.write(frame.image)
    video.release()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
