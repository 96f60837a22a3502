"""The suite of ROS 2 records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


def test_the_suite_runs(tmp_path: Path) -> None:
    pytest.importorskip("mcap")
    path = tmp_path / "ros.json"
    assert main(["ros", "--quick", "--json", str(path)]) == 0
    results = json.loads(path.read_text())["results"]
    assert [result["parameters"]["faces"] for result in results] == [1, 8]
    for result in results:
        assert [row["name"] for row in result["rows"]] == ["engine", "MCAP", "CSV"]
