"""What a suite is. A new one is a file with a Suite in it and an entry in ``SUITES`` of ``__main__``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.harness.timing import Effort, Result


@dataclass(frozen=True)
class BudgetLine:
    """One line of the design's budget, and what was found.

    Attributes:
        what: what is limited, in words.
        limit: the limit, with its unit.
        found: what was measured, with its unit; ``"not measured"`` where this machine cannot.
        met: whether it holds; None where nothing was measured, or the limit is for something else.
    """

    what: str
    limit: str
    found: str
    met: bool | None


@dataclass(frozen=True)
class Suite:
    """Cases that are run together.

    Attributes:
        name: as on the command line.
        summary: one line for the help.
        add_arguments: adds the options that only this suite has.
        run: measures, and yields each result when it is there.
        budget: the design's budget lines that these results speak to.
    """

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Effort], Iterator[Result]]
    budget: Callable[[Sequence[Result]], list[BudgetLine]]


def no_budget(results: Sequence[Result]) -> list[BudgetLine]:
    """Of a suite whose figures the design does not limit."""
    return []
