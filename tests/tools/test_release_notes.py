"""Notes of a release."""

from __future__ import annotations

import pytest

from tools.release_notes import release_notes

LOG = "# Changelog\n\n## 1.1.0 (2027-02-03)\n\n### Fixed\n\n- A sign.\n\n## 1.0.0 (not yet released)\n\n- All.\n"


def test_a_section() -> None:
    assert release_notes("1.1.0", LOG, "1.1.0") == "### Fixed\n\n- A sign.\n"


@pytest.mark.parametrize(
    ("version", "own", "why"),
    [("1.1.0", "1.2.0", "1.2.0"), ("1.2.0", "1.2.0", "no section"), ("1.0.0", "1.0.0", "not yet released")],
)
def test_what_cannot_be_released(version: str, own: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        release_notes(version, LOG, own)
