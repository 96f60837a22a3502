"""Track, smooth and draw the faces of a camera or a video, until q: python examples/webcam.py 0"""

import sys

import cv2

import hpe_edge

if len(sys.argv) != 2:
    sys.exit(__doc__)
for result in hpe_edge.track(sys.argv[1], smooth=True):
    result.poses.draw(result.image)
    cv2.imshow("poses", result.image)
    if cv2.waitKey(1) == ord("q"):
        break
