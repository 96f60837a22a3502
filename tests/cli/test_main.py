"""The command's table, what it imports, and standard output in all conditions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import SAMPLES, command, rows_of, shell

import hpe_edge
from hpe_edge.cli.main import COMMANDS, main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hpe-edge {hpe_edge.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"usage: hpe-edge {name}" in capsys.readouterr().out


def test_misspelt_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, meant in ((["rnu"], "run"), (["--verson"], "--version"), (["export", "onx"], "onnx")):
        assert main(arguments) == 2
        assert f"did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["export", "--help"]])
def test_imports_stay_light(arguments: list[str]) -> None:
    heavy = ("cv2", "hpe_edge._native", "numpy", "onnxruntime", "torch", "tqdm")
    code = f"""
import sys
from hpe_edge.cli.main import main
main({arguments})
print([m for m in {heavy} if m in sys.modules], file=sys.stderr)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == "[]\n"


def test_reader_that_has_had_enough(clip: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "0,30,20,60,50\n" * 5000)
    process = subprocess.Popen(
        [sys.executable, "-m", "hpe_edge", *command("run", clip, "--model", model, "--boxes", "boxes.csv")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in said and "BrokenPipe" not in said


def test_file_names_that_the_terminal_cannot_show(model: Path, tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")  # Latin-1 on a UTF-8 system
    (tmp_path / name).write_bytes((SAMPLES / "astronaut.jpg").read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "hpe_edge", *command("run", tmp_path, "--model", model)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "caf\\udce9.png" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
@pytest.mark.parametrize("what", ["run", "info", "--version", "--help"])
def test_standard_output_that_cannot_be_written(
    photos: Path, model: Path, what: str, redirection: str, reason: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    run = ["run", photos, "--model", model, "--boxes", "boxes.csv", "--quiet"]
    done = shell(f"$HPE {redirection}", *{"run": run, "info": ["info", model]}.get(what, [what]))
    assert done.returncode == 1
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_streams_that_are_not_used_may_be_closed(photos: Path, model: Path, tmp_path: Path) -> None:
    run = ["run", photos, "--model", model, "--boxes", "boxes.csv", "--csv"]
    for name, redirection in (("a.csv", ">&-"), ("b.csv", "2>&-"), ("c.csv", "<&- >&- 2>&-"), ("d.csv", "2>/dev/full")):
        assert shell(f"$HPE {redirection}", *run, name).returncode == 0
        assert len(rows_of(tmp_path / name)) == 3


def test_names_in_an_ascii_locale(model: Path, tmp_path: Path) -> None:
    (tmp_path / "caf\xe9.jpg").write_bytes((SAMPLES / "astronaut.jpg").read_bytes())
    for environment in (
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ):
        done = shell("$HPE", "run", tmp_path, "--model", model, "-o", "out", "--csv", "/dev/stdout", **environment)
        assert done.returncode == 0 and "caf\xe9.jpg,0" in done.stdout, done.stderr
        (tmp_path / "out" / "caf\xe9.jpg").unlink()
        done = shell("$HPE", "run", tmp_path, "--model", model, **environment)
        assert done.returncode == 0 and "  caf\\" in done.stdout, done.stderr


INTERRUPTED = """
import sys
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
from hpe_edge.cli.main import main
sys.exit(main({arguments}))
"""


@pytest.mark.parametrize("name", ["numpy", "hpe_edge._native", "cv2", "onnxruntime"])
def test_ctrl_c_during_the_imports(photos: Path, model: Path, name: str) -> None:
    code = INTERRUPTED.format(name=name, arguments=command("run", photos, "--model", model))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert "Ctrl-C" in done.stderr and done.stderr.count("\n") == 1


def test_opencv_without_its_libraries(photos: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    path = os.pathsep.join([str(tmp_path / "broken"), *sys.path])
    done = shell("$HPE", "run", photos, "--model", model, PYTHONPATH=path)
    assert done.returncode == 1
    assert "libGL.so.1" in done.stderr and "opencv-python-headless" in done.stderr and done.stderr.count("\n") == 1


def test_native_module_that_is_missing(photos: Path, model: Path) -> None:
    code = INTERRUPTED.replace("KeyboardInterrupt", "ImportError('no such module')")
    code = code.format(name="hpe_edge._native", arguments=command("run", photos, "--model", model))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "hpe_edge._native" in done.stderr
    assert done.stderr.count("\n") == 1
