"""Write the poses of a folder of photos as a table: python examples/folder_to_table.py photos/ poses.csv"""

import csv
import sys

import hpe_edge

if len(sys.argv) != 3:
    sys.exit(__doc__)
photos = hpe_edge.track(sys.argv[1])
rows = [{"file": photo.frame.name, **row} for photo in photos for row in photo.poses.to_rows()]
with open(sys.argv[2], "w", newline="", encoding="utf-8") as file:  # noqa: PTH123
    table = csv.DictWriter(file, rows[0] if rows else ["file"])
    table.writeheader()
    table.writerows(rows)
