"""The table of named detectors against the files and the page that describes it."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

import pytest

from hpe_edge.fetch.detector_files import DETECTOR_FILES, detectors_folder
from hpe_edge.fetch.download import by_hand

PAGE = Path(__file__).resolve().parents[2] / "docs" / "detectors.md"


@pytest.mark.parametrize("name", list(DETECTOR_FILES))
def test_hash_and_size_are_those_of_the_measured_file(data: Path, name: str) -> None:
    remote = DETECTOR_FILES[name]
    content = (data / "detectors" / remote.name).read_bytes()
    assert len(content) == remote.size and hashlib.sha256(content).hexdigest() == remote.sha256


@pytest.mark.parametrize("name", list(DETECTOR_FILES))
def test_addresses_keep_their_bytes(name: str) -> None:
    for url in DETECTOR_FILES[name].urls:
        assert url.startswith("https://") and any(len(word) == 40 for word in url.split("/")), "a commit is needed"


@pytest.mark.parametrize("name", list(DETECTOR_FILES))
def test_the_page_has_the_same_facts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    remote, text = DETECTOR_FILES[name], PAGE.read_text()
    assert f"| `{name}` | {remote.name} | {remote.size:,} | {remote.terms} |" in text
    assert f"{remote.sha256}  {remote.name}\n" in text
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    command = by_hand(remote, detectors_folder())
    written = [
        shlex.split(line) for line in text.replace("\\\n", "").replace("~", "/home/me").splitlines() if "curl" in line
    ]
    assert shlex.split(command) in written
