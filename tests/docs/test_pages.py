"""README, docs/ and the model card: figures come from the runs, commands and links exist, code blocks run."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_model import write_tiny_model

from hpe_edge import PoseEngine
from hpe_edge.models import FOLDER as MODELS
from hpe_edge.samples import FOLDER as SAMPLES

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
CARD = MODELS / "README.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", CARD, SAMPLES / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
GUIDES = [ROOT / "README.md", *sorted(ROOT.glob("docs/guides/*.md")), ROOT / "docs" / "openvino.md"]

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a page, but for those marked as needing a GPU."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf"(<!-- GPU -->\n)?```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [code for gpu, code in found if not gpu]


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        return importlib.import_module("figures")


def test_figures_are_those_of_the_runs(figures: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert figures.main(["--check"]) == 0, f"run python docs/figures.py: {capsys.readouterr().out}"


def test_a_changed_figure_is_noticed(
    figures: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in figures.PAGES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "docs" / "distillation", tmp_path / "docs" / "distillation")
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    page = tmp_path / "README.md"
    before = page.read_text()
    page.write_text(before.replace("3.08°", "3.12°"))
    assert figures.main(["--check"]) == 1
    assert "README.md" in capsys.readouterr().out
    assert figures.main([]) == 0 and page.read_text() == before


def test_a_page_without_its_marks_is_refused(figures: ModuleType) -> None:
    with pytest.raises(ValueError, match="models"):
        figures.filled("# hpe_edge\n", {"models": figures.models})


def test_figures_of_the_embedded_model() -> None:
    """Looked up in the plain JSON."""
    results = json.loads((RESULTS / "intel-xeon-card.json").read_text())["results"]
    wanted = {"model": "student-v2", "boxes": "landmarks", "photos": 195}
    (by,) = (r["figures"] for r in results if r["name"] == "error" and r["parameters"] == wanted)
    for page in (ROOT / "README.md", CARD):
        (row,) = re.findall(r"^\| student-v2 (?:\| landmarks )?\|.*°.*$", page.read_text(), re.MULTILINE)[:1]
        assert f"{by['mean_mae_deg']:.2f}°" in row and f"{by['mean_mae_deg_yaw_60_to_180']:.1f}°" in row


@pages
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings], anchor


@pages
def test_no_placeholder_is_left(page: Path) -> None:
    assert not re.search(r"@[A-Z_]+@|TODO|FIXME|XXX", page.read_text(encoding="utf-8"))


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1300


@pytest.mark.parametrize("mark", ["main command", "checkpoint command", "test command"])
def test_commands_are_marked_for_ci(mark: str) -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count(f"<!-- {mark} -->\n```sh\n") == 1
    scripts = "".join((ROOT / ".ci" / name).read_text(encoding="utf-8") for name in ("run", "readme"))
    assert f'readme_command "{mark}"' in scripts


def commands(page: Path) -> set[tuple[str, ...]]:
    """Commands of this project in the shell blocks of a page, without what stands before the program."""
    found = set()
    for block in blocks(page, "sh"):
        for line in re.split(r"\n|&&|;|\|(?!\|)", block.replace("\\\n", " ").replace("&&\n", "&& ")):
            words = shlex.split(line, comments=True)
            for start, word in enumerate(words):
                if word.endswith("hpe-edge"):
                    found.add(("hpe-edge", *words[start + 1 :]))
                elif word == "-m" and words[start + 1].split(".")[0] in ("export", "benchmarks", "tools"):
                    found.add(tuple(words[start + 1 :]))
    return found


def help_of(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """Help of a command's parser."""
    program, *arguments = words
    depth = 2 if arguments[:1] == ["export"] else 1
    if program == "hpe-edge":
        module, before = "hpe_edge.cli.main", arguments[:depth]
    elif program in ("benchmarks", "tools.gpu_day"):
        module, before = f"{program}.__main__", arguments[:1]
    else:
        module, before = program, []
    try:
        status = importlib.import_module(module).main([*before, "--help"])
    except SystemExit as end:
        status = end.code
    text = capsys.readouterr().out
    assert status in (0, None), " ".join(words)
    return text


@pages
def test_commands_exist(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in sorted(commands(page)):
        text = help_of(words, capsys)
        for option in (word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), f"{' '.join(words)}: no {option}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages name."""
    shutil.copytree(SAMPLES, tmp_path / "hpe_edge" / "samples", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in ("model.onnx", "lightweight.onnx", "int8.onnx"):
        write_tiny_model(tmp_path / name)
    shutil.copy(MODELS / "student-v2.pth", tmp_path / "model-b66.pkl")
    write_face_video(tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_face_video(path: Path, frames: int = 3) -> None:
    photo = cv2.imread(str(SAMPLES / "astronaut.jpg"))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, photo.shape[1::-1])
    for _ in range(frames):
        writer.write(photo)
    writer.release()


@pytest.mark.parametrize("page", [p for p in GUIDES if blocks(p, "python")], ids=lambda page: page.stem)
def test_code_blocks_run(page: Path, here: Path) -> None:
    names: dict[str, Any] = {}
    for block in blocks(page, "python"):
        for needed in ("openvino", "torch") if "openvino" in block or "import export" in block else ():
            if needed in block or needed == "torch":
                pytest.importorskip(needed)
        exec(compile(block, str(page), "exec"), names)


@pages
def test_code_blocks_for_a_gpu_compile(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        compile(block, str(page), "exec")


def test_cameras_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its code runs; no frame is dropped of cameras that bring less than a stream holds."""
    pictures = np.random.default_rng(0).integers(0, 256, (4, 90, 120, 3), dtype=np.uint8)
    frames = [(picture, [[10, 10, 60, 60]] * count) for count, picture in enumerate(pictures[:2], 1)]
    names: dict[str, Any] = {"cameras": {"door": frames, "hall": frames[:1]}, "frames": frames}
    first, second = blocks(ROOT / "docs" / "cameras.md", "python")
    exec(compile(first, "docs/cameras.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    with PoseEngine("model.onnx") as names["engine"]:
        exec(compile(second, "docs/cameras.md", "exec"), names)
        one, two = capsys.readouterr().out.splitlines()
    assert sorted(printed) == [f"door 0 {one}", f"door 1 {two}", f"hall 0 {one}"]
