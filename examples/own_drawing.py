"""Draw an arrow along each nose with OpenCV: python examples/own_drawing.py photo.jpg arrows.jpg"""

import sys

import cv2

import hpe_edge

if len(sys.argv) != 3:
    sys.exit(__doc__)
frame = cv2.imread(sys.argv[1])
for pose in hpe_edge.PoseEngine()(frame):
    x, y = (pose.box[0] + pose.box[2]) / 2, (pose.box[1] + pose.box[3]) / 2
    right, down = -(pose.box[3] - pose.box[1]) * pose.rotation[:2, 2]  # the nose points along -z of the head
    cv2.arrowedLine(frame, (round(x), round(y)), (round(x + right), round(y + down)), (0, 255, 0), 2)
cv2.imwrite(sys.argv[2], frame)
