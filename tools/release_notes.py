"""Notes of a release: its section of CHANGELOG.md, for the workflow that publishes a tag.

python tools/release_notes.py 0.1.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def release_notes(version: str, changelog: str, own_version: str) -> str:
    """Return the section of a version.

    Args:
        version: such as 0.1.0, of the tag without its v.
        changelog: the text of CHANGELOG.md.
        own_version: of the package.

    Raises:
        ValueError: the package has another version, or the section is missing, undated or empty.
    """
    if version != own_version:
        raise ValueError(f"the tag says {version}, hpe_edge/version.py {own_version}")
    section = re.search(
        rf"^## {re.escape(version)} \(([^)\n]*)\)\n(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE
    )
    if section is None or not section[2].strip():
        raise ValueError(f"CHANGELOG.md has no section {version}")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", section[1]):
        raise ValueError(f"CHANGELOG.md says {section[1]!r} in place of the day of {version}")
    return section[2].strip() + "\n"


def main() -> None:
    """Print the notes of the version that is named."""
    sys.path.insert(0, str(ROOT))
    from hpe_edge.version import __version__

    try:
        sys.stdout.write(release_notes(sys.argv[1], (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), __version__))
    except ValueError as error:
        sys.exit(f"release_notes: {error}")


if __name__ == "__main__":
    main()
