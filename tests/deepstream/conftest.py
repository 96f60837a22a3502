"""A folder of ``export.deepstream`` with the embedded model; its files are imported from there, as a device does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

deepstream = pytest.importorskip("export.deepstream")
pytest.importorskip("onnx", reason="the export needs onnx")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = deepstream.export(output=tmp_path_factory.mktemp("deepstream") / "out", boxes_from="yunet")
    return Path(written.path)


@pytest.fixture
def probe(folder: Path) -> Iterator[ModuleType]:
    """The folder's head_pose_probe, which needs nothing of the checkout."""
    sys.path.insert(0, str(folder))
    try:
        import head_pose_probe

        yield head_pose_probe
    finally:
        sys.path.remove(str(folder))
        for name in ("head_pose_probe", "head_pose_app"):
            sys.modules.pop(name, None)
