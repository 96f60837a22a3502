"""Boxes from CSV: matching, and errors that name the line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.errors import SourceError
from hpe_edge.sources.open_source import Frame


def frame(name: str = "a.jpg", index: int = 0) -> Frame:
    return Frame(name, index, math.nan, np.zeros((4, 4, 3), np.uint8))


def boxes_file(tmp_path: Path, text: str | bytes, kind: str = "folder") -> BoxesFile:
    path = tmp_path / "boxes.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return BoxesFile(path, kind)


def test_pictures_are_matched_by_name(tmp_path: Path) -> None:
    boxes = boxes_file(
        tmp_path,
        "score,file,x1,y1,x2,y2\n.9,a.jpg,1,2,3.5,4\n.8,some/where/b.jpg,5,6,7,8\n.7,a.jpg,-1,-2,9,9\n\n",
    )
    np.testing.assert_array_equal(boxes(frame("a.jpg")), [[1, 2, 3.5, 4], [-1, -2, 9, 9]])
    np.testing.assert_array_equal(boxes(frame("b.jpg")), [[5, 6, 7, 8]])
    none = boxes(frame("c.jpg"))
    assert none.shape == (0, 4) and none.dtype == np.float32
    assert boxes.unused == 0


def test_records_are_known_by_a_column(tmp_path: Path) -> None:
    assert boxes_file(tmp_path, "file,x1,y1,x2,y2,yaw_deg\na.jpg,1,2,3,4,5\n").of_records
    assert not boxes_file(tmp_path, "file,x1,y1,x2,y2\na.jpg,1,2,3,4\n").of_records


def test_unused_boxes_are_counted(tmp_path: Path) -> None:
    boxes = boxes_file(tmp_path, "file,x1,y1,x2,y2\na.jpg,1,2,3,4\nb.jpg,1,2,3,4\nb.jpg,1,2,3,4\n")
    boxes(frame("a.jpg"))
    assert boxes.unused == 2


def test_video_frames_are_matched_by_number(tmp_path: Path) -> None:
    boxes = boxes_file(tmp_path, "frame,x1,y1,x2,y2\n3,1,2,3,4\n3.0,5,6,7,8\n", kind="video")
    assert len(boxes(frame("v.mp4", 3))) == 2
    assert len(boxes(frame("v.mp4", 2))) == 0


def test_video_frames_are_matched_by_file_too_where_there_is_the_column(tmp_path: Path) -> None:
    boxes = boxes_file(tmp_path, "file,frame,x1,y1,x2,y2\nv.mp4,0,1,2,3,4\nw.mp4,0,5,6,7,8\n", kind="video")
    np.testing.assert_array_equal(boxes(frame("v.mp4", 0)), [[1, 2, 3, 4]])


def test_pictures_ignore_the_frame_column(tmp_path: Path) -> None:
    boxes = boxes_file(tmp_path, "file,frame,x1,y1,x2,y2\na.jpg,17,1,2,3,4\n")
    assert len(boxes(frame("a.jpg", 0))) == 1


def test_byte_order_mark_spaces_and_windows_line_ends(tmp_path: Path) -> None:
    boxes = boxes_file(tmp_path, "\ufefffile, x1, y1, x2, y2\r\na.jpg, 1, 2, 3, 4\r\n")
    np.testing.assert_array_equal(boxes(frame()), [[1, 2, 3, 4]])


def test_header_alone_means_no_faces(tmp_path: Path) -> None:
    assert len(boxes_file(tmp_path, "file,x1,y1,x2,y2\n")(frame())) == 0


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", "folder", "is empty"),
        ("file,x1,y1,x2\n", "folder", "line 1: no column y2"),
        ("file,x1,y1,x2,y2,x1\n", "folder", "line 1: more than one column x1; keep the one that is meant"),
        ("1,2,3,4\n", "folder", "line 1: no column x1 y1 x2 y2"),
        ("frame,x1,y1,x2,y2\n", "folder", "line 1: pictures need the column file"),
        ("file,x1,y1,x2,y2\n", "video", "line 1: a video needs the column frame"),
        ("file,x1,y1,x2,y2\na,1,2,3,4\na,1,two,3,4\n", "folder", "line 3: y1 is no number: 'two'"),
        ("file,x1,y1,x2,y2\na,1,2,3,\n", "folder", "line 2: y2 is no number: ''"),
        ("file,x1,y1,x2,y2\na,1,nan,3,4\n", "folder", "line 2: y1 must be within 1000000 pixels, got nan"),
        ("file,x1,y1,x2,y2\na,1,2,inf,4\n", "folder", "line 2: x2 must be within"),
        ("file,x1,y1,x2,y2\na,30,2,20,4\n", "folder", "line 2: x1 < x2 and y1 < y2 must hold"),
        ("file,x1,y1,x2,y2\na,1,2,3,2\n", "folder", "not x y width height"),
        ("file,x1,y1,x2,y2\n\na,1,2\n", "folder", "line 3: 5 fields expected, got 3"),
        ("frame,x1,y1,x2,y2\n1.5,1,2,3,4\n", "video", "line 2: frame must be 0, 1, 2, ..., got '1.5'"),
        ("frame,x1,y1,x2,y2\n-1,1,2,3,4\n", "video", "line 2: frame must be"),
        ("frame,x1,y1,x2,y2\nfirst,1,2,3,4\n", "video", "line 2: frame must be"),
        (b"\xff\xd8\xff\xe0 a picture", "folder", "is not CSV in UTF-8"),
    ],
)
def test_wrong_files_name_the_line(tmp_path: Path, text: str | bytes, kind: str, message: str) -> None:
    with pytest.raises(SourceError) as error:
        boxes_file(tmp_path, text, kind)
    assert message in str(error.value)


def test_columns_that_are_not_read_may_stand_there_twice(tmp_path: Path) -> None:
    assert len(boxes_file(tmp_path, "score,score,file,x1,y1,x2,y2\n.9,.8,a.jpg,1,2,3,4\n")(frame())) == 1


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read the boxes file"):
        BoxesFile(tmp_path / "gone.csv", "folder")
