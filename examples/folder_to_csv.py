"""Write the poses of all faces in a folder of photos into a CSV file.

Usage: python examples/folder_to_csv.py photos/ poses.csv
"""

import csv
import sys
from pathlib import Path

import hpe_edge


def main(folder: str, table: str) -> None:
    detector, engine = hpe_edge.HaarDetector(), hpe_edge.PoseEngine()
    with Path(table).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "x1", "y1", "x2", "y2", "yaw_deg", "pitch_deg", "roll_deg"])
        for photo in hpe_edge.open_source(folder):
            boxes = detector(photo.image).boxes
            for box, angles in zip(boxes, engine(photo.image, boxes).angles, strict=True):
                rows.writerow([photo.name, *box.tolist(), *angles.tolist()])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
