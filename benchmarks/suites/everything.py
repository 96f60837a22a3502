"""The suite ``all``: what a machine is judged by, one suite after the other, in one document.

It takes the options of all of them. A suite that lacks an option it needs, or hardware, is skipped with the reason; one
that fails is said to have failed, and the others go on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.suite import Suite

NAME = "all"
NAMES = ("ops", "model", "pipeline", "accuracy")
SUMMARY = "the suites that judge a machine, with the options of each: ops, model, pipeline, accuracy"


@dataclass(frozen=True)
class Job:
    """A suite with its options.

    Attributes:
        suite: what to run.
        args: its options; None where one that it needs is missing.
        lacks: those that are missing, such as ``"--labels"``.
    """

    suite: Suite
    args: argparse.Namespace | None
    lacks: Sequence[str] = ()


class _Lenient(argparse.ArgumentParser):
    """A parser that notes which options are needed instead of insisting on them.

    Suites share an option of one name and type; the first one's help is shown, and each suite parses for itself. Where
    a name stands for something of another type, the later suite's option is called after it: ``--accuracy-boxes``.
    """

    def __init__(self, types: dict[str, Any]) -> None:
        """Begin without options.

        Args:
            types: of the options that suites have so far, by name; new ones are added.
        """
        super().__init__(allow_abbrev=False, add_help=False)
        self.needed: dict[str, str] = {}  # destination to option
        self.suite = ""  # whose options are being added
        self._types = types

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        (name,) = names  # suites have long options only
        kind = settings.get("type")
        if self._types.setdefault(name, kind) is not kind:
            settings.setdefault("dest", name[2:].replace("-", "_"))
            name = f"--{self.suite}-{name[2:]}"
        needed = settings.pop("required", False)
        try:
            action = super().add_argument(name, **settings)
        except argparse.ArgumentError:  # it is there already
            return argparse.Action([name], dest="")
        if needed:
            self.needed[action.dest] = name
        return action


def chosen(suites: Sequence[Suite]) -> list[Suite]:
    """Those of the suites that ``all`` runs."""
    return [suite for name in NAMES for suite in suites if suite.name == name]


def options(suites: Sequence[Suite]) -> argparse.ArgumentParser:
    """A parser that has the options of all suites and insists on none; to be a parent."""
    return _of_all(suites, {})


def jobs(suites: Sequence[Suite], arguments: Sequence[str], common: argparse.Namespace) -> list[Job]:
    """Each suite with its own share of the command line.

    Args:
        suites: see :func:`chosen`.
        arguments: what stands behind ``all`` on the command line, known to be options of these suites.
        common: options that every suite has, which are taken over.
    """
    types: dict[str, Any] = {}
    _of_all(suites, types)
    found = []
    for suite in suites:
        parser = _of_all([suite], types)
        args, _ = parser.parse_known_args(arguments, argparse.Namespace(**vars(common)))
        lacks = [name for dest, name in parser.needed.items() if getattr(args, dest) is None]
        found.append(Job(suite, None if lacks else args, lacks))
    return found


def _of_all(suites: Sequence[Suite], types: dict[str, Any]) -> _Lenient:
    parser = _Lenient(types)
    for suite in suites:
        parser.suite = suite.name
        suite.add_arguments(parser)
    return parser
