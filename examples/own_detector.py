"""Use a detector of one's own, here OpenCV's Haar cascade: python examples/own_detector.py photo.jpg"""

import sys

import cv2

import hpe_edge

cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")


def detect(frame_bgr):
    boxes = [[x, y, x + width, y + height] for x, y, width, height in cascade.detectMultiScale(frame_bgr)]
    return hpe_edge.Detections.from_boxes(boxes, boxes_from="haar")


if len(sys.argv) != 2:
    sys.exit(__doc__)
print(hpe_edge.PoseEngine(detector=detect)(cv2.imread(sys.argv[1])))
