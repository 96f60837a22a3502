"""Use a detector of one's own, here OpenCV's YuNet: python examples/own_detector.py yunet.onnx photo.jpg"""

import sys

import cv2

import hpe_edge

if len(sys.argv) != 3:
    sys.exit(__doc__)


def detect(frame_bgr):
    yunet = cv2.FaceDetectorYN.create(sys.argv[1], "", frame_bgr.shape[1::-1])
    found = yunet.detect(frame_bgr)[1]  # x, y, width, height, ... of each face; None without faces
    boxes = [] if found is None else [[x, y, x + width, y + height] for x, y, width, height, *_ in found]
    return hpe_edge.Detections.from_boxes(boxes, boxes_from="yunet")


print(hpe_edge.PoseEngine(detector=detect)(cv2.imread(sys.argv[2])))
