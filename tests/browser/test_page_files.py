"""Files of the page: complete, of one version, and written into a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from export.browser.runtime import PACKAGE, VERSION
from export.browser.site import INDEX, page_files, write_page
from hpe_edge import ModelError, OutputError
from hpe_edge.models import DEFAULT, FACE_DETECTOR

ROOT = Path(__file__).resolve().parents[2]


def test_the_locked_version_is_the_one_that_is_asked_for() -> None:
    asked = json.loads((ROOT / "package.json").read_text())["dependencies"]
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert asked == {PACKAGE: VERSION}
    assert locked[f"node_modules/{PACKAGE}"]["version"] == VERSION
    for name, entry in locked.items():
        assert name == "" or entry["integrity"].startswith("sha512-"), name


def test_modules_import_files_that_are_there() -> None:
    files = page_files(Path("/runtime"))
    assert INDEX in files
    for name, path in files.items():
        if Path(name).suffix not in (".js", ".html") or isinstance(path, str) or name.startswith("ort/"):
            continue
        text = path.read_text()
        for link in re.findall(r'(?:from|import\(?|src=|href=) ?"(\.{0,2}/?[\w./-]+\.(?:m?js|css))"', text):
            target = (Path("/") / Path(name).parent / link).resolve().relative_to("/").as_posix()
            assert target in files, f"{name} imports {link}"


def test_nothing_names_another_machine() -> None:
    for name, path in page_files(None).items():
        if isinstance(path, Path) and path.suffix in (".js", ".html", ".css"):
            assert re.findall(r"(?:https?:)?//[\w-]+\.[\w.]+", path.read_text()) == [], name


def test_a_page_with_ones_own_models(tmp_path: Path, runtime: Path, detector_file: Path) -> None:
    write_page(tmp_path / "page", runtime, DEFAULT, detector_file)
    names = json.loads((tmp_path / "page" / "models" / "models.json").read_text())
    assert names["runtime"] and (names["pose"], names["detector"]) == (DEFAULT.name, detector_file.name)
    for name in page_files(runtime, DEFAULT, detector_file):
        assert (tmp_path / "page" / name).is_file()
    assert (tmp_path / "page" / "models" / DEFAULT.name).read_bytes() == DEFAULT.read_bytes()
    with pytest.raises(OutputError):
        write_page(tmp_path / "page", runtime)


def test_two_models_of_one_name_are_refused(tmp_path: Path, runtime: Path) -> None:
    with pytest.raises(ModelError, match="are both called"):
        write_page(tmp_path / "page", runtime, DEFAULT, tmp_path / DEFAULT.name)
    with pytest.raises(ModelError, match="are both called"):
        write_page(tmp_path / "page", runtime, tmp_path / FACE_DETECTOR.name)
    assert not (tmp_path / "page").exists()
