"""The commit that a tree without git was copied from, and the changes since."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

COMMIT_FILE = "base/commit.json"


def note_commit(root: Path) -> dict[str, Any]:
    """Return the checkout's commit and the hashes of its files, for the carried folder.

    Raises:
        OSError, subprocess.CalledProcessError: git does not run here.
    """
    files = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return {
        "commit": _git(root, "rev-parse", "HEAD").strip(),
        "dirty": bool(_git(root, "status", "--porcelain").strip()),
        "files": {name: _hash(root / name) for name in sorted(filter(None, files)) if (root / name).is_file()},
    }


class Provenance:
    """Origin of the checked-out tree.

    Attributes:
        commit: its commit; None if it was not noted.
        dirty: the tree differs from it.
        tree: fingerprint of all noted files as they are now; empty without a note.
    """

    def __init__(self, root: Path, carried: Path) -> None:
        """Read the note of ``pack`` and compare the tree with it."""
        self.commit: str | None = None
        self.dirty, self.tree, self._changed = True, "", 0
        try:
            note = json.loads((carried / COMMIT_FILE).read_text())
        except (OSError, ValueError):
            return
        found = {name: _hash(root / name) for name in note["files"]}
        self._changed = sum(found[name] != noted for name, noted in note["files"].items())
        self.commit, self.dirty = note["commit"], note["dirty"] or self._changed > 0
        self.tree = hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """Return one line about the origin."""
        if self.commit is None:
            return "commit unknown: `python -m tools.gpu_day pack` notes it"
        changes = f"{self._changed} files changed since it was packed" if self._changed else "with changes"
        return f"commit {self.commit}{f', {changes}' if self.dirty else ''}"

    def fill_in(self, document: Any) -> bool:
        """Enter the commit into a benchmark's document that has none; return True if it was changed."""
        git = document.get("environment", {}).get("git") if isinstance(document, dict) else None
        if self.commit is None or not isinstance(git, dict) or git.get("commit") is not None:
            return False
        git.update(commit=self.commit, dirty=self.dirty)
        return True


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True).stdout


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return "missing"
