"""Fixtures for the C interface. HPE_EDGE_C_BUILD names a CMake build with HPE_EDGE_C_LIBRARY and HPE_EDGE_TESTS."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.c_interface.library import Library

BUILD = os.environ.get("HPE_EDGE_C_BUILD", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not BUILD:
        skip = pytest.mark.skip(reason="HPE_EDGE_C_BUILD names no build of the C interface")
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def build() -> Path:
    return Path(BUILD)


@pytest.fixture(scope="session")
def programs(build: Path) -> Path:
    """Folder of the native tests' programs."""
    return build / "tests" / "capi" / "native"


@pytest.fixture(scope="session")
def prefix(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An install tree that lies elsewhere than configured."""
    prefix = tmp_path_factory.mktemp("installed") / "tree with spaces"
    subprocess.run(["cmake", "--install", str(build), "--prefix", str(prefix)], check=True, capture_output=True)
    return prefix


@pytest.fixture(scope="session")
def library_file(prefix: Path) -> Path:
    (found,) = prefix.glob("**/libhpe_edge.so")
    return found


@pytest.fixture(scope="session")
def library(library_file: Path) -> Library:
    return Library(library_file)
