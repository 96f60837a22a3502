"""The shell around every command: exit statuses, interrupts, standard output and misspelt options.

Exit statuses: 0 done, 1 a failure, 2 wrong usage, 3 the accuracy gate failed, 128 + N ended by signal N.
"""

from __future__ import annotations

import argparse
import difflib
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

from hpe_edge.errors import HpeEdgeError
from hpe_edge.util.console import drop_unsaid, prepare, show

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CommandParser(argparse.ArgumentParser):
    """An argument parser that takes no abbreviations and suggests the closest option or command for a misspelt one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(*args, **options)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse, with a suggestion where an option is unknown."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            close = _closest(unknown[0].partition("=")[0], self._options_in(parsed))
            self.error(f"unrecognized arguments: {' '.join(unknown)}{close}")
        return parsed

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is not None and value not in choices:
            known = list(map(str, choices))
            raise argparse.ArgumentError(
                action, f"invalid choice: {value!r} (choose from {', '.join(known)}){_closest(str(value), known)}"
            )

    def _options_in(self, parsed: argparse.Namespace) -> list[str]:
        """The option strings of this parser and of the subcommands that were chosen."""
        parsers: list[argparse.ArgumentParser] = [self]
        options: list[str] = []
        while parsers:
            parser = parsers.pop()
            for action in parser._actions:
                options += action.option_strings
                if isinstance(action, argparse._SubParsersAction):
                    chosen = getattr(parsed, action.dest, None)
                    parsers += [each for name, each in action.choices.items() if chosen in (None, name)]
        return options


def run_in_shell(program: str, command: Callable[[], int | None], *, interrupted: str = "nothing was written") -> int:
    """Run a command and report what goes wrong in one line on standard error.

    Args:
        program: name in front of messages, as the user typed it.
        command: parses the arguments and does the work; returns the exit status, None for 0.
        interrupted: what became of the results after Ctrl-C.

    Returns:
        The exit status, see the module.
    """
    prepare()
    try:
        return _flushed(program, command() or 0)
    except SystemExit as wanted:  # argparse ends the process after --help, --version and wrong usage
        return _flushed(program, int(wanted.code or 0))
    except (HpeEdgeError, ImportError) as error:  # the latter: an installed package that does not work
        _report(program, str(error))
        return _flushed(program, error.exit_status if isinstance(error, HpeEdgeError) else 1)
    except BrokenPipeError:  # the reader of standard output has gone
        return 1
    except (OSError, MemoryError) as error:  # such as a file name that is too long
        _report(program, str(error) or "not enough memory")
        return 1
    except KeyboardInterrupt as stop:
        number = signal.Signals(stop.args[0] if stop.args else signal.SIGINT)
        name = "Ctrl-C" if number is signal.SIGINT else number.name
        print(f"{program}: stopped by {name}; {interrupted}", file=sys.stderr)
        return 128 + number
    finally:
        drop_unsaid()


def interrupt_on_signals() -> None:
    """Make SIGTERM and SIGHUP end the process as Ctrl-C does, so that its temporary files are removed.

    Signals after the first are ignored: a second Ctrl-C does not cut the clean-up short.
    """

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(number)

    for each in _STOP_SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:  # nohup's wish stays
            signal.signal(each, interrupt)


def _report(program: str, message: str) -> None:
    print(f"{program}: error: {message}", file=sys.stderr)


def _flushed(program: str, status: int) -> int:
    """Flush standard output; a status of 0 becomes 1 where that fails."""
    try:
        show()
    except BrokenPipeError:
        return status or 1
    except HpeEdgeError as error:
        _report(program, str(error))
        return status or 1
    return status


def _closest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
