"""Shell of every command: exit statuses, interrupts, standard output and misspelt options.

Exit statuses: 0 done, 1 a failure, 2 wrong usage, 3 the accuracy gate failed, 128 + N ended by signal N.
"""

from __future__ import annotations

import argparse
import difflib
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

from hpe_edge.errors import HpeEdgeError, printable
from hpe_edge.util.console import flush_messages, prepare, print_message, show
from hpe_edge.util.signals import STOP_SIGNALS, interrupting_signal, signal_name

# Several numbers, such as -30,0,0, are no option either.
_NEGATIVE_NUMBERS = re.compile(r"-[0-9.]+(,[-+]?[0-9.]+)*$")


class CommandParser(argparse.ArgumentParser):
    """Argument parser without abbreviations that suggests the closest option or command for a misspelt one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(*args, **options)
        self._negative_number_matcher = _NEGATIVE_NUMBERS
        self._words: list[str] = []

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse the arguments as argparse does."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does; keep the words for suggestions."""
        self._words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._words, namespace)

    def error(self, message: str) -> NoReturn:
        """Report wrong usage, with a suggestion: a misspelt option can make argparse miss a required one."""
        known, taken = self._options()
        misspelt = (word.partition("=")[0] for word in self._words if word.startswith("-"))
        close = (_closest(word, known) for word in misspelt if word not in taken)
        super().error(message + next(filter(None, close), ""))

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(printable(message), file)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is not None and value not in choices:
            known = list(map(str, choices))
            raise argparse.ArgumentError(
                action, f"invalid choice: {value!r} (choose from {', '.join(known)}){_closest(str(value), known)}"
            )

    def _options(self) -> tuple[list[str], set[str]]:
        """The options of this parser and of the subcommands among the words: those shown, and all that are taken."""
        parsers: list[argparse.ArgumentParser] = [self]
        shown: list[str] = []
        taken: set[str] = set()
        while parsers:
            parser = parsers.pop()
            taken |= parser._option_string_actions.keys()  # with former names
            for action in parser._actions:
                shown += action.option_strings
                if isinstance(action, argparse._SubParsersAction):
                    parsers += [each for name, each in action.choices.items() if name in self._words]
        return shown, taken


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Make an argument type that takes whole numbers from ``least`` to ``most``, written in plain digits."""

    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, got {text!r}")
        return int(text)

    return parse


def run_in_shell(program: str, command: Callable[[], int | None], *, interrupted: str = "nothing was written") -> int:
    """Run a command; report errors in one line on standard error.

    Args:
        program: name in front of messages, as the user typed it.
        command: parses the arguments and does the work; returns the exit status, None for 0.
        interrupted: state of the results after Ctrl-C, for the message.

    Returns:
        The exit status, see the module.
    """
    prepare()
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        return _flushed(program, _with_interrupts(command) or 0)
    except SystemExit as wanted:  # argparse ends the process after --help, --version and wrong usage
        if isinstance(wanted.code, str):
            _report(program, wanted.code)
            return _flushed(program, 1)
        return _flushed(program, wanted.code or 0)
    except (HpeEdgeError, ImportError) as error:  # ImportError: an installed package that does not work
        _report(program, str(error))
        return _flushed(program, error.exit_status if isinstance(error, HpeEdgeError) else 1)
    except BrokenPipeError:  # the reader of standard output has closed it
        return 1
    except (OSError, MemoryError) as error:  # such as a file name that is too long
        _report(program, str(error) or "not enough memory")
        return _flushed(program, 1)
    except KeyboardInterrupt as stop:
        number = interrupting_signal(stop)
        print_message(f"{program}: stopped by {signal_name(number)}; {interrupted}")
        return 128 + number
    finally:
        flush_messages()
        if threading.current_thread() is threading.main_thread():
            for each, handler in handlers.items():
                if handler is not None:  # None: not installed from Python
                    signal.signal(each, handler)


def interrupt_on_signals() -> None:
    """Make SIGTERM and SIGHUP end the process as Ctrl-C does, so that its temporary files are removed.

    Signals after the first are ignored: a second Ctrl-C does not cut the clean-up short.
    """

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        for each in STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(number)

    for each in STOP_SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:  # ignored under nohup
            signal.signal(each, interrupt)


def _with_interrupts(command: Callable[[], int | None]) -> int | None:
    """Run the command; an interrupt that became another error, as in the import of a compiled module, stays one."""
    try:
        return command()
    except Exception as error:
        behind: BaseException | None = error
        while behind is not None and not isinstance(behind, KeyboardInterrupt):
            behind = behind.__cause__ or behind.__context__
        if behind is None:
            raise
        raise behind from None


def _report(program: str, message: str) -> None:
    print_message(f"{program}: error: {message}")


def _flushed(program: str, status: int) -> int:
    """Flush standard output; return the status, or 1 instead of 0 if that fails. Only the first error is reported."""
    try:
        show()
    except BrokenPipeError:
        return status or 1
    except HpeEdgeError as error:
        if status == 0:
            _report(program, str(error))
        return status or 1
    return status


def _closest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
