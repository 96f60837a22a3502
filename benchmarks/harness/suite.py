"""Benchmark suites and their options: frozen dataclasses. ``SUITES`` of ``__main__`` lists the suites."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.harness.timing import Effort, Result
from hpe_edge.models import DEFAULT, DEFAULT_NAME
from hpe_edge.util.console import show


@dataclass(frozen=True)
class BudgetLine:
    """A limit of the design and the measured value, with their units; ``met`` is None where it is not judged."""

    what: str
    limit: str
    found: str
    met: bool | None


@dataclass(frozen=True)
class NoOptions:
    """Options of a suite that has none of its own."""


def no_budget(results: Sequence[Result]) -> list[BudgetLine]:
    """Return no limits."""
    return []


@dataclass(frozen=True)
class Suite:
    """Cases that are run together; ``run`` takes an instance of ``options`` and yields each result when it is ready.

    ``write_each`` is for runs that may be cut off: the JSON file is written after every result, and an error after the
    first one is part of the document.
    """

    name: str
    summary: str
    run: Callable[[Any, Effort], Iterator[Result]]
    options: type[Any] = NoOptions
    budget: Callable[[Sequence[Result]], list[BudgetLine]] = no_budget
    write_each: bool = False


def option(help_: str, default: Any = MISSING, *, flags: Sequence[str] = (), **settings: Any) -> Any:
    """Declare a field of an options dataclass as a command-line option, which is required without a default.

    ``flags`` are the option strings (default: the field's name with dashes), ``settings`` go to ``add_argument``.
    """
    return field(default=default, metadata={"flags": tuple(flags), "settings": {"help": help_, **settings}})


def path_option(help_: str, default: Any = MISSING, metavar: str = "FILE", **settings: Any) -> Any:
    """Declare an option that takes a path, or several."""
    return option(help_, default, type=Path, metavar=metavar, **settings)


def model_option() -> Any:
    """Declare ``--model``, which may be left out; see :func:`default_or`."""
    return path_option("made by export.onnx; default: the embedded one", None, "MODEL.onnx")


def default_or(model: Path | None) -> Path:
    """Return the model, or else the embedded one, whose name is printed."""
    if model is not None:
        return model
    show(f"\nmodel: {DEFAULT_NAME}")
    return DEFAULT


def positive(text: str) -> int:
    """Convert an argument to a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def add_options(
    parser: argparse.ArgumentParser,
    options: type[Any],
    renamed: Mapping[str, str] | None = None,
    *,
    only: Container[str] | None = None,
    required: bool = True,
) -> None:
    """Add a dataclass's options, or ``only`` some, with other strings where a field is ``renamed``.

    Without ``required``, the parser does not insist on options that have no default.
    """
    for each in fields(options):
        if only is None or each.name in only:
            flags = [renamed[each.name]] if renamed and each.name in renamed else option_flags(each)
            needed = each.default is MISSING
            value = list(each.default) if isinstance(each.default, tuple) else each.default  # argparse may extend it
            default = {"required": required} if needed else {"default": value}
            parser.add_argument(*flags, dest=each.name, **each.metadata["settings"], **default)


def build_options(options: type[Any], parsed: Mapping[str, Any]) -> Any:
    """Build the dataclass from parsed arguments by name."""
    return options(**{each.name: parsed[each.name] for each in fields(options)})


def option_flags(each: Field[Any]) -> list[str]:
    """Return the option strings of a field."""
    return list(each.metadata["flags"]) or [f"--{each.name.replace('_', '-')}"]
