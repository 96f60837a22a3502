"""A tiny model, a video and photos with their boxes; every test runs in an empty folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from media import write_picture, write_video
from tiny_model import write_tiny_model

BOXES = "file,frame,x1,y1,x2,y2\n" + "".join(f"v.mp4,{i},30,20,60,50\n" for i in range(0, 12, 2))


@pytest.fixture(autouse=True)
def in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder with a video of 12 frames, and boxes for every second one."""
    (tmp_path / "boxes.csv").write_text(BOXES)
    return write_video(tmp_path / "v.mp4")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("a.png", "b.jpg", "c.png")):
        write_picture(folder / name, seed=seed)
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\na.png,30,20,60,50\nc.png,0,0,20,20\nc.png,50,10,90,60\n")
    return folder
