"""The suite ``viewers``: real clients see real pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from media import write_video

from benchmarks.__main__ import main


def test_viewers_see_pictures_and_idle_clients_none(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    video = write_video(tmp_path / "v.mp4", frames=12, width=320, height=240)
    out = tmp_path / "o.json"
    assert main(["viewers", "--quick", "--video", str(video), "--json", str(out)]) == 0
    results = json.loads(out.read_text())["results"]
    nobody, viewers, idle = (result["figures"] for result in results)
    assert nobody["of_nobody"] == 1
    assert viewers["pictures_per_s_and_client"] > 0
    assert idle["pictures_per_s_and_client"] == 0 and idle["most_log_lines"] == 0
