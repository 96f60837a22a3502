"""Print the poses of a picture and draw them: python examples/picture.py photo.jpg posed.jpg"""

import sys

import cv2

import hpe_edge

if len(sys.argv) != 3:
    sys.exit(__doc__)
frame = cv2.imread(sys.argv[1])
poses = hpe_edge.PoseEngine()(frame)
print(*poses.to_rows(), sep="\n")
poses.draw(frame)
cv2.imwrite(sys.argv[2], frame)
