"""Several sources of run: names in the records, folders that are mirrored, and boxes by path."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_helpers import command, names, rows_of, shell
from media import write_picture, write_video

from hpe_edge import PoseEngine
from hpe_edge.cli.main import main

BOX = (30, 20, 60, 50)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Pictures of equal names in two folders, each with its own box."""
    for seed, name in enumerate(("p/x/1.png", "p/x/2.png", "p/y/1.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(tmp_path / name, seed=seed)
    boxes = [f"{name},{30 + k},20,{60 + k},50\n" for k, name in enumerate(("x/1.png", "x/2.png", "y/1.png"))]
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\n" + "".join(boxes))
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("sources", ["p/x p/y", "p --recursive", "p/*/*.png", "p/x/1.png p/x/2.png p/y"])
def test_records_and_pictures_have_relative_paths(tree: Path, model: Path, sources: str) -> None:
    run = command("run", *sources.split(), "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv", "-o", "out")
    assert main(run) == 0
    rows = rows_of(tree / "o.csv")
    assert [row["file"] for row in rows] == ["x/1.png", "x/2.png", "y/1.png"]
    assert [row["frame"] for row in rows] == ["0", "1", "2"]
    assert files(tree / "out") == ["x/1.png", "x/2.png", "y/1.png"]
    for k, row in enumerate(rows):
        image = cv2.imread(str(tree / "p" / row["file"]))
        yaw = PoseEngine(model)(image, [[30 + k, 20, 60 + k, 50]]).yaw[0]
        assert float(row["yaw_deg"]) == pytest.approx(yaw, abs=6e-4)


def test_an_unquoted_pattern(tree: Path, model: Path) -> None:
    done = shell("$HPE p/x/*.png -o out/ --csv o.csv", "run", "--model", model, "--boxes", "boxes.csv")
    assert done.returncode == 0, done.stderr
    assert [row["file"] for row in rows_of(tree / "o.csv")] == names(tree / "out") == ["1.png", "2.png"]
    (tree / "p" / "x" / "2.png").unlink()
    done = shell("$HPE p/x/*.png -o one/ --csv o.csv", "run", "--model", model, "--boxes", "boxes.csv")
    assert done.returncode == 0, done.stderr
    assert [row["file"] for row in rows_of(tree / "o.csv")] == names(tree / "one") == ["1.png"]


def test_several_videos_are_refused(tree: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        write_video(tree / f"{name}.mp4")
    assert main(command("run", "a.mp4", "b.mp4", "--model", model)) == 2
    assert "for f in" in capsys.readouterr().err


def test_an_output_within_the_input_is_not_read(tree: Path, model: Path) -> None:
    run = command("run", "p", "--recursive", "--model", model, "--boxes", "boxes.csv")
    (tree / "p" / "out").mkdir()
    assert main([*run, "-o", "p/out", "--csv", "p/o.csv"]) == 0
    assert files(tree / "p" / "out") == ["x/1.png", "x/2.png", "y/1.png"]
    assert len(rows_of(tree / "p" / "o.csv")) == 3


def test_records_serve_as_boxes_again(tree: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = command("run", "p/x", "p/y", "--model", model)
    assert main([*run, "--boxes", "boxes.csv", "--csv", "first.csv"]) == 0
    assert "--boxes-from" in capsys.readouterr().err  # it is said how they are taken
    assert main([*run, "--boxes", "first.csv", "--csv", "second.csv"]) == 0
    assert "--boxes-from" not in capsys.readouterr().err
    assert Path("first.csv").read_text() == Path("second.csv").read_text()


def test_ambiguous_boxes(tree: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "boxes.csv").write_text("file,x1,y1,x2,y2\n1.png,30,20,60,50\n")
    before = files(tree)
    run = command("run", "p", "--recursive", "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv")
    assert main(run) == 1 and files(tree) == before
    assert "1.png may be x/1.png or y/1.png" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-o", "--csv"])
def test_no_source_is_replaced(tree: Path, model: Path, option: str) -> None:
    before = [path.read_bytes() for path in sorted(tree.rglob("*.png"))]
    assert main(command("run", "p/x/1.png", "p/y/1.png", "--model", model, option, "p/y/1.png")) == 2
    assert [path.read_bytes() for path in sorted(tree.rglob("*.png"))] == before


def test_ctrl_c_keeps_subfolders(tree: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    from hpe_edge.cli.run import run_pipeline
    from hpe_edge.util.signals import StopSignals

    stops: list[StopSignals] = []

    class Noted(StopSignals):
        def __enter__(self) -> StopSignals:
            stops.append(self)
            return super().__enter__()

    write = run_pipeline.Outputs.write

    def stop_at_two(self: object, result: object, watch: object) -> None:
        write(self, result, watch)  # type: ignore[arg-type]
        if result.frame.index == 1:  # type: ignore[attr-defined]
            stops[0].received = signal.SIGINT

    monkeypatch.setattr(run_pipeline, "StopSignals", Noted)
    monkeypatch.setattr(run_pipeline.Outputs, "write", stop_at_two)
    monkeypatch.setattr("hpe_edge.pipeline.pipeline._QUEUED", 1)
    for k in range(30):
        write_picture(tree / "p" / "y" / f"{k:02}.png")
    assert main(command("run", "p", "--recursive", "--model", model, "--boxes", "boxes.csv", "-o", "out")) == 130
    kept = files(tree / "out.partial")
    assert kept[:2] == ["x/1.png", "x/2.png"] and len(kept) < 30 and not (tree / "out").exists()


def test_lists_in_the_python_api(tree: Path) -> None:
    from hpe_edge import open_source

    frames = list(open_source([tree / "p" / "x", str(tree / "p" / "y")]))
    assert [frame.name for frame in frames] == ["x/1.png", "x/2.png", "y/1.png"]
    assert np.array_equal(frames[2].image, cv2.imread(str(tree / "p/y/1.png")))
