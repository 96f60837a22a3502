"""The shell around every command, in this process and at the end of real pipes."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hpe_edge import errors
from hpe_edge.util.shell import CommandParser, run_in_shell, whole_number

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class GateFailed(errors.HpeEdgeError):
    """As the one of the export package."""

    exit_status = 3


def raising(error: BaseException) -> int:
    return run_in_shell("prog", lambda: (_ for _ in ()).throw(error))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.HpeEdgeError("x"), 1),
        (errors.InputError("x"), 2),
        (errors.ModelNotFoundError("x"), 1),
        (errors.ModelError("x"), 1),
        (errors.BackendError("x"), 1),
        (errors.SourceError("x"), 1),
        (errors.OutputError("x"), 1),
        (GateFailed("x"), 3),
        (ImportError("x"), 1),
        (FileNotFoundError(2, "x"), 1),
        (MemoryError(), 1),
        (SystemExit("x"), 1),
    ],
)
def test_errors_are_one_line_with_their_status(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(error) == status
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("prog: error: ") and printed.err.count("\n") == 1


@pytest.mark.parametrize(("error", "status"), [(SystemExit(None), 0), (SystemExit(0), 0), (SystemExit(7), 7)])
def test_exits_pass(error: SystemExit, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(error) == status and capsys.readouterr().err == ""


def test_results_are_the_status() -> None:
    assert [run_in_shell("prog", lambda result=result: result) for result in (None, 0, 5)] == [0, 0, 5]


def test_a_programming_error_keeps_its_traceback() -> None:
    with pytest.raises(AssertionError):
        raising(AssertionError())


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), *map(KeyboardInterrupt, STOP_SIGNALS)])
def test_interrupts(stop: KeyboardInterrupt, capsys: pytest.CaptureFixture[str]) -> None:
    number = stop.args[0] if stop.args else signal.SIGINT
    assert raising(stop) == 128 + number
    assert ("Ctrl-C" if number == signal.SIGINT else number.name) in capsys.readouterr().err


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), KeyboardInterrupt(signal.SIGTERM)])
@pytest.mark.parametrize("hidden", [False, True])
def test_interrupts_behind_other_errors(stop: KeyboardInterrupt, hidden: bool) -> None:
    """A compiled module that is interrupted while it is imported raises ImportError."""

    def work() -> None:
        try:
            try:
                raise stop
            except KeyboardInterrupt as cause:
                raise ImportError("initialization failed") from cause
        except ImportError as error:
            if not hidden:
                raise
            raise errors.BackendError(str(error)) from None

    assert run_in_shell("prog", work) == 128 + (stop.args[0] if stop.args else signal.SIGINT)


CHILD = """
import sys, time
from hpe_edge.util.shell import interrupt_on_signals, run_in_shell
def work():
    interrupt_on_signals()
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        open("cleaned", "w").close()
sys.exit(run_in_shell("prog", work))
"""


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_signals_end_a_process_after_its_clean_up(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 128 + number and (tmp_path / "cleaned").exists()
    assert "Traceback" not in printed and printed.count("\n") == 1


def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    code = CHILD.replace("time.sleep(60)", "os.kill(os.getpid(), signal.SIGHUP)")
    code = f"import os, signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n{code}"  # as nohup does
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_handlers_are_as_before() -> None:
    from hpe_edge.util.shell import interrupt_on_signals

    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    assert run_in_shell("prog", interrupt_on_signals) == 0
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_other_threads_may_run_commands() -> None:
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(run_in_shell("prog", lambda: 4)))
    thread.start()
    thread.join()
    assert status == [4]


PRINTS = """
import sys
from hpe_edge.util.shell import run_in_shell
from hpe_edge.util.console import show
def work():
    {work}
sys.exit(run_in_shell("prog", work))
"""


def piped(work: str, redirection: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-c", PRINTS.format(work=work)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("work", ["show('x')", "print('x')", "print('x'); raise SystemExit(0)"])
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_standard_output_that_takes_nothing(work: str, redirection: str) -> None:
    done = piped(work, redirection)
    assert done.returncode == 1
    assert done.stderr.startswith("prog: error: ") and done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_the_error_comes_before_the_full_disk() -> None:
    assert (
        piped("print('x'); from hpe_edge.errors import InputError; raise InputError('x')", ">/dev/full").returncode == 2
    )


@pytest.mark.parametrize("work", ["show('x' * 10**6)", "print('x' * 10**6)"])
def test_a_reader_that_leaves(work: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", PRINTS.format(work=work)], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert done.returncode == 1 and done.stderr == ""


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_standard_error_that_takes_nothing(redirection: str) -> None:
    assert piped("from hpe_edge.errors import InputError; raise InputError('x')", redirection).returncode == 2


def parser() -> CommandParser:
    top = CommandParser(prog="prog")
    top.add_argument("--verbose", action="store_true")
    steps = top.add_subparsers(dest="step")
    convert = steps.add_parser("convert")
    convert.add_argument("-o", "--output", required=True)
    convert.add_argument("--precision", choices=("fp32", "fp16"))
    steps.add_parser("compare").add_argument("--limits")
    return top


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("convrt", "convert"),
        ("--verbos convert -o x", "--verbose"),
        ("convert --output x --precison fp16", "--precision"),
        ("convert --ouput x", "--output"),  # although what argparse misses is another option
        ("convert --ouput=x", "--output"),
        ("convert -o x --precision fp61", "fp16"),
        ("compare --limit", "--limits"),  # no abbreviations
    ],
)
def test_suggestions(arguments: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parser().parse_args(arguments.split())
    assert exit_.value.code == 2 and f"did you mean {meant}?" in capsys.readouterr().err


def test_a_former_name_of_an_option_is_not_misspelt(capsys: pytest.CaptureFixture[str]) -> None:
    top = CommandParser(prog="prog")
    top.add_argument("--images", "--image-files").option_strings = ["--images"]
    top.add_argument("--output", required=True)
    with pytest.raises(SystemExit):
        top.parse_args(["--image-files", "x"])
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", ["convert", "convert -o x --zzz", "qqq", "convert -o x y", "compare --output"])
def test_no_far_fetched_suggestion(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(arguments.split())
    assert "did you mean" not in capsys.readouterr().err


def test_whole_numbers() -> None:
    one = whole_number(1, 9999)
    assert [one(text) for text in ("1", "0042", "9999")] == [1, 42, 9999]
    for text in ("", "0", "10000", "-1", "1.0", "1_0", "٣", " 1", "1 ", "9" * 5000, "abc"):
        with pytest.raises(argparse.ArgumentTypeError):
            one(text)
