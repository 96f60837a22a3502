"""Annotated videos in a real browser: it plays .webm, and not MPEG-4 part 2."""

from __future__ import annotations

import base64
from pathlib import Path

import chromium
import numpy as np
import pytest
from test_sinks import outputs_of

from hpe_edge.geometry import rotation_from_euler
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import Poses
from hpe_edge.sinks.annotated_video import VideoFile
from hpe_edge.sources.frame import Frame

LOAD = """
new Promise(done => {
    const video = document.createElement('video');
    video.muted = true;
    video.onerror = () => done({error: video.error.code});
    video.onended = () => {
        const canvas = document.createElement('canvas');
        canvas.width = video.videoWidth, canvas.height = video.videoHeight;
        const context = canvas.getContext('2d');
        context.drawImage(video, 0, 0);
        const last = context.getImageData(48, 32, 1, 1).data[0];
        done({width: video.videoWidth, height: video.videoHeight, seconds: video.duration, last});
    };
    video.src = 'data:TYPE;base64,DATA';
    video.play();
})
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> object:
    if chromium.PROGRAM is None:
        pytest.skip("needs chromium")
    with chromium.Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def played(browser: chromium.Browser, path: Path) -> dict[str, float]:
    """A video of 10 frames, black to light grey, and the answer of the browser."""
    video = VideoFile(path, 10.0)
    empty = np.zeros((0, 3), np.float32)
    nobody = Poses(empty, empty.copy(), rotation_from_euler(empty).astype(np.float32))
    for index in range(10):
        image = np.full((64, 96, 3), 20 * index, np.uint8)
        video.write_picture(Result(Frame("v", index, index / 10, image), nobody), image)
    outputs_of(video).commit()
    kind = {".webm": "video/webm", ".mp4": "video/mp4"}[path.suffix]
    data = base64.b64encode(path.read_bytes()).decode()
    answer: dict[str, float] = browser.evaluate(LOAD.replace("TYPE", kind).replace("DATA", data))
    return answer


def test_browsers_play_webm(browser: chromium.Browser, tmp_path: Path) -> None:
    answer = played(browser, tmp_path / "out.webm")
    assert (answer["width"], answer["height"]) == (96, 64)
    assert answer["seconds"] == pytest.approx(1.0, abs=0.11)
    assert answer["last"] == pytest.approx(180, abs=12)


def test_browsers_do_not_play_mpeg_4_part_2(browser: chromium.Browser, tmp_path: Path) -> None:
    """The note on players says so; a browser that does would make it wrong."""
    assert played(browser, tmp_path / "out.mp4") == {"error": 4}  # MEDIA_ERR_SRC_NOT_SUPPORTED
