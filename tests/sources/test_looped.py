"""A video that is read again and again: rising times, and faces that are new in each round."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from media import write_picture, write_video

from hpe_edge.errors import InputError, SourceError
from hpe_edge.faces.tracker import Tracker
from hpe_edge.sources.frame import Realtime
from hpe_edge.sources.looped import Looped
from hpe_edge.sources.open_source import open_source

BOX = [[30.0, 20.0, 60.0, 50.0]]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", frames=5, fps=10.0)


def looped(video: Path, gap_s: float = 2.0) -> Looped:
    return Looped(open_source(video), lambda: open_source(video), gap_s)


def test_rounds_follow_each_other(video: Path) -> None:
    source = looped(video)
    frames = list(itertools.islice(source, 13))
    source.close()
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4] * 2 + [0, 1, 2]
    steps = np.diff([frame.time_s for frame in frames])
    np.testing.assert_allclose(steps, [0.1] * 4 + [2.0] + [0.1] * 4 + [2.0] + [0.1] * 2, atol=1e-3)
    np.testing.assert_array_equal(frames[0].image, frames[5].image)
    assert source.count is None and source.fps == 10.0


def test_closing_ends_it(video: Path) -> None:
    source = looped(video)
    for number, _ in enumerate(source):
        if number == 7:
            source.close()
    assert number <= 9


def test_a_gap_longer_than_the_trackers_memory_gives_new_identities(video: Path) -> None:
    tracker = Tracker(survive_s=1.0, confirm_s=0.0)
    ids = [tracker.update(frame.time_s, BOX).ids[0] for frame in itertools.islice(looped(video, 1.1), 10)]
    assert len(set(ids[:5])) == len(set(ids[5:])) == 1 and ids[0] != ids[5]


def test_in_real_time_the_gap_is_a_second_at_most(video: Path) -> None:
    source = Realtime(looped(video, 60.0))
    frames = list(itertools.islice(source, 6))
    source.close()
    assert frames[-1].time_s > 60 and frames[-1].index == 0


def test_a_file_that_has_gone(video: Path) -> None:
    source = looped(video)
    frames = iter(source)
    next(frames)
    video.unlink()
    with pytest.raises(SourceError, match=r"no .*v\.mp4"):
        list(frames)


def test_only_videos_can_be_looped(tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "a.png")
    with pytest.raises(InputError, match="--loop"):
        looped(picture)
